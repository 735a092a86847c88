"""A vendor's library that takes its time before or while it triggers: no part gets a picture that is not its own."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from partgate.cameras.aside_session import Answer, CameraSession
from partgate.errors import CameraError

AGE_S = 0.2


class SlowSession(CameraSession):
    """Becomes ready and triggers as late as it is told; its stream gives every picture that was triggered."""

    def __init__(self) -> None:
        super().__init__()
        self._config = SimpleNamespace(trigger=SimpleNamespace(mode="software"), skip_frames=0)
        self._pixel_format = "Mono8"
        self.ready_at = self.triggered_at = 0.0  # monotonic seconds
        self.triggers: list[int] = []
        self.begun_anew = 0

    def close(self) -> None: ...

    def _in_our_words(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _open(self, config: str) -> Mapping[str, Any]:
        return {}

    def _look(self) -> None: ...

    def _begin_anew(self) -> None:
        self.begun_anew += 1
        self.triggers.clear()

    def _wait_until_ready(self, deadline: float) -> bool:
        time.sleep(max(0.0, self.ready_at - time.monotonic()))
        return True

    def _trigger(self) -> None:
        time.sleep(max(0.0, self.triggered_at - time.monotonic()))
        self.triggers.append(len(self.triggers))

    def _throw_away(self, deadline: float) -> None: ...

    @contextmanager
    def _fetched(self, deadline: float) -> Iterator[Any]:
        yield self.triggers.pop(0) if self.triggers else None

    def _picture(self, result: Any) -> Answer:
        return self._give(np.zeros(4, np.uint8), 2, 2, 0, result)


def ask(session: SlowSession, not_after: float) -> Mapping[str, Any]:
    return session.answer("grab", {"timeout_s": 5.0, "not_after": not_after})[0]


def test_camera_that_is_ready_too_late_is_not_triggered_and_the_next_part_is():
    session, not_after = SlowSession(), time.monotonic() + AGE_S
    session.ready_at = not_after + 0.01

    with pytest.raises(CameraError, match=r"not exposed in time: .* ms too late for this part"):
        ask(session, not_after)

    assert session.triggers == []
    assert ask(session, time.monotonic() + 60)["block_id"] == 0
    assert session.begun_anew == 0  # nothing was on its way


def test_picture_of_a_trigger_that_the_library_repeated_is_no_parts():
    session, not_after = SlowSession(), time.monotonic() + AGE_S
    session.triggered_at = not_after + 0.01

    with pytest.raises(CameraError, match=r"not exposed in time: .* ms too late for this part"):
        ask(session, not_after)
    session.tidy()

    assert session.begun_anew == 1
    assert session.triggers == []
