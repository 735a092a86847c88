"""Basler cameras (GigE and USB) by the vendor's own library, pypylon.

One thread owns the camera; the library waits without Python's lock and by our time limits. Triggers: ``software`` waits
until the camera is ready for it, triggers, and takes the picture that comes; after one that did not come grabbing is
begun anew, so that it cannot come late for the next part. ``free`` throws away the pictures that were under way
(``skip_frames``; with 0 every picture is given). ``line`` gives the oldest picture not yet given, since the edge comes
before the station hears of the part: pair them by ``block_id``, which counts from the start of grabbing. ``line`` was
not tried. ``captured_at`` is when the picture was whole in this PC: the emulation's clock stands still, so a conversion
of a camera's clock could not be tried. Success is what the library says of each picture, never its error code, which is
0 for an incomplete one. ``grab`` blocks for ``timeout_s``; a network camera that was pulled adds the library's own wait
for an answer to the trigger.
Tried with the library's emulated cameras (``PYLON_CAMEMU``) and own pictures; removal and use by another program, which
the emulation does not show, not on hardware.

Source:
    Basler, pylon 12.4 C++ API: CInstantCamera, CGrabResultData.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from partgate.cameras.apply import apply_settings
from partgate.cameras.nodes import Node, NodeValue
from partgate.cameras.pixels import check_pixel_format, to_rgb
from partgate.cameras.sequence import FrameSequence
from partgate.cameras.settings import AppliedSettings, MachineVisionConfig
from partgate.errors import CameraError, CameraLostError, ConfigError
from partgate.parts import Frame

_LOST_AFTER = 3  # pictures in a row that did not come: then the stream is dead though the camera answers
_NO_BLOCK_ID = 2**64 - 1


class BaslerCameraConfig(MachineVisionConfig):
    """Which Basler camera, and how it is to be set."""

    KIND: ClassVar[str] = "basler"

    kind: Literal["basler"]
    serial: str | None = Field(default=None, min_length=1, description="serial number; null takes the only camera")
    skip_frames: int = Field(
        default=2, ge=0, le=30, description="trigger mode free: pictures under way at a trigger, thrown away"
    )
    frozen_after: int = Field(
        default=10, ge=0, description="so many pictures equal to the last bit are a frozen camera; 0 never"
    )

    def open(self) -> "BaslerCamera":
        """Return the camera that these settings describe."""
        return BaslerCamera(self)


class BaslerCamera:
    """One Basler camera; not thread-safe."""

    def __init__(self, config: BaslerCameraConfig) -> None:
        self.config = config
        self._pylon: Any = None
        self._camera: Any = None
        self._nodes: Any = None
        self._applied = AppliedSettings({}, ())
        self._pixel_format = self._device = ""
        self._is_dirty = False  # a picture that was asked for did not come and may come yet
        self._missing = 0
        self._sequence = FrameSequence(config.frozen_after)

    def __str__(self) -> str:
        return f"camera '{self.config.name}' (basler {self.config.serial or 'any'})"

    def __enter__(self) -> Self:
        try:
            from pypylon import pylon
        except ImportError as error:
            raise CameraLostError(f'{self}: pypylon is missing; pip install "partgate[basler]"') from error
        self._pylon, self._is_dirty, self._missing = pylon, False, 0
        self._sequence = FrameSequence(self.config.frozen_after)
        try:
            with self._in_our_words():
                self._camera = self._open()
                self._nodes = BaslerNodes(self)
                self._applied = apply_settings(self._nodes, self.config, str(self))
                self._pixel_format = str(self._applied.found.get("pixel_format", ""))
                self._check_pixel_format()
                self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._camera is not None:
            for step in (self._camera.Close, self._camera.DestroyDevice):
                with contextlib.suppress(CameraError), self._in_our_words():
                    step()
            self._camera = None

    @property
    def library(self) -> Any:
        """Return the library's module, loaded when the camera opened."""
        return self._pylon

    @property
    def device(self) -> Any:
        """Return the library's open camera; a CameraLostError where it is not open."""
        if self._camera is None:
            raise CameraLostError(f"{self}: is not open; it is used inside its with block")
        return self._camera

    @property
    def applied(self) -> AppliedSettings:
        """Return what the camera made of its settings."""
        return self._applied

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the camera did not take as asked for."""
        return self._applied.differences

    def check(self) -> None:
        """Ask the library whether the camera was removed, and the camera itself for its picture's width."""
        camera = self.device
        with self._in_our_words():
            if camera.IsCameraDeviceRemoved():
                raise CameraLostError(f"{self}: was removed; is the cable in?")
            camera.Width.ToString(False, True)  # past the cache

    def grab(self, timeout_s: float) -> Frame:
        """Return a picture by the trigger mode; see the module."""
        deadline, _ = time.monotonic() + timeout_s, self.device
        with self._in_our_words():
            self._begin_anew_if_dirty()
            self._is_dirty = True
            if self.config.trigger.mode == "software":
                self._trigger(deadline, timeout_s)
            elif self.config.trigger.mode == "free" and self.config.skip_frames:
                self._throw_away(deadline)
            with self._retrieve(deadline) as result:
                if not result.IsValid():
                    raise self._no_picture(timeout_s)
                self._is_dirty, self._missing = False, 0
                if not result.GrabSucceeded():
                    words = result.GetErrorDescription().strip().rstrip(".")
                    raise CameraError(f"{self}: the picture came damaged and is not judged ({words})")
                return self._frame(result)

    def _open(self) -> Any:
        factory = self._pylon.TlFactory.GetInstance()
        found = list(factory.EnumerateDevices())
        serial = self.config.serial
        fits = [info for info in found if serial is None or info.GetSerialNumber() == serial]
        seen = ", ".join(f"{info.GetModelName()} serial {info.GetSerialNumber()}" for info in found) or "none"
        if not fits:
            what = f"no camera with serial {serial}" if serial else "no camera"
            raise CameraLostError(f"{self}: {what}; pylon sees: {seen}")
        if len(fits) > 1:
            raise CameraLostError(f"{self}: {len(fits)} cameras are there, set serial to one of them: {seen}")
        self._device = f"{fits[0].GetModelName()} {fits[0].GetSerialNumber()}"
        try:
            camera = self._pylon.InstantCamera(factory.CreateDevice(fits[0]))
            camera.Open()
        except self._pylon.GenericException as error:
            raise CameraLostError(
                f"{self}: {self._device} does not open ({_words(error)}); is it used by another program?"
            ) from error
        return camera

    def _check_pixel_format(self) -> None:
        try:
            check_pixel_format(self._pixel_format)
        except CameraError as error:
            raise ConfigError([f"{self}: pixel_format: {error}"]) from error

    def _start(self) -> None:
        newest_only = self.config.trigger.mode == "free" and self.config.skip_frames > 0
        kinds = (self._pylon.GrabStrategy_OneByOne, self._pylon.GrabStrategy_LatestImageOnly)
        self.device.StartGrabbing(kinds[newest_only])

    def _begin_anew_if_dirty(self) -> None:
        if self._is_dirty and self.config.trigger.mode == "software":
            self.device.StopGrabbing()
            self._start()

    def _trigger(self, deadline: float, timeout_s: float) -> None:
        """Trigger once the camera can take it; what comes earlier it ignores in silence."""
        camera, wait = self.device, self._pylon.TimeoutHandling_Return
        if camera.CanWaitForFrameTriggerReady() and not camera.WaitForFrameTriggerReady(_left_ms(deadline), wait):
            raise CameraError(f"{self}: was not ready for a trigger within {timeout_s:.3f} s")
        camera.ExecuteSoftwareTrigger()

    def _throw_away(self, deadline: float) -> None:
        """Drop what lies there, then the pictures that were exposed or on their way."""
        with self._retrieve(time.monotonic()):
            pass
        for _ in range(self.config.skip_frames):
            with self._retrieve(deadline):
                pass

    @contextlib.contextmanager
    def _retrieve(self, deadline: float) -> Iterator[Any]:
        """Give the next result, not valid where none came; its buffer always goes back to the library."""
        result = self.device.RetrieveResult(_left_ms(deadline), self._pylon.TimeoutHandling_Return)
        try:
            yield result
        finally:
            result.Release()

    def _no_picture(self, timeout_s: float) -> CameraError:
        self.check()
        self._missing += 1
        if self._missing >= _LOST_AFTER and self.config.trigger.mode != "line":
            return CameraLostError(
                f"{self}: no picture {self._missing} times in a row though the camera answers; it is opened anew"
            )
        return CameraError(f"{self}: no picture within {timeout_s:.3f} s ({self.config.trigger.mode} trigger)")

    def _frame(self, result: Any) -> Frame:
        came, number = datetime.now(UTC), int(result.GetBlockID())
        data = np.frombuffer(result.GetMemoryView(), np.uint8)
        if problem := self._sequence.judge(data.tobytes()):
            raise CameraError(f"{self}: {problem}")
        try:
            image = to_rgb(data, self._pixel_format, result.GetHeight(), result.GetWidth(), result.GetPaddingX())
        except CameraError as error:
            raise CameraError(f"{self}: {error}") from error
        return Frame(
            image,
            came,
            self.config.name,
            source=self._device,
            block_id=None if number == _NO_BLOCK_ID else number,
            settings=self._applied.found,
        )

    @contextlib.contextmanager
    def _in_our_words(self) -> Iterator[None]:
        """Turn what the library raises into a lost camera; refused values are told by the nodes."""
        try:
            yield
        except self._pylon.GenericException as error:
            raise CameraLostError(f"{self}: does not answer ({_words(error)}); is the cable in?") from error


class BaslerNodes:
    """The camera's features by the library's parameters."""

    def __init__(self, camera: BaslerCamera) -> None:
        self._camera = camera
        self._map = camera.device.GetNodeMap()

    def names(self) -> Sequence[str]:
        """Return what can be read, written or executed."""
        is_group = self._camera.library.CategoryParameter
        nodes = (node for node in self._map.GetNodes() if not isinstance(node, is_group))
        return [node.GetNode().GetName() for node in nodes if node.GetNode().IsFeature()]

    def read(self, name: str) -> Node | None:
        """Return a feature; the library's cache knows what may change by itself."""
        pylon, feature = self._camera.library, self._map.GetNode(name)
        if not feature.IsValid():
            return None
        can_write = feature.IsWritable()
        if isinstance(feature, pylon.CommandParameter) or not feature.IsReadable():
            return Node(None, can_write)
        value = feature.GetValue()
        if isinstance(feature, pylon.EnumParameter):
            return Node(str(value), can_write, entries=tuple(feature.GetSettableValues()))
        if isinstance(feature, pylon.IntegerParameter):
            return Node(int(value), can_write, feature.GetMin(), feature.GetMax(), feature.GetInc())
        if isinstance(feature, pylon.FloatParameter):
            step = feature.GetInc() if feature.HasInc() else None
            return Node(float(value), can_write, feature.GetMin(), feature.GetMax(), step)
        return Node(value, can_write)

    def write(self, name: str, value: NodeValue) -> None:
        """Write a feature by its type."""
        pylon, feature = self._camera.library, self._map.GetNode(name)
        kinds = {pylon.IntegerParameter: int, pylon.FloatParameter: float, pylon.BooleanParameter: bool}
        try:
            feature.SetValue(kinds.get(type(feature), str)(value))
        except pylon.GenericException as error:
            kind = CameraLostError if self._camera.device.IsCameraDeviceRemoved() else CameraError
            raise kind(_words(error)) from error


def _left_ms(deadline: float) -> int:
    return max(0, round(1000 * (deadline - time.monotonic())))


def _words(error: Exception) -> str:
    """Return the library's message without its places in the vendor's source code."""
    return " ".join(str(error).split()).split(" : ")[0].rstrip(".") or type(error).__name__
