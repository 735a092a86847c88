"""The ``genicam`` driver's process: harvesters, the producer and one camera; see ``genicam.py``."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from partgate.cameras.aside import serve
from partgate.cameras.aside_session import Answer, CameraSession
from partgate.cameras.genicam import GenicamCameraConfig
from partgate.cameras.genicam_nodes import GenicamNodes, in_our_words, words_of
from partgate.errors import CameraError, CameraLostError

_WAIT_MS = 5  # the library looks for the end of its time so often
_LATEST_S = 0.001  # for what is there already; the library takes 0 for ever
_BUFFERS = 4
_PICTURES = (1, 4)  # GenTL payload types: image, image with chunks


class GenicamSession(CameraSession):
    """One camera from opening to closing."""

    def __init__(self) -> None:
        super().__init__()
        self._harvester: Any = None
        self._acquirer: Any = None
        self._nodes: Any = None
        self._is_damaged = False  # set by the library's callback, which is the only trace of a buffer it threw away

    def tidy(self) -> None:
        """Begin the stream anew where needed; what was damaged until now is of no part to come."""
        super().tidy()
        self._is_damaged = False

    def close(self) -> None:
        """Give buffers, camera and producer back."""
        if self._harvester is not None:
            self._harvester.reset()

    def _in_our_words(self) -> AbstractContextManager[None]:
        return in_our_words(self.who)

    def _open(self, config: str) -> Mapping[str, Any]:
        from harvesters.core import Callback, Harvester, ParameterKey, ParameterSet

        settings = GenicamCameraConfig.model_validate_json(config)
        self._take_up(settings, str(settings.open()))
        self._harvester = Harvester()
        try:
            self._harvester.add_file(str(settings.producer), check_validity=True)
        except OSError as error:
            raise CameraLostError(f"{self.who}: {settings.producer} cannot be loaded: {error}") from error
        self._harvester.update()
        wanted = {"serial": settings.serial, "model": settings.model, "vendor": settings.vendor}
        number = self._choose([_facts_of(info) for info in self._harvester.device_info_list], wanted, "the producer")
        try:
            self._acquirer = self._harvester.create(
                number, config=ParameterSet({ParameterKey.TIMEOUT_PERIOD_ON_UPDATE_EVENT_DATA_CALL: _WAIT_MS})
            )
        except Exception as error:
            raise CameraLostError(
                f"{self.who}: {self._device} does not open ({words_of(error)}); is it used by another program?"
            ) from error
        self._nodes = GenicamNodes(self._acquirer.remote_device.node_map, self.who)
        facts = self._apply(self._nodes)
        self._acquirer.num_buffers = _BUFFERS
        note = self._note_damage

        class _Damage(Callback):  # type: ignore[misc]  # the library's classes have no types
            def emit(self, context: object = None) -> None:
                note()

        self._acquirer.add_callback(self._acquirer.Events.INCOMPLETE_BUFFER, _Damage())
        self._acquirer.start()
        return facts

    def _note_damage(self) -> None:
        self._is_damaged = True

    def _look(self) -> None:
        if self._nodes.read("Width") is None and self._nodes.read("PayloadSize") is None:
            raise CameraLostError(f"{self.who}: does not tell its picture size any more; is the cable in?")

    def _begin_anew(self) -> None:
        self._acquirer.stop()
        self._acquirer.start()

    def _wait_until_ready(self, deadline: float) -> bool:
        selector = self._nodes.read("AcquisitionStatusSelector")
        if selector is not None and "FrameTriggerWait" in selector.entries:
            if selector.value != "FrameTriggerWait":
                self._nodes.write("AcquisitionStatusSelector", "FrameTriggerWait")
            while (status := self._nodes.read("AcquisitionStatus")) is not None and status.value is False:
                if time.monotonic() > deadline:
                    return False
                time.sleep(_LATEST_S)
        return True

    def _trigger(self) -> None:
        self._nodes.execute("TriggerSoftware")

    def _throw_away(self, deadline: float) -> None:
        for _ in range(_BUFFERS):
            if not self._drop(time.monotonic() + _LATEST_S):
                break
        for _ in range(self._config.skip_frames):
            self._drop(deadline)
        self._is_damaged = False

    def _drop(self, deadline: float) -> bool:
        buffer = self._fetch(deadline)
        if buffer is not None:
            buffer.parent.queue_buffer(buffer)
        return buffer is not None or self._is_damaged

    def _fetch(self, deadline: float) -> Any:
        return self._acquirer.try_fetch(timeout=max(_LATEST_S, deadline - time.monotonic()), is_raw=True)

    @contextmanager
    def _fetched(self, deadline: float) -> Iterator[Any]:
        buffer = self._fetch(deadline)
        if buffer is None and self._is_damaged:
            self._note_arrival()
            raise CameraError(f"{self.who}: the picture came incomplete and is not judged; packets were lost")
        try:
            yield buffer
        finally:
            if buffer is not None:
                buffer.parent.queue_buffer(buffer)

    def _picture(self, result: Any) -> Answer:
        kind = int(result.payload_type)
        if kind not in _PICTURES:
            raise CameraError(f"{self.who}: sends payload type {kind}, must be a plain picture (1 or 4)")
        begin = int(_ask(result, "image_offset", 0))
        data = np.frombuffer(result.raw_buffer, np.uint8)[begin : int(_ask(result, "size_filled", result.size))]
        padding = int(_ask(result, "padding_x", 0))
        return self._give(data, int(result.height), int(result.width), padding, _ask(result, "frame_id", None))


def _facts_of(info: Any) -> dict[str, str]:
    return {
        key: str(_ask(info, name, "?"))
        for key, name in (("serial", "serial_number"), ("model", "model"), ("vendor", "vendor"))
    }


def _ask(source: Any, name: str, otherwise: Any) -> Any:
    """Return what a producer tells, or something else where it does not tell it."""
    from genicam import gentl

    try:
        return getattr(source, name)
    except (gentl.GenericException, AttributeError):
        return otherwise


if __name__ == "__main__":
    serve(GenicamSession())
