"""What every publisher promises."""

from typing import ClassVar, Protocol, Self

from pydantic import Field

from partgate.configfile import Settings
from partgate.publish.messages import Message


class Publisher(Protocol):
    """The way results and state reach whoever looks on; never the sort signal.

    Owned by one thread, its outbox, which opens, uses and closes it. It listens to nobody: a message from outside
    changes nothing. Every call ends within the driver's time-out; after a ``PublishError`` that does not drop its
    message it must be closed and opened again.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

    def publish(self, message: Message, valid_s: float) -> None:
        """Send a message and return once the receiver took it.

        Args:
            message: What is sent.
            valid_s: Seconds for which it is still of use, at least 1; nobody may be given it later.

        Raises:
            PublishError: If it was not taken. It may have been, and only the answer was lost.
        """
        ...

    def tend(self) -> None:
        """Keep the connection alive; called about every half second while there is nothing to send.

        Raises:
            PublishError: If it is lost.
        """
        ...


class PublisherConfig(Settings):
    """Settings that every publisher has; a driver's own config adds to them."""

    KIND: ClassVar[str]
    SOUND_AFTER_S: ClassVar[float] = 0  # a connection that held as long, in seconds, ends the growth of the pauses

    kind: str
    name: str = Field(default="publisher", min_length=1, description="how messages call it")
    expire_after_s: float = Field(
        default=3600, ge=2, le=7 * 86400, description="results older than this are dropped and counted, in seconds"
    )
    status_expire_after_s: float = Field(
        default=30, ge=3, le=86400, description="as long the last status counts, in seconds; it is renewed three times"
    )
    outbox_size: int = Field(
        default=1000, ge=1, le=100_000, description="results kept while nobody takes them; then the oldest are dropped"
    )

    @property
    def sends_secret_in_plain(self) -> bool:
        """Tell whether a password or token would be readable on the network."""
        return False

    def open(self, station: str, *, is_trial: bool = False) -> Publisher:
        """Return the publisher that these settings describe; it connects when its ``with`` block is entered.

        Args:
            station: The station's name.
            is_trial: Disturb no station that runs with the same settings; only test messages are sent.
        """
        raise TypeError(f"{type(self).__name__} must say how it is opened")
