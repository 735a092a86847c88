"""What every controller driver promises."""

from typing import ClassVar, Protocol, Self

from pydantic import Field

from partgate.configfile import Settings
from partgate.controllers.block import ControllerWords, StationWords
from partgate.parts import Result


class Controller(Protocol):
    """The way a verdict reaches the machine that sorts the part.

    Silence means reject: the controller releases a part only after an explicit GOOD for it, in time. A driver therefore
    never sends GOOD by itself, on connect or on reconnect, and never sends a result twice. Owned by one thread. Every
    call ends within the driver's time-out; after a ``ControllerError`` the driver must be closed and opened again.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

    @property
    def poll_period_s(self) -> float:
        """Return how often :meth:`read` is to be called, in seconds."""
        ...

    def read(self) -> ControllerWords:
        """Return what the controller says now.

        Raises:
            ControllerError: If it does not answer or refuses.
        """
        ...

    def station_heartbeat(self) -> int | None:
        """Return the station's heartbeat as it stands at the controller, whoever wrote it; writes nothing.

        The loop asks for it before it writes anything, and now and then: a heartbeat that is not its own means that
        another station writes there, too. ``None`` where only one station can be connected or nothing can be read back.

        Raises:
            ControllerError: If it does not answer or refuses.
        """
        ...

    def write_state(self, words: StationWords) -> None:
        """Write heartbeat, state, fault and recipe; a result that stands there is not touched.

        Raises:
            ControllerError: If it does not answer or refuses.
        """
        ...

    def clear(self, words: StationWords) -> None:
        """Write the whole block without a result, so that nothing of an earlier connection stands there.

        Raises:
            ControllerError: If it does not answer or refuses.
        """
        ...

    def send(self, result: Result, words: StationWords) -> None:
        """Write the whole block with a result, in one request, once, without retry.

        Raises:
            ControllerError: If it does not answer or refuses; the result may still be executed late, which is why
                sequence and boot stand in it.
        """
        ...


class ControllerConfig(Settings):
    """Settings that every controller has; a driver's own config adds to them."""

    KIND: ClassVar[str]

    kind: str
    name: str = Field(default="controller", min_length=1, description="how messages call it")

    def open(self) -> Controller:
        """Return the controller that these settings describe; it connects when its ``with`` block is entered."""
        raise TypeError(f"{type(self).__name__} must say how it is opened")
