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

from typing import Any, ClassVar, Literal, Self

from pydantic import Field

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


class ModbusControllerConfig(ControllerConfig):
    """Address of one PLC."""

    KIND: ClassVar[str] = "modbus"

    kind: Literal["modbus"]
    host: str = Field(min_length=1, description="address of the PLC")
    port: int = Field(default=502, ge=1, le=65535, description="TCP port")
    first_register: int = Field(default=0, ge=0, le=65536 - _WHOLE_BLOCK, description="zero-based register of offset 0")
    device_id: int = Field(default=1, ge=0, le=255, description="Modbus unit")
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for an answer, in seconds")
    poll_ms: float = Field(default=5, ge=1, le=1000, description="time between two reads, in milliseconds")

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

        client: Any = ModbusTcpClient(
            self.config.host, port=self.config.port, timeout=self.config.answer_within_s, retries=0
        )
        if not client.connect():
            client.close()
            raise ControllerError(f"{self}: no connection; is the PLC on and its Modbus server enabled?")
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
        reply = self._call("read_holding_registers", CONTROLLER_OFFSET, count=CONTROLLER_WORDS)
        if len(reply.registers) < CONTROLLER_WORDS:
            self.__exit__()
            raise ControllerError(f"{self}: sent {len(reply.registers)} words, must be {CONTROLLER_WORDS}")
        return decode_controller_block(reply.registers)

    def write_state(self, words: StationWords) -> None:
        """Write state, fault and recipe, then the heartbeat: a new heartbeat never stands beside an old state."""
        block = encode_station_block(None, words)
        self._call("write_registers", STATE_OFFSET, block[STATE_OFFSET:])
        self._call("write_registers", 0, block[:1])

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._call("write_registers", 0, encode_station_block(None, words))

    def send(self, result: Result, words: StationWords) -> None:
        """Write the block with a result once."""
        self._call("write_registers", 0, encode_station_block(result, words))

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
            first = self.config.first_register
            raise ControllerError(
                f"{self}: {function} at register {register} was refused ({reply}); "
                f"the PLC must offer registers {first} to {first + _WHOLE_BLOCK - 1}"
            )
        return reply
