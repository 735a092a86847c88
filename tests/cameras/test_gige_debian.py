"""A GigE camera of which nothing is ours: Debian's ``arv-fake-gv-camera-0.8``, as it is installed."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from partgate.cameras.gige import GigeCamera, GigeCameraConfig
from partgate.errors import CameraLostError

from ..needed import need
from .gige_camera import own_address

PROGRAM = "arv-fake-gv-camera-0.8"
UP_WITHIN_S = 30.0
SERIAL = "DEBIAN7"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    need(PROGRAM, shutil.which(PROGRAM), "apt-get install aravis-tools")
    address, lock = own_address()
    with lock, subprocess.Popen([PROGRAM, "-i", address, "-s", SERIAL]) as running:
        yield running
        running.kill()


@contextlib.contextmanager
def opened() -> Iterator[GigeCamera]:
    """Open as soon as the program listens."""
    keys = {"kind": "gige", "name": "top", "serial": SERIAL, "pixel_format": "Mono8", "exposure_us": 2000.0}
    region = {"width_px": 128, "height_px": 96}
    config = GigeCameraConfig.model_validate(keys | {"region": region})
    end = time.monotonic() + UP_WITHIN_S
    while True:
        try:
            camera = config.open().__enter__()
            break
        except CameraLostError:
            assert time.monotonic() < end, f"{PROGRAM} does not listen"
            time.sleep(0.1)
    try:
        yield camera
    finally:
        camera.__exit__(None, None, None)


def test_every_trigger_gives_another_whole_picture_under_the_next_number(process: subprocess.Popen[bytes]):
    with opened() as camera:
        frames = [camera.grab(timeout_s=5) for _ in range(5)]

    assert all(frame.image.shape == (96, 128, 3) and frame.image.dtype == np.uint8 for frame in frames)
    assert all(not np.array_equal(one.image, other.image) for one, other in pairwise(frames))
    numbers = [frame.block_id for frame in frames]
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + 5))
    assert frames[0].settings["exposure_us"] == 2000.0


def test_program_that_is_killed_is_a_lost_camera(process: subprocess.Popen[bytes]):
    with opened() as camera:
        camera.grab(timeout_s=5)
        process.kill()
        process.wait()

        with pytest.raises(CameraLostError):
            camera.grab(timeout_s=5)
