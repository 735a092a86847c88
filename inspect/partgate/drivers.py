"""How a driver is found by its ``kind``: one file a device, a config class with a kind, an ``open`` method.

A table of text, not of classes: a driver's file is imported when its kind is asked for, its vendor library when the
device opens. So a station starts without the libraries of drivers that it does not use.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

from pydantic import BaseModel

from partgate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DriverEntry:
    """Where a driver lives and what it needs."""

    family: str  # "camera", "controller" or "publisher"
    kind: str
    module: str
    config_class: str
    requires: tuple[str, ...] = ()  # importable modules beyond the line PC's own
    install: str = ""  # what to type where one of them is missing

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the modules that this machine lacks."""
        return tuple(name for name in self.requires if find_spec(name) is None)


DRIVERS: tuple[DriverEntry, ...] = (
    DriverEntry("camera", "folder", "partgate.cameras.folder", "FolderCameraConfig"),
    DriverEntry("camera", "usb", "partgate.cameras.usb", "UsbCameraConfig", ("cv2",), "pip install partgate"),
    DriverEntry("camera", "stream", "partgate.cameras.stream", "StreamCameraConfig", ("cv2",), "pip install partgate"),
    DriverEntry(
        "camera",
        "genicam",
        "partgate.cameras.genicam",
        "GenicamCameraConfig",
        ("harvesters", "genicam"),
        'pip install "partgate[genicam]"',
    ),
    DriverEntry(
        "camera",
        "basler",
        "partgate.cameras.basler",
        "BaslerCameraConfig",
        ("pypylon",),
        'pip install "partgate[basler]"',
    ),
    DriverEntry(
        "camera", "gige", "partgate.cameras.gige", "GigeCameraConfig", ("viva_genicam",), 'pip install "partgate[gige]"'
    ),
    DriverEntry("controller", "none", "partgate.controllers.none", "NoneControllerConfig"),
    DriverEntry("controller", "memory", "partgate.controllers.memory", "MemoryControllerConfig"),
    DriverEntry(
        "controller",
        "modbus",
        "partgate.controllers.modbus",
        "ModbusControllerConfig",
        ("pymodbus",),
        "pip install partgate",
    ),
    DriverEntry("controller", "tcp", "partgate.controllers.tcp", "TcpControllerConfig"),
    DriverEntry("controller", "tcp_text", "partgate.controllers.tcp_text", "TcpTextControllerConfig"),
    DriverEntry(
        "controller",
        "serial",
        "partgate.controllers.serial",
        "SerialControllerConfig",
        ("serial",),
        'pip install "partgate[serial]"',
    ),
    DriverEntry(
        "controller",
        "digital",
        "partgate.controllers.digital",
        "DigitalControllerConfig",
        ("gpiod",),
        'pip install "partgate[digital]"',
    ),
    DriverEntry(
        "controller",
        "opcua",
        "partgate.controllers.opcua",
        "OpcuaControllerConfig",
        ("asyncua",),
        'pip install "partgate[opcua]"',
    ),
    DriverEntry(
        "controller",
        "opcua_server",
        "partgate.controllers.opcua_server",
        "OpcuaServerControllerConfig",
        ("asyncua",),
        'pip install "partgate[opcua]"',
    ),
    DriverEntry("controller", "modbus_server", "partgate.controllers.modbus_server", "ModbusServerControllerConfig"),
    DriverEntry(
        "controller",
        "s7",
        "partgate.controllers.s7",
        "S7ControllerConfig",
        ("snap7",),
        'pip install "partgate[s7]"',
    ),
    DriverEntry(
        "controller",
        "ethernetip",
        "partgate.controllers.ethernetip",
        "EthernetIpControllerConfig",
        ("pylogix",),
        'pip install "partgate[ethernetip]"',
    ),
    DriverEntry("publisher", "mqtt", "partgate.publish.mqtt", "MqttConfig", ("paho",), "pip install 'partgate[mqtt]'"),
    DriverEntry("publisher", "webhook", "partgate.publish.webhook", "WebhookConfig"),
)


def driver_kinds(family: str) -> tuple[str, ...]:
    """Return the sorted kinds of a family (``camera`` or ``controller``)."""
    return tuple(sorted(entry.kind for entry in DRIVERS if entry.family == family))


def driver_config_class(family: str, kind: object) -> type[BaseModel]:
    """Return the config class of a driver.

    Args:
        family: ``camera`` or ``controller``.
        kind: What stands under ``kind`` in the file; any YAML value.

    Raises:
        ConfigError: If the kind is unknown; the nearest known one is named.
    """
    for entry in DRIVERS:
        if entry.family == family and entry.kind == kind:
            found = getattr(import_module(entry.module), entry.config_class)
            assert isinstance(found, type)
            assert issubclass(found, BaseModel)
            return found
    known = driver_kinds(family)
    near = get_close_matches(str(kind).casefold(), known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ConfigError([f"unknown kind {kind!r}; known kinds: {', '.join(known)}{hint}"])
