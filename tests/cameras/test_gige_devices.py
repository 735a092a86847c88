"""Which GigE camera is meant, among those that answer."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from partgate.cameras import gige_devices
from partgate.cameras.gige import GigeCameraConfig
from partgate.cameras.gige_devices import find_device, list_gige_devices
from partgate.configfile import check_settings
from partgate.errors import CameraLostError, ConfigError

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
    with pytest.raises(CameraLostError, match=r"no network card has the name or address 'eth77'; this PC has .*lo"):
        counterpart.config(interface="eth77").open().__enter__()


@pytest.mark.parametrize(("written", "read"), [("40123456", "40123456"), ('"0123"', "0123"), ("QC0003", "QC0003")])
def test_serial_number_of_digits_alone_needs_no_quotation_marks(written: str, read: str):
    values = {"kind": "gige", **yaml.safe_load(f"serial: {written}")}

    assert check_settings(values, GigeCameraConfig, source="s.yaml", folder=Path()).serial == read


@pytest.mark.parametrize("serial", [True, 4.5, ""])
def test_serial_number_that_is_none_is_refused(serial: object):
    with pytest.raises(ConfigError, match=r"s\.yaml: serial: "):
        check_settings({"kind": "gige", "serial": serial}, GigeCameraConfig, source="s.yaml", folder=Path())


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


NO_WAY = "255.255.255.255"  # the system refuses the way there at once, as it does for a network that it is not in


@pytest.fixture
def with_one_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the cameras that were found is one whose address is of another network."""
    discover = gige_devices._discover
    stray = SimpleNamespace(ip=NO_WAY, manufacturer="Maker", model="Stray")
    monkeypatch.setattr(gige_devices, "_discover", lambda *args: [*discover(*args), stray])


@pytest.mark.usefixtures("with_one_out_of_reach")
def test_camera_out_of_reach_is_listed_with_what_to_look_at():
    lines = [str(device) for device in list_gige_devices()]

    assert lines[-1] == (
        f"Maker Stray of unknown serial number at {NO_WAY}, does not answer: is this PC's network card in its network?"
    )


@pytest.mark.usefixtures("with_one_out_of_reach")
def test_camera_out_of_reach_keeps_no_other_one_from_being_opened(counterpart: GigeCameraProcess):
    with counterpart.config().open() as camera:
        assert camera.grab(timeout_s=2).camera == "top"


def test_camera_out_of_reach_that_is_the_only_one_is_told_and_not_opened_for_seconds(monkeypatch: pytest.MonkeyPatch):
    stray = SimpleNamespace(ip=NO_WAY, manufacturer="Maker", model="Stray")
    monkeypatch.setattr(gige_devices, "_discover", lambda *args: [stray])
    library: Any = None
    wanted: Any = SimpleNamespace(serial=None, address=None, interface=None)

    with pytest.raises(CameraLostError, match=r"Maker Stray .* does not answer: is this PC's network card in"):
        find_device(library, wanted, "camera 'top'")
