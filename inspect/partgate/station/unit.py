"""A station's unit for systemd: its text, its name, and how names and paths are written in it.

The sandbox lets the station read the system, write its records and its cache, and meet the devices that its station
file names and no others. Keys that systemd 252 (Debian 12) does not know are not used.

Source:
    systemd 252: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.resource-control(5).
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import partgate
from partgate.errors import ConfigError
from partgate.station.config import StationConfig

ENVIRONMENT_FOLDER = Path("/etc/partgate")
MARK = "# Written by 'partgate service install', which replaces it when it runs again."
_PREFIX, _SUFFIX, _LONGEST_UNIT_NAME = "partgate-", ".service", 255
_FREE_PORTS_FROM = 1024
_HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))  # what ProtectHome= hides

_TEXT = """{mark}
[Unit]
Description={description}
Documentation=https://github.com/partgate/partgate/tree/main/docs/guides/service.md
After=network.target{modules}
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=notify
NotifyAccess=main
ExecStart=:{command}
User={user}{groups}
WorkingDirectory={folder}
EnvironmentFile=-{environment_file}
Environment=PARTGATE_CACHE=%C/partgate/%N PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1
CacheDirectory=partgate/%N
UMask=0027

# Not ready within 3 min, or no sign of life for 15 s: the log tells where it hung, and it is started again.
TimeoutStartSec=180
WatchdogSec=15
WatchdogSignal=SIGABRT
TimeoutAbortSec=5
LimitCORE=0
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2
# Asked to stop: the part in hand is finished, parts on their way pass the gate, records are written.
KillMode=mixed
TimeoutStopSec=30

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
ReadWritePaths={records}
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
DevicePolicy=closed{devices}

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the devices of a kind of driver need."""

    devices: tuple[str, ...]
    group: str
    modules: tuple[str, ...] = ()  # loaded first: a kind of device that the kernel does not know yet is not allowed


_NEEDS = {
    "usb": Needs(("char-video4linux",), "video", ("videodev",)),
    "serial": Needs(("char-ttyUSB", "char-ttyACM", "char-ttyS"), "dialout", ("usbserial", "cdc_acm")),
    "digital": Needs(("char-gpiochip",), "gpio"),
}


def unit_name(station: str) -> str:
    r"""Return the name of a station's unit: other characters than a-z, 0-9 and ``:-_.`` as ``\x``, as systemd has them.

    Raises:
        ConfigError: If it is longer than systemd allows.

    Example:
        >>> unit_name("line-1"), unit_name("Tür 3")
        ('partgate-line-1.service', 'partgate-T\\xc3\\xbcr\\x203.service')
    """
    kept = set((ascii_letters + digits + ":-_.").encode())
    name = "".join(chr(byte) if byte in kept else f"\\x{byte:02x}" for byte in station.encode())
    unit = f"{_PREFIX}{name}{_SUFFIX}"
    if len(unit) > _LONGEST_UNIT_NAME:
        raise ConfigError([f"station '{station}': makes a unit name of {len(unit)} characters, at most "
                           f"{_LONGEST_UNIT_NAME} are allowed; give it a shorter name"])  # fmt: skip
    return unit


def unit_text(
    station: Path, config: StationConfig, user: str, python: Path, groups: frozenset[str] = frozenset()
) -> str:
    """Return a station's unit.

    Args:
        station: Its file, absolute.
        config: What stands in it.
        user: Who runs it.
        python: The interpreter that has partgate, absolute.
        groups: All groups of this system: one that is not there would keep the service from starting.

    Raises:
        ConfigError: If a path holds a character that no unit can.
    """
    values = list(_values(config.model_dump()))
    needs = [_NEEDS[kind] for kind in sorted({kind for key, kind in values if key == "kind"} & _NEEDS.keys())]
    records = Path(os.path.abspath(config.records.folder))
    paths = [python, station, Path(partgate.__file__), *(value for _, value in values if isinstance(value, Path))]
    wanted = " ".join(f"modprobe@{module}.service" for need in needs for module in need.modules)
    present = " ".join(sorted({need.group for need in needs} & groups))
    return _TEXT.format(
        mark=MARK,
        description=_percent(f"partgate station {' '.join(config.name.split())}".rstrip("\\")),
        modules=f" {wanted}\nWants={wanted}" if wanted else "",
        command=" ".join(_quoted(word) for word in (str(python), "-m", "partgate", "run", str(station))),
        user=_percent(user),
        groups=f"\nSupplementaryGroups={present}" if present else "",
        folder=_plain(station.parent),
        environment_file=_plain(environment_file(unit_name(config.name))),
        home="read-only" if any(map(_is_in_a_home, paths)) else "yes",
        records=_quoted(str(records)),
        capabilities="CAP_NET_BIND_SERVICE" if _listens_on_a_low_port(config) else "",
        devices="".join(f"\nDeviceAllow={device} rw" for need in needs for device in need.devices),
    )


def environment_file(unit: str) -> Path:
    """Return the file that holds a station's passwords as ``NAME=value``; systemd reads it, the station's user cannot.

    Example:
        >>> environment_file("partgate-line-1.service").as_posix()
        '/etc/partgate/line-1.env'
    """
    return ENVIRONMENT_FOLDER / f"{unit.removeprefix(_PREFIX).removesuffix(_SUFFIX)}.env"


def _values(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Give everything that stands in the settings, with its key."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _values(value, str(name))
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _values(value, key)
    else:
        yield key, content


def _listens_on_a_low_port(config: StationConfig) -> bool:
    found = config.controller.model_dump()
    is_server = str(found.get("kind")).endswith("_server") or found.get("role") == "server"
    return is_server and isinstance(found.get("port"), int) and found["port"] < _FREE_PORTS_FROM


def _is_in_a_home(path: Path) -> bool:
    either = (Path(os.path.abspath(path)), path.resolve())  # an interpreter is often a link into somebody's home
    return any(one.is_relative_to(home) for one in either for home in _HOMES)


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _plain(path: Path) -> str:
    """Return a path as it stands alone after a key: taken as it is, but for the percent sign."""
    text = _without_control_characters(str(path))
    if text != text.strip() or text.endswith("\\"):
        raise ConfigError(
            [f"{text!r}: must not begin or end with a space or end with a backslash in a unit; rename it"]
        )
    return _percent(text)


def _quoted(word: str) -> str:
    r"""Return a word of a list or command line; after ``ExecStart=:`` a dollar sign stands for itself.

    Example:
        >>> print(_quoted('C 50%"'))
        "C 50%%\""
    """
    word = _without_control_characters(word)
    return '"' + _percent(word.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _without_control_characters(text: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ConfigError([f"{text!r}: holds a control character, which no unit can; rename it"])
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError([f"{text!r}: is no UTF-8, which a unit must be; rename it"]) from None
    return text
