"""Pictures that are the same to the last bit, told from one to the next."""

import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from partgate.cameras.newest import Habits, NewestReader
from partgate.cameras.repeats import Repeats, is_same
from partgate.errors import CameraError
from partgate.parts import Image

PERIOD_S = 0.02
GREY, OTHER = np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)


class Freezing:
    """A camera whose pictures differ, until it repeats the last one for ever."""

    def __init__(self) -> None:
        self.is_frozen = threading.Event()
        self.number = self.looks = 0

    def advance(self) -> bool:
        time.sleep(PERIOD_S)
        self.number += not self.is_frozen.is_set()
        return True

    def look(self) -> NDArray[Any]:
        self.looks += 1
        return np.full((4, 4, 3), self.number, np.int64)

    def decode(self, raw: NDArray[Any]) -> Image:
        return raw  # type: ignore[return-value]  # int64: more pictures than grey values

    def release(self) -> None:
        pass


@pytest.mark.parametrize(
    "habits",
    [Habits(skip=1, lost_after_s=5, frozen_after_s=60), Habits(latency_s=0.05, lost_after_s=5, frozen_after_s=60)],
    ids=["usb", "stream"],
)
def test_first_trigger_after_a_freeze_gets_no_picture_though_it_was_never_handed_out(habits: Habits):
    source = Freezing()
    reader = NewestReader("camera 'top'", source, habits)
    reader.start(within_s=20)
    try:
        reader.grab(timeout_s=10)
        handed_out, ends = source.number, time.monotonic() + 20
        while source.number < handed_out + 5:
            assert time.monotonic() < ends
            time.sleep(PERIOD_S)
        source.is_frozen.set()
        time.sleep(3 * PERIOD_S)

        with pytest.raises(CameraError, match="the picture is the one before, to the last bit"):
            reader.grab(timeout_s=10)
    finally:
        reader.stop()


def test_only_the_picture_before_the_wanted_one_is_looked_at_beside_it():
    source = Freezing()
    reader = NewestReader("camera 'top'", source, Habits(skip=10, lost_after_s=5, frozen_after_s=60))
    reader.start(within_s=20)
    try:
        began, before = source.number, source.looks
        reader.grab(timeout_s=20)
        assert source.looks - before < (source.number - began) / 2
    finally:
        reader.stop()


def test_picture_that_equals_one_that_came_not_just_before_it_is_no_repeat():
    repeats = Repeats()

    assert [repeats.see(GREY, number, at=number) for number in (1, 2, 4)] == [False, True, False]


def test_picture_is_the_same_for_no_time_while_it_was_looked_at_twice():
    repeats = Repeats()
    told = []
    for number, picture in enumerate([OTHER, GREY, GREY, GREY]):
        repeats.see(picture, number, at=number)
        told.append(repeats.same_for_s)

    assert told == [0.0, 0.0, 0.0, 2.0]


def test_picture_of_another_shape_or_with_one_other_pixel_is_another_picture():
    changed = np.zeros((8, 8, 3), np.uint8)
    changed[7, 7, 2] = 1

    assert not is_same(GREY, GREY[:1])
    assert not is_same(np.zeros((8, 8, 3), np.uint8), changed)
