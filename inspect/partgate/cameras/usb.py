"""USB (UVC) cameras, and video files through the same code, by OpenCV's VideoCapture.

The camera runs freely and ``newest.py`` reads it. ``grab`` throws away the pictures that were exposed or on their way
when it was called (``skip_frames``: one for the exposure, and one for each started frame period of read-out, transfer
and decoding; film a running clock to measure yours), so ``(skip_frames + 2) / frame_rate`` must fit into the window.
OpenCV keeps saying that a lost camera is open, so the first failed read means lost. Settings are written and read back:
a UVC driver takes what it likes. Exposure, gain and focus have the driver's own unit (V4L2: exposure in 100 µs steps;
Windows: a power of two). A setting that is given switches its automatic off; any other stays as the driver has it.
A picture that the camera itself cut off is not noticed here. Tried with video files only, not on hardware.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo

from partgate.cameras.base import FreeRunningConfig, refuse_late
from partgate.cameras.newest import Habits, NewestReader
from partgate.configfile import beside_the_file
from partgate.errors import CameraLostError
from partgate.imaging import to_rgb
from partgate.parts import Frame, Image

_TOLERANCE = 0.01  # relative: frame rates come back as 29.97
_FROZEN_AFTER_S = 3.0
_FALLBACK_RATE = 25.0  # of a video file that does not say
_IS_LINUX = sys.platform.startswith("linux")
_DEVICES = Path("/sys/class/video4linux")
_VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"}
)


def _beside_the_file(device: int | str, info: ValidationInfo) -> int | str:
    """Return a path or a video file as meant from the folder of the file it stands in; a camera's name as it is."""
    if isinstance(device, str) and ("/" in device or device.startswith("~") or _is_video(device)):
        return str(beside_the_file(Path(device), info))
    return device


def _is_video(device: str) -> bool:
    return Path(device).suffix.lower() in _VIDEO_SUFFIXES


class UsbCameraConfig(FreeRunningConfig):
    """Which camera, and how it is to be set."""

    KIND: ClassVar[str] = "usb"

    kind: Literal["usb"]
    device: Annotated[int | str, AfterValidator(_beside_the_file)] = Field(
        default=0,
        description="number of the camera, its name, a path such as /dev/v4l/by-id/..., or a video file from this "
        "file's folder",
    )
    width_px: int | None = Field(default=None, gt=0, description="picture width; null leaves the driver's")
    height_px: int | None = Field(default=None, gt=0, description="picture height; null leaves the driver's")
    frame_rate: float | None = Field(default=None, gt=0, description="pictures per second; null leaves the driver's")
    pixel_format: str | None = Field(
        default=None, pattern="^[A-Z0-9]{4}$", description="four letters such as MJPG or YUYV; null leaves the driver's"
    )
    exposure: float | None = Field(
        default=None, description="in the driver's own unit; switches automatic exposure off"
    )
    gain: float | None = Field(default=None, description="in the driver's own unit")
    white_balance_k: float | None = Field(
        default=None, gt=0, description="colour temperature in kelvin; switches automatic white balance off"
    )
    focus: float | None = Field(default=None, description="in the driver's own unit; switches autofocus off")
    skip_frames: int = Field(
        default=2,
        ge=1,
        le=30,
        description="pictures under way when the trigger came, thrown away; measure yours; with trigger presence none",
    )
    frozen_after_s: float | None = Field(
        default=None,
        ge=0,
        description="the same picture to the last bit for so long is a lost camera; 0 is never; null: 3, a file 0",
    )

    def open(self) -> "UsbCamera":
        """Return the camera that these settings describe."""
        return UsbCamera(self)


class UsbCamera:
    """Gives pictures of a free-running camera that were exposed after the call."""

    def __init__(self, config: UsbCameraConfig) -> None:
        self.config = config
        self._reader: NewestReader | None = None
        self._differences: tuple[str, ...] = ()
        self._settings: dict[str, float | str] = {}

    def __str__(self) -> str:
        return f"camera '{self.config.name}' (usb {self.config.device})"

    def __enter__(self) -> Self:
        import cv2

        place, backend = self._find(cv2)
        is_file = isinstance(place, str) and Path(place).is_file()
        capture = cv2.VideoCapture(place, backend)
        if not capture.isOpened():
            capture.release()
            raise CameraLostError(f"{self}: cannot be opened{_who_uses(place)}; seen: {_seen()} ('partgate doctor')")
        self._set(cv2, capture)
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        habits = Habits(
            skip=self.config.skip_frames,
            lost_after_s=self.config.lost_after_s,
            frozen_after_s=self._frozen_after_s(is_file=is_file),
            period_s=1 / (rate if 0 < rate < 1000 else _FALLBACK_RATE) if is_file else None,
            ends=is_file,
            every=self.config.gives_every_picture,
        )
        reader = NewestReader(str(self), _Capture(capture, habits.period_s), habits)
        reader.start(self.config.open_within_s)
        self._reader = reader
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader = None

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the device did not take."""
        return self._differences

    def check(self) -> None:
        """Look whether pictures still come."""
        self._open_reader().check()

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return the first picture after the skipped ones: those that were exposed or on their way at this call."""
        refuse_late(not_after, self)
        image, came_at = self._open_reader().grab(timeout_s)
        return Frame(image, came_at, self.config.name, source=str(self.config.device), settings=self._settings)

    def _open_reader(self) -> NewestReader:
        if self._reader is None:
            raise CameraLostError(f"{self}: is not open")
        return self._reader

    def _frozen_after_s(self, *, is_file: bool) -> float:
        if self.config.frozen_after_s is not None:
            return self.config.frozen_after_s
        return 0.0 if is_file else _FROZEN_AFTER_S

    def _find(self, cv2: Any) -> tuple[int | str, int]:
        """Return what OpenCV is to open, and by which of its backends."""
        device = self.config.device
        if isinstance(device, str) and not Path(device).exists():
            if _is_video(device):
                raise CameraLostError(f"{self}: no such file; a video is looked for from the station file's folder")
            if "/" in device or not _IS_LINUX:
                raise CameraLostError(f"{self}: there is no such path; is it plugged in? seen: {_seen()}")
            device = self._find_by_name(device)
        if isinstance(device, str) and Path(device).is_file():
            return device, int(cv2.CAP_FFMPEG)
        if not _IS_LINUX:
            return device, int(cv2.CAP_ANY)
        path = f"/dev/video{device}" if isinstance(device, int) else os.path.realpath(device)
        if not Path(path).exists():
            raise CameraLostError(f"{self}: there is no {path}; is it plugged in? seen: {_seen()}")
        return path, int(cv2.CAP_V4L2)

    def _find_by_name(self, name: str) -> int:
        names = _names()
        found = [number for number, known in names.items() if name.casefold() in known.casefold()]
        if len(found) != 1:
            cure = "two of one make differ in their path below /dev/v4l/by-id or by-path"
            raise CameraLostError(
                f"{self}: {len(found)} cameras have '{name}' in their name, one is needed; seen: {_seen()}; "
                f"{cure if found else 'is it plugged in?'}"
            )
        return found[0]

    def _set(self, cv2: Any, capture: Any) -> None:
        """Write the settings, automatics first, and read back what the device made of them."""
        manual = 1.0 if _IS_LINUX else 0.25  # V4L2's menu; DirectShow's
        wanted: dict[str, tuple[int, float | None]] = {
            "pixel_format": (cv2.CAP_PROP_FOURCC, _fourcc(self.config.pixel_format)),
            "width_px": (cv2.CAP_PROP_FRAME_WIDTH, self.config.width_px),
            "height_px": (cv2.CAP_PROP_FRAME_HEIGHT, self.config.height_px),
            "frame_rate": (cv2.CAP_PROP_FPS, self.config.frame_rate),
            "automatic_exposure": (cv2.CAP_PROP_AUTO_EXPOSURE, _if_given(self.config.exposure, manual)),
            "exposure": (cv2.CAP_PROP_EXPOSURE, self.config.exposure),
            "gain": (cv2.CAP_PROP_GAIN, self.config.gain),
            "automatic_white_balance": (cv2.CAP_PROP_AUTO_WB, _if_given(self.config.white_balance_k, 0.0)),
            "white_balance_k": (cv2.CAP_PROP_WB_TEMPERATURE, self.config.white_balance_k),
            "autofocus": (cv2.CAP_PROP_AUTOFOCUS, _if_given(self.config.focus, 0.0)),
            "focus": (cv2.CAP_PROP_FOCUS, self.config.focus),
        }
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        for number, value in wanted.values():
            if value is not None:
                capture.set(number, value)
        # Read after all are written: one moves another.
        found = {name: float(capture.get(number)) for name, (number, _) in wanted.items()}
        self._differences = tuple(
            f"{self}: {name} is {_show(name, found[name])}, asked for {_show(name, value)}"
            for name, (_, value) in wanted.items()
            if value is not None and abs(found[name] - value) > _TOLERANCE * abs(value)
        )
        self._settings = _told(found)


class _Capture:
    """What VideoCapture reads, picture by picture; a file at its own rate, not at the disk's."""

    def __init__(self, capture: Any, period_s: float | None) -> None:
        self._capture, self._period_s = capture, period_s
        self._due: float | None = None

    def advance(self) -> bool:
        if self._period_s is not None:
            self._wait(self._period_s)
        return bool(self._capture.grab())

    def look(self) -> NDArray[Any]:
        return np.asarray(self._capture.retrieve()[1])

    def decode(self, raw: NDArray[Any]) -> Image:
        return to_rgb(raw)

    def release(self) -> None:
        self._capture.release()

    def _wait(self, period_s: float) -> None:
        now = time.monotonic()
        if self._due is not None and self._due > now:
            time.sleep(self._due - now)
        self._due = max(now, self._due or now) + period_s


def _if_given(setting: float | None, value: float) -> float | None:
    return None if setting is None else value


def _fourcc(letters: str | None) -> float | None:
    return None if letters is None else float(int.from_bytes(letters.encode("ascii"), "little"))


def _show(name: str, value: float) -> str:
    if name != "pixel_format":
        return f"{value:g}"
    return int(value).to_bytes(4, "little", signed=True).decode("ascii", "replace")


def _told(found: Mapping[str, float]) -> dict[str, float | str]:
    """Return what a device said of itself; OpenCV says 0 or -1 where it does not know."""
    known = {name: value for name, value in found.items() if value > 0 or (value == 0 and name.startswith("auto"))}
    return {name: _show(name, value) if name == "pixel_format" else value for name, value in known.items()}


def _who_uses(place: int | str) -> str:
    """Return which other programs hold a device open, as far as Linux shows them to this user."""
    if not isinstance(place, str):
        return "; is it plugged in, or used by another program?"
    target, users = os.path.realpath(place), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = {os.path.realpath(file) for file in (process / "fd").iterdir()}
            if target in opened and process.name != str(os.getpid()):
                users.append(f"'{(process / 'comm').read_text().strip()}' (process {process.name})")
        except OSError:  # ended meanwhile, or another user's
            continue
    return f": it is used by {', '.join(users)}" if users else "; is it plugged in, or used by another program?"


def _names() -> dict[int, str]:
    """Return the names of the cameras by their number; a camera's second device gives no pictures and is left out."""
    found = {}
    for path in _DEVICES.glob("video*/name"):
        index = path.parent / "index"
        if not index.exists() or index.read_text().strip() == "0":
            found[int(path.parent.name.removeprefix("video"))] = path.read_text("utf-8", "replace").strip()
    return dict(sorted(found.items()))


def _seen() -> str:
    return ", ".join(f"{number} '{name}'" for number, name in _names().items()) or "none"


def find_cameras() -> list[str]:
    """Return the video devices that this PC shows, one line each; opens none of them.

    Only Linux tells without opening; elsewhere the list is empty and a camera is tried by its number.
    """
    return [f"/dev/video{number}: {name}" for number, name in _names().items()]
