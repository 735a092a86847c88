"""Pictures in order: numbers, time stamps, contents."""

import pytest

from partgate.cameras.aside_camera import AsideCameraConfig
from partgate.cameras.gige import GigeCameraConfig
from partgate.cameras.sequence import FrameSequence
from partgate.cameras.settings import MachineVisionConfig

NOISE = [bytes([number, 200, 3, 4]) for number in range(20)]


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ([1, 2, 3], 0),
        ([7, 9], 1),
        ([65534, 65535, 1, 2], 0),
        ([65534, 3], 3),
        ([5000, 1, 2], 0),
        ([65535, 65536, 65537], 0),
        ([65530, 40000], 0),
    ],
    ids=["none", "one", "wrap", "over the wrap", "begun anew", "64-bit numbers", "begun anew near the wrap"],
)
def test_pictures_that_never_came_are_counted_by_the_gap_of_numbers(numbers: list[int], lost: int):
    sequence = FrameSequence(frozen_after=0)

    problems = [sequence.follow(number, None) for number in numbers]

    assert problems == [None] * len(numbers)
    assert sequence.lost == lost


def test_same_number_twice_is_told():
    sequence = FrameSequence(frozen_after=0)
    sequence.follow(17, 100)

    assert sequence.follow(17, 200) == "picture 17 came twice; is another program sending to this PC?"


def test_stream_that_was_begun_anew_counts_from_one_again_and_its_first_picture_is_no_repetition():
    sequence = FrameSequence(frozen_after=2)
    sequence.follow(1, 1000)
    sequence.judge(NOISE[0])

    sequence.begin_anew()

    assert sequence.follow(1, 400) is None
    assert sequence.lost == 0
    assert "2 in a row are equal" in str(sequence.judge(NOISE[0]))  # the old picture again is none of the new part


def test_clock_that_goes_back_is_told_once_and_followed_from_there():
    sequence = FrameSequence(frozen_after=0)
    sequence.follow(1, 1000)

    assert sequence.follow(2, 400) == "the camera's clock went back by 600 ticks; was it set or restarted?"
    assert sequence.follow(3, 401) is None


def test_camera_without_time_stamps_is_followed_by_its_numbers():
    sequence = FrameSequence(frozen_after=0)

    assert [sequence.follow(number, None) for number in (1, 2)] == [None, None]


def test_frozen_picture_is_told_from_the_stated_number_on_until_it_changes():
    sequence = FrameSequence(frozen_after=3)

    told = [sequence.judge(content) is not None for content in [NOISE[0]] * 5 + [NOISE[1]] * 2]

    assert told == [False, False, True, True, True, False, False]


def test_pictures_that_differ_in_one_value_are_never_frozen():
    sequence = FrameSequence(frozen_after=2)

    assert [sequence.judge(content) for content in NOISE] == [None] * 20


@pytest.mark.parametrize("level", [0, 255], ids=["lens covered", "saturated"])
def test_picture_of_one_value_may_repeat_itself(level: int):
    sequence = FrameSequence(frozen_after=2)

    assert [sequence.judge(bytes([level]) * 8) for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("model", [GigeCameraConfig, AsideCameraConfig])
def test_unless_set_otherwise_the_first_repetition_is_refused(model: type[MachineVisionConfig]):
    sequence = FrameSequence(model.model_fields["frozen_after"].default)

    assert [sequence.judge(NOISE[0]) is None for _ in range(3)] == [True, False, False]


def test_one_picture_alone_cannot_be_a_repetition():
    with pytest.raises(ValueError, match=r"frozen_after\n.*must be 0 \(off\) or at least 2, got 1"):
        GigeCameraConfig(kind="gige", frozen_after=1)


def test_zero_switches_the_comparison_off():
    sequence = FrameSequence(frozen_after=0)

    assert [sequence.judge(NOISE[0]) for _ in range(50)] == [None] * 50
