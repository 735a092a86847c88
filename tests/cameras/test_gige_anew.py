"""A GigE camera whose stream is begun anew, and one that answers too late: a simulated camera of another make."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from partgate.errors import CameraError

from .gige_camera import GigeCameraProcess, noise

LONG_S = 20.0


@pytest.fixture
def counterpart(tmp_path: Path) -> Iterator[GigeCameraProcess]:
    with GigeCameraProcess(tmp_path, noise(8)) as process:
        yield process


def test_first_picture_of_a_stream_that_was_begun_anew_is_a_parts_whatever_its_number(counterpart: GigeCameraProcess):
    with counterpart.config().open() as camera:
        first = camera.grab(timeout_s=2)
        assert first.block_id is not None
        camera._stop()  # as after a picture that did not come
        camera._sequence.follow(first.block_id + 1, 2**62)  # this camera counts on; most begin at 1 again, as at first
        camera._start()
        second = camera.grab(timeout_s=2)

    assert second.block_id == first.block_id + 1
    assert camera.counts.lost == 0


def test_camera_that_waits_for_an_edge_names_its_input_and_no_firewall(counterpart: GigeCameraProcess):
    with (
        counterpart.config(trigger={"mode": "line", "source": "Line0"}).open() as camera,
        pytest.raises(CameraError, match=r"no picture within .*no edge came at Line0\? .*trigger\.mode=free") as told,
    ):
        camera.grab(timeout_s=0.3)

    assert "firewall" not in str(told.value)


def test_part_that_moved_on_while_the_camera_was_asked_is_not_exposed(
    counterpart: GigeCameraProcess, monkeypatch: pytest.MonkeyPatch
):
    with counterpart.config().open() as camera:
        first = camera.grab(timeout_s=2)
        check, not_after = camera.check, time.monotonic() + 0.5

        def answer_late() -> None:
            check()
            time.sleep(max(0.0, not_after - time.monotonic()) + 0.001)

        monkeypatch.setattr(camera, "check", answer_late)
        with pytest.raises(CameraError, match=r"not exposed in time: .* ms too late"):
            camera.grab(timeout_s=2, not_after=not_after)
        monkeypatch.undo()
        second = camera.grab(timeout_s=2, not_after=time.monotonic() + LONG_S)

    assert first.block_id is not None
    assert second.block_id == first.block_id + 1  # nothing was taken between them


def test_part_whose_trigger_the_library_had_to_repeat_gets_no_picture_and_the_next_one_its_own(
    counterpart: GigeCameraProcess, monkeypatch: pytest.MonkeyPatch
):
    with counterpart.config().open() as camera:
        first = camera.grab(timeout_s=2)
        not_after = time.monotonic() + 0.5

        class Repeating:
            """Triggers when it is too late, as the library does after a command that was lost."""

            def __init__(self, library: Any) -> None:
                self._library = library

            def trigger_software(self) -> None:
                time.sleep(max(0.0, not_after - time.monotonic()) + 0.001)
                self._library.trigger_software()

            def __getattr__(self, name: str) -> Any:
                return getattr(self._library, name)

        monkeypatch.setattr(camera, "_camera", Repeating(camera._camera))
        with pytest.raises(CameraError, match=r"not exposed in time: .* ms too late for this part"):
            camera.grab(timeout_s=2, not_after=not_after)
        monkeypatch.undo()
        second = camera.grab(timeout_s=2, not_after=time.monotonic() + LONG_S)

    assert first.block_id is not None
    assert second.block_id == first.block_id + 2  # the late one was taken, and is nobody's
