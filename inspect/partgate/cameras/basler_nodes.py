"""The features of a Basler camera by the library's parameters, and its errors in our words."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from partgate.cameras.nodes import Node, NodeValue
from partgate.errors import CameraError, CameraLostError


class BaslerNodes:
    """The camera's features by the library's parameters."""

    def __init__(self, camera: Any) -> None:
        """Take the library's open camera."""
        self._camera, self._map = camera, camera.GetNodeMap()

    def names(self) -> Sequence[str]:
        """Return what can be read, written or executed."""
        from pypylon import pylon

        nodes = (node for node in self._map.GetNodes() if not isinstance(node, pylon.CategoryParameter))
        return [node.GetNode().GetName() for node in nodes if node.GetNode().IsFeature()]

    def read(self, name: str) -> Node | None:
        """Return a feature; the library's cache knows what may change by itself."""
        from pypylon import pylon

        feature = self._map.GetNode(name)
        if not feature.IsValid():
            return None
        can_write = feature.IsWritable()
        if isinstance(feature, pylon.CommandParameter) or not feature.IsReadable():
            return Node(None, can_write)
        value = feature.GetValue()
        if isinstance(feature, pylon.EnumParameter):
            return Node(str(value), can_write, entries=tuple(feature.GetSettableValues()))
        if isinstance(feature, pylon.IntegerParameter):
            return Node(int(value), can_write, feature.GetMin(), feature.GetMax(), feature.GetInc())
        if isinstance(feature, pylon.FloatParameter):
            step = feature.GetInc() if feature.HasInc() else None
            return Node(float(value), can_write, feature.GetMin(), feature.GetMax(), step)
        return Node(value, can_write)

    def write(self, name: str, value: NodeValue) -> None:
        """Write a feature by its type."""
        from pypylon import pylon

        feature = self._map.GetNode(name)
        if isinstance(feature, pylon.CommandParameter):
            raise CameraError("it is a command, not a setting")
        kinds = {pylon.IntegerParameter: int, pylon.FloatParameter: float, pylon.BooleanParameter: bool}
        try:
            feature.SetValue(kinds.get(type(feature), str)(value))
        except pylon.GenericException as error:
            kind = CameraLostError if self._camera.IsCameraDeviceRemoved() else CameraError
            raise kind(words_of(error)) from error


@contextlib.contextmanager
def in_our_words(who: str) -> Iterator[None]:
    """Turn what the library raises into a lost camera; refused values are told by the nodes."""
    from pypylon import pylon

    try:
        yield
    except pylon.GenericException as error:
        raise CameraLostError(f"{who}: does not answer ({words_of(error)}); is the cable in?") from error


def words_of(error: Exception) -> str:
    """Return the library's message without its places in the vendor's source code."""
    return " ".join(str(error).split()).split(" : ")[0].rstrip(".") or type(error).__name__
