"""Relays and remote I/O on a serial line, for the reduced profile and for lamps.

``modbus_rtu``: a remote I/O module with inputs and relays. Inputs are read with function code 2 (discrete inputs) or 1
(coils), outputs are written with 5, or with 15 where several that follow each other are switched at once. Lines are
zero-based addresses. Each request is sent once, without retry; after a failure the port is closed, because a late
answer must not be taken for another one's.

``relay_frames``: USB relays of the LCUS kind, four bytes a relay: ``A0``, number from 1, ``01`` on or ``00`` off, sum
of the three. Such a relay answers nothing: that it has switched is not known. Its inputs are the port's own modem lines
``cts``, ``dsr``, ``dcd`` and ``ri``, for which the port must be a real one.

Tried against libmodbus and pymodbus servers over a pair of pseudo terminals, not on hardware.

Source:
    MODBUS Application Protocol Specification V1.1b3, function codes 1, 2, 5 and 15; MODBUS over Serial Line V1.02. The
    relay's frame: its sellers' data sheets (LCUS-1, CH340).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import Settings
from partgate.controllers.reduced import ReducedConfig
from partgate.controllers.reduced_controller import ReducedController
from partgate.controllers.wired import Line, Lines, WiredTerminal, Wiring, runs

MODEM_LINES = ("cts", "dsr", "dcd", "ri")
_PARITY = {"none": "N", "even": "E", "odd": "O"}
_LAST_ADDRESS, _LAST_RELAY, _MOST_INPUTS = 65535, 255, 2000
_RELAY_WRITE_S = 0.1
_INSTALL = 'the library pyserial is missing; pip install "partgate[serial]"'


class SerialPort(Settings):
    """One serial port and what speaks on it."""

    protocol: Literal["modbus_rtu", "relay_frames"] = Field(description="what the device at the port understands")
    port: str = Field(min_length=1, description="the port: /dev/serial/by-id/..., /dev/ttyUSB0 or COM3")
    baudrate: int = Field(default=9600, ge=300, le=4000000, description="bits per second, as set at the device")
    parity: Literal["none", "even", "odd"] = Field(default="none", description="as set at the device")
    stop_bits: Literal[1, 2] = Field(default=1, description="as set at the device")
    unit: int = Field(default=1, ge=1, le=247, description="modbus_rtu: address of the device on the line")
    inputs: Literal["discrete", "coils"] = Field(
        default="discrete", description="modbus_rtu: where the device keeps its inputs (function code 2 or 1)"
    )
    answer_within_s: float = Field(default=0.1, gt=0, le=0.25, description="longest wait for an answer, in seconds")

    def lines(self) -> Lines:
        """Return the device that these settings describe; it is opened later."""
        return ModbusRtuLines(self) if self.protocol == "modbus_rtu" else RelayFrameLines(self)

    def refuse_lines(self, inputs: Sequence[Line], outputs: Sequence[Line]) -> None:
        """Find lines that this protocol does not have.

        Raises:
            ValueError: If there are any; what may stand there is named.
        """
        if self.protocol == "modbus_rtu":
            for line in (*inputs, *outputs):
                if not isinstance(line, int) or not 0 <= line <= _LAST_ADDRESS:
                    raise ValueError(f"lines of modbus_rtu are addresses from 0 to {_LAST_ADDRESS}, got {line!r}")
            addresses = [line for line in inputs if isinstance(line, int)]
            if addresses and max(addresses) - min(addresses) >= _MOST_INPUTS:
                raise ValueError(f"inputs must lie within {_MOST_INPUTS} addresses, got {addresses}")
            return
        for line in inputs:
            if line not in MODEM_LINES:
                raise ValueError(f"inputs of relay_frames are {', '.join(MODEM_LINES)}, got {line!r}")
        for line in outputs:
            if not isinstance(line, int) or not 1 <= line <= _LAST_RELAY:
                raise ValueError(f"outputs of relay_frames are relays from 1 to {_LAST_RELAY}, got {line!r}")


class SerialControllerConfig(ReducedConfig, SerialPort):
    """A relay or remote I/O as the way to the controller."""

    KIND: ClassVar[str] = "serial"

    kind: Literal["serial"]
    wiring: Wiring = Field(description="which input and output is which signal")
    debounce: bool = Field(default=False, description="TRIGGER and ENABLE count when two reads in a row agree")

    @property
    def reserve_ms(self) -> float:
        """Return the pulse, or the device's slowest answer where longer: GOOD may go on at the end of that."""
        return max(self.good_ms, 1000 * self.answer_within_s)

    @model_validator(mode="after")
    def _has_these_lines(self) -> Self:
        self.refuse_lines(self.wiring.inputs, self.wiring.outputs)
        return self

    def open(self) -> ReducedController:
        """Return the controller that these settings describe."""
        terminal = WiredTerminal(self.lines(), self.wiring)
        where = f"serial {self.protocol} {self.port}"
        return ReducedController(self, terminal, where, debounce=self.debounce)


def _open_port(config: SerialPort, timeout_s: float) -> Any:
    """Return the opened port, for this process alone."""
    try:
        import serial
    except ImportError as error:
        raise OSError(_INSTALL) from error
    try:
        return serial.serial_for_url(
            config.port, baudrate=config.baudrate, parity=_PARITY[config.parity], stopbits=config.stop_bits,
            timeout=timeout_s, write_timeout=timeout_s, exclusive=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:  # ValueError: an unknown kind of port, a rate that it does not have
        raise OSError(f"cannot be opened ({error}); is it plugged in, and used by no other program?") from error


class ModbusRtuLines:
    """A remote I/O module; not thread-safe."""

    def __init__(self, config: SerialPort) -> None:
        self._config = config
        self._client: Any = None

    def open(self, inputs: Sequence[Line], outputs: Sequence[Line]) -> None:
        """Open the port; nothing is sent."""
        port = _open_port(self._config, self._config.answer_within_s)
        from pymodbus.client import ModbusSerialClient

        self._client = ModbusSerialClient(
            self._config.port, baudrate=self._config.baudrate, timeout=self._config.answer_within_s, retries=0
        )
        self._client.socket = port  # the library would hide why a port cannot be opened

    def close(self) -> None:
        """Close the port."""
        if self._client is not None:
            self._client.close()
        self._client = None  # the library would open it again by itself

    def read(self, inputs: Sequence[Line]) -> Mapping[Line, bool]:
        """Read all inputs in one request."""
        numbers = [line for line in inputs if isinstance(line, int)]
        first, count = min(numbers), max(numbers) - min(numbers) + 1
        function, code = ("read_discrete_inputs", 2) if self._config.inputs == "discrete" else ("read_coils", 1)
        reply = self._call(function, code, first, count=count)
        if len(reply.bits) < count:
            raise OSError(f"{function} at {first} gave {len(reply.bits)} inputs, must be {count}")
        return {number: bool(reply.bits[number - first]) for number in numbers}

    def write(self, outputs: Mapping[Line, bool]) -> None:
        """Write each run of outputs in one request."""
        for run in runs(line for line in outputs if isinstance(line, int)):
            if len(run) == 1:
                self._call("write_coil", 5, run[0], outputs[run[0]])
            else:
                self._call("write_coils", 15, run[0], [outputs[number] for number in run])

    def _call(self, function: str, code: int, address: int, *arguments: Any, **named: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        if self._client is None:
            raise OSError("is not connected")
        unit = self._config.unit
        try:
            reply = getattr(self._client, function)(address, *arguments, device_id=unit, **named)
        except (ModbusException, OSError) as error:
            raise OSError(
                f"{function} at {address} got no answer ({error}); "
                f"is unit {unit} there, at {self._config.baudrate} baud?"
            ) from error
        if reply.isError():
            raise OSError(f"{function} at {address} was refused ({reply}); does unit {unit} have this line?")
        is_read = code in (1, 2)  # its answer names no address
        if reply.function_code != code or not (is_read or reply.address == address):
            raise OSError(f"{function} at {address} was answered by what belongs to another request ({reply})")
        return reply


class RelayFrameLines:
    """USB relays that answer nothing; not thread-safe."""

    def __init__(self, config: SerialPort) -> None:
        self._config = config
        self._port: Any = None

    def open(self, inputs: Sequence[Line], outputs: Sequence[Line]) -> None:
        """Open the port; nothing is sent."""
        self._port = _open_port(self._config, _RELAY_WRITE_S)

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
        self._port = None

    def read(self, inputs: Sequence[Line]) -> Mapping[Line, bool]:
        """Read modem lines."""
        port = self._opened()
        try:
            return {line: bool(getattr(port, "cd" if line == "dcd" else str(line))) for line in inputs}
        except OSError as error:
            wanted = ", ".join(map(str, inputs))
            raise OSError(f"cannot read {wanted} ({error}); is it plugged in, and a port with modem lines?") from error

    def write(self, outputs: Mapping[Line, bool]) -> None:
        """Send one frame for each output, at once."""
        port = self._opened()
        frames = b"".join(relay_frame(line, on=on) for line, on in outputs.items() if isinstance(line, int))
        try:
            port.write(frames)
        except OSError as error:
            raise OSError(f"relays cannot be switched ({error}); is it plugged in?") from error

    def _opened(self) -> Any:
        if self._port is None:
            raise OSError("is not connected")
        return self._port


def relay_frame(relay: int, *, on: bool) -> bytes:
    """Return the bytes that switch a relay.

    Example:
        >>> relay_frame(1, on=True).hex(" "), relay_frame(1, on=False).hex(" ")
        ('a0 01 01 a2', 'a0 01 00 a1')
    """
    head = bytes([0xA0, relay, int(on)])
    return head + bytes([sum(head) % 256])
