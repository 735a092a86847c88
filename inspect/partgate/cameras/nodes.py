"""The features of a GenICam camera as a driver sees them: read, written, and what a value must be.

Each driver wraps its library in one :class:`NodeMap`; nothing else of the library is seen by what is shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

NodeValue = float | int | str | bool
_TOLERANCE = 0.01  # relative: exposure and rate are rounded to the sensor's line time


@dataclass(frozen=True, slots=True)
class Node:
    """One feature as it stands in the camera now."""

    value: NodeValue | None = None  # None for a command, or where it cannot be read now
    is_writable: bool = True
    low: float | None = None
    high: float | None = None
    step: float | None = None
    entries: tuple[str, ...] = ()  # choices of an enumeration that the camera accepts now


class NodeMap(Protocol):
    """The features of one camera, by name; each driver wraps its library in one."""

    def names(self) -> Sequence[str]:
        """Return the names of all features."""
        ...

    def read(self, name: str) -> Node | None:
        """Return a feature, fresh from the camera; ``None`` where the camera does not have it.

        Raises:
            CameraLostError: If the camera does not answer.
        """
        ...

    def write(self, name: str, value: NodeValue) -> None:
        """Write a feature by the type it has: a number, an entry's name, yes or no.

        Raises:
            CameraError: If the camera refuses; the library's words.
            CameraLostError: If the camera does not answer.
        """
        ...


def find_problem(node: Node, value: NodeValue, factor: float = 1.0) -> str | None:
    """Return why a feature cannot take a value now, with what it can; ``None`` where it can."""
    if not node.is_writable:
        return f"cannot be changed in this camera now, it is {show(node.value, factor)}"
    if node.entries:
        wanted = as_entry(node, value)
        near = get_close_matches(str(wanted), node.entries, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return None if wanted in node.entries else f"must be one of {', '.join(node.entries)}, got '{wanted}'{hint}"
    if isinstance(value, bool | str) or node.low is None or node.high is None:
        return None
    low, high, step = node.low * factor, node.high * factor, (node.step or 0.0) * factor
    slack = 1e-9 * max(abs(low), abs(high), 1.0)  # 0.1 kept as a 32-bit number is a hair more
    steps = f" in steps of {show(step)}" if step and step != 1 else ""
    if not low - slack <= value <= high + slack:
        return f"must be {show(low)} to {show(high)}{steps}, got {show(value)}"
    if isinstance(node.value, int) and factor == 1.0 and step > 1 and (value - low) % step:
        below = low + (value - low) // step * step
        above = f" or {show(below + step)}" if below + step <= high else ""
        return f"must be {show(low)} to {show(high)}{steps}, got {show(value)}; nearest: {show(below)}{above}"
    return None


def as_entry(node: Node, value: NodeValue) -> NodeValue:
    """Return a choice for what YAML read from ``Off`` or ``On`` without quotation marks."""
    return ("On" if value else "Off") if node.entries and isinstance(value, bool) else value


def is_same(found: NodeValue, wanted: NodeValue) -> bool:
    """Tell whether a value read back is the one asked for; numbers with a point may be off by 1 %."""
    if isinstance(found, float) and isinstance(wanted, int | float):
        return abs(found - wanted) <= _TOLERANCE * abs(wanted)
    return found == wanted


def show(value: NodeValue | None, factor: float = 1.0) -> str:
    """Return a value for a message, numbers in our unit (``factor`` of the camera's)."""
    if isinstance(value, bool | str) or value is None:
        return str(value)
    return f"{value * factor:.10g}"
