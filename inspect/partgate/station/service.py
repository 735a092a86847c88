"""A station as a service of systemd: written, taken away, looked at; nothing is started unless that is asked for."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from partgate.configfile import load_config, write_atomically
from partgate.errors import ConfigError
from partgate.station.config import StationConfig
from partgate.station.unit import MARK, environment_file, unit_name, unit_text

_SYSTEMD_IS_RUNNING = Path("/run/systemd/system")  # sd_booted(3)
_SYSTEMCTL_WITHIN_S = 120
_ADD_USER = "sudo useradd --system partgate"


@dataclass(frozen=True, slots=True)
class Service:
    """A station's unit: where it belongs and what must stand in it."""

    name: str  # of the unit
    path: Path
    text: str
    passwords: Path  # as NAME=value; need not be there
    records: Path
    uid: int
    gid: int

    @property
    def enable(self) -> tuple[str, ...]:
        """Return the command that starts the station now and at each boot."""
        return ("systemctl", "enable", "--now", self.name)


RELOAD = ("systemctl", "daemon-reload")


def describe_service(station: Path, user: str, folder: Path) -> Service:
    """Return the unit of a station, as it is to be written.

    Args:
        station: Station file.
        user: Who runs it; an ordinary user of this system.
        folder: Where units lie.

    Raises:
        ConfigError: If the station file is wrong, or there is no such user.
    """
    config = load_config(station, StationConfig)
    uid, gid, groups = _look_up(user)
    name = unit_name(config.name)
    text = unit_text(Path(os.path.abspath(station)), config, user, Path(os.path.abspath(sys.executable)), groups)
    records = Path(os.path.abspath(config.records.folder))
    return Service(name, folder / name, text, environment_file(name), records, uid, gid)


def _look_up(user: str) -> tuple[int, int, frozenset[str]]:
    if sys.platform == "win32":
        raise ConfigError(["service: systemd is on Linux only; for Windows see docs/guides/service.md"])
    import grp
    import pwd

    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError([f"--user {user}: no such user; make one: {_ADD_USER}"]) from None
    if found.pw_uid == 0:
        raise ConfigError([f"--user {user}: must not be the administrator; make a user for stations: {_ADD_USER}"])
    return found.pw_uid, found.pw_gid, frozenset(group.gr_name for group in grp.getgrall())


def install_service(service: Service) -> bool:
    """Write a unit and make the records folder it needs; return whether an older unit was replaced.

    Raises:
        ConfigError: If a file is there that partgate did not write, or it cannot be written.
    """
    found = _read(service.path)
    if found is not None and not found.startswith(MARK):
        raise ConfigError([f"{service.path}: is there and was not written by partgate; move it away first"])
    try:
        _make_for(service.records, service.uid, service.gid)
        write_atomically(service.path, service.text.encode())
    except OSError as error:
        raise ConfigError([_no_permission(error, service.path)]) from error
    return found is not None


def _make_for(folder: Path, uid: int, gid: int) -> None:
    """Make a folder, and those above it, as the user's own; those that are there stay as they are."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        os.chown(path, uid, gid)


def is_usable_by(service: Service) -> bool:
    """Tell whether the records folder belongs to the service's user; where it does not, the station may not start."""
    try:
        return service.records.stat().st_uid == service.uid
    except OSError:
        return False


def uninstall_service(station: str, folder: Path) -> str:
    """Remove a station's unit; return the unit's name.

    Args:
        station: Station file, or the station's name where the file is gone.
        folder: Where units lie.

    Raises:
        ConfigError: If there is no unit of that name, or partgate did not write it.
    """
    name, path = _find(station, folder)
    found = _read(path)
    if found is None:
        known = ", ".join(sorted(unit.name for unit in folder.glob("partgate-*.service"))) or "none"
        raise ConfigError([f"{path}: no such unit; units of partgate there: {known}"])
    if not found.startswith(MARK):
        raise ConfigError([f"{path}: was not written by partgate; remove it by hand"])
    try:
        path.unlink()
    except OSError as error:
        raise ConfigError([_no_permission(error, path)]) from error
    return name


def installed_unit(station: str, folder: Path) -> tuple[str, Path, str | None]:
    """Return a station's unit: its name, its path, and what stands in it; ``None`` where it is not installed.

    Raises:
        ConfigError: If the station file is wrong, or the unit cannot be read.
    """
    name, path = _find(station, folder)
    return name, path, _read(path)


def _find(station: str, folder: Path) -> tuple[str, Path]:
    file = Path(station)
    is_file = file.is_file() or file.suffix in (".yaml", ".yml")
    name = unit_name(load_config(file, StationConfig).name if is_file else station)
    return name, folder / name


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error


def _no_permission(error: OSError, path: Path) -> str:
    return f"{path}: cannot be written: {error.strerror}; run the same command as administrator: {as_administrator()}"


def as_administrator() -> str:
    """Return this very command for sudo, which knows no virtual environment."""
    return shlex.join(["sudo", os.path.abspath(sys.executable), "-m", "partgate", *sys.argv[1:]])


def run_systemctl(commands: Sequence[Sequence[str]]) -> None:
    """Run commands of systemd, one after the other.

    Raises:
        ConfigError: If systemd does not run here, or one of them fails; with what it said.
    """
    if not _SYSTEMD_IS_RUNNING.is_dir():
        raise ConfigError(["systemctl: systemd does not run here; 'partgate watch' restarts stations without it"])
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SYSTEMCTL_WITHIN_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError([f"{shlex.join(command)}: did not run: {error}"]) from error
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise ConfigError([f"{shlex.join(command)}: {said}"])
