"""OPC UA client: what is written in which order, what a PLC may lack or refuse, and what is never repeated."""

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from partgate.controllers.block import State, StationWords
from partgate.controllers.opcua import OpcuaControllerConfig
from partgate.errors import ConfigError, ControllerError
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

from ..ports import free_port

HERE = Path(__file__).parent
OWN = StationWords(5, State.ONLINE | State.BUSY, Fault.NONE, 1, StationState.SINGLE_EXECUTION)
GOOD = Result(Trigger(9, 17, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)
OWN_STATE = 0b101 | 5 << 10
CHECK = (17 + 3 + 11 + 13 * 9 + 42330) % 65536
PASSWORD = "a b:c&d"


class Plc:
    """The server's process, and what it printed of each Write."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        assert self.next() == {"up": True}

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._said.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        return self._said.get(timeout=20)

    def nothing_more(self) -> bool:
        return self._said.empty()

    def config(self, **more: Any) -> OpcuaControllerConfig:
        settings = {"kind": "opcua", "url": f"opc.tcp://127.0.0.1:{self.port}", "security": "none"}
        return OpcuaControllerConfig.model_validate(settings | more)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(20)
        self._reader.join(20)


@contextmanager
def run_plc(port: int | None = None, **settings: Any) -> Iterator[Plc]:
    port = port or free_port()
    order = [sys.executable, HERE / "opcua_plc.py", str(port), json.dumps(settings)]
    with subprocess.Popen(order, stdout=subprocess.PIPE, text=True) as process:
        try:
            plc = Plc(process, port)
            yield plc
            plc.kill()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def shared_plc() -> Iterator[Plc]:
    with run_plc(values={"TRIG_SEQ": 7, "ACK_SEQ": 6, "CMD": 1, "PLC_BOOT": 3, "WINDOW_MS": 150, "LOT": "L4"}) as plc:
        yield plc


@pytest.fixture
def plc(shared_plc: Plc) -> Plc:
    while not shared_plc.nothing_more():
        shared_plc.next()
    return shared_plc


def test_all_words_are_read_at_once(plc: Plc) -> None:
    with plc.config().open() as controller:
        words = controller.read()

    assert (words.heartbeat, words.trigger_sequence, words.acknowledged, int(words.command)) == (0, 7, 6, 1)
    assert (words.boot, words.window_ms, words.recipe, words.part_id, words.lot) == (3, 150, 0, None, "L4")
    assert plc.nothing_more()


def test_result_goes_out_in_one_write_with_its_sequence_last(plc: Plc) -> None:
    with plc.config().open() as controller:
        controller.send(GOOD, OWN)

    assert plc.next() == {"write": [
        ["STATE", OWN_STATE], ["FAULT", 0], ["RECIPE_ACTIVE", 1], ["VIS_HB", 5], ["VERDICT", 1], ["CLASS", 0],
        ["LANE", 1], ["RES_BOOT", 9], ["REASON", 0], ["CHECK", CHECK], ["RES_SEQ", 17],
    ]}  # fmt: skip
    assert plc.nothing_more()


def test_state_is_written_before_its_heartbeat_and_never_touches_the_result(plc: Plc) -> None:
    with plc.config().open() as controller:
        controller.write_state(OWN)

        assert plc.next() == {"write": [["STATE", OWN_STATE], ["FAULT", 0], ["RECIPE_ACTIVE", 1], ["VIS_HB", 5]]}
        assert controller.station_heartbeat() == 5


def test_arrays_take_state_and_result_apart_and_give_part_id() -> None:
    words = [1, 7, 6, 1, 0, 200, 3] + [0] * 9 + [0x412D, 0x3137] + [0] * 22
    with run_plc(layout="arrays", values={"CONTROLLER": words}) as plc:
        with plc.config(nodes="arrays").open() as controller:
            read = controller.read()
            controller.write_state(OWN)
            controller.send(GOOD, OWN)

            assert (read.trigger_sequence, read.boot, read.part_id) == (7, 3, "A-17")
            assert controller.station_heartbeat() == 5
        state = ["STATE", [5, OWN_STATE, 0, 1]]
        assert plc.next() == {"write": [state]}
        assert plc.next() == {"write": [state, ["RESULT", [17, 1, 0, 1, 9, 0, CHECK]]]}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"without": ["CMD"]}, r"s=Partgate\.CMD cannot be read \(BadNodeIdUnknown\)$"),
        ({"without": ["VIS_HB", "STATE"]}, r"VIS_HB cannot .*; ns=2;s=Partgate\.STATE cannot"),
        ({"kinds": {"TRIG_SEQ": "Int16"}}, r"s=Partgate\.TRIG_SEQ holds Int16, must be UInt16$"),
        ({"kinds": {"RES_SEQ": "Int32", "PART_ID": "UInt16"}}, r"PART_ID holds UInt16, must be String; .*RES_SEQ"),
        ({"values": {"PLC_HB": [1, 2]}}, r"PLC_HB holds UInt16 array of 2, must be UInt16$"),
        ({"layout": "arrays", "lengths": {"RESULT": 6}}, "RESULT holds UInt16 array of 6, must be UInt16 array of 7$"),
        ({"layout": "arrays", "lengths": {"CONTROLLER": 6}}, "must be UInt16 array of 7 or more"),
        ({"without": ["VIS_HB", "STATE", "FAULT", "CMD", "CHECK", "CLASS", "LANE"]}, "; and 2 more$"),
    ],
    ids=["missing", "two", "type", "types", "array", "short", "shorter", "many"],
)
def test_plc_with_other_variables_is_told_which_and_what_they_must_be(settings: dict[str, Any], told: str) -> None:
    with run_plc(**settings) as plc:
        controller = plc.config(nodes=settings.get("layout", "words")).open()
        with pytest.raises(ControllerError, match=told) as error, controller:
            pass

    assert str(error.value).startswith(f"controller 'controller' (opcua 127.0.0.1:{plc.port}): ns=2;s=Partgate.")


def test_read_only_variable_is_told_when_connecting_before_a_part_comes() -> None:
    with (
        run_plc(read_only=["CHECK"]) as plc,
        pytest.raises(ControllerError, match=r"s=Partgate\.CHECK may not be written by this user$"),
        plc.config().open(),
    ):
        pass


def test_missing_part_id_and_lot_are_no_fault() -> None:
    with run_plc(without=["PART_ID", "LOT"]) as plc, plc.config().open() as controller:
        assert controller.read().part_id is None


def test_frozen_plc_is_given_up_in_time_and_executes_the_result_later_once() -> None:
    with run_plc() as plc:
        controller = plc.config(answer_within_s=0.1).open()
        with controller:
            plc.process.send_signal(signal.SIGSTOP)
            with pytest.raises(ControllerError, match=r"no answer within 0\.1 s"):
                controller.send(GOOD, OWN)
            with pytest.raises(ControllerError, match="is not connected"):
                controller.send(GOOD, OWN)
        plc.process.send_signal(signal.SIGCONT)

        late = plc.next()["write"]
        assert late[-1] == ["RES_SEQ", 17]
        assert ["RES_BOOT", 9] in late
        open_again(controller)
        assert plc.nothing_more()


def open_again(controller: Any) -> Any:
    """Connect as the loop does: refused while the pause lasts."""
    waiting = threading.Event()
    for _ in range(200):
        try:
            with controller:
                return controller.read()
        except ControllerError as error:
            last = error
            waiting.wait(0.05)
    raise AssertionError(last)


def test_killed_plc_is_an_error_and_after_its_restart_nothing_is_replayed() -> None:
    with run_plc() as plc:
        controller = plc.config().open()
        with controller:
            controller.send(GOOD, OWN)
            plc.kill()
            with pytest.raises(ControllerError, match=rf"\(opcua 127\.0\.0\.1:{plc.port}\): "):
                controller.write_state(OWN)
        with pytest.raises(ControllerError, match="is tried again in"):
            controller.__enter__()
    with run_plc(port=plc.port) as again:
        assert open_again(controller).acknowledged == 0
        assert again.nothing_more()


def test_half_of_the_variables_refused_is_an_error_that_names_them() -> None:
    told = r"only 9 of 11 variables were written; refused: ns=2;s=Partgate\.CHECK \(BadUserAccessDenied\), .*RES_SEQ"
    with run_plc() as plc, plc.config().open() as controller:
        make_read_only(plc.port, "CHECK", "RES_SEQ")
        with pytest.raises(ControllerError, match=told):
            controller.send(GOOD, OWN)
        with pytest.raises(ControllerError, match="is not connected"):
            controller.read()


def make_read_only(port: int, *names: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from asyncua import Client\n"
        "async def main():\n"
        "    async with Client(sys.argv[1].replace('//', '//admin@')) as client:\n"
        "        for name in sys.argv[2:]:\n"
        "            await client.get_node(f'ns=2;s=Partgate.{name}').set_read_only()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program, f"opc.tcp://127.0.0.1:{port}", *names], check=True, timeout=60)


def test_no_plc_is_told_with_the_next_step() -> None:
    config = OpcuaControllerConfig(kind="opcua", url=f"opc.tcp://127.0.0.1:{free_port()}", security="none")

    with (
        pytest.raises(ControllerError, match="no connection; is the PLC on and its OPC UA server enabled"),
        config.open(),
    ):
        pass


def test_missing_library_is_told_with_the_line_that_installs_it(plc: Plc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncua", None)

    with pytest.raises(ConfigError, match=r'needs the library asyncua; run: pip install "partgate\[opcua\]"'):
        plc.config().open().__enter__()


def test_no_thread_and_no_connection_is_left_behind(plc: Plc) -> None:
    before = threading.active_count()
    for _ in range(3):
        with plc.config().open() as controller:
            controller.read()

    assert threading.active_count() == before
