"""What every camera driver promises."""

import time
from typing import ClassVar, Protocol, Self

from pydantic import Field, PrivateAttr

from partgate.calibration.file import load_calibration
from partgate.calibration.straighten import Straightener
from partgate.configfile import RelativePath, Settings
from partgate.errors import CameraError, ConfigError
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

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return a picture that was exposed after this call.

        Args:
            timeout_s: Longest wait for it.
            not_after: Monotonic seconds: a driver that asks for the exposure (or begins to wait for it, where the
                camera runs freely) refuses later, see :func:`refuse_late`, since the part has moved on.

        Raises:
            CameraError: If none came in time or it is not whole, or it is too late for it; the next one may be.
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
    _straightener: Straightener | None = PrivateAttr(default=None)

    def open(self) -> Camera:
        """Return the camera that these settings describe; it opens when its ``with`` block is entered."""
        raise TypeError(f"{type(self).__name__} must say how it is opened")

    def straightener(self) -> Straightener | None:
        """Return what straightens the camera's pictures; ``None`` where they are as the camera gives them.

        The calibration is read once and kept: whoever opens the camera, and every recipe that its pictures are compared
        with, has the same one, also where a person calibrates again meanwhile. A station reads it when it starts.

        Raises:
            ConfigError: If its calibration is missing or wrong.
        """
        if self.calibration is not None and self._straightener is None:
            try:
                self._straightener = Straightener(load_calibration(self.calibration))
            except ConfigError as error:
                raise ConfigError([f"camera '{self.name}': calibration: {line}" for line in error.problems]) from error
        return self._straightener if self.calibration is not None else None


def refuse_late(not_after: float | None, who: object) -> None:
    """Refuse to expose a part that has moved on; called last before the camera is triggered, and after it.

    Args:
        not_after: As given to :meth:`Camera.grab`.
        who: How messages call the camera.

    Raises:
        CameraError: If the moment has passed.
    """
    late_s = 0.0 if not_after is None else time.monotonic() - not_after
    if late_s > 0:
        raise CameraError(
            f"{who}: not exposed in time: {1000 * late_s:.0f} ms too late for this part (trigger_age_ms); does it "
            "answer slowly?"
        )


class FreeRunningConfig(CameraConfig):
    """Settings of every camera that runs freely."""

    lost_after_s: float = Field(
        default=0.5, gt=0, le=60, description="no picture for so long, and for ten frame periods, is a lost camera"
    )
    _gives_every: bool = PrivateAttr(default=False)

    def with_every_picture(self) -> Self:
        """Return the settings with which each picture is given in order: for parts that are found in the stream."""
        config = self.model_copy()
        config._gives_every = True
        return config

    @property
    def gives_every_picture(self) -> bool:
        """Tell whether nothing is asked for, and each picture is given."""
        return self._gives_every
