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
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from partgate.controllers.block_controller import WHOLE_BLOCK, BlockController, BlockControllerConfig
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError

_READ, _WRITE = 3, 16
_NO_FUNCTION, _NO_SUCH_DEVICE = 1, (10, 11)  # exception codes
_WHO_ANSWERS = "is it the PLC that answers there?"


class ModbusControllerConfig(BlockControllerConfig):
    """Address of one PLC."""

    KIND: ClassVar[str] = "modbus"

    kind: Literal["modbus"]
    port: int = Field(default=502, ge=1, le=65535, description="TCP port")
    first_register: int = Field(default=0, ge=0, le=65536 - WHOLE_BLOCK, description="zero-based register of offset 0")
    device_id: int = Field(default=1, ge=0, le=255, description="Modbus unit")

    def open(self) -> "ModbusController":
        """Return the controller that these settings describe."""
        return ModbusController(self)


class ModbusController(BlockController[ModbusControllerConfig]):
    """The words in holding registers."""

    def __init__(self, config: ModbusControllerConfig, pause: Pause | None = None) -> None:
        super().__init__(config, pause)
        self._client: Any = None

    def __str__(self) -> str:
        return f"controller '{self.config.name}' (modbus {self.config.host}:{self.config.port})"

    def _connect(self) -> None:
        from pymodbus.client import ModbusTcpClient

        logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)  # what it tells comes back as an error
        config = self.config
        self._client = ModbusTcpClient(config.host, port=config.port, timeout=config.answer_within_s, retries=0)
        if not self._client.connect():
            raise self._failed("no connection; is the PLC on, its address right and its Modbus server enabled?")

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None  # the library would connect again by itself, without reading where the PLC stands

    def _read_words(self, offset: int, count: int) -> Sequence[int]:
        reply = self._call("read_holding_registers", offset, count=count)
        words: list[int] = list(reply.registers)
        if reply.function_code != _READ or len(words) != count:
            raise self._failed(
                f"sent {len(words)} words (function code {reply.function_code}), must be {count}; {_WHO_ANSWERS}"
            )
        return words

    def _write_words(self, offset: int, words: Sequence[int]) -> None:
        reply = self._call("write_registers", offset, list(words))
        wanted = (_WRITE, self.config.first_register + offset, len(words))
        confirmed = (reply.function_code, reply.address, reply.count)
        if confirmed != wanted:
            raise self._failed(
                f"confirmed {confirmed} (function code, register, count), must be {wanted}; {_WHO_ANSWERS}"
            )

    def _call(self, function: str, offset: int, *arguments: Any, **named: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        if self._client is None:
            raise ControllerError(f"{self}: is not connected")
        register = self.config.first_register + offset
        try:
            reply = getattr(self._client, function)(register, *arguments, device_id=self.config.device_id, **named)
        except (ModbusException, OSError) as error:  # the cable
            raise self._failed(f"{function} at register {register} got no answer: {error}") from error
        if reply.isError():  # the PLC answered, but with an exception code
            raise self._failed(
                f"{function} at register {register} was refused (exception {reply.exception_code}); "
                f"{self._next_step(reply.exception_code)}"
            )
        return reply

    def _next_step(self, code: int) -> str:
        first = self.config.first_register
        if code in _NO_SUCH_DEVICE:
            return f"device_id {self.config.device_id} must be one that the PLC or its gateway has"
        if code == _NO_FUNCTION:
            return f"the PLC must offer function codes {_READ} and {_WRITE}"
        return f"the PLC must offer registers {first} to {first + WHOLE_BLOCK - 1}"
