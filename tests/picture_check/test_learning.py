"""Limits from training pictures: wide where little is known, never tighter than what a model bears."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.configfile import dump_yaml, load_config
from partgate.picture_check import Measures, PictureLimits, find_faults, learn_limits
from partgate.picture_check.limits import _count_independent, _tolerance
from partgate.picture_check.rules import RULES, to_scales

USUAL = Measures(120, 30, 480, 640, 0.6, 0.2, 0.01, 0.01, 1.1, 0.9, 15, 0.5, 0.5, 0.45, 0.55, 0.4)


def scattered(count: int, sigma: float, seed: int = 0) -> list[Measures]:
    """Return measures whose places on their scales scatter normally around the usual ones."""
    rng = np.random.default_rng(seed)
    places = {name: values[0] for name, values in to_scales([USUAL]).items()}
    return [
        USUAL._replace(**{n: RULES[n].from_scale(p + sigma * RULES[n].shift * rng.normal()) for n, p in places.items()})
        for _ in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_equal_pictures_leave_the_margin_that_a_model_bears(count: int) -> None:
    limits = learn_limits([USUAL] * count)

    assert limits.brightness_from == pytest.approx(130 / 1.3 - 10, abs=2e-4)  # log scale behind ten grey levels
    assert limits.brightness_to == pytest.approx(130 * 1.3 - 10, abs=2e-4)
    assert limits.balance_x_from == pytest.approx(0.47, abs=2e-4)
    assert limits.part_x_to == pytest.approx(0.5, abs=2e-4)
    assert limits.red_to_green_to == pytest.approx(1.1 * 1.1, abs=3e-4)
    assert (limits.height_px_from, limits.width_px_from) == (240, 320)  # half
    assert (limits.aspect_from, limits.aspect_to) == (1.067, 1.667)  # a quarter


def test_old_measures_alone_give_the_old_limits_alone() -> None:
    limits = learn_limits([(100.0, 20.0, 100, 200), (140.0, 40.0, 120, 120)])

    told = {name for name, value in limits.model_dump(exclude={"usual"}).items() if value is not None}
    assert told == {"brightness_from", "brightness_to", "contrast_from", "contrast_to", "aspect_from", "aspect_to",
                    "height_px_from", "width_px_from"}  # fmt: skip
    assert (limits.aspect_from, limits.aspect_to) == (0.8, 2.5)
    assert (limits.height_px_from, limits.width_px_from) == (50, 60)


@pytest.mark.parametrize("missing", [0, 15])
def test_position_is_not_checked_where_one_training_picture_shows_no_outline(missing: int) -> None:
    rows = scattered(30, 1)
    rows[missing] = rows[missing]._replace(part_x=math.nan, part_y=math.nan, part_size=math.nan)

    limits = learn_limits(rows)

    assert (limits.part_x_from, limits.part_y_to, limits.part_size_from) == (None, None, None)
    assert not {"part_x", "part_y", "part_size"} & limits.usual.keys()
    assert find_faults(rows[missing], limits) == []


# Natrella (1963), Experimental Statistics, table A-6: two-sided, 95 % confidence, 99 % of the population.
@pytest.mark.parametrize(("count", "outside", "factor"), [(10, 0.005, 4.433), (100, 0.005, 2.934)])
def test_factor_is_that_of_the_tables(count: int, outside: float, factor: float) -> None:
    assert _tolerance(count, outside) == pytest.approx(factor, rel=0.01)


def test_fewer_pictures_give_wider_limits_and_below_five_they_grow_no_wider() -> None:
    factors = [_tolerance(count, 1e-4) for count in (1, 5, 8, 20, 200, 2000)]

    assert factors[0] == factors[1]
    assert factors[1:] == sorted(factors[1:], reverse=True)
    assert factors[3] > 5


@pytest.mark.parametrize("count", [20, 50, 200])
def test_false_alarms_on_further_pictures_stay_below_the_allowed_share(count: int) -> None:
    further = scattered(5000, 3, seed=1)

    limits = learn_limits(scattered(count, 3))

    alarms = sum(bool(find_faults(row, limits)) for row in further)

    assert alarms <= 5  # 1 in 1,000


def test_smaller_allowed_share_gives_wider_limits() -> None:
    rows = scattered(50, 3)

    strict, wide = learn_limits(rows, false_alarms=0.01), learn_limits(rows, false_alarms=0.00001)

    assert wide.brightness_from < strict.brightness_from
    assert (wide.sharpness_from or 0) < (strict.sharpness_from or 0)


@pytest.mark.parametrize(
    ("values", "groups", "worth"),
    [
        ([1, 1, 5, 5], ["a", "a", "b", "b"], 2),  # a group is one picture over and over
        ([1, 5, 1, 5], ["a", "a", "b", "b"], 4),  # groups are alike
        ([1, 1, 5, 5], [], 4),
        ([1, 1, 5, 5], ["a"] * 4, 4),  # nothing to compare with
        ([1, 1, 5, 5], list("abcd"), 4),
        ([3, 3, 3, 3], ["a", "a", "b", "b"], 4),
    ],
    ids=["copies", "alike-groups", "no-groups", "one-group", "all-apart", "constant"],
)
def test_pictures_of_a_group_count_as_few_where_they_are_alike(
    values: Sequence[float], groups: Sequence[str], worth: float
) -> None:
    assert _count_independent(np.array(values, float), groups) == pytest.approx(worth)


def test_alike_pictures_of_few_groups_give_wider_limits() -> None:
    rows = [row for row in scattered(6, 3) for _ in range(10)]
    groups = [str(number // 10) for number in range(60)]

    assert learn_limits(rows, groups).brightness_from < learn_limits(rows).brightness_from


def test_what_is_usual_comes_from_good_parts_and_limits_from_all() -> None:
    good, defect = scattered(30, 1), [USUAL._replace(brightness=60.0)] * 30

    limits = learn_limits(good + defect, (), [True] * 30 + [False] * 30)

    assert limits.usual["brightness"].mean == pytest.approx(math.log(130), abs=0.1)
    assert limits.brightness_from < 60


def test_fewer_than_ten_good_pictures_give_nothing_to_watch() -> None:
    assert learn_limits(scattered(9, 1)).usual == {}
    assert learn_limits(scattered(10, 1)).usual.keys() == RULES.keys()


def test_limits_come_back_from_a_file_as_they_were_written(tmp_path) -> None:
    limits = learn_limits(scattered(30, 1))
    path = tmp_path / "picture.yaml"
    path.write_bytes(dump_yaml(limits.model_dump(mode="json")))

    assert load_config(path, PictureLimits) == limits


@given(st.sampled_from(sorted(RULES)), st.floats(-1e3, 1e3))
def test_place_on_a_scale_always_stands_for_a_value_that_the_measure_can_have(name: str, place: float) -> None:
    assert RULES[name].least <= RULES[name].from_scale(place) <= RULES[name].most


@pytest.mark.parametrize("name", RULES)
def test_every_limited_measure_has_its_keys_in_the_recipe_and_no_other(name: str) -> None:
    rule, keys = RULES[name], PictureLimits.model_fields

    assert (f"{name}_from" in keys) == (rule.too_low is not None)
    assert (f"{name}_to" in keys) == (rule.too_high is not None)
    assert name in Measures._fields
