"""A camera whose pictures are straightened before anybody sees them: station, ``collect`` and records alike."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import numpy as np

from partgate.calibration.straighten import Straightener
from partgate.cameras.base import Camera, CameraConfig
from partgate.cameras.settings import AppliedSettings, found_settings
from partgate.errors import CameraError, DataError
from partgate.parts import Frame

_MOST_TRIALS, _FEWEST_TRIALS, _TRIALS_WITHIN_S = 30, 5, 1.0
_SHORTEST_WAIT_S = 0.01


class StraightenedCamera:
    """Gives the pictures of another camera, straightened; its own promises are that camera's.

    Args:
        camera: As its driver opens it.
        straightener: Of the calibration.
        takes_s: What a picture needs to be straightened, in seconds: the camera itself gets so much less time.
    """

    def __init__(self, camera: Camera, straightener: Straightener, takes_s: float = 0.0) -> None:
        self._camera, self._straightener, self._takes_s = camera, straightener, takes_s

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

    @property
    def applied(self) -> AppliedSettings:
        """Return what the camera itself made of its settings."""
        return AppliedSettings(found_settings(self._camera), self._camera.differences)

    def check(self) -> None:
        """Look whether the camera is still there."""
        self._camera.check()

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return the camera's picture, straightened; its settings name the calibration.

        Raises:
            CameraError: Also if the picture has another size than those that the camera was calibrated with.
        """
        frame = self._camera.grab(max(_SHORTEST_WAIT_S, timeout_s - self._takes_s), not_after)
        try:
            image = self._straightener.straighten(frame.image)
        except DataError as error:
            raise CameraError(f"{self}: {error}") from error
        return replace(frame, image=image, settings={**frame.settings, "calibration": self._straightener.id})


def camera_opener(config: CameraConfig) -> Callable[[], Camera]:
    """Return how a camera is opened, as often as it must be.

    What a recipe was compared with stays in force: see ``CameraConfig.straightener``.

    Raises:
        ConfigError: If its calibration is missing or wrong.
    """
    straightener = config.straightener()
    if straightener is None:
        return config.open
    takes_s = measure_straightening(straightener)
    return lambda: StraightenedCamera(config.open(), straightener, takes_s)


def why_not_straightened(config: CameraConfig, height_px: int, width_px: int) -> str | None:
    """Return why pictures of a size cannot be straightened by a camera's calibration; ``None`` where they can.

    Raises:
        ConfigError: If its calibration is missing or wrong.
    """
    straightener = config.straightener()
    made_with = straightener.settings if straightener else None
    if made_with is None or (made_with.camera_height_px, made_with.camera_width_px) == (height_px, width_px):
        return None
    return (
        f"camera '{config.name}': calibration: {config.calibration} was made with {made_with.camera_width_px} x "
        f"{made_with.camera_height_px} px, the camera gives {width_px} x {height_px} px; set the camera to that size "
        "or calibrate again"
    )


def measure_straightening(straightener: Straightener) -> float:
    """Return the time that a picture needs at most, as the 99th percentile of trials on this machine, in seconds."""
    size = straightener.settings.camera_height_px, straightener.settings.camera_width_px
    empty, times = np.zeros((*size, 3), np.uint8), list[float]()
    while len(times) < _FEWEST_TRIALS or (len(times) < _MOST_TRIALS and sum(times) < _TRIALS_WITHIN_S):
        began = time.perf_counter()
        straightener.straighten(empty)
        times.append(time.perf_counter() - began)
    return float(np.percentile(times, 99))


def describe_pictures(config: CameraConfig) -> str | None:
    """Return how a camera's pictures are straightened; ``None`` where they are as the camera gives them.

    Raises:
        ConfigError: If its calibration is missing or wrong.
    """
    straightener = config.straightener()
    return None if straightener is None else straightener.description
