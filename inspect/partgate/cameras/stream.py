"""Network cameras: RTSP and HTTP (MJPEG, or any video that FFmpeg reads), by OpenCV's VideoCapture.

Pictures of an MJPEG stream are taken as they are on the wire and decoded here: one that is cut off is refused, where
FFmpeg would fill it with grey. In H.264 and H.265 FFmpeg hides what is lost, so they are refused over UDP. Passwords
never stand in the address, nor in messages. A stream shows the past: ``latency_ms`` is the time from exposure to
picture in hand, to be measured by filming a running clock; what comes sooner after the trigger is thrown away, and so
is what waited in a queue: told from the times that the stream carries (RTSP), else by counting pictures (HTTP-MJPEG).

``grab`` blocks for its time-out at most; opening for ``open_within_s`` twice (address, first pictures), a read for
``lost_after_s``. Tried against ffmpeg and a server of the tests, not against a real camera.

Source:
    OPENCV_FFMPEG_CAPTURE_OPTIONS, CAP_PROP_PTS, CAP_PROP_POS_MSEC and the CAP_PROP_*_TIMEOUT_MSEC of OpenCV's video
    I/O; the options of FFmpeg's RTSP.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from partgate.cameras.base import FreeRunningConfig, refuse_late
from partgate.cameras.newest import Habits, NewestReader
from partgate.configfile import SECRET
from partgate.errors import CameraLostError, ConfigError
from partgate.imaging import decode_picture, to_rgb
from partgate.parts import Frame, Image
from partgate.secrets import SecretSource

_SCHEMES = ("http", "https", "rtsp", "rtsps")
_PASSWORD = "{password}"
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_LOG_LEVEL, _QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"  # AV_LOG_QUIET


class StreamCameraConfig(FreeRunningConfig):
    """Which stream, and how late its pictures come."""

    KIND: ClassVar[str] = "stream"

    kind: Literal["stream"]
    url: str = Field(
        description="rtsp://HOST/PATH or http://HOST/PATH; {password} stands for the password where it must be in there"
    )
    user: str | None = Field(default=None, min_length=1, description="name to log in with")
    password: SecretSource | None = Field(default=None, description="where that user's password lies: env or file")
    transport: Literal["tcp", "udp"] = Field(
        default="tcp", description="of RTSP: tcp loses nothing; udp for MJPEG from cameras that know nothing else"
    )
    latency_ms: int = Field(
        default=300, ge=1, le=10_000, description="from exposure to picture in hand, measured by filming a clock"
    )
    lost_after_s: float = Field(
        default=2.0, gt=0, le=60, description="no picture for so long, and for ten frame periods, is a lost camera"
    )
    frozen_after_s: float = Field(
        default=10.0,
        ge=0,
        description="the same picture to the last bit for so long is a lost camera; 0 compares no pictures",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if "@" in url.partition("?")[0]:  # looked at first: a password may hold anything
            raise PydanticCustomError(
                SECRET, "must not hold user or password; write them below user and password (an @ in a path as %40)"
            )
        parts = _split(url)
        if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
            schemes = ", ".join(_SCHEMES)
            raise PydanticCustomError(SECRET, f"must be SCHEME://HOST/PATH with one of the schemes {schemes}")
        return url

    @model_validator(mode="after")
    def _transport_is_of_rtsp(self) -> Self:
        if self.transport == "udp" and not self.url.startswith("rtsp"):
            raise ValueError("transport: udp is of rtsp:// alone; remove it")
        return self

    @model_validator(mode="after")
    def _password_has_its_place(self) -> Self:
        if self.password is None and (self.user is not None or _PASSWORD in self.url):
            raise ValueError("password: is missing, while user or {password} is there")
        if self.password is not None and self.user is None and _PASSWORD not in self.url:
            raise ValueError("user: is missing, while password is there")
        return self

    def open(self) -> "StreamCamera":
        """Return the camera that these settings describe."""
        return StreamCamera(self)


class StreamCamera:
    """Gives pictures of a network stream that were exposed after the call."""

    def __init__(self, config: StreamCameraConfig) -> None:
        self.config = config
        self._reader: NewestReader | None = None
        self._settings: dict[str, float | str] = {}

    def __str__(self) -> str:
        parts = urlsplit(self.config.url)  # a query often holds a password
        place = urlunsplit((parts.scheme, parts.netloc, parts.path, "…" if parts.query else "", ""))
        return f"camera '{self.config.name}' (stream {place.replace(_PASSWORD, '…')})"

    def __enter__(self) -> Self:
        import cv2

        _silence(cv2)
        limits = [
            (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(1000 * self.config.open_within_s)),
            (cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1000 * self.config.lost_after_s)),
            (cv2.CAP_PROP_N_THREADS, 1),  # more than one decode several pictures at once: each comes later
        ]
        with _options(f"rtsp_transport;{self.config.transport}"):
            capture = cv2.VideoCapture(self._address(), cv2.CAP_FFMPEG, [value for pair in limits for value in pair])
        if not capture.isOpened():
            capture.release()
            raise CameraLostError(
                f"{self}: cannot be opened within {self.config.open_within_s} s; are address, user and password right, "
                "and does another player show it?"
            )
        codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("ascii", "replace")
        is_mjpeg = codec == "MJPG" and capture.set(cv2.CAP_PROP_FORMAT, -1)  # -1: pictures as they are on the wire
        if self.config.transport == "udp" and not is_mjpeg:
            capture.release()
            raise CameraLostError(
                f"{self}: {codec} over udp hides lost packets in the picture; set transport: tcp, or send MJPEG"
            )
        self._settings = {"codec": codec, "latency_ms": float(self.config.latency_ms)}
        habits = Habits(
            latency_s=self.config.latency_ms / 1000,
            lost_after_s=self.config.lost_after_s,
            frozen_after_s=self.config.frozen_after_s,
            every=self.config.gives_every_picture,
        )
        source = _Stream(capture, is_mjpeg=is_mjpeg)
        reader = NewestReader(str(self), source, habits, source.own_time_s)
        reader.start(self.config.open_within_s)
        self._reader = reader
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader = None

    @property
    def differences(self) -> tuple[str, ...]:
        """Return nothing: a network camera is set on its own page."""
        return ()

    def check(self) -> None:
        """Look whether pictures still come."""
        self._open_reader().check()

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return the first picture that was surely exposed after this call."""
        refuse_late(not_after, self)
        image, came_at = self._open_reader().grab(timeout_s)
        return Frame(image, came_at, self.config.name, settings=self._settings)

    def _open_reader(self) -> NewestReader:
        if self._reader is None:
            raise CameraLostError(f"{self}: is not open")
        return self._reader

    def _address(self) -> str:
        """Return the address with user and password, for FFmpeg alone."""
        if self.config.password is None:
            return self.config.url
        try:
            secret = quote(self.config.password.read().get_secret_value(), safe="")
        except ConfigError as error:
            raise CameraLostError(f"{self}: {error}") from error
        url = self.config.url.replace(_PASSWORD, secret)
        if self.config.user is None:
            return url
        return url.replace("://", f"://{quote(self.config.user, safe='')}:{secret}@", 1)


class _Stream:
    """What FFmpeg reads, picture by picture."""

    def __init__(self, capture: Any, *, is_mjpeg: bool) -> None:
        import cv2

        self._capture, self._is_mjpeg = capture, is_mjpeg
        self._stamp, self._position = cv2.CAP_PROP_PTS, cv2.CAP_PROP_POS_MSEC

    def advance(self) -> bool:
        return bool(self._capture.grab())

    def look(self) -> NDArray[Any]:
        return np.asarray(self._capture.retrieve()[1])

    def own_time_s(self) -> float | None:
        """Return the time of the picture that came, as the stream says it; None where OpenCV counts pictures.

        MJPEG over HTTP carries no times: OpenCV then says 40 ms a picture, whatever its rate.
        """
        if self._capture.get(self._stamp) < 0:  # AV_NOPTS_VALUE
            return None
        return float(self._capture.get(self._position)) / 1000

    def decode(self, raw: NDArray[Any]) -> Image:
        return decode_picture(raw.tobytes()) if self._is_mjpeg else to_rgb(raw)

    def release(self) -> None:
        self._capture.release()


def _silence(cv2: Any) -> None:
    """Keep OpenCV and FFmpeg from writing on the screen: what is wrong with a stream is told in our own words.

    FFmpeg's level is read once a process, before the first stream opens.
    """
    os.environ.setdefault(_LOG_LEVEL, _QUIET)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


class _Turn:
    """FFmpeg's options are a variable of the whole process: who wants the same ones goes in, others wait."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.users = 0
        self.before: str | None = None


_turn = _Turn()


@contextmanager
def _options(text: str) -> Iterator[None]:
    """Hold FFmpeg's options while a stream opens; put back what stood there before."""
    with _turn.changed:
        _turn.changed.wait_for(lambda: _turn.users == 0 or os.environ.get(_OPTIONS) == text)
        if _turn.users == 0:
            _turn.before = os.environ.get(_OPTIONS)
            os.environ[_OPTIONS] = text
        _turn.users += 1
    try:
        yield
    finally:
        with _turn.changed:
            _turn.users -= 1
            if _turn.users == 0:
                os.environ.pop(_OPTIONS)
                if _turn.before is not None:
                    os.environ[_OPTIONS] = _turn.before
                _turn.changed.notify_all()


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts
