"""GigE Vision cameras that this PC sees, the one that is meant, and its features."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Protocol

from partgate.cameras.gvcp import ControlChannel
from partgate.cameras.nodes import Node, NodeValue
from partgate.errors import CameraError, CameraLostError

_LISTEN_MS = 200  # cameras answer in milliseconds; the library waits for all of it


class Wanted(Protocol):
    """What tells the camera that is meant."""

    @property
    def serial(self) -> str | None:
        """Serial number."""
        ...

    @property
    def address(self) -> IPv4Address | None:
        """IPv4 address."""
        ...

    @property
    def interface(self) -> str | None:
        """Network card."""
        ...


@dataclass(frozen=True, slots=True)
class GigeDevice:
    """One camera that answered."""

    serial: str
    address: str
    vendor: str
    model: str
    user: str | None  # address of the PC that controls it; empty where it does not tell; None where nobody does
    answers: bool = True  # it was seen, and is in a network of this PC

    def __str__(self) -> str:
        used = "" if self.user is None else f", in use{f' by {self.user}' if self.user else ''}"
        silent = "" if self.answers else ", does not answer: is this PC's network card in its network?"
        serial = self.serial or ("without a serial number" if self.answers else "of unknown serial number")
        return f"{self.vendor} {self.model} {serial} at {self.address}{used}{silent}"


def list_gige_devices(interface: str | None = None) -> tuple[GigeDevice, ...]:
    """Return the GigE Vision cameras that answer on this PC's networks, in order of address; opens none of them.

    Args:
        interface: Network card by its name or address; None looks at all.

    Raises:
        CameraLostError: If the library is not installed, or the network card does not exist.
    """
    try:
        import viva_genicam
    except ImportError as error:
        raise CameraLostError(f'GigE cameras need viva-genicam: pip install "partgate[gige]" ({error})') from error
    return tuple(_ask(info) for info in _discover(viva_genicam, interface, "GigE cameras"))


def find_device(library: Any, wanted: Wanted, who: str) -> tuple[Any, str]:
    """Return the library's handle and the serial number of the camera that is meant.

    Raises:
        CameraLostError: If it is not there or does not answer, or several could be meant; those seen are listed.
    """
    seen = [(info, _ask(info)) for info in _discover(library, wanted.interface, who)]
    fits = [
        (info, device)
        for info, device in seen
        if (wanted.serial is None or device.serial == wanted.serial)
        and (wanted.address is None or device.address == str(wanted.address))
    ]
    if len(fits) == 1 and not fits[0][1].answers:  # the library would try for seconds
        raise CameraLostError(f"{who}: found {fits[0][1]}")
    if len(fits) == 1:
        return fits[0][0], fits[0][1].serial
    found = ", ".join(str(device) for _, device in seen) or "no camera at all"
    if fits:
        raise CameraLostError(f"{who}: must be told which camera; found {found}: set serial")
    named = f" with serial {wanted.serial}" if wanted.serial else ""
    named += f" at {wanted.address}" if wanted.address else ""
    raise CameraLostError(f"{who}: no camera{named}; found {found} (list: partgate camera list)")


def _discover(library: Any, interface: str | None, who: str) -> list[Any]:
    try:
        infos = library.discover(timeout_ms=_LISTEN_MS, iface=interface, all=True)
    except library.GenicamError as error:
        cards = [name for _, name in socket.if_nameindex()]
        if interface is not None and interface not in cards:
            raise CameraLostError(
                f"{who}: no network card has the name or address '{interface}'; this PC has {', '.join(cards)}"
            ) from error
        first = str(error).splitlines()[0]
        raise CameraLostError(f"{who}: cannot look for cameras: {first}") from error
    return sorted(infos, key=lambda info: IPv4Address(info.ip))


def _ask(info: Any) -> GigeDevice:
    with ControlChannel(info.ip) as channel:
        user = channel.controller() if channel.is_controlled() else None
        serial = channel.serial()
        names = info.manufacturer or "", info.model or ""
        return GigeDevice(serial or "", info.ip, *names, user, answers=serial is not None)


class GigeNodes:
    """The features of an open camera, behind the promise of ``nodes.NodeMap``.

    Args:
        camera: The library's open camera.
        error: Base class of the library's errors.
        who: How messages call the camera.
    """

    def __init__(self, camera: Any, error: type[Exception], who: str) -> None:
        self._camera, self._error, self._who = camera, error, who
        self._names = tuple(camera.nodes())

    def names(self) -> Sequence[str]:
        """Return the names of all features."""
        return self._names

    def read(self, name: str) -> Node | None:
        """Return a feature, fresh from the camera."""
        if name not in self._names:
            return None
        try:
            self._camera.invalidate(name)
            state = self._camera.feature_state(name)
        except self._error as error:
            raise CameraLostError(f"{self._who}: {name} cannot be read: {error}") from error
        if not (state.is_implemented and state.is_available):
            return None
        limits = state.range
        return Node(
            state.value,
            state.access in ("RW", "WO"),
            limits.min if limits else None,
            limits.max if limits else None,
            limits.inc if limits else None,
            tuple(state.enum_entries or ()),
        )

    def write(self, name: str, value: NodeValue) -> None:
        """Write a feature by the type it has."""
        kind = self._camera.node_info(name).kind
        writers: Mapping[str, Any] = {
            "Integer": lambda: self._camera.set_integer(name, int(value)),
            "IntConverter": lambda: self._camera.set_integer(name, int(value)),
            "Float": lambda: self._camera.set_float(name, float(value)),
            "Converter": lambda: self._camera.set_float(name, float(value)),
            "Boolean": lambda: self._camera.set_bool(name, bool(value)),
            "Enumeration": lambda: self._camera.set_enum(name, str(value)),
        }
        try:
            writers.get(kind, lambda: self._camera.set(name, str(value)))()
        except (self._error, ValueError) as error:
            raise CameraError(str(error)) from error
