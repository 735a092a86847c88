"""Parts found in the pictures of a free-running camera: every part once, and never two as one good part."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.errors import DataError
from partgate.parts import Frame, Image
from partgate.station.presence import Presence
from partgate.station.presence_settings import Event, PresenceSettings, What

PERIOD_S = 0.04
LENGTH_PX = 150
SHARE = 0.0575  # a disc of 150 px in 640 x 480


def load_belt() -> ModuleType:
    spec = importlib.util.spec_from_file_location("belt", Path(__file__).parents[2] / "benchmarks" / "belt.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


belt = load_belt()


def disc(number: int) -> tuple[Image, Any]:
    pixels = np.full((200, 200, 3), (190, 190, 200), np.uint8)
    cv2.circle(pixels, (60 + 10 * number, 100), 12, (30, 30, 30), -1)
    return belt.cut_out(pixels, LENGTH_PX, is_round=True)


DISCS = [disc(number) for number in range(6)]


def bar(number: int) -> tuple[Image, Any]:
    pixels = np.full((200, 150, 3), (190, 190, 200), np.uint8)
    cv2.circle(pixels, (40 + 10 * number, 60 + 13 * number), 12, (30, 30, 30), -1)
    return belt.cut_out(pixels, LENGTH_PX, is_round=False)


BARS = [bar(number) for number in range(7)]
BAR_SHARE = 150 * 200 / (480 * 640)


def watch(stream: Any, presence: Presence | None = None, **settings: Any) -> list[Event]:
    presence = presence or Presence(PresenceSettings(**{"part_share": SHARE, **settings}))
    events: list[Event] = []
    for number, image in enumerate(stream):
        frame = Frame(image, datetime.now(UTC), "top", source=str(number))
        events += presence.see(frame, number * PERIOD_S)
    return events


def run(step_px: float, gaps_px: Sequence[float], **how: Any) -> list[Event]:
    settings = {name: how.pop(name) for name in list(how) if name in PresenceSettings.model_fields}
    return watch(belt.pictures(DISCS[: len(gaps_px)], belt.Belt(step_px, gaps_px, **how)), **settings)


def count(events: Sequence[Event]) -> Counter[str]:
    return Counter(event.what.value for event in events)


def refusals(events: Sequence[Event]) -> list[str]:
    return [event.detail for event in events if event.what is What.NOT_DECIDABLE]


@pytest.mark.parametrize("step_px", [8, -12, 40, -90])
def test_each_part_is_judged_once_at_every_speed_in_both_directions(step_px: float):
    events = run(step_px, [120] * 4)

    assert count(events)["judged"] == 4
    assert refusals(events) == []
    assert count(events)["entered"] == count(events)["left"] == 4


def test_noise_and_flicker_of_the_light_are_no_part_and_split_none():
    assert count(run(20, [100] * 4, noise=8, flicker=0.05)) == {"learned": 1, "entered": 4, "judged": 4, "left": 4}


def test_picture_that_is_judged_shows_its_part_near_the_middle():
    judged = [event.frame for event in run(20, [400] * 3) if event.what is What.JUDGED]

    for frame in judged:
        assert frame is not None
        columns = np.flatnonzero(frame.image[200, :, 2] > 150)
        assert abs((columns.min() + columns.max()) / 2 - 320) < 20


def test_two_parts_that_touch_are_two_that_nobody_can_decide():
    events = run(12, [150, 0, 150, 150])

    assert count(events)["judged"] == 2
    assert len(refusals(events)) == 2
    assert all("about 2 parts touch" in detail for detail in refusals(events))


@pytest.mark.parametrize("step_px", [12, -25, 50])
def test_row_of_touching_parts_longer_than_the_view_is_counted_by_its_area_and_never_good(step_px: float):
    events = watch(belt.pictures(BARS, belt.Belt(step_px, [150, 150, 0, 0, 0, 0, 0])), part_share=BAR_SHARE)

    assert count(events)["judged"] == 1
    assert len(refusals(events)) == 6
    assert all("; about 6 parts by the area that passed" in detail for detail in refusals(events))


def test_row_that_comes_right_behind_a_part_alone_is_counted():
    events = watch(belt.pictures(BARS, belt.Belt(110, [150, 150, 0, 0, 0, 0, 0])), part_share=BAR_SHARE)

    assert count(events)["judged"] == 1
    assert len(refusals(events)) == 6


def test_row_that_stops_in_the_middle_is_not_counted_on_while_it_stands():
    bars = [BARS[1], *BARS[1:]]
    moving = list(belt.pictures(bars, belt.Belt(12, [150, 150, 0, 0, 0, 0, 0])))
    middle = 55 + (150 + 150 + 150 + 150 + 320 + 450) // 12
    stream = [*moving[:middle], *[moving[middle]] * 200, *moving[middle:]]

    assert len(refusals(watch(stream, part_share=BAR_SHARE))) == 6


def test_first_row_is_one_record_where_it_is_not_known_how_parts_move():
    events = watch(belt.pictures(BARS, belt.Belt(12, [150, 0, 0, 0, 0, 0, 0])), part_share=BAR_SHARE)

    assert refusals(events) == ["was never wholly in view: too large, too fast, or parts touch"]


@pytest.mark.parametrize("step_px", [12, -40, 90])
def test_parts_with_a_gap_of_one_and_a_half_percent_of_the_view_are_told_apart(step_px: float):
    assert count(run(step_px, [10] * 6))["judged"] == 6


def test_part_far_smaller_than_usual_is_not_seen_whole():
    assert "so it is not seen whole" in refusals(run(20, [120], part_share=0.1))[0]


@pytest.mark.slow
def test_part_that_stands_for_a_minute_is_judged_once_and_not_taken_into_the_empty_place():
    events = run(20, [150, 150], still_pictures=1500)

    assert count(events) == {"learned": 1, "entered": 2, "judged": 2, "left": 2}
    judged_at = [event.at for event in events if event.what is What.JUDGED]
    left_at = [event.at for event in events if event.what is What.LEFT]
    assert left_at[0] - judged_at[0] > 59


def test_light_that_falls_slowly_by_a_quarter_is_no_part():
    stream = list(belt.pictures(DISCS[:3], belt.Belt(12, [500] * 3)))
    dimmed = (np.clip(image * (1 - 0.25 * i / len(stream)), 0, 255).astype(np.uint8) for i, image in enumerate(stream))

    assert count(watch(dimmed))["judged"] == 3


def test_usual_size_is_learned_from_three_parts_that_are_not_decidable():
    events = run(20, [120] * 5, part_share=None)

    assert [event.what.value for event in events if event.what in (What.JUDGED, What.NOT_DECIDABLE, What.SIZED)] == [
        "not decidable", "not decidable", "not decidable", "sized", "judged", "judged",
    ]  # fmt: skip
    assert "3 of 3 parts): give part_share" in refusals(events)[2]


def test_part_seen_nowhere_near_the_middle_is_not_decidable():
    assert "zone allows 1 %" in refusals(run(100, [80], zone=0.01))[0]


def test_hand_that_goes_back_where_it_came_from_is_no_part():
    stream = list(belt.pictures(DISCS[:1], belt.Belt(10, [20])))
    into = stream[:80]

    assert count(watch([*into, *reversed(into[60:])])) == {"learned": 1, "entered": 1, "ignored": 1, "left": 1}


def test_place_in_which_something_moves_is_not_learned():
    stream = list(belt.pictures(DISCS, belt.Belt(25, [40] * 6, empty_pictures=0)))

    assert count(watch(stream[10:62])) == {}


def test_part_in_view_when_the_camera_is_lost_is_declared_and_not_counted_again():
    presence = Presence(PresenceSettings(part_share=SHARE))
    stream = list(belt.pictures(DISCS[:1], belt.Belt(20, [10], still_pictures=0)))
    before = watch(stream[:65], presence)
    lost = presence.lose(3.0)
    after = watch(stream[66:], presence)

    assert count(before)["judged"] == 0
    assert refusals(lost) == ["the camera was lost while it was in view"]
    assert count(after)["judged"] + count(after)["not decidable"] == 0


def test_part_that_came_while_the_camera_was_lost_is_not_decidable():
    presence = Presence(PresenceSettings(part_share=SHARE))
    stream = list(belt.pictures(DISCS[:1], belt.Belt(20, [10])))
    watch(stream[:56], presence)
    presence.lose(3.0)

    assert refusals(watch(stream[68:], presence)) == ["it was in view when the camera came back"]


def test_given_picture_of_the_empty_place_needs_no_time_to_learn(tmp_path: Path):
    stream = list(belt.pictures(DISCS[:2], belt.Belt(20, [120] * 2, empty_pictures=1)))
    cv2.imwrite(str(tmp_path / "empty.png"), stream[0][:, :, ::-1])

    assert count(watch(stream, background=tmp_path / "empty.png"))["judged"] == 2


def test_picture_of_the_empty_place_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone\.png"):
        Presence(PresenceSettings(background=tmp_path / "gone.png"))


@pytest.mark.data
@pytest.mark.parametrize("kind", ["casting_impeller", "toy_figure", "screw_presence"])
def test_real_parts_are_counted_once_each(kind: str, real_data: Path):
    parts = belt.real_parts(real_data / kind, 6, 150, is_round=kind == "casting_impeller")

    events = watch(belt.pictures(parts, belt.Belt(24, [60] * 6, noise=5, flicker=0.05)), part_share=None)

    assert (count(events)["judged"], len(refusals(events))) == (3, 3)
