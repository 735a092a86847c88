"""A camera that runs freely, read for parts that are found in its pictures: none is thrown away, none comes twice."""

from collections.abc import Callable

import pytest

from partgate.cameras.newest import Habits, NewestReader
from partgate.errors import CameraEndedError, CameraError

from .test_newest import PERIOD_S, Timetable, exposed_s, read, stall

__all__ = ["read"]  # a fixture


def test_camera_that_gives_every_picture_leaves_none_out_and_gives_each_once(read: Callable[..., NewestReader]):
    reader = read(Timetable(), Habits(skip=3, lost_after_s=5, every=True))

    numbers = [round(exposed_s(reader.grab(5)) / PERIOD_S) for _ in range(20)]

    assert numbers == list(range(numbers[0], numbers[0] + 20))


def test_of_every_picture_the_newest_stay_where_nobody_takes_them(read: Callable[..., NewestReader]):
    source = Timetable(last=40)
    reader = read(source, Habits(lost_after_s=5, every=True, ends=True))
    assert source.released.wait(20)

    assert [round(exposed_s(reader.grab(5)) / PERIOD_S) for _ in range(8)] == list(range(33, 41))
    with pytest.raises(CameraEndedError):
        reader.grab(5)
    assert reader.dropped == 32


def test_every_picture_is_waited_for_as_long_as_allowed_and_no_longer(read: Callable[..., NewestReader]):
    reader = read(Timetable(stall(PERIOD_S * 33, 100.0)), Habits(lost_after_s=50, every=True))

    def take_all() -> None:
        for _ in range(40):
            reader.grab(0.5)

    with pytest.raises(CameraError, match=r"no picture within 0\.500 s"):
        take_all()
