"""The table of drivers: every entry leads to a config class that says the same kind."""

import subprocess
import sys
from typing import get_args

import pytest

from partgate.cameras.base import CameraConfig
from partgate.controllers.base import ControllerConfig
from partgate.drivers import DRIVERS, DriverEntry, driver_config_class, driver_kinds
from partgate.errors import ConfigError
from partgate.publish.base import PublisherConfig

FAMILIES = {"camera": CameraConfig, "controller": ControllerConfig, "publisher": PublisherConfig}
every_driver = pytest.mark.parametrize("entry", DRIVERS, ids=lambda entry: f"{entry.family}-{entry.kind}")


@every_driver
def test_entry_leads_to_a_config_class_of_its_family_and_kind(entry: DriverEntry) -> None:
    found = driver_config_class(entry.family, entry.kind)

    assert found.__name__ == entry.config_class
    assert issubclass(found, FAMILIES[entry.family])
    assert entry.kind == found.KIND  # type: ignore[attr-defined]
    assert get_args(found.model_fields["kind"].annotation) == (entry.kind,)


@every_driver
def test_driver_says_how_it_is_opened_and_describes_each_of_its_settings(entry: DriverEntry) -> None:
    found = driver_config_class(entry.family, entry.kind)
    own = [name for name in found.model_fields if name not in ("kind", *FAMILIES[entry.family].model_fields)]

    assert "open" in vars(found)
    assert [name for name in own if not found.model_fields[name].description] == []


@every_driver
def test_what_a_driver_requires_is_there_or_it_is_told_what_to_install(entry: DriverEntry) -> None:
    assert not entry.requires or entry.install
    assert set(entry.missing) <= set(entry.requires)


@every_driver
def test_config_class_is_read_without_the_vendor_library(entry: DriverEntry) -> None:
    libraries = [name for name in entry.requires if name != "cv2"]  # OpenCV also decodes pictures
    code = f"import sys, {entry.module} as driver; sys.exit(bool(set({libraries}) & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_no_kind_stands_twice() -> None:
    names = [(entry.family, entry.kind) for entry in DRIVERS]

    assert len(set(names)) == len(names)


def test_kinds_are_sorted_by_name() -> None:
    assert driver_kinds("controller") == tuple(sorted(driver_kinds("controller")))
    assert set(driver_kinds("camera")) >= {"folder", "usb"}


@pytest.mark.parametrize(
    ("family", "kind", "told"),
    [
        ("camera", "webcam", r"unknown kind 'webcam'; known kinds: .*folder, .*usb"),
        ("camera", "foldr", r"unknown kind 'foldr'; .*did you mean 'folder'\?"),
        ("camera", "USB", r"unknown kind 'USB'; .*did you mean 'usb'\?"),
        ("controller", "modbus_tcp", r"did you mean 'modbus'\?"),
        ("controller", None, r"unknown kind None; known kinds: .*modbus"),
        ("controller", ["modbus"], r"unknown kind \['modbus'\]"),
        ("camera", "modbus", r"unknown kind 'modbus'; known kinds: .*usb$"),
    ],
    ids=["no-hint", "typo", "upper-case", "longer", "missing", "list", "other-family"],
)
def test_unknown_kind_lists_the_known_ones_and_names_the_nearest(family: str, kind: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        driver_config_class(family, kind)


def test_driver_lists_what_is_missing_on_this_machine() -> None:
    entry = DriverEntry("camera", "exotic", "nowhere", "Nothing", ("json", "no_such_vendor_library"), "pip install it")

    assert entry.missing == ("no_such_vendor_library",)
