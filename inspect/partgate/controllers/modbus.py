"""Modbus TCP controller: the station is the client and writes into the PLC's holding registers.

The words, their offsets and the rules are those of ``controllers/block.py``; the base register is configured
(zero-based, as pymodbus counts: the PLC's 400001 is register 0). The whole station block goes out in one request
(function code 16), once, without retry; the controller's block is read with function code 3. Every call ends within
``answer_within_s``. After a time-out the connection is closed: the request may still be executed by the PLC later, and
its late answer must not be taken for another one's. Tried against libmodbus, pymodbus and the simulator, not on
hardware.

Source:
    MODBUS Application Protocol Specification V1.1b3, function codes 3 and 16.
"""

import logging
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from partgate.configfile import Host
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import (
    CONTROLLER_OFFSET,
    CONTROLLER_WORDS,
    STATE_OFFSET,
    ControllerWords,
    StationWords,
    decode_controller_block,
    encode_station_block,
)
from partgate.errors import ControllerError
from partgate.parts import Result

_WHOLE_BLOCK = CONTROLLER_OFFSET + CONTROLLER_WORDS
_READ, _WRITE = 3, 16
_NO_FUNCTION, _NO_SUCH_DEVICE = 1, (10, 11)  # exception codes


class ModbusControllerConfig(ControllerConfig):
    """Address of one PLC."""

    KIND: ClassVar[str] = "modbus"

    kind: Literal["modbus"]
    host: Host = Field(min_length=1, description="address of the PLC")
    port: int = Field(default=502, ge=1, le=65535, description="TCP port")
    first_register: int = Field(default=0, ge=0, le=65536 - _WHOLE_BLOCK, description="zero-based register of offset 0")
    device_id: int = Field(default=1, ge=0, le=255, description="Modbus unit")
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for an answer, in seconds")
    poll_ms: float = Field(default=5, ge=1, le=20, description="time between two reads, in milliseconds")

    def open(self) -> "ModbusController":
        """Return the controller that these settings describe."""
        return ModbusController(self)


class ModbusController:
    """Reads triggers from a PLC and writes results to it; not thread-safe, one station owns it."""

    def __init__(self, config: ModbusControllerConfig) -> None:
        self.config = config
        self._client: Any = None

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (modbus {self.config.host}:{self.config.port})"

    def __enter__(self) -> Self:
        from pymodbus.client import ModbusTcpClient

        logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)  # what it tells comes back as an error
        client: Any = ModbusTcpClient(
            self.config.host, port=self.config.port, timeout=self.config.answer_within_s, retries=0
        )
        if not client.connect():
            client.close()
            raise ControllerError(
                f"{self}: no connection; is the PLC on, its address right and its Modbus server enabled?"
            )
        self._client = client
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None  # the library would connect again by itself, without reading where the PLC stands

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    def read(self) -> ControllerWords:
        """Return what the controller says now, from one request."""
        return decode_controller_block(self._read(CONTROLLER_OFFSET, CONTROLLER_WORDS))

    def station_heartbeat(self) -> int | None:
        """Return what stands in the first word of the station's block."""
        return self._read(0, 1)[0]

    def write_state(self, words: StationWords) -> None:
        """Write state, fault and recipe, then the heartbeat: a new heartbeat never stands beside an old state."""
        block = encode_station_block(None, words)
        self._write(STATE_OFFSET, block[STATE_OFFSET:])
        self._write(0, block[:1])

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._write(0, encode_station_block(None, words))

    def send(self, result: Result, words: StationWords) -> None:
        """Write the block with a result once."""
        self._write(0, encode_station_block(result, words))

    def _read(self, offset: int, count: int) -> list[int]:
        reply = self._call("read_holding_registers", offset, count=count)
        words: list[int] = list(reply.registers)
        if reply.function_code != _READ or len(words) != count:
            raise self._wrong(f"sent {len(words)} words (function code {reply.function_code}), must be {count}")
        return words

    def _write(self, offset: int, words: list[int]) -> None:
        reply = self._call("write_registers", offset, words)
        wanted = (_WRITE, self.config.first_register + offset, len(words))
        confirmed = (reply.function_code, reply.address, reply.count)
        if confirmed != wanted:
            raise self._wrong(f"confirmed {confirmed} (function code, register, count), must be {wanted}")

    def _wrong(self, problem: str) -> ControllerError:
        self.__exit__()
        return ControllerError(f"{self}: {problem}; is it the PLC that answers there?")

    def _call(self, function: str, offset: int, *arguments: Any, **named: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        if self._client is None:
            raise ControllerError(f"{self}: is not connected")
        register = self.config.first_register + offset
        try:
            reply = getattr(self._client, function)(register, *arguments, device_id=self.config.device_id, **named)
        except (ModbusException, OSError) as error:  # the cable
            self.__exit__()
            raise ControllerError(f"{self}: {function} at register {register} got no answer: {error}") from error
        if reply.isError():  # the PLC answered, but with an exception code
            self.__exit__()
            raise ControllerError(
                f"{self}: {function} at register {register} was refused (exception {reply.exception_code}); "
                f"{self._next_step(reply.exception_code)}"
            )
        return reply

    def _next_step(self, code: int) -> str:
        first = self.config.first_register
        if code in _NO_SUCH_DEVICE:
            return f"device_id {self.config.device_id} must be one that the PLC or its gateway has"
        if code == _NO_FUNCTION:
            return f"the PLC must offer function codes {_READ} and {_WRITE}"
        return f"the PLC must offer registers {first} to {first + _WHOLE_BLOCK - 1}"
