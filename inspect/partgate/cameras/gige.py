"""GigE Vision cameras without any vendor's software, with viva-genicam.

One thread owns the camera: it opens, asks and closes it; a thread of the driver takes every picture as it comes.

- ``software``: the camera is asked on its control channel whether it is there, then triggered unless it is too late by
  then (``not_after``), and the next picture is the part's. After one that did not come the stream is begun anew, so
  that it cannot come late for the next part.
- ``line``: an edge at the camera's input takes the picture, before the station hears of the part. ``grab`` gives the
  oldest picture not yet given; pair them by ``block_id``. The newest ``buffer_frames`` are kept.
- ``free``: the first ``skip_frames`` pictures that come after the call are thrown away, as they were under way. With
  ``skip_frames: 0`` every picture is given, as with ``line``: for parts that are found in the stream.

A picture with missing packets is an error of this part. No picture for ``lost_after_periods`` in mode free, no answer
on the control channel within 0.24 s, or control gone to another program: the camera is lost and must be opened again.
``captured_at`` is when the picture was whole in this PC: how a camera's clock stands to ours is not asked for; its time
stamps must only never go back. ``grab`` blocks for ``timeout_s`` and 0.5 s more; where the camera vanishes between the
question and the trigger, the library takes up to 4.4 s to say so. Closing blocks for about 1 s.
Tried with the simulated camera of Aravis 0.8.26 on the loopback, not on hardware; mode line needs an edge and was not.
"""

import contextlib
import time
from ipaddress import IPv4Address
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from partgate.cameras.apply import apply_settings
from partgate.cameras.arrivals import Arrival, Arrivals, FrameCounts
from partgate.cameras.base import refuse_late
from partgate.cameras.gige_devices import GigeNodes, find_device
from partgate.cameras.gvcp import ControlChannel
from partgate.cameras.pixels import check_pixel_format, to_rgb
from partgate.cameras.sequence import FrameSequence
from partgate.cameras.settings import AppliedSettings, FrozenAfter, MachineVisionConfig, SerialNumber
from partgate.errors import CameraError, CameraLostError, ConfigError, DamagedPictureError
from partgate.parts import Frame

_LOOK_MS = 100  # the library is asked for the next picture so long at a time
_ASK_EVERY_S = 0.2  # while a picture is waited for, the camera is asked whether it is there
_LEAST_SILENCE_S = 0.2  # a PC under load is late by more than the periods of a fast camera


class GigeCameraConfig(MachineVisionConfig):
    """Which camera, and how it is to be set."""

    KIND: ClassVar[str] = "gige"

    kind: Literal["gige"]
    serial: SerialNumber | None = Field(default=None, description="serial number; null takes the only camera")
    address: IPv4Address | None = Field(default=None, description="the camera's IPv4 address, instead of its serial")
    interface: str | None = Field(
        default=None, min_length=1, description="network card to look at, by its name or address; null looks at all"
    )
    buffer_frames: int = Field(
        default=8, ge=1, le=1000, description="pictures kept until they are asked for; the newest stay"
    )
    skip_frames: int = Field(
        default=2, ge=0, le=30, description="trigger mode free: pictures under way at a trigger, thrown away"
    )
    lost_after_periods: int = Field(
        default=5, ge=2, le=1000, description="trigger mode free: no picture for so many periods is a lost camera"
    )
    frozen_after: FrozenAfter = 2
    resend: bool = Field(default=True, description="ask the camera for lost packets again, where it can")

    def open(self) -> "GigeCamera":
        """Return the camera that these settings describe."""
        return GigeCamera(self)


class GigeCamera:
    """One GigE Vision camera; not thread-safe."""

    def __init__(self, config: GigeCameraConfig) -> None:
        self.config = config
        self._library: Any = None
        self._camera: Any = None
        self._stream: Any = None
        self._channel: ControlChannel | None = None
        self._arrivals: Arrivals | None = None
        self._serial, self._damaged, self._before = "", 0, FrameCounts()
        self._sequence = FrameSequence(config.frozen_after)
        self._applied = AppliedSettings({}, ())
        self._is_lost = False

    def __str__(self) -> str:
        which = self.config.serial or (str(self.config.address) if self.config.address else self._serial)
        return f"camera '{self.config.name}' (gige {which})".replace(" )", ")")

    def __enter__(self) -> Self:
        try:
            import viva_genicam
        except ImportError as error:
            raise CameraLostError(f'{self}: needs viva-genicam: pip install "partgate[gige]" ({error})') from error
        self._library, self._is_lost, self._damaged, self._before = viva_genicam, False, 0, FrameCounts()
        self._sequence = FrameSequence(self.config.frozen_after)
        try:
            self._connect()
            nodes = GigeNodes(self._camera, self._error(), str(self))
            self._applied = apply_settings(nodes, self.config, str(self), packets=False)
            self._check_pixel_format()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop()
        if self._camera is not None:
            with contextlib.suppress(self._error()):
                self._camera.close()
            self._camera = None
        if self._channel is not None:
            self._channel.__exit__()
            self._channel = None

    @property
    def applied(self) -> AppliedSettings:
        """Return what the camera made of its settings."""
        return self._applied

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the camera did not take as asked for."""
        return self._applied.differences

    @property
    def counts(self) -> FrameCounts:
        """Return what became of the pictures since the camera was opened."""
        now, before = self._arrivals, self._before
        arrived, dropped = (now.arrived, now.dropped) if now else (0, 0)
        return FrameCounts(before.arrived + arrived, before.dropped + dropped, self._sequence.lost, self._damaged)

    def check(self) -> None:
        """Ask the camera whether it is there and still ours; in mode free also whether pictures come."""
        channel, _ = self._opened()
        is_controlled = channel.is_controlled()
        if is_controlled is None:
            raise self._lost("does not answer; is the cable in, and has it power?")
        if not is_controlled:
            raise self._lost("control was taken from this station; did another program open it, or was it restarted?")
        if self.config.trigger.mode == "free":
            self._check_silence()

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return a picture by the trigger mode; see the module."""
        _, arrivals = self._opened()
        until_s = time.monotonic() + timeout_s
        self.check()
        refuse_late(not_after, self)
        if self.config.trigger.mode == "software":
            arrivals.clear()
            self._trigger(not_after)
            skip = 0
        else:
            skip = self.config.skip_frames if self.config.trigger.mode == "free" else 0
            if skip:
                arrivals.clear()
        for _ in range(skip):
            self._wait(arrivals, until_s, timeout_s)
        return self._to_frame(self._wait(arrivals, until_s, timeout_s))

    def _connect(self) -> None:
        info, self._serial = find_device(self._library, self.config, str(self))
        self._channel = ControlChannel(info.ip)
        if self._channel.is_controlled():
            by = self._channel.controller()
            who = f"a program on {by}" if by else "another program"
            raise CameraLostError(f"{self}: is in use by {who}; close it there, it is free about 3 s later")
        try:
            self._camera = self._library.connect_gige(info)
        except self._error() as error:
            raise CameraLostError(f"{self}: cannot be opened: {error}") from error

    def _check_pixel_format(self) -> None:
        try:
            check_pixel_format(str(self._applied.found.get("pixel_format", "Mono8")))
        except CameraError as error:
            raise ConfigError([f"{self}: {error}"]) from None

    def _start(self) -> None:
        delay = self.config.packet_delay_us
        try:
            self._stream = self._camera.stream(
                packet_size=self.config.packet_size_bytes,
                packet_delay_ns=None if delay is None else round(1000 * delay),
                resend=self.config.resend,
                deliver_incomplete=True,  # a damaged picture must be seen: a part would pass unseen
            )
            self._stream.__enter__()
        except self._error() as error:
            raise CameraLostError(f"{self}: its stream cannot be begun: {error}") from error
        self._sequence.begin_anew()
        self._arrivals = Arrivals(f"read {self.config.name}", self._take, self.config.buffer_frames, self._sequence)

    def _stop(self) -> None:
        """End stream and thread; a lost camera is not asked to stop, which would take seconds."""
        arrivals, self._arrivals = self._arrivals, None
        if arrivals is not None:
            arrivals.close()
            arrivals.clear()
            old = self._before
            self._before = FrameCounts(old.arrived + arrivals.arrived, old.dropped + arrivals.dropped)
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(self._error()):
                stream.close() if self._is_lost else stream.__exit__(None, None, None)

    def _take(self) -> tuple[Any, int, int | None] | None:
        try:
            picture = self._stream.next_frame(_LOOK_MS)
        except (self._error(), AttributeError):  # nothing came; or the stream has just been closed
            return None
        return None if picture is None else (picture, picture.block_id, picture.ts_dev)

    def _trigger(self, not_after: float | None) -> None:
        try:
            self._camera.trigger_software()
        except self._error() as error:
            self.check()
            raise CameraError(f"{self}: takes no software trigger: {error}") from error
        try:
            refuse_late(not_after, self)  # a command that was lost is repeated by the library: exposed who knows when
        except CameraError:
            self._begin_anew()
            raise

    def _wait(self, arrivals: Arrivals, until_s: float, timeout_s: float) -> Arrival:
        """Return the next picture; look meanwhile whether the camera is there."""
        while True:
            left_s = until_s - time.monotonic()
            arrival = arrivals.next(min(until_s, time.monotonic() + _ASK_EVERY_S))
            if arrival is not None:
                return arrival
            self.check()
            if left_s <= _ASK_EVERY_S:
                break
        cure = "; none has come yet: does a firewall keep UDP out, or a packet that is too large?"
        if self.config.trigger.mode == "line":
            cure = f"; no edge came at {self.config.trigger.source}? Look without one by --set trigger.mode=free"
        elif arrivals.arrived:
            cure = ""
        if self.config.trigger.mode == "software":
            self._begin_anew()
        raise CameraError(f"{self}: no picture within {timeout_s:.3f} s{cure}")

    def _begin_anew(self) -> None:
        """Leave behind a picture that may still come: it is not the next part's."""
        self._stop()
        self._start()

    def _check_silence(self) -> None:
        _, arrivals = self._opened()
        rate = float(self._applied.found.get("frame_rate", 0.0)) or 1.0
        limit_s = max(self.config.lost_after_periods / rate, _LEAST_SILENCE_S)
        silent_s = time.monotonic() - arrivals.last_s
        if silent_s > limit_s:
            raise self._lost(f"no picture for {silent_s:.2f} s at {rate:g} a second; is the network overloaded?")

    def _to_frame(self, arrival: Arrival) -> Frame:
        picture = arrival.picture
        if not picture.is_complete:
            self._damaged += 1
            missing = picture.missing_packets
            what = f"{missing} packets are missing" if missing else f"it ended as {picture.status.value}"
            raise DamagedPictureError(f"{self}: picture {arrival.number} is not whole: {what}; check the cable")
        data = picture.payload()
        if problem := arrival.problem or self._sequence.judge(data):
            raise DamagedPictureError(f"{self}: {problem}")
        try:
            image = to_rgb(
                np.frombuffer(data, np.uint8), picture.pixel_format, picture.height, picture.width, picture.padding_x
            )
        except CameraError as error:
            raise DamagedPictureError(f"{self}: {error}") from None
        return Frame(
            image,
            arrival.came_at,
            self.config.name,
            source=self._serial or None,
            block_id=arrival.number,
            settings=self._applied.found,
        )

    def _opened(self) -> tuple[ControlChannel, Arrivals]:
        if self._channel is None or self._arrivals is None:
            raise CameraLostError(f"{self}: is not open; it is used inside its with block")
        return self._channel, self._arrivals

    def _lost(self, why: str) -> CameraLostError:
        self._is_lost = True
        return CameraLostError(f"{self}: {why}")

    def _error(self) -> Any:
        """Return the base class of the library's errors."""
        return self._library.GenicamError
