"""What every camera driver promises."""

from typing import ClassVar, Protocol, Self

from pydantic import Field

from partgate.configfile import RelativePath, Settings
from partgate.parts import Frame


class Camera(Protocol):
    """One source of pictures, one whole RGB picture per call.

    Owned by one thread, which opens, uses and closes it. A driver never gives a damaged or an old picture: it raises.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the device did not take, one sentence each: asked for, got."""
        ...

    def check(self) -> None:
        """Look whether the device is still there; called while no part comes.

        Raises:
            CameraLostError: If it is gone.
        """
        ...

    def grab(self, timeout_s: float) -> Frame:
        """Return a picture that was exposed after this call.

        Raises:
            CameraError: If none came in time or it is not whole; the next one may be.
            CameraLostError: If the device is gone; it must be opened again.
        """
        ...


class CameraConfig(Settings):
    """Settings that every camera has; a driver's own config adds to them."""

    KIND: ClassVar[str]

    kind: str
    name: str = Field(default="camera", min_length=1, description="how messages and records call it")
    open_within_s: float = Field(default=5.0, gt=0, le=120, description="longest wait for it when the station starts")
    calibration: RelativePath | None = Field(
        default=None, description="folder of 'partgate camera calibrate': its pictures are straightened by it"
    )

    def open(self) -> Camera:
        """Return the camera that these settings describe; it opens when its ``with`` block is entered."""
        raise TypeError(f"{type(self).__name__} must say how it is opened")
