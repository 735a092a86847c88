"""The camera that hands out every picture as it comes: for a line trigger, and for parts found in the stream."""

import time
from typing import Protocol

from partgate.cameras.base import Camera, CameraConfig, FreeRunningConfig
from partgate.errors import CameraError, CameraLostError
from partgate.parts import Frame
from partgate.station.watch import CameraThread

_SLICE_S = 0.5  # a camera without parts gives no picture: so often it is looked after meanwhile
_STUCK_AFTER_S = 2 * _SLICE_S + 0.5


def every_picture(config: CameraConfig) -> CameraConfig:
    """Return the settings with which a free-running camera throws no picture away: the stream is the trigger.

    Args:
        config: As the station file has it.
    """
    if isinstance(config, FreeRunningConfig):
        return config.with_every_picture()
    if "skip_frames" in type(config).model_fields:
        return config.model_copy(update={"skip_frames": 0})
    return config


class TakesFrames(Protocol):
    """Whoever gets the pictures, in the camera's thread: every call returns before the next picture is due."""

    def take(self, frame: Frame) -> None:
        """Take a whole picture."""
        ...

    def fail(self, error: CameraError) -> None:
        """Hear that no whole picture came for a while, or a damaged one (DamagedPictureError)."""
        ...

    def end(self) -> None:
        """Hear that the camera is gone or closed: what comes next is another stream, and counts from anew."""
        ...


class StreamedCamera(CameraThread):
    """Asks the camera for picture after picture and hands each on.

    Args:
        config: The camera.
        receiver: Who gets the pictures.
        silent_after_s: A camera without a whole picture for so long is lost and opened again, also where it answers;
            ``None`` where it waits for its own trigger and may be silent.
    """

    def __init__(self, config: CameraConfig, receiver: TakesFrames, silent_after_s: float | None = None) -> None:
        super().__init__(config)
        self._receiver, self._silent_after_s = receiver, silent_after_s
        self._turned_at = self._came_at = time.monotonic()

    @property
    def is_lost(self) -> bool:
        """Tell whether there is no camera now, one that hangs, or one that should give pictures and gives none."""
        return super().is_lost or self._is_silent or time.monotonic() > self._turned_at + _STUCK_AFTER_S

    @property
    def _is_silent(self) -> bool:
        return self._silent_after_s is not None and time.monotonic() > self._came_at + self._silent_after_s

    def reopen(self, why: str) -> None:
        """Have the camera opened from scratch; it counts as lost until then. Returns at once."""
        with self._changed:
            if self._is_open:
                self._set_lost(why)

    def _use(self, camera: Camera) -> None:
        self._came_at = self._turned_at = time.monotonic()
        try:
            while not self._is_closing:
                self._turned_at = time.monotonic()
                if not self._is_open:
                    raise CameraLostError(self.problem or f"camera '{self._config.name}': is opened again")
                try:
                    frame = camera.grab(_SLICE_S)
                except CameraLostError:
                    raise
                except CameraError as error:
                    camera.check()
                    if self._is_silent:
                        raise CameraLostError(f"{error}; it is opened again") from error
                    self._receiver.fail(error)
                else:
                    self._came_at = time.monotonic()
                    self._receiver.take(frame)
        finally:
            self._receiver.end()
