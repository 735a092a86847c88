"""The station as Modbus server, polled by PLCs of other makers: two libraries of Node, and Debian's mbpoll."""

import shutil
import subprocess
import threading
import time

import pytest

from partgate.controllers.block import State, StationWords
from partgate.controllers.modbus_server import ModbusServerControllerConfig
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

from ..needed import COUNTERPARTS, need, need_node
from ..ports import free_port

READY = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)
LIMIT_S = 20.0


def settings(first_register: int = 0) -> ModbusServerControllerConfig:
    port = free_port()
    return ModbusServerControllerConfig(
        kind="modbus_server", port=port, first_register=first_register, connect_within_s=5
    )


def result(sequence: int, verdict: Verdict, boot: int) -> Result:
    lane = 1 if verdict is Verdict.GOOD else 0
    return Result(Trigger(boot, sequence, 200, 0.0, 0.2), Decision(verdict, Reason.MODEL), 0, lane)


@pytest.mark.parametrize("library", ["jsmodbus", "modbus-serial"])
def test_plc_of_another_maker_triggers_reads_its_own_verdict_and_acknowledges(library: str) -> None:
    need_node(library)
    program, config, parts = COUNTERPARTS / "modbus_plc.js", settings(first_register=40), 12
    order = ["node", program, library, str(config.port), "40", str(parts)]
    with subprocess.Popen(order, stdout=subprocess.PIPE, text=True) as plc:
        try:
            with config.open() as controller:
                deadline, last = time.monotonic() + LIMIT_S, 0
                controller.clear(READY)
                while (words := controller.read()).acknowledged < parts:
                    assert time.monotonic() < deadline
                    if words.trigger_sequence != last:
                        last = words.trigger_sequence
                        verdict = Verdict.GOOD if last % 2 else Verdict.REJECT
                        controller.send(result(last, verdict, words.boot), READY)
                    time.sleep(controller.poll_period_s)
        finally:
            plc.kill()
        assert plc.stdout is not None
        lanes = plc.stdout.read().split("\n")

    assert lanes[:parts] == [f"{number} {number % 2}" for number in range(1, parts + 1)]


def mbpoll(config: ModbusServerControllerConfig, *order: str) -> subprocess.CompletedProcess[str]:
    need("mbpoll", shutil.which("mbpoll"), "apt-get install mbpoll")
    command = ["mbpoll", "-0", "-1", "-q", "-p", str(config.port), *order]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)


def test_mbpoll_reads_the_block_writes_the_plcs_words_and_may_not_write_the_stations() -> None:
    config = settings()
    hello = ["-r", "16", "127.0.0.1", "8", "4", "3", "1", "0", "250", "9"]

    def greet() -> None:
        deadline = time.monotonic() + LIMIT_S
        while mbpoll(config, *hello).returncode and time.monotonic() < deadline:
            time.sleep(0.02)

    thread = threading.Thread(target=greet)
    thread.start()
    with config.open() as controller:
        thread.join()
        words = controller.read()
        controller.send(result(4, Verdict.GOOD, 9), READY)
        shown = mbpoll(config, "-r", "0", "-c", "11", "127.0.0.1").stdout.split()
        refused = mbpoll(config, "-r", "2", "127.0.0.1", "1")

    assert (words.heartbeat, words.trigger_sequence, words.window_ms, words.boot) == (8, 4, 250, 9)
    assert shown[shown.index("[1]:") + 1] == "4"
    assert "Illegal data address" in refused.stderr
