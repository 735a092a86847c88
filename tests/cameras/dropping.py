"""Files as another vision system drops them into a folder, for the tests of the drop folder."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from partgate.cameras.base import Camera
from partgate.cameras.folder import FolderCameraConfig
from partgate.configfile import check_settings


def picture(number: int, suffix: str = ".png") -> bytes:
    """Return an encoded picture that is evenly as bright as its number."""
    done, data = cv2.imencode(suffix, np.full((20, 30, 3), number % 256, np.uint8))
    assert done
    return data.tobytes()


def drop(path: Path, number: int) -> None:
    """Write a picture at once."""
    path.write_bytes(picture(number, path.suffix))


def config(folder: Path, **more: Any) -> FolderCameraConfig:
    """Return the settings of a camera that watches a folder."""
    values = {"kind": "folder", "name": "top", "folder": str(folder), "mode": "watch", "settle_s": 0.02, **more}
    return check_settings(values, FolderCameraConfig, source="station.yaml", folder=Path("/"))


def watch(folder: Path, **more: Any) -> Camera:
    """Return a camera that watches a folder."""
    return config(folder, **more).open()


@contextmanager
def soon(act: Callable[[], object], after_s: float = 0.15) -> Iterator[None]:
    """Do something while a grab waits."""
    timer = threading.Timer(after_s, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()
