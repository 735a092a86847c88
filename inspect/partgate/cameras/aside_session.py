"""What drivers share whose vendor's library runs in a process of its own: the process's end, one camera.

A picture that was asked for and did not come leaves the stream *dirty*: with software triggers it is begun anew after
the answer, so that a late picture is never given to the next part.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partgate.cameras.apply import apply_settings
from partgate.cameras.aside_camera import AsideCameraConfig
from partgate.cameras.base import refuse_late
from partgate.cameras.nodes import NodeMap
from partgate.cameras.pixels import check_pixel_format, to_rgb
from partgate.cameras.sequence import FrameSequence
from partgate.errors import CameraError, CameraLostError, ConfigError, DamagedPictureError

Answer = tuple[Mapping[str, Any], memoryview]
NOTHING = memoryview(b"")

_LOST_AFTER = 3  # pictures in a row that did not come: then the stream is dead though the camera answers


class CameraSession(ABC):
    """One camera from opening to closing; a driver adds how its library does each step."""

    def __init__(self) -> None:
        self.who = "camera"
        self._config: Any = None
        self._device = self._pixel_format = ""
        self._is_dirty = False  # a picture that was asked for did not come and may come yet
        self._missing = 0
        self._sequence = FrameSequence(0)

    def answer(self, do: str, question: Mapping[str, Any]) -> Answer:
        """Open the camera, look whether it is there, or take a picture."""
        with self._in_our_words():
            if do == "open":
                return self._open(question["config"]), NOTHING
            if do == "check":
                self._look()
                return {}, NOTHING
            return self._grab(question["timeout_s"], question.get("not_after"))

    def tidy(self) -> None:
        """Begin the stream anew where a picture may still be on its way."""
        if self._is_dirty and self._config.trigger.mode == "software":
            with self._in_our_words():
                self._begin_anew()
        self._is_dirty = False

    @abstractmethod
    def close(self) -> None:
        """Give the camera back."""

    @abstractmethod
    def _in_our_words(self) -> AbstractContextManager[None]:
        """Turn what the library raises into our errors."""

    @abstractmethod
    def _open(self, config: str) -> Mapping[str, Any]:
        """Open the camera of these settings (JSON), apply them, start the stream; return what :meth:`_apply` does."""

    @abstractmethod
    def _look(self) -> None:
        """Raise CameraLostError where the camera itself does not answer."""

    @abstractmethod
    def _begin_anew(self) -> None:
        """Stop the stream and start it, so that nothing older is left in it."""

    @abstractmethod
    def _wait_until_ready(self, deadline: float) -> bool:
        """Tell whether the camera can take a trigger in time; what comes earlier cameras ignore in silence."""

    @abstractmethod
    def _trigger(self) -> None:
        """Trigger, at once."""

    @abstractmethod
    def _throw_away(self, deadline: float) -> None:
        """Drop what lies in the buffers, then ``skip_frames`` pictures that were exposed or on their way."""

    @abstractmethod
    def _fetched(self, deadline: float) -> AbstractContextManager[Any]:
        """Give the next result of the library, None where none came in time; it goes back to the library."""

    @abstractmethod
    def _picture(self, result: Any) -> Answer:
        """Return what :meth:`_give` makes of a result; a CameraError where it is not whole."""

    def _take_up(self, config: AsideCameraConfig, who: str) -> None:
        self._config, self.who = config, who
        self._sequence = FrameSequence(config.frozen_after)

    def _choose(self, found: Sequence[Mapping[str, str]], wanted: Mapping[str, str | None], seer: str) -> int:
        """Return the place of the camera that is meant.

        Args:
            found: Vendor, model and serial number of each camera that is seen.
            wanted: Which of these facts must fit; None fits all.
            seer: Who sees them, for messages.

        Raises:
            CameraLostError: If none or several fit; those seen are listed.
        """
        fits = [
            number
            for number, facts in enumerate(found)
            if all(value is None or facts[key] == value for key, value in wanted.items())
        ]
        seen = ", ".join(f"{facts['vendor']} {facts['model']} serial {facts['serial']}" for facts in found) or "none"
        asked = ", ".join(f"{key} {value}" for key, value in wanted.items() if value is not None)
        if not fits:
            what = f"no camera with {asked}" if asked else "no camera"
            raise CameraLostError(f"{self.who}: {what}; {seer} sees: {seen}")
        if len(fits) > 1:
            raise CameraLostError(f"{self.who}: {len(fits)} cameras fit, set serial to one of them: {seen}")
        self._device = f"{found[fits[0]]['model']} {found[fits[0]]['serial']}"
        return fits[0]

    def _apply(self, nodes: NodeMap) -> Mapping[str, Any]:
        """Write the settings into the open camera and return what it made of them."""
        applied = apply_settings(nodes, self._config, self.who)
        self._pixel_format = str(applied.found.get("pixel_format", ""))
        try:
            check_pixel_format(self._pixel_format)
        except CameraError as error:
            raise ConfigError([f"{self.who}: pixel_format: {error}"]) from error
        return {"found": dict(applied.found), "differences": applied.differences}

    def _grab(self, timeout_s: float, not_after: float | None) -> Answer:
        deadline = time.monotonic() + timeout_s
        self.tidy()
        mode = self._config.trigger.mode
        if mode == "software":
            self._is_dirty = True  # a camera that does not become ready is begun anew, too
            if not self._wait_until_ready(deadline):
                raise self._nothing("was not ready for a trigger", timeout_s)
            self._is_dirty = False
        refuse_late(not_after, self.who)
        self._is_dirty = True
        if mode == "software":
            self._trigger()
            refuse_late(not_after, self.who)  # a command that was lost is repeated by the library
        elif mode == "free" and self._config.skip_frames:
            self._throw_away(deadline)
        try:
            return self._take(deadline, timeout_s)
        except CameraLostError:
            raise
        except CameraError as error:
            raise error if self._is_dirty else DamagedPictureError(str(error)) from error

    def _take(self, deadline: float, timeout_s: float) -> Answer:
        with self._fetched(deadline) as result:
            if result is None:
                raise self._nothing("no picture", timeout_s)
            self._note_arrival()
            return self._picture(result)

    def _note_arrival(self) -> None:
        """What was asked for has come, whole or not."""
        self._is_dirty, self._missing = False, 0

    def _nothing(self, what: str, timeout_s: float) -> CameraError:
        self._look()
        self._missing += 1
        if self._missing >= _LOST_AFTER and self._config.trigger.mode != "line":
            return CameraLostError(
                f"{self.who}: {what} {self._missing} times in a row though the camera answers; it is opened anew"
            )
        return CameraError(f"{self.who}: {what} within {timeout_s:.3f} s ({self._config.trigger.mode} trigger)")

    def _give(
        self, data: NDArray[np.uint8], height_px: int, width_px: int, padding_bytes: int, block_id: int | None
    ) -> Answer:
        """Return a picture that came whole just now, as RGB."""
        came = datetime.now(UTC)
        try:
            image = to_rgb(data, self._pixel_format, height_px, width_px, padding_bytes)
        except CameraError as error:
            raise CameraError(f"{self.who}: {error}") from error
        if problem := self._sequence.judge(image.tobytes()):
            raise CameraError(f"{self.who}: {problem}")
        facts = {
            "height_px": height_px,
            "width_px": width_px,
            "captured_at": came.isoformat(),
            "block_id": block_id,
            "device": self._device,
        }
        return facts, image.reshape(-1).data
