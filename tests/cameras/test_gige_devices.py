"""Which GigE camera is meant, among those that answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from partgate.cameras.gige_devices import list_gige_devices
from partgate.errors import CameraLostError

from .gige_camera import GigeCameraProcess, noise

PICTURES = noise(4)


@pytest.fixture
def counterpart(tmp_path: Path) -> Iterator[GigeCameraProcess]:
    with GigeCameraProcess(tmp_path, PICTURES) as process:
        yield process


def test_serial_number_that_is_not_there_lists_those_that_are(counterpart: GigeCameraProcess):
    camera = counterpart.config(serial="nobody").open()

    with pytest.raises(CameraLostError, match=rf"no camera with serial nobody; found .*{counterpart.serial}"):
        camera.__enter__()


def test_network_card_that_does_not_exist_is_named(counterpart: GigeCameraProcess):
    with pytest.raises(CameraLostError, match=r"cannot look for cameras: .*eth77"):
        counterpart.config(interface="eth77").open().__enter__()


def test_list_names_vendor_serial_address_and_whether_it_is_in_use(counterpart: GigeCameraProcess):
    with counterpart.config().open():
        lines = [str(device) for device in list_gige_devices()]

    assert any(line == f"Aravis Fake {counterpart.serial} at {counterpart.address}, in use" for line in lines)


def test_several_cameras_and_no_serial_number_ask_which_one(counterpart: GigeCameraProcess, tmp_path: Path):
    if counterpart.address == "127.0.0.1":
        pytest.skip("a second camera needs a second address of the loopback, and the right to add one")
    (tmp_path / "second").mkdir()
    with (
        GigeCameraProcess(tmp_path / "second", PICTURES) as other,
        pytest.raises(CameraLostError, match=rf"must be told which camera; found .*{other.serial}.*: set serial"),
    ):
        counterpart.config(serial=None).open().__enter__()
