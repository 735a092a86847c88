"""Cameras of any vendor by its GenTL producer (a ``.cti`` file), with harvesters.

The producer comes with the vendor's software; this is the way to frame grabbers, CoaXPress and cameras that the driver
``gige`` does not reach. One thread owns the camera; harvesters and the producer run in a process of their own
(``aside_camera.py``, ``genicam_session.py``), since they keep Python's lock while they wait and were seen to hang when
a cable is pulled (harvesters issues 202, 272, 431): a call that does not come back ends that process, and the next
opening starts from scratch.

Triggers: ``software`` waits until the camera is ready where it tells, then triggers; after a picture that did not come
the stream is begun anew, so that it cannot come late for the next part. ``free`` throws away the pictures that were
under way (``skip_frames``; with 0 every picture is given). ``line`` gives the oldest picture not yet given, since the
edge comes before the station hears of the part: pair them by ``block_id``, which counts from the start of the stream.
``software`` and ``line`` were not tried: the counterpart has no trigger.
``captured_at`` is when the picture was whole in this PC: what a device's clock counts and from where is not told by
every producer. A picture whose buffer is not complete, or does not say so, is an error of this part.
How long each call may block stands in ``aside_camera.py``.
Tried with the producer ``viky.cti`` of the genicam package and with one that fails on purpose, not on hardware.

Source:
    EMVA, GenICam GenTL Standard 1.6; harvesters 1.4.3.
"""

import os
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from partgate.cameras.aside_camera import AsideCamera, AsideCameraConfig
from partgate.configfile import RelativePath
from partgate.errors import CameraLostError

_PRODUCERS = "GENICAM_GENTL64_PATH"  # folders where vendors' installers put producers (GenTL 1.6, chapter 2)


class GenicamCameraConfig(AsideCameraConfig):
    """Which camera behind which producer, and how it is to be set."""

    KIND: ClassVar[str] = "genicam"

    kind: Literal["genicam"]
    producer: RelativePath = Field(description="the vendor's GenTL producer, a file that ends with .cti")
    model: str | None = Field(default=None, min_length=1, description="model, where no serial number is given")
    vendor: str | None = Field(default=None, min_length=1, description="vendor, where no serial number is given")

    def open(self) -> "GenicamCamera":
        """Return the camera that these settings describe."""
        return GenicamCamera(self)


class GenicamCamera(AsideCamera):
    """One camera behind a GenTL producer; not thread-safe."""

    SESSION: ClassVar[str] = "partgate.cameras.genicam_session"

    config: GenicamCameraConfig

    def __str__(self) -> str:
        serial = f" {self.config.serial}" if self.config.serial else ""
        return f"camera '{self.config.name}' (genicam {self.config.producer.name}{serial})"

    def __enter__(self) -> Self:
        self._check_producer()
        return super().__enter__()

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
