"""The features of a camera by the GenApi binding of the genicam package, and its errors in our words."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from partgate.cameras.nodes import Node, NodeValue
from partgate.errors import CameraError, CameraLostError

_READABLE, _WRITABLE = (3, 4), (2, 4)  # GenApi access modes: RO, RW and WO, RW


class GenicamNodes:
    """The camera's features by the GenApi binding."""

    def __init__(self, node_map: Any, who: str) -> None:
        self._map, self._who = node_map, who

    def names(self) -> Sequence[str]:
        """Return what can be read, written or executed."""
        return [
            item.node.name for item in self._map.nodes if item.node.is_feature() and type(item).__name__ != "ICategory"
        ]

    def read(self, name: str) -> Node | None:
        """Return a feature, past the library's cache."""
        if not self._map.has_node(name):
            return None
        feature = self._map.get_node(name)
        kind, mode = type(feature).__name__, feature.get_access_mode()
        if mode == 0:  # not implemented in this model
            return None
        if kind == "ICommand" or mode not in _READABLE:
            return Node(None, mode in _WRITABLE)
        with in_our_words(self._who):
            value, can_write = feature.get_value(False, True), mode in _WRITABLE
            if kind == "IEnumeration":
                entries = tuple(entry.symbolic for entry in feature.entries if entry.get_access_mode() in (2, 3, 4))
                return Node(str(value), can_write, entries=entries)
            if kind == "IInteger":
                return Node(int(value), can_write, feature.min, feature.max, feature.inc)
            if kind == "IFloat":
                return Node(
                    float(value), can_write, feature.min, feature.max, feature.inc if feature.has_inc() else None
                )
        return Node(value, can_write)

    def write(self, name: str, value: NodeValue) -> None:
        """Write a feature by its type."""
        feature = self._map.get_node(name)
        convert = {"IInteger": int, "IFloat": float, "IBoolean": bool}.get(type(feature).__name__, str)
        with in_our_words(self._who, is_setting=True):
            feature.set_value(convert(value))

    def execute(self, name: str) -> None:
        """Execute a command."""
        with in_our_words(self._who):
            self._map.get_node(name).execute()


@contextlib.contextmanager
def in_our_words(who: str, *, is_setting: bool = False) -> Iterator[None]:
    """Turn what the library raises into our errors: refused by the camera, or the camera is lost."""
    from genicam import genapi, gentl

    refused = (
        genapi.OutOfRangeException,
        genapi.AccessException,
        genapi.InvalidArgumentException,
        genapi.LogicalErrorException,
        genapi.PropertyException,
        genapi.DynamicCastException,
    )
    try:
        yield
    except refused as error:
        raise CameraError(words_of(error) if is_setting else f"{who}: refused: {words_of(error)}") from error
    except (genapi.GenericException, gentl.GenericException) as error:
        raise CameraLostError(f"{who}: does not answer ({words_of(error)}); is the cable in?") from error


def words_of(error: Exception) -> str:
    """Return a library's message without its places in source code and the producer's own addition."""
    text = " ".join(str(error).split()).removeprefix("GenTL exception: ")
    return text.split(" : ")[0].split(" (Message from")[0].rstrip(".") or type(error).__name__
