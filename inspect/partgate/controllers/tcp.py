"""TCP controller for robots and scripts: one JSON object a line, the station asks and the other side answers.

Each line of the station holds ``ASK``, a number that is new in each line, and the words that it writes: none (it only
reads), offsets 0 and 8 to 10 (state), or 0 to 10 (the whole block, once, without retry). Each is answered by one line
with the same ``ASK`` and the controller's words. Names, codes and rules are those of ``controllers/block.py``:

    {"ASK": 7}
    {"ASK": 7, "PLC_HB": 3, "TRIG_SEQ": 1, "ACK_SEQ": 0, "CMD": 1, "WINDOW_MS": 200, "PLC_BOOT": 9, "PART_ID": "A-17"}

``RECIPE``, ``WINDOW_MS``, ``PART_ID`` and ``LOT`` may be left out. As ``client`` the station connects, as ``server`` it
listens, and while one peer is connected it does not: the second is refused. Nothing is taken that was not asked for,
not whole, or not exactly of this form; the connection is then closed. Lines are UTF-8 and have at most 4096 bytes. It
has neither a password nor encryption: keep it on the machine's own network. Tried against netcat and plain sockets,
not on a robot.

Source:
    JSON: RFC 8259. The words: ``docs/handshake.md``. Asking and answering: own.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import Host
from partgate.controllers.base import ControllerConfig
from partgate.controllers.block import KNOWN_COMMANDS, Command, ControllerWords, StationWords, encode_station_block
from partgate.controllers.pause import Pause
from partgate.errors import ControllerError
from partgate.parts import Result

STATION_NAMES = (
    "VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE", "FAULT", "RECIPE_ACTIVE",
)  # fmt: skip
_STATE_NAMES = ("VIS_HB", "STATE", "FAULT", "RECIPE_ACTIVE")
_NEEDED = ("ASK", "PLC_HB", "TRIG_SEQ", "ACK_SEQ", "CMD", "PLC_BOOT")
_OPTIONAL = ("RECIPE", "WINDOW_MS")
_TEXTS = {"PART_ID": 32, "LOT": 16}  # longest, in characters
_LONGEST_LINE = 4096  # bytes
_LAST_WORD = 65535


class TcpControllerConfig(ControllerConfig):
    """Which side connects, and where."""

    KIND: ClassVar[str] = "tcp"

    kind: Literal["tcp"]
    role: Literal["client", "server"] = Field(description="client: the station connects; server: the robot connects")
    host: Literal[""] | Host = Field(
        default="",
        description="client: address of the robot; server: own address to listen on, if unset 127.0.0.1, this PC alone",
    )
    port: int = Field(ge=1, le=65535, description="TCP port")
    connect_within_s: float = Field(default=1.0, gt=0, le=5, description="longest wait for a connection, in seconds")
    answer_within_s: float = Field(default=0.1, gt=0, le=0.1, description="longest wait for an answer, in seconds")
    poll_ms: float = Field(default=5, ge=1, le=20, description="time between two questions, in milliseconds")

    @model_validator(mode="after")
    def _knows_where(self) -> Self:
        if self.role == "client" and not self.host:
            raise ValueError("role 'client' needs host, the address of the robot or PLC")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port, the loopback where a server names no host."""
        return self.host or "127.0.0.1", self.port

    def open(self) -> "TcpController":
        """Return the controller that these settings describe."""
        return TcpController(self)


class TcpController:
    """Asks a robot for its words and tells it the station's; not thread-safe, one station owns it.

    After a failure the next attempt waits: 0.1 s, then twice as long each time up to 2 s, until an answer was whole.
    """

    def __init__(self, config: TcpControllerConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self._clock = clock
        self._line: socket.socket | None = None
        self._asked = 0
        self._pause = Pause(clock)

    def __str__(self) -> str:
        host, port = self.config.address
        where = f"client of {host}:{port}" if self.config.role == "client" else f"server on {host}:{port}"
        return f"controller '{self.config.name}' (tcp {where})"

    def __enter__(self) -> Self:
        self._pause.refuse_early(self)
        self._line = self._connect() if self.config.role == "client" else self._accept()
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    def read(self) -> ControllerWords:
        """Ask for the controller's words, write nothing."""
        return self._ask({})

    def station_heartbeat(self) -> int | None:
        """Return nothing: a line has two ends, and the controller's is the other one."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Write heartbeat, state, fault and recipe in one line."""
        block = self._block(None, words)
        self._ask({name: block[name] for name in _STATE_NAMES})

    def clear(self, words: StationWords) -> None:
        """Write the block without a result."""
        self._ask(self._block(None, words))

    def send(self, result: Result, words: StationWords) -> None:
        """Write the block with a result once."""
        self._ask(self._block(result, words))

    @staticmethod
    def _block(result: Result | None, words: StationWords) -> dict[str, int]:
        return dict(zip(STATION_NAMES, encode_station_block(result, words), strict=True))

    def _connect(self) -> socket.socket:
        try:
            return socket.create_connection(self.config.address, self.config.connect_within_s)
        except OSError as error:
            raise self._failed(f"no connection ({error}); is the robot's program running and listening?") from error

    def _accept(self) -> socket.socket:
        try:
            listener = socket.create_server(self.config.address, backlog=1)
        except OSError as error:
            raise self._failed(f"cannot listen there ({error}); is another program or station using it?") from error
        with closing(listener):  # from the first peer on nobody listens: the second is refused
            listener.settimeout(self.config.connect_within_s)
            try:
                return listener.accept()[0]
            except OSError as error:  # no failure: it listens again at once
                raise ControllerError(f"{self}: no robot has connected; start the robot's program") from error

    def _ask(self, written: Mapping[str, int]) -> ControllerWords:
        """Send one line and return what its answer says; whatever else happens closes the connection.

        Raises:
            ControllerError: If there is no answer in time, or one that is not whole or not of this form.
        """
        if self._line is None:
            raise ControllerError(f"{self}: is not connected")
        deadline = self._clock() + self.config.answer_within_s
        self._asked = self._asked % _LAST_WORD + 1
        try:
            self._refuse_unasked(self._line)
            self._line.settimeout(self.config.answer_within_s)
            self._line.sendall(json.dumps({"ASK": self._asked, **written}).encode() + b"\n")
            words = decode_answer(self._receive(self._line, deadline), self._asked)
        except (OSError, ValueError) as error:
            raise self._failed(str(error) or type(error).__name__) from error
        self._pause.shorten()
        return words

    def _refuse_unasked(self, line: socket.socket) -> None:
        """Find out whether the peer spoke before it was asked, or went away: such a line may be of any age."""
        line.setblocking(False)
        try:
            early = line.recv(_LONGEST_LINE)
        except BlockingIOError:
            return
        if not early:
            raise ValueError("has hung up; it is connected again when it is there")
        raise ValueError(f"sent {_quote(early)} unasked; each line must answer one")

    def _receive(self, line: socket.socket, deadline: float) -> bytes:
        """Return one line without its end; nothing may stand behind it."""
        received = b""
        while b"\n" not in received:
            if len(received) > _LONGEST_LINE:
                raise ValueError(f"sent a line of more than {_LONGEST_LINE} bytes")
            line.settimeout(max(deadline - self._clock(), 0.001))
            try:
                piece = line.recv(_LONGEST_LINE + 1 - len(received))
            except TimeoutError:
                so_far = f", only half a line: {_quote(received)}; end it with a line feed" if received else ""
                raise ValueError(f"no answer within {self.config.answer_within_s:g} s{so_far}") from None
            if not piece:
                so_far = f"in mid-line: {_quote(received)}" if received else "without an answer"
                raise ValueError(f"has hung up {so_far}")
            received += piece
        answer, _, rest = received.partition(b"\n")
        if rest:
            raise ValueError(f"sent {_quote(rest)} behind its answer; each line must answer one")
        return answer

    def _failed(self, problem: str) -> ControllerError:
        """Close, let the next attempt wait, and return the error to raise."""
        self.__exit__()
        self._pause.lengthen()
        return ControllerError(f"{self}: {problem}")


def decode_answer(line: bytes, asked: int) -> ControllerWords:
    """Return what a line of the controller says.

    Args:
        line: UTF-8 JSON, without the line's end.
        asked: The number that ``ASK`` must repeat.

    Raises:
        ValueError: If it is not UTF-8, not one JSON object, a key is missing, unknown or doubled, a word is not a whole
            number from 0 to 65535, a text is too long, or it answers another line.

    Example:
        >>> words = decode_answer(
        ...     b'{"ASK": 2, "PLC_HB": 5, "TRIG_SEQ": 7, "ACK_SEQ": 6, "CMD": 1, "PLC_BOOT": 3, "LOT": "L4"}', asked=2
        ... )
        >>> words.trigger_sequence, words.window_ms, words.lot
        (7, 0, 'L4')
    """
    try:
        content = json.loads(line.decode("utf-8"), object_pairs_hook=_refuse_doubled)
    except UnicodeDecodeError as error:
        raise ValueError(f"sent {_quote(line)}, which is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"sent {_quote(line)}, which is not JSON ({error})") from error
    except RecursionError as error:
        raise ValueError(f"sent {_quote(line)}, which is not one JSON object") from error
    if not isinstance(content, dict):
        raise ValueError(f"sent {_quote(line)}, which is not one JSON object")
    known = (*_NEEDED, *_OPTIONAL, *_TEXTS)
    for what, names in (
        ("lacks", [name for name in _NEEDED if name not in content]),
        ("has the unknown", [name for name in content if name not in known]),
    ):
        if names:
            raise ValueError(f"sent {_quote(line)}, which {what} {', '.join(map(repr, names))[:200]}")
    word = {name: _word(content, name) for name in (*_NEEDED, *_OPTIONAL)}
    if word["ASK"] != asked:
        raise ValueError(f"answered ASK {word['ASK']}, must be {asked}: each line repeats the ASK that it answers")
    return ControllerWords(
        word["PLC_HB"], word["TRIG_SEQ"], word["ACK_SEQ"], Command(word["CMD"] & KNOWN_COMMANDS), word["RECIPE"],
        word["WINDOW_MS"], word["PLC_BOOT"], _text(content, "PART_ID"), _text(content, "LOT"),
    )  # fmt: skip


def _word(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name, 0)
    if type(value) is not int or not 0 <= value <= _LAST_WORD:  # true and 1.0 are no words
        raise ValueError(f"{name} must be a whole number from 0 to {_LAST_WORD}, got {str(value)[:40]!r}")
    return value


def _text(content: Mapping[str, Any], name: str) -> str | None:
    value, longest = content.get(name) or "", _TEXTS[name]
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ValueError(f"{name} must be at most {longest} printable characters, got {str(value)[:40]!r}")
    return value.strip() or None


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("sent a JSON object with a key that stands twice")
    return content


def _quote(raw: bytes) -> str:
    return repr(raw[:60].decode("utf-8", "backslashreplace")) + (" …" if len(raw) > 60 else "")
