"""Pictures that waited in a queue are old, however well in step they come."""

import random
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from partgate.cameras.lag import Lag
from partgate.cameras.newest import Habits, NewestReader
from partgate.errors import CameraError, CameraLostError
from partgate.parts import Image

PERIOD_S = 0.04


def see(lag: Lag, arrivals: Iterable[tuple[float, float]], *, has_times: bool) -> Sequence[bool]:
    """Return after each picture (exposed, came) whether it is late; the period is the mean of the last two seconds."""
    came: list[float] = []
    late = []
    for exposed, now in arrivals:
        came = [*(moment for moment in came if now - moment <= 2.0), now]
        period_s = (came[-1] - came[0]) / (len(came) - 1) if len(came) >= 5 else None
        lag.see(now, 100 + exposed if has_times else None, period_s)
        late.append(lag.is_behind)
    return late


def through_a_queue(count: int, way_s: float, stall: tuple[float, float] = (0, 0)) -> Sequence[tuple[float, float]]:
    """Return (exposed, came) of pictures that go one after the other through a way that holds each for ``way_s``."""
    free_at, pictures = 0.0, []
    for number in range(count):
        exposed = number * PERIOD_S
        begins = max(exposed, free_at)
        begins = stall[1] if stall[0] <= begins < stall[1] else begins
        free_at = begins + way_s
        pictures.append((exposed, free_at))
    return pictures


@pytest.mark.parametrize("has_times", [True, False], ids=["stream-times", "counted"])
@pytest.mark.parametrize("way_s", [0.010, 0.026, 0.030])
def test_no_picture_of_a_queue_that_drains_in_step_passes_as_new(way_s: float, has_times: bool):
    pictures = through_a_queue(500, way_s, stall=(6.0, 7.2))

    late = see(Lag(), pictures, has_times=has_times)

    old = [came - exposed - way_s > 1.25 * PERIOD_S for exposed, came in pictures]
    assert sum(old) > 20
    assert all(is_late for is_late, is_old in zip(late, old, strict=True) if is_old)
    assert not late[-1]  # it has drained


def test_way_that_is_slower_than_the_camera_is_told_by_the_times_of_the_stream():
    late = see(Lag(), through_a_queue(300, 0.043), has_times=True)

    assert late[20:] == [True] * 280


def test_queue_that_drains_since_the_stream_was_opened_is_told_by_its_times():
    pictures = [(exposed, came) for exposed, came in through_a_queue(300, 0.026, stall=(0, 1.2)) if came > 1.3]

    late = see(Lag(), pictures, has_times=True)

    old = [came - exposed - 0.026 > 1.25 * PERIOD_S for exposed, came in pictures]
    assert sum(old) > 40
    assert all(is_late for is_late, is_old in zip(late[8:], old[8:], strict=True) if is_old)
    assert not any(late[150:])


def test_clock_of_the_camera_that_goes_wrong_by_a_thousandth_is_no_lag():
    assert not any(see(Lag(), ((n * PERIOD_S, n * PERIOD_S * 1.001) for n in range(20_000)), has_times=True))


@pytest.mark.parametrize("has_times", [True, False], ids=["stream-times", "counted"])
@pytest.mark.parametrize("seed", range(5))
def test_network_that_is_late_by_up_to_a_third_of_a_period_is_no_lag(seed: int, has_times: bool):
    jitter = random.Random(seed)
    pictures = ((n * PERIOD_S, n * PERIOD_S + jitter.uniform(0, PERIOD_S / 3)) for n in range(5000))

    assert not any(see(Lag(), pictures, has_times=has_times)[30:])


def test_pictures_that_come_all_at_once_at_the_start_leave_a_counted_stream_no_lag():
    pictures = [(n * PERIOD_S, max(1.0, n * PERIOD_S)) for n in range(1000)]

    assert not any(see(Lag(), pictures, has_times=False)[120:])


def test_picture_left_out_by_a_stream_with_times_of_its_own_is_no_lag():
    pictures = [(n * PERIOD_S, n * PERIOD_S) for n in range(500) if n % 50]

    assert not any(see(Lag(), pictures, has_times=True))


def test_lag_that_stays_is_told_since_when():
    lag = Lag()

    see(lag, [(n * PERIOD_S, n * PERIOD_S + (0.5 if n >= 250 else 0)) for n in range(300)], has_times=False)

    assert lag.behind_since == pytest.approx(10.5)
    assert lag.behind_s == pytest.approx(0.5, abs=0.05)


class Late:
    """A camera behind a way that begins to be slow: its pictures hold when they were exposed."""

    def __init__(self) -> None:
        self.began, self.number, self.shown = time.monotonic(), 0, 0.0
        self.late_s = 0.0

    def advance(self) -> bool:
        self.number += 1
        due = self.began + self.number * PERIOD_S + self.late_s
        time.sleep(max(0.0, due - time.monotonic()))
        self.shown = self.number * PERIOD_S
        return True

    def look(self) -> NDArray[Any]:
        return np.full((2, 2, 3), self.number, np.int64)

    def decode(self, raw: NDArray[Any]) -> Image:
        return raw  # type: ignore[return-value]  # int64: more pictures than grey values

    def release(self) -> None:
        pass


def test_camera_whose_pictures_stay_late_gives_none_and_is_lost():
    source = Late()
    reader = NewestReader(
        "camera 'top'", source, Habits(latency_s=0.01, lost_after_s=1.0), own_time_s=lambda: source.shown
    )
    reader.start(within_s=20)
    try:
        reader.grab(timeout_s=20)
        source.late_s = 0.3
        with pytest.raises(CameraError, match=r"surely newer than the trigger \(\d+ came, 0\.\d+ s later than at best"):
            reader.grab(timeout_s=0.8)
        with pytest.raises(
            CameraLostError, match=r"its pictures are old, 0\.\d+ s later than at best; are they too many"
        ):
            reader.grab(timeout_s=20)
    finally:
        reader.stop()
