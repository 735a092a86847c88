"""The unit that makes a station start with the PC: read by systemd's own tools, whatever stands in names and paths."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from partgate.configfile import load_config
from partgate.errors import ConfigError
from partgate.station import service as services
from partgate.station.config import StationConfig
from partgate.station.service import describe_service, install_service, installed_unit, uninstall_service
from partgate.station.unit import MARK, unit_name, unit_text

from ..needed import need

NASTY = "Tür 3 50% \"rot\" $HOME 'x' \\ n"
ORDINARY = next(user.pw_name for user in pwd.getpwall() if user.pw_uid not in (0, os.getuid()))


@pytest.fixture(scope="session")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    need("systemd-analyze", found, "apt-get install systemd")
    assert found
    return found


def station_file(folder: Path, name: str = "line", **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "name": name,
        "recipe": "run",
        "camera": {"kind": "folder", "folder": "pictures"},
        "controller": {"kind": "memory"},
        "records": {"folder": "records"},
    }
    path = folder / "station.yaml"
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


def text_of(path: Path, python: Path = Path("/usr/bin/python3"), groups: frozenset[str] = frozenset()) -> str:
    return unit_text(path, load_config(path, StationConfig), "partgate", python, groups)


@pytest.mark.parametrize(
    "name", ["line", NASTY, "a" * 80, "%n %% \\", " x "], ids=["plain", "nasty", "long", "%", "spaces"]
)
def test_systemd_finds_no_fault_with_the_unit(analyze: str, tmp_path: Path, name: str):
    folder = tmp_path / 'Prüfung 100% "x" $y'
    camera = {"kind": "usb", "device": 0}
    unit = tmp_path / unit_name(name)
    unit.write_text(text_of(station_file(folder, name, camera=camera)).replace("User=partgate", "DynamicUser=yes"))

    found = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)

    assert (found.returncode, found.stderr, found.stdout) == (0, "", "")


def test_systemd_rates_the_sandbox_as_ok(analyze: str, tmp_path: Path):
    unit = tmp_path / "partgate-line.service"
    unit.write_text(text_of(station_file(tmp_path / "x")))
    # 4.0 of 10 is the middle of what systemd calls OK; what is left are the network and filters of system calls.
    command = [analyze, "security", "--offline=true", "--threshold=40", unit]

    found = subprocess.run(command, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout


def test_unit_names_are_those_of_systemd_and_no_two_stations_share_one():
    escape = shutil.which("systemd-escape")
    names = [NASTY, "a/b", "a:b_c.d", "A", "a", "x20", "\\x20", " "]

    units = [unit_name(name) for name in names]

    assert len({*units}) == len(names)
    assert all(re.fullmatch(r"partgate-[A-Za-z0-9:_.\\-]+\.service", unit) for unit in units)
    if escape:
        told = subprocess.run([escape, "--", NASTY], capture_output=True, text=True, check=True).stdout.strip()
        assert units[0] == f"partgate-{told}.service"


def test_name_that_makes_too_long_a_unit_is_refused():
    with pytest.raises(ConfigError, match=r"makes a unit name of \d+ characters, at most 255"):
        unit_name("ü" * 80)


@pytest.mark.parametrize("folder", ["a\nUser=root", "tab\t", "ends with space ", "ends with \\"])
def test_path_that_could_change_the_unit_is_refused(tmp_path: Path, folder: str):
    path = station_file(tmp_path / folder)

    with pytest.raises(ConfigError, match="rename it"):
        text_of(path)


def test_line_feed_in_a_name_is_refused_before_it_can_give_a_further_key(tmp_path: Path):
    with pytest.raises(ConfigError, match="name: must be one line of printing characters"):
        text_of(station_file(tmp_path, "line\nUser=root"))


def test_path_stands_in_the_command_as_systemd_will_read_it_back(tmp_path: Path):
    path = station_file(tmp_path / 'a "b" 5% $HOME \\n')

    command = re.findall("^ExecStart=(.*)", text_of(path), re.MULTILINE)[0]

    # After the colon a dollar sign is nothing special; a percent sign is doubled; backslash and quote are escaped.
    assert command == f':"/usr/bin/python3" "-m" "partgate" "run" "{tmp_path}/a \\"b\\" 5%% $HOME \\\\n/station.yaml"'


def test_unit_is_watched_restarted_and_shut_in(tmp_path: Path):
    lines = text_of(station_file(tmp_path)).splitlines()

    for wanted in (
        "Type=notify", "WatchdogSec=15", "Restart=on-failure", "RestartPreventExitStatus=2", "StartLimitBurst=10",
        "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "DevicePolicy=closed", "KillMode=mixed",
        "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "ProtectHome=yes",
        f'ReadWritePaths="{tmp_path}/records"', "TimeoutStopSec=30",
    ):  # fmt: skip
        assert wanted in lines
    assert not [line for line in lines if line.startswith(("DeviceAllow", "SupplementaryGroups", "Wants"))]


def test_devices_and_groups_are_those_of_the_station_file_and_of_this_system(tmp_path: Path):
    path = station_file(tmp_path, camera={"kind": "usb", "device": 0})

    with_group, without = text_of(path, groups=frozenset({"video", "dialout"})), text_of(path)

    assert "DevicePolicy=closed\nDeviceAllow=char-video4linux rw\n" in with_group
    assert "SupplementaryGroups=video\n" in with_group
    assert "After=network.target modprobe@videodev.service\nWants=modprobe@videodev.service\n" in with_group
    assert "SupplementaryGroups" not in without


@pytest.mark.parametrize(("port", "capability"), [(502, "CAP_NET_BIND_SERVICE"), (5025, "")])
def test_server_on_a_low_port_may_listen_there(tmp_path: Path, port: int, capability: str):
    text = text_of(station_file(tmp_path, controller={"kind": "tcp", "role": "server", "port": port}))

    assert f"CapabilityBoundingSet={capability}\nAmbientCapabilities={capability}\n" in text


def test_client_of_a_low_port_needs_no_right(tmp_path: Path):
    text = text_of(station_file(tmp_path, controller={"kind": "modbus", "host": "127.0.0.1", "port": 502}))

    assert "CapabilityBoundingSet=\n" in text


@pytest.mark.parametrize("key", ["python", "records", "pictures"])
def test_homes_are_hidden_unless_something_of_the_station_lies_there(tmp_path: Path, key: str):
    python = Path("/home/anna/venv/bin/python") if key == "python" else Path("/usr/bin/python3")
    records = "/home/anna/records" if key == "records" else "records"
    pictures = "/home/anna/pictures" if key == "pictures" else "pictures"
    camera = {"kind": "folder", "folder": pictures}

    assert "ProtectHome=read-only" in text_of(
        station_file(tmp_path, records={"folder": records}, camera=camera), python
    )


def test_unit_of_another_hand_is_neither_replaced_nor_removed(tmp_path: Path):
    path = station_file(tmp_path)
    service = describe_service(path, ORDINARY, tmp_path)
    service.path.write_text("[Unit]\n")

    with pytest.raises(ConfigError, match="was not written by partgate; move it away"):
        install_service(service)
    with pytest.raises(ConfigError, match="was not written by partgate; remove it by hand"):
        uninstall_service(str(path), tmp_path)

    assert service.path.read_text() == "[Unit]\n"


@pytest.mark.parametrize(
    ("user", "told"), [("no-such-user", "no such user; make one: sudo useradd"), ("root", "must not be")]
)
def test_user_who_is_not_there_or_is_the_administrator_is_refused(tmp_path: Path, user: str, told: str):
    with pytest.raises(ConfigError, match=told):
        describe_service(station_file(tmp_path), user, tmp_path)


def test_unit_is_written_shown_replaced_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    owners: list[tuple[Path, int]] = []
    monkeypatch.setattr(services.os, "chown", lambda path, uid, gid: owners.append((path, uid)))
    path, units = station_file(tmp_path, NASTY, records={"folder": "deep/records"}), tmp_path
    service = describe_service(path, ORDINARY, units)

    assert installed_unit(str(path), units) == (service.name, units / service.name, None)
    assert not install_service(service)
    assert install_service(service)
    assert installed_unit(NASTY, units)[2] == service.text
    assert service.text.startswith(MARK)
    assert owners == [(tmp_path / "deep", service.uid), (tmp_path / "deep/records", service.uid)]
    assert uninstall_service(NASTY, units) == service.name
    with pytest.raises(ConfigError, match="no such unit; units of partgate there: none"):
        uninstall_service(str(path), units)


def test_folder_that_is_not_writable_is_told_with_the_command_for_the_administrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(services.sys, "argv", ["partgate", "service", "install", "a b.yaml"])
    service = describe_service(station_file(tmp_path), ORDINARY, tmp_path / "not" / "there")
    monkeypatch.setattr(services.os, "chown", lambda *_: None)

    with pytest.raises(ConfigError, match=r"cannot be written: .*: sudo /.* -m partgate service install 'a b.yaml'"):
        install_service(service)


def test_systemctl_is_not_tried_where_systemd_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(services, "_SYSTEMD_IS_RUNNING", tmp_path / "none")

    with pytest.raises(ConfigError, match="systemd does not run here; 'partgate watch'"):
        services.run_systemctl([("false",)])


def test_systemctl_that_fails_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(services, "_SYSTEMD_IS_RUNNING", tmp_path)

    with pytest.raises(ConfigError, match=r"^sh -c 'echo no >&2; false': no$"):
        services.run_systemctl([("true",), ("sh", "-c", "echo no >&2; false"), ("touch", str(tmp_path / "never"))])

    assert not (tmp_path / "never").exists()
