"""The other end of the cable for each driver of the reduced profile, told apart from the driver."""

from collections.abc import Callable
from typing import Any, Protocol

from partgate.controllers.digital import DigitalControllerConfig
from partgate.controllers.reduced import ReducedConfig
from partgate.controllers.serial import SerialControllerConfig
from partgate.controllers.tcp_text import TcpTextControllerConfig
from partgate.controllers.wired import Wiring

TRIGGER, ENABLE, READY, BUSY, GOOD, HEARTBEAT = 0, 1, 0, 1, 2, 3
WIRING = Wiring(trigger=TRIGGER, enable=ENABLE, ready=READY, busy=BUSY, good=GOOD, heartbeat=HEARTBEAT)


class Device(Protocol):
    """The other end of the cable, told apart from the driver."""

    config: ReducedConfig

    def set_trigger(self, on: bool) -> None: ...
    def set_enable(self, on: bool) -> None: ...
    def goods(self) -> list[bool]: ...  # every change of GOOD, as a gate behind it would take it
    def shows(self, name: str) -> bool: ...
    def changes(self, name: str) -> int: ...
    def freeze(self) -> None: ...
    def go_away(self) -> None: ...


class RemoteIoDevice:
    def __init__(self, get: Callable[[str], Any], settings: dict[str, int]) -> None:
        self._module = get("remote_io")
        self.config = SerialControllerConfig(
            kind="serial",
            protocol="modbus_rtu",
            port=self._module.port,
            wiring=WIRING,
            poll_ms=10,
            answer_within_s=0.25,
            **settings,
        )

    def set_trigger(self, on: bool) -> None:
        self._module.set_input(TRIGGER, on)

    def set_enable(self, on: bool) -> None:
        self._module.set_input(ENABLE, on)

    def goods(self) -> list[bool]:
        return self._module.changes(GOOD)

    def shows(self, name: str) -> bool:
        changes = self._module.changes({"READY": READY, "BUSY": BUSY, "HB": HEARTBEAT}[name])
        return bool(changes) and changes[-1]

    def changes(self, name: str) -> int:
        return len(self._module.changes({"READY": READY, "BUSY": BUSY, "HB": HEARTBEAT}[name]))

    def freeze(self) -> None:
        self._module.process.tell("mute")

    def go_away(self) -> None:
        self._module.unplug()


class BoardDevice:
    def __init__(self, get: Callable[[str], Any], settings: dict[str, int]) -> None:
        self._board = get("board")
        inputs = {"trigger": "IN0", "enable": "IN1"}
        wiring = Wiring(**inputs, ready=READY, busy=BUSY, good=GOOD, heartbeat=HEARTBEAT)
        self.config = DigitalControllerConfig(
            kind="digital", chip="/dev/gpiochip0", wiring=wiring, outputs_active_low=True, **settings
        )

    def set_trigger(self, on: bool) -> None:
        self._board.levels["IN0"] = on

    def set_enable(self, on: bool) -> None:
        self._board.levels["IN1"] = on

    def goods(self) -> list[bool]:
        return self._board.changes(GOOD)

    def shows(self, name: str) -> bool:
        return not self._board.levels.get({"READY": READY, "BUSY": BUSY, "HB": HEARTBEAT}[name], True)

    def changes(self, name: str) -> int:
        return len(self._board.changes({"READY": READY, "BUSY": BUSY, "HB": HEARTBEAT}[name]))

    def freeze(self) -> None:
        self._board.fails = True

    def go_away(self) -> None:
        self._board.fails, self._board.is_there = True, False


class TextDevice:
    """Counts its parts; GOOD is on from the line that names the last one until the pulse or the part is over."""

    def __init__(self, get: Callable[[str], Any], settings: dict[str, int], role: str) -> None:
        self._run = get("run_text_device")("client" if role == "server" else "server")
        self._process, port = self._run.__enter__()
        host = "127.0.0.1" if role == "client" else ""
        self.config = TcpTextControllerConfig(
            kind="tcp_text", role=role, host=host, port=port, waits_for_enable=True, answer_within_s=1,
            connect_within_s=5, **settings,
        )  # fmt: skip
        self._level = self._enable = False

    def set_trigger(self, on: bool) -> None:
        if on and not self._level:
            self._process.tell("TRIGGER")
        self._level = on

    def set_enable(self, on: bool) -> None:
        self._process.tell(f"ENABLE {on:d}")

    def goods(self) -> list[bool]:
        """The lines alone: what ends a pulse is the device's own."""
        return [True for line in self._process.said if line.startswith("GOOD")]

    def shows(self, name: str) -> bool:
        return [line for line in self._process.said if line.startswith(name)][-1:] == [f"{name} 1"]

    def changes(self, name: str) -> int:
        return sum(line.startswith(name) for line in self._process.said)

    def freeze(self) -> None:
        self._process.tell("mute")

    def go_away(self) -> None:
        self._process.end()
        self.config = self.config.model_copy(update={"connect_within_s": 0.1})


DEVICES: dict[str, list[Callable[..., Device]]] = {
    "digital": [BoardDevice],
    "serial": [RemoteIoDevice],
    "tcp_text": [
        lambda get, settings: TextDevice(get, settings, "client"),
        lambda get, settings: TextDevice(get, settings, "server"),
    ],
}
