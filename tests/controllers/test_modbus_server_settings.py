"""Where a station may listen as Modbus server, and who must be named for it."""

import errno
import socket

import pytest
from pydantic import ValidationError

from partgate.controllers.modbus_server import ModbusServerControllerConfig
from partgate.errors import ControllerError


def settings(**changes: object) -> ModbusServerControllerConfig:
    return ModbusServerControllerConfig.model_validate({"kind": "modbus_server", "port": 1502} | changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": "0.0.0.0"}, r"host 0\.0\.0\.0 can be reached from the network: only_from must name the PLC"),
        ({"host": "line-pc"}, "only_from must name the PLC"),
        ({"host": "127.evil.example"}, "only_from must name the PLC"),
        ({"host": "0.0.0.0", "only_from": "plc"}, "IPv4 address"),
        ({"first_register": 65481}, "less than or equal to 65480"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"poll_ms": 50}, "less than or equal to 20"),
    ],
)
def test_settings_that_cannot_work_or_let_anyone_write_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**changes)


def test_port_that_needs_rights_and_foreign_address_are_told_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ControllerError, match="host must be an address of this PC"):
        settings(host="192.0.2.1", only_from="192.0.2.9").open().__enter__()

    def forbid(address: tuple[str, int]) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", forbid)
    with pytest.raises(ControllerError, match="ports below 1024 need special rights: choose one above 1023, got 502"):
        settings(port=502).open().__enter__()


def test_station_is_reached_from_this_machine_alone_unless_told_otherwise() -> None:
    assert settings().host == "127.0.0.1"
    assert str(settings(host="0.0.0.0", only_from="192.0.2.9").only_from) == "192.0.2.9"
