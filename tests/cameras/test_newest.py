"""New, lost and frozen: what a free-running camera's picture has to be, shown with sources that follow a timetable."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from partgate.cameras.newest import Habits, NewestReader
from partgate.errors import CameraEndedError, CameraError, CameraLostError, DataError
from partgate.parts import Image

PERIOD_S = 0.03


class Timetable:
    """Gives pictures that hold the time of their exposure, each when the timetable lets it come."""

    def __init__(self, comes_after_s: Callable[[float], float] = lambda exposed: exposed, last: int = 10_000) -> None:
        self.comes_after_s, self.last = comes_after_s, last
        self.began = time.monotonic()
        self.number = itertools.count(1)
        self.exposed_s = 0.0
        self.released = threading.Event()
        self.looks = 0
        self.shape = (8, 8, 3)
        self.is_damaged = False
        self.shows_always: float | None = None

    def advance(self) -> bool:
        number = next(self.number)
        if number > self.last:
            return False
        self.exposed_s = number * PERIOD_S
        comes_s = self.comes_after_s(self.exposed_s)
        while (left := self.began + comes_s - time.monotonic()) > 0 and not self.released.is_set():
            time.sleep(min(left, 0.05))
        return True

    def look(self) -> NDArray[Any]:
        self.looks += 1
        shown = self.exposed_s if self.shows_always is None else self.shows_always
        return np.full(self.shape, round(1000 * shown), np.int64)

    def decode(self, raw: NDArray[Any]) -> Image:
        if self.is_damaged:
            raise DataError("is cut off or damaged (7 bytes); copy the picture again")
        return raw  # type: ignore[return-value]  # int64: milliseconds do not fit into a pixel

    def release(self) -> None:
        self.released.set()


@pytest.fixture
def read() -> Iterator[Callable[..., NewestReader]]:
    started: list[NewestReader] = []

    def start(source: Timetable, habits: Habits | None = None) -> NewestReader:
        reader = NewestReader("camera 'top'", source, habits or Habits(skip=0, lost_after_s=5))
        reader.start(within_s=20)
        started.append(reader)
        return reader

    yield start
    for reader in started:
        reader.stop()


def exposed_s(answer: tuple[Image, object]) -> float:
    return float(answer[0].flat[0]) / 1000


def now_s(source: Timetable) -> float:
    return time.monotonic() - source.began


def stall(begin_s: float, end_s: float) -> Callable[[float], float]:
    """Pictures of a stall all come at its end, in order."""
    return lambda exposed: end_s if begin_s <= exposed < end_s else exposed


def test_pictures_of_a_stall_never_count_as_new(read: Callable[..., NewestReader]):
    source = Timetable(stall(1.0, 1.6))
    reader = read(source, Habits(latency_s=0.001, lost_after_s=5))
    time.sleep(max(0.0, 1.3 - now_s(source)))  # in the middle of the stall

    called_s = now_s(source)
    picture_s = exposed_s(reader.grab(timeout_s=5))

    assert picture_s >= called_s


def test_pictures_that_waited_in_a_queue_at_the_start_never_count_as_new(read: Callable[..., NewestReader]):
    source = Timetable(lambda exposed: max(exposed, 1.0 + 0.1 * exposed))  # ten times as fast until it has caught up
    reader = read(source, Habits(latency_s=0.001, lost_after_s=5))

    called_s = now_s(source)
    picture_s = exposed_s(reader.grab(timeout_s=5))

    assert picture_s >= called_s


def test_camera_with_a_latency_gives_no_picture_from_before_the_call(read: Callable[..., NewestReader]):
    source = Timetable(lambda exposed: exposed + 0.25)
    reader = read(source, Habits(latency_s=0.25, lost_after_s=5))

    for _ in range(5):
        called_s = now_s(source)
        assert exposed_s(reader.grab(timeout_s=5)) >= called_s


def test_pictures_under_way_at_the_call_are_thrown_away(read: Callable[..., NewestReader]):
    source = Timetable(lambda exposed: exposed + 2 * PERIOD_S)  # two periods on their way
    reader = read(source, Habits(skip=2, lost_after_s=5))

    for _ in range(5):
        called_s = now_s(source)
        assert exposed_s(reader.grab(timeout_s=5)) >= called_s


def test_camera_without_pictures_in_step_is_told_with_the_number_that_came(read: Callable[..., NewestReader]):
    source = Timetable(stall(0.8, 60))
    reader = read(source, Habits(lost_after_s=30))
    time.sleep(max(0.0, 0.9 - now_s(source)))

    with pytest.raises(CameraError, match=r"within 0\.100 s that is surely newer than the trigger \(0 came\)"):
        reader.grab(timeout_s=0.1)


def test_camera_that_falls_silent_is_lost_while_a_part_waits(read: Callable[..., NewestReader]):
    source = Timetable(stall(0.8, 60))
    reader = read(source, Habits(lost_after_s=0.4))
    time.sleep(max(0.0, 0.85 - now_s(source)))

    with pytest.raises(CameraLostError, match=r"camera 'top': no picture for 0\.\d s; is the cable in"):
        reader.grab(timeout_s=20)


def test_camera_that_falls_silent_is_lost_while_no_part_comes(read: Callable[..., NewestReader]):
    source = Timetable(stall(0.8, 60))
    reader = read(source, Habits(lost_after_s=0.4))
    reader.check()

    assert_lost_soon(reader, "no picture for")


def test_slow_camera_is_not_lost_between_two_pictures(read: Callable[..., NewestReader]):
    source = Timetable(lambda exposed: 10 * exposed)  # a picture each 0.3 s
    reader = read(source, Habits(lost_after_s=0.1))

    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        reader.check()
        time.sleep(0.01)


def test_source_that_says_it_is_over_is_lost_and_released(read: Callable[..., NewestReader]):
    source = Timetable(last=30)
    reader = read(source)

    assert_lost_soon(reader, "no more pictures; is the cable in")
    assert source.released.wait(10)


def test_file_that_is_over_has_ended_and_is_not_opened_again(read: Callable[..., NewestReader]):
    reader = read(Timetable(last=30), Habits(period_s=PERIOD_S, ends=True))

    with pytest.raises(CameraEndedError, match="the last picture was shown"):
        take(reader, 60)


def test_source_that_raises_is_a_lost_camera_and_no_dead_thread(
    read: Callable[..., NewestReader], caplog: pytest.LogCaptureFixture
):
    source = Timetable()
    reader = read(source)
    source.look = lambda: 1 // 0  # type: ignore[assignment,return-value]

    with pytest.raises(CameraLostError, match="reading failed: ZeroDivisionError"):
        reader.grab(timeout_s=20)
    assert source.released.wait(10)
    assert "reading failed" in caplog.text


def test_picture_that_equals_the_one_handed_out_before_is_refused(read: Callable[..., NewestReader]):
    source = Timetable()
    shown = itertools.cycle([np.zeros((8, 8, 3), np.int64), np.ones((8, 8, 3), np.int64)])  # no two in a row are equal
    reader = read(source, Habits(skip=1, lost_after_s=5, frozen_after_s=60))
    source.look = lambda: next(shown)  # type: ignore[method-assign]

    with pytest.raises(CameraError, match="the picture is the one before, to the last bit"):
        take(reader, 10)


def test_pictures_that_differ_in_one_pixel_alone_are_two_pictures(read: Callable[..., NewestReader]):
    source = Timetable()
    reader = read(source, Habits(lost_after_s=5, frozen_after_s=60))
    looks = itertools.count()

    def look_again() -> NDArray[Any]:
        pixels = np.zeros((8, 8, 3), np.int64)
        pixels[7, 7, 2] = next(looks)
        return pixels

    source.look = look_again  # type: ignore[method-assign]
    first, second = reader.grab(timeout_s=5)[0], reader.grab(timeout_s=5)[0]
    assert first[7, 7, 2] < second[7, 7, 2]


def test_camera_that_repeats_its_last_picture_for_ever_is_lost(read: Callable[..., NewestReader]):
    source = Timetable()
    reader = read(source, Habits(lost_after_s=5, frozen_after_s=1.2))
    reader.check()
    source.shows_always = 1.0

    assert_lost_soon(reader, r"the same picture to the last bit for \d\.\d s; switch the camera off and on")
    assert source.released.wait(10)


def test_still_file_may_repeat_its_picture(read: Callable[..., NewestReader]):
    source = Timetable()
    source.shows_always = 1.0
    reader = read(source, Habits(period_s=PERIOD_S))

    assert [exposed_s(reader.grab(timeout_s=5)) for _ in range(3)] == [1.0, 1.0, 1.0]


def test_damaged_picture_is_an_error_of_this_part_alone(read: Callable[..., NewestReader]):
    source = Timetable()
    reader = read(source)
    source.is_damaged = True

    with pytest.raises(CameraError, match="camera 'top': picture is cut off or damaged") as error:
        reader.grab(timeout_s=5)
    source.is_damaged = False
    assert not isinstance(error.value, CameraLostError)
    assert reader.grab(timeout_s=5)


def test_picture_of_another_size_than_before_is_a_lost_camera(read: Callable[..., NewestReader]):
    source = Timetable()
    reader = read(source)
    reader.grab(timeout_s=5)
    source.shape = (4, 6, 3)

    with pytest.raises(CameraLostError, match="picture is 6 x 4 px, was 8 x 8 px"):
        reader.grab(timeout_s=5)


def test_only_pictures_that_are_asked_for_are_fetched_beside_a_look_now_and_then(read: Callable[..., NewestReader]):
    source = Timetable()
    reader = read(source)
    take(reader, 3)

    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        time.sleep(0.01)

    assert reader.dropped > 20
    assert source.looks < 3 + reader.dropped / 2


def test_twenty_megapixels_are_one_frame_like_any_other(read: Callable[..., NewestReader]):
    source = Timetable()
    pixels = np.zeros((3648, 5472, 3), np.uint8)
    source.look = lambda: pixels  # type: ignore[method-assign]

    reader = read(source)

    assert reader.grab(timeout_s=20)[0].shape == (3648, 5472, 3)


def test_source_that_gives_nothing_at_the_start_is_lost_with_what_to_check():
    source = Timetable(stall(0.0, 3.0))
    reader = NewestReader("camera 'top'", source, Habits())

    with pytest.raises(CameraLostError, match=r"0 pictures within 0\.2 s, too few; is it on, and free"):
        reader.start(within_s=0.2)
    assert source.released.wait(10)


def take(reader: NewestReader, count: int) -> Sequence[float]:
    return [exposed_s(reader.grab(timeout_s=5)) for _ in range(count)]


def assert_lost_soon(reader: NewestReader, why: str) -> None:
    def watch() -> None:
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            reader.check()
            time.sleep(0.01)

    with pytest.raises(CameraLostError, match=why):
        watch()
