"""USB (UVC) cameras, and video files through the same code, by OpenCV's VideoCapture.

The camera runs freely; a thread of the driver reads every picture and keeps the newest, since the library's read can
block for seconds when a cable is pulled. ``grab`` throws away the pictures that were exposed or on their way when it
was called (``skip_frames``: one for the exposure, and one for each started frame period of read-out, transfer and
decoding; film a running clock to measure yours), so ``(skip_frames + 1) / frame_rate`` must fit into the window.
OpenCV keeps saying that a lost camera is open, so the first failed read means lost. Settings are written and read back:
a UVC driver takes what it likes. Exposure has the driver's own unit (V4L2: 100 µs steps; Windows: a power of two).
Tried with video files only, not on hardware.
"""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from partgate.cameras.base import CameraConfig
from partgate.errors import CameraError, CameraLostError, DataError
from partgate.imaging import to_rgb
from partgate.parts import Frame

_CLOSE_WITHIN_S = 2.0
_TOLERANCE = 0.01  # relative: frame rates come back as 29.97


class UsbCameraConfig(CameraConfig):
    """Which camera, and how it is to be set."""

    KIND: ClassVar[str] = "usb"

    kind: Literal["usb"]
    device: int | str = Field(
        default=0, description="number of the camera, or a path such as /dev/video0 or a video file"
    )
    width_px: int | None = Field(default=None, gt=0, description="picture width; null leaves the driver's")
    height_px: int | None = Field(default=None, gt=0, description="picture height; null leaves the driver's")
    frame_rate: float | None = Field(default=None, gt=0, description="pictures per second; null leaves the driver's")
    exposure: float | None = Field(
        default=None, description="in the driver's own unit; switches automatic exposure off"
    )
    skip_frames: int = Field(
        default=2, ge=1, le=30, description="pictures under way when the trigger came, thrown away; measure yours"
    )

    def open(self) -> "UsbCamera":
        """Return the camera that these settings describe."""
        return UsbCamera(self)


class UsbCamera:
    """Keeps the newest picture of a free-running camera."""

    def __init__(self, config: UsbCameraConfig) -> None:
        self.config = config
        self._capture: Any = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._count = 0
        self._pixels: Any = None
        self._captured_at = datetime.now(UTC)
        self._is_lost = False
        self._differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"camera '{self.config.name}' (usb {self.config.device})"

    def __enter__(self) -> Self:
        import cv2

        self._capture = cv2.VideoCapture(self.config.device)
        if not self._capture.isOpened():
            self._capture.release()
            raise CameraLostError(
                f"{self}: cannot be opened; is it plugged in, or used by another program? ('partgate doctor')"
            )
        self._differences = tuple(self._apply_settings(cv2))
        self._stop.clear()
        self._count, self._is_lost = 0, False
        self._thread = threading.Thread(target=self._read, name=f"camera {self.config.name}", daemon=True)
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._count > 0 or self._is_lost, self.config.open_within_s):
                self._is_lost = True
        if self._count == 0:
            self.__exit__()
            raise CameraLostError(f"{self}: no first picture within {self.config.open_within_s} s")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_WITHIN_S)  # a blocked read cannot be ended; its thread ends with it

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the device did not take."""
        return self._differences

    def check(self) -> None:
        """Look whether pictures still come."""
        with self._changed:
            if self._is_lost:
                raise CameraLostError(f"{self}: no more pictures; is the cable in?")

    def grab(self, timeout_s: float) -> Frame:
        """Return the first picture after the skipped ones: those that were exposed or on their way at this call."""
        with self._changed:
            wanted = self._count + self.config.skip_frames + 1
            arrived = self._changed.wait_for(lambda: self._count >= wanted or self._is_lost, timeout_s)
            if self._count < wanted and self._is_lost:
                raise CameraLostError(f"{self}: no more pictures; is the cable in?")
            if not arrived:
                raise CameraError(f"{self}: no picture within {timeout_s:.3f} s")
            pixels, captured_at = self._pixels, self._captured_at
        try:
            image = to_rgb(np.asarray(pixels))
        except DataError as error:
            raise CameraError(f"{self}: picture {error}") from error
        return Frame(image, captured_at, self.config.name, source=str(self.config.device))

    def _apply_settings(self, cv2: Any) -> list[str]:
        wanted: list[tuple[str, int, float | None]] = [
            ("width_px", cv2.CAP_PROP_FRAME_WIDTH, self.config.width_px),
            ("height_px", cv2.CAP_PROP_FRAME_HEIGHT, self.config.height_px),
            ("frame_rate", cv2.CAP_PROP_FPS, self.config.frame_rate),
            ("exposure", cv2.CAP_PROP_EXPOSURE, self.config.exposure),
        ]
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if self.config.exposure is not None:
            self._capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, 1)  # V4L2: 1 is manual
        differences = []
        for name, number, value in wanted:
            if value is None:
                continue
            self._capture.set(number, value)
            found = float(self._capture.get(number))
            if abs(found - value) > _TOLERANCE * abs(value):
                differences.append(f"{self}: {name} is {found:g}, asked for {value:g}")
        return differences

    def _read(self) -> None:
        period_s = self._file_period_s()
        while not self._stop.is_set():
            began = time.monotonic()
            ok, pixels = self._capture.read()
            with self._changed:
                if not ok:
                    self._is_lost = True
                    self._changed.notify_all()
                    break
                self._count, self._pixels, self._captured_at = self._count + 1, pixels, datetime.now(UTC)
                self._changed.notify_all()
            if period_s:
                self._stop.wait(max(0.0, period_s - (time.monotonic() - began)))
        self._capture.release()

    def _file_period_s(self) -> float:
        """Return the time between pictures of a video file, which would be read as fast as the disk; 0 for a camera."""
        import cv2

        if not isinstance(self.config.device, str) or not Path(self.config.device).is_file():
            return 0.0
        return 1.0 / (self._capture.get(cv2.CAP_PROP_FPS) or 25.0)


def find_cameras() -> list[str]:
    """Return the video devices that this PC shows, one line each; opens none of them.

    Only Linux tells without opening; elsewhere the list is empty and a camera is tried by its number.
    """
    names = sorted(Path("/sys/class/video4linux").glob("video*/name"))
    return [f"/dev/{path.parent.name}: {path.read_text(encoding='utf-8', errors='replace').strip()}" for path in names]
