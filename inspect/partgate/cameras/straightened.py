"""A camera whose pictures are straightened before anybody sees them: station, ``collect`` and records alike."""

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from partgate.calibration.file import load_calibration
from partgate.calibration.straighten import Straightener
from partgate.cameras.base import Camera, CameraConfig
from partgate.errors import CameraError, DataError
from partgate.parts import Frame


class StraightenedCamera:
    """Gives the pictures of another camera, straightened; its own promises are that camera's.

    Args:
        camera: As its driver opens it.
        straightener: Of the calibration.
    """

    def __init__(self, camera: Camera, straightener: Straightener) -> None:
        self._camera, self._straightener = camera, straightener

    def __str__(self) -> str:
        return str(self._camera)

    def __enter__(self) -> Self:
        self._camera.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._camera.__exit__(*exc_info)

    @property
    def differences(self) -> tuple[str, ...]:
        """Return what the camera itself did not take."""
        return self._camera.differences

    def check(self) -> None:
        """Look whether the camera is still there."""
        self._camera.check()

    def grab(self, timeout_s: float) -> Frame:
        """Return the camera's picture, straightened; its settings name the calibration.

        Raises:
            CameraError: Also if the picture has another size than those that the camera was calibrated with.
        """
        frame = self._camera.grab(timeout_s)
        try:
            image = self._straightener.straighten(frame.image)
        except DataError as error:
            raise CameraError(f"{self}: {error}") from error
        return replace(frame, image=image, settings={**frame.settings, "calibration": self._straightener.id})


def camera_opener(config: CameraConfig) -> Callable[[], Camera]:
    """Return how a camera is opened, as often as it must be.

    The calibration is read once: what the recipe was compared with stays in force until the station starts again.

    Raises:
        ConfigError: If its calibration is missing or wrong.
    """
    if config.calibration is None:
        return config.open
    straightener = Straightener(load_calibration(config.calibration))
    return lambda: StraightenedCamera(config.open(), straightener)


def describe_pictures(config: CameraConfig) -> str | None:
    """Return how a camera's pictures are straightened; ``None`` where they are as the camera gives them.

    Raises:
        ConfigError: If its calibration is missing or wrong.
    """
    return None if config.calibration is None else load_calibration(config.calibration).settings.describe()
