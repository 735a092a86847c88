"""Cameras of any vendor by its GenTL producer (a ``.cti`` file), with harvesters.

The producer comes with the vendor's software; this is the way to frame grabbers, CoaXPress and cameras that the driver
``gige`` does not reach. One thread owns the camera; harvesters and the producer run in a process of their own
(``aside.py``, ``genicam_session.py``), since they keep Python's lock while they wait and were seen to hang when a cable
is pulled (harvesters issues 202, 272, 431): a call that does not come back ends that process, and the next opening
starts from scratch. A network camera ended so is free again after its own heartbeat time, usually 3 s.

Triggers: ``software`` waits until the camera is ready where it tells, then triggers; after a picture that did not come
the stream is begun anew, so that it cannot come late for the next part. ``free`` throws away the pictures that were
under way (``skip_frames``; with 0 every picture is given). ``line`` gives the oldest picture not yet given, since the
edge comes before the station hears of the part: pair them by ``block_id``, which counts from the start of the stream.
``software`` and ``line`` were not tried: the counterpart has no trigger.
``captured_at`` is when the picture was whole in this PC: what a device's clock counts and from where is not told by
every producer. A picture whose buffer is not complete, or does not say so, is an error of this part.
``grab`` blocks for ``timeout_s`` and at most 0.5 s more, opening for ``open_within_s``, closing for 2 s.
Tried with the producer ``viky.cti`` of the genicam package and with one that fails on purpose, not on hardware.

Source:
    EMVA, GenICam GenTL Standard 1.6; harvesters 1.4.3.
"""

import os
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from partgate.cameras.aside import Aside
from partgate.cameras.settings import AppliedSettings, MachineVisionConfig
from partgate.configfile import RelativePath
from partgate.errors import CameraLostError
from partgate.parts import Frame

_SESSION = "partgate.cameras.genicam_session"
_GRACE_S = 0.5  # beyond a question's own time: the last step of waiting, sending the picture
_CHECK_WITHIN_S = 1.0
_PRODUCERS = "GENICAM_GENTL64_PATH"  # folders where vendors' installers put producers (GenTL 1.6, chapter 2)


class GenicamCameraConfig(MachineVisionConfig):
    """Which camera behind which producer, and how it is to be set."""

    KIND: ClassVar[str] = "genicam"

    kind: Literal["genicam"]
    producer: RelativePath = Field(description="the vendor's GenTL producer, a file that ends with .cti")
    serial: str | None = Field(default=None, min_length=1, description="serial number; null takes the only camera")
    model: str | None = Field(default=None, min_length=1, description="model, where no serial number is given")
    vendor: str | None = Field(default=None, min_length=1, description="vendor, where no serial number is given")
    skip_frames: int = Field(
        default=2, ge=0, le=30, description="trigger mode free: pictures under way at a trigger, thrown away"
    )
    frozen_after: int = Field(
        default=10, ge=0, description="so many pictures equal to the last bit are a frozen camera; 0 never"
    )
    open_within_s: float = Field(default=10.0, gt=0, le=120, description="longest wait for it when it is opened")

    def open(self) -> "GenicamCamera":
        """Return the camera that these settings describe."""
        return GenicamCamera(self)


class GenicamCamera:
    """One camera behind a GenTL producer; not thread-safe."""

    def __init__(self, config: GenicamCameraConfig) -> None:
        self.config = config
        self._aside: Aside | None = None
        self._applied = AppliedSettings({}, ())

    def __str__(self) -> str:
        serial = f" {self.config.serial}" if self.config.serial else ""
        return f"camera '{self.config.name}' (genicam {self.config.producer.name}{serial})"

    def __enter__(self) -> Self:
        self._check_producer()
        if missing := [name for name in ("harvesters", "genicam") if find_spec(name) is None]:
            raise CameraLostError(f'{self}: {" and ".join(missing)} missing; pip install "partgate[genicam]"')
        self._aside = Aside(_SESSION, str(self))
        try:
            config = self.config.model_dump_json()
            facts, _ = self._aside.ask("open", self.config.open_within_s, config=config)
        except BaseException:
            self.__exit__()
            raise
        self._applied = AppliedSettings(facts["found"], tuple(facts["differences"]))
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    @property
    def applied(self) -> AppliedSettings:
        """Return what the camera made of its settings."""
        return self._applied

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the camera did not take as asked for."""
        return self._applied.differences

    def check(self) -> None:
        """Read a register of the camera, past every cache."""
        self._opened().ask("check", _CHECK_WITHIN_S)

    def grab(self, timeout_s: float) -> Frame:
        """Return a picture by the trigger mode; see the module."""
        facts, data = self._opened().ask("grab", timeout_s + _GRACE_S, timeout_s=timeout_s)
        return Frame(
            np.frombuffer(data, np.uint8).reshape(facts["height_px"], facts["width_px"], 3),
            datetime.fromisoformat(facts["captured_at"]),
            self.config.name,
            source=facts["device"],
            block_id=facts["block_id"],
            settings=self._applied.found,
        )

    def _opened(self) -> Aside:
        if self._aside is None:
            raise CameraLostError(f"{self}: is not open; it is used inside its with block")
        return self._aside

    def _check_producer(self) -> None:
        """Refuse what is no producer: the library would show an empty list of cameras."""
        path = self.config.producer
        if path.is_file() and path.suffix.lower() == ".cti":
            return
        folders = [Path(folder) for folder in os.environ.get(_PRODUCERS, "").split(os.pathsep) if folder]
        found = ", ".join(str(file) for folder in folders for file in sorted(folder.glob("*.cti")))
        there = f"found {found}" if found else f"none in {_PRODUCERS} either; is the vendor's software installed?"
        what = "must end with .cti" if path.is_file() else "is not there"
        raise CameraLostError(f"{self}: producer {path} {what}; {there}")
