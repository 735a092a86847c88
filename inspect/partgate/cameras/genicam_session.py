"""The ``genicam`` driver's process: harvesters, the producer and one camera; see ``genicam.py``."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from partgate.cameras.apply import apply_settings
from partgate.cameras.aside import serve
from partgate.cameras.genicam import GenicamCameraConfig
from partgate.cameras.genicam_nodes import GenicamNodes, in_our_words, words_of
from partgate.cameras.pixels import check_pixel_format, to_rgb
from partgate.cameras.sequence import FrameSequence
from partgate.errors import CameraError, CameraLostError, ConfigError

_WAIT_MS = 5  # the library looks for the end of its time so often
_LATEST_S = 0.001  # for what is there already; the library takes 0 for ever
_BUFFERS = 4
_LOST_AFTER = 3  # pictures in a row that did not come: then the stream is dead though the camera answers
_PICTURES = (1, 4)  # GenTL payload types: image, image with chunks


class GenicamSession:
    """One camera from opening to closing."""

    def __init__(self) -> None:
        self._who = "camera"
        self._config: Any = None
        self._harvester: Any = None
        self._acquirer: Any = None
        self._nodes: Any = None
        self._device = self._pixel_format = ""
        self._is_dirty = False  # a picture that was asked for did not come and may come yet
        self._is_damaged = False  # set by the library's callback, which is the only trace of a buffer it threw away
        self._missing = 0
        self._sequence = FrameSequence(0)

    def answer(self, do: str, question: Mapping[str, Any]) -> tuple[Mapping[str, Any], memoryview]:
        """Open the camera, look whether it is there, or take a picture."""
        with in_our_words(self._who):
            if do == "open":
                return self._open(GenicamCameraConfig.model_validate_json(question["config"])), memoryview(b"")
            if do == "check":
                self._look()
                return {}, memoryview(b"")
            return self._grab(time.monotonic() + question["timeout_s"], question["timeout_s"])

    def tidy(self) -> None:
        """Begin the stream anew where a picture may still be on its way."""
        if self._is_dirty and self._config.trigger.mode == "software":
            with in_our_words(self._who):
                self._acquirer.stop()
                self._acquirer.start()
        self._is_dirty = False

    def close(self) -> None:
        """Give buffers, camera and producer back."""
        if self._harvester is not None:
            self._harvester.reset()

    def _open(self, config: GenicamCameraConfig) -> Mapping[str, Any]:
        from harvesters.core import Callback, Harvester, ParameterKey, ParameterSet

        self._config, self._who = config, str(config.open())
        self._sequence = FrameSequence(config.frozen_after)
        self._harvester = Harvester()
        try:
            self._harvester.add_file(str(config.producer), check_validity=True)
        except OSError as error:
            raise CameraLostError(f"{self._who}: {config.producer} cannot be loaded: {error}") from error
        self._harvester.update()
        number = self._choose([_facts_of(info) for info in self._harvester.device_info_list])
        try:
            self._acquirer = self._harvester.create(
                number, config=ParameterSet({ParameterKey.TIMEOUT_PERIOD_ON_UPDATE_EVENT_DATA_CALL: _WAIT_MS})
            )
        except Exception as error:
            raise CameraLostError(
                f"{self._who}: {self._device} does not open ({words_of(error)}); is it used by another program?"
            ) from error
        self._nodes = GenicamNodes(self._acquirer.remote_device.node_map, self._who)
        applied = apply_settings(self._nodes, config, self._who)
        self._pixel_format = str(applied.found.get("pixel_format", ""))
        try:
            check_pixel_format(self._pixel_format)
        except CameraError as error:
            raise ConfigError([f"{self._who}: pixel_format: {error}"]) from error
        self._acquirer.num_buffers = _BUFFERS
        note = self._note_damage

        class _Damage(Callback):  # type: ignore[misc]  # the library's classes have no types
            def emit(self, context: object = None) -> None:
                note()

        self._acquirer.add_callback(self._acquirer.Events.INCOMPLETE_BUFFER, _Damage())
        self._acquirer.start()
        return {"found": dict(applied.found), "differences": applied.differences}

    def _note_damage(self) -> None:
        self._is_damaged = True

    def _choose(self, found: list[dict[str, str]]) -> int:
        """Return the place of the camera that is meant in the list of those seen."""
        wanted = {key: getattr(self._config, key) for key in ("serial", "model", "vendor")}
        fits = [
            number
            for number, facts in enumerate(found)
            if all(value is None or facts[key] == value for key, value in wanted.items())
        ]
        seen = ", ".join(f"{facts['vendor']} {facts['model']} serial {facts['serial']}" for facts in found) or "none"
        asked = ", ".join(f"{key} {value}" for key, value in wanted.items() if value is not None)
        if not fits:
            what = f"no camera with {asked}" if asked else "no camera"
            raise CameraLostError(f"{self._who}: {what}; the producer sees: {seen}")
        if len(fits) > 1:
            raise CameraLostError(f"{self._who}: {len(fits)} cameras fit, set serial to one of them: {seen}")
        self._device = f"{found[fits[0]]['model']} {found[fits[0]]['serial']}"
        return fits[0]

    def _look(self) -> None:
        """Read from the camera itself."""
        if self._nodes.read("Width") is None and self._nodes.read("PayloadSize") is None:
            raise CameraLostError(f"{self._who}: does not tell its picture size any more; is the cable in?")

    def _grab(self, deadline: float, timeout_s: float) -> tuple[Mapping[str, Any], memoryview]:
        self.tidy()
        self._is_damaged, self._is_dirty = False, True
        mode = self._config.trigger.mode
        if mode == "software":
            self._trigger(deadline, timeout_s)
        elif mode == "free" and self._config.skip_frames:
            self._throw_away(deadline)
        buffer = self._fetch(deadline)
        if buffer is None and not self._is_damaged:
            raise self._no_picture(timeout_s)
        self._is_dirty, self._missing = False, 0
        if buffer is None:
            raise CameraError(f"{self._who}: the picture came incomplete and is not judged; packets were lost")
        try:
            return self._picture(buffer)
        finally:
            buffer.parent.queue_buffer(buffer)

    def _trigger(self, deadline: float, timeout_s: float) -> None:
        """Trigger once the camera can take it; what comes earlier it ignores in silence."""
        selector = self._nodes.read("AcquisitionStatusSelector")
        if selector is not None and "FrameTriggerWait" in selector.entries:
            if selector.value != "FrameTriggerWait":
                self._nodes.write("AcquisitionStatusSelector", "FrameTriggerWait")
            while (status := self._nodes.read("AcquisitionStatus")) is not None and status.value is False:
                if time.monotonic() > deadline:
                    raise CameraError(f"{self._who}: was not ready for a trigger within {timeout_s:.3f} s")
                time.sleep(_LATEST_S)
        self._nodes.execute("TriggerSoftware")

    def _throw_away(self, deadline: float) -> None:
        """Drop what lies in the buffers, then the pictures that were exposed or on their way."""
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

    def _no_picture(self, timeout_s: float) -> CameraError:
        self._look()
        self._missing += 1
        if self._missing >= _LOST_AFTER and self._config.trigger.mode != "line":
            return CameraLostError(
                f"{self._who}: no picture {self._missing} times in a row though the camera answers; it is opened anew"
            )
        return CameraError(f"{self._who}: no picture within {timeout_s:.3f} s ({self._config.trigger.mode} trigger)")

    def _picture(self, buffer: Any) -> tuple[Mapping[str, Any], memoryview]:
        came = datetime.now(UTC)
        kind = int(buffer.payload_type)
        if kind not in _PICTURES:
            raise CameraError(f"{self._who}: sends payload type {kind}, must be a plain picture (1 or 4)")
        begin = int(_ask(buffer, "image_offset", 0))
        data = np.frombuffer(buffer.raw_buffer, np.uint8)[begin : int(_ask(buffer, "size_filled", buffer.size))]
        try:
            image = to_rgb(
                data, self._pixel_format, int(buffer.height), int(buffer.width), int(_ask(buffer, "padding_x", 0))
            )
        except CameraError as error:
            raise CameraError(f"{self._who}: {error}") from error
        if problem := self._sequence.judge(image.tobytes()):
            raise CameraError(f"{self._who}: {problem}")
        facts = {
            "height_px": image.shape[0],
            "width_px": image.shape[1],
            "captured_at": came.isoformat(),
            "block_id": _ask(buffer, "frame_id", None),
            "device": self._device,
        }
        return facts, image.reshape(-1).data


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
