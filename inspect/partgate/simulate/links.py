"""The transports of the simulated controller by the name they have on the command line."""

from typing import TYPE_CHECKING

from partgate.errors import ControllerError
from partgate.simulate.line import Line, Link, Memory

if TYPE_CHECKING:
    from partgate.simulate.settings import PlcSettings


def open_link(settings: "PlcSettings", memory: Memory, line: Line) -> Link:
    """Return the transport that the settings name; it does not listen yet.

    Raises:
        ControllerError: If its library is not installed.
    """
    host, port = settings.host, settings.port
    if settings.transport == "opcua":
        try:
            from partgate.simulate.opcua_link import OpcuaLink
        except ImportError as error:
            raise ControllerError(
                "simulated controller: transport opcua needs asyncua, which is not installed: "
                "pip install 'partgate[opcua]'"
            ) from error
        return OpcuaLink(memory, line, host, port)
    if settings.transport == "modbus":
        from partgate.simulate.modbus_link import ModbusLink

        return ModbusLink(memory, line, host, port, settings.base_address)

    from partgate.simulate.s7_link import S7Wire
    from partgate.simulate.stream import StreamLink
    from partgate.simulate.tcp_link import TcpWire

    wire = S7Wire(memory) if settings.transport == "s7" else TcpWire(memory)
    return StreamLink(wire, line, host, port, connects=settings.role == "client")
