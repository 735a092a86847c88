"""Basler cameras (GigE and USB) by the vendor's own library, pypylon.

One thread owns the camera; the library runs in a process of its own (``aside_camera.py``, ``basler_session.py``), since
it was seen to hang now and then: a call that does not come back ends that process, and the next opening starts from
scratch. How long each call may block stands in ``aside_camera.py``.

Triggers: ``software`` waits until the camera is ready for it, triggers, and takes the picture that comes; after one
that did not come grabbing is begun anew, so that it cannot come late for the next part. ``free`` throws away the
pictures that were under way (``skip_frames``; with 0 every picture is given). ``line`` gives the oldest picture not yet
given, since the edge comes before the station hears of the part: pair them by ``block_id``, which counts from the start
of grabbing. ``line`` was not tried. ``captured_at`` is when the picture was whole in this PC: the emulation's clock
stands still, so a conversion of a camera's clock could not be tried. Success is what the library says of each picture,
never its error code, which is 0 for an incomplete one.
Tried with the library's emulated cameras (``PYLON_CAMEMU``), own pictures, and a session that fails on purpose, not on
hardware: the emulation shows no removal and no use by another program.

Source:
    Basler, pylon 12.4 C++ API: CInstantCamera, CGrabResultData.
"""

from typing import ClassVar, Literal

from partgate.cameras.aside import Aside
from partgate.cameras.aside_camera import AsideCamera, AsideCameraConfig, check_installed

_SESSION = "partgate.cameras.basler_session"
_LIST_WITHIN_S = 10.0


class BaslerCameraConfig(AsideCameraConfig):
    """Which Basler camera, and how it is to be set."""

    KIND: ClassVar[str] = "basler"

    kind: Literal["basler"]

    def open(self) -> "BaslerCamera":
        """Return the camera that these settings describe."""
        return BaslerCamera(self)


class BaslerCamera(AsideCamera):
    """One Basler camera; not thread-safe."""

    SESSION: ClassVar[str] = _SESSION

    def __str__(self) -> str:
        return f"camera '{self.config.name}' (basler {self.config.serial or 'any'})"


def list_basler_cameras() -> list[str]:
    """Return the cameras that the library sees, one line each; opens none of them.

    Raises:
        CameraLostError: If the library is not installed, does not answer within 10 s, or fails.
    """
    who = "basler cameras"
    check_installed("basler", who)
    aside = Aside(_SESSION, who)
    try:
        facts, _ = aside.ask("list", _LIST_WITHIN_S)
    finally:
        aside.close()
    return [f"{found['vendor']} {found['model']} serial {found['serial']}" for found in facts["cameras"]]
