"""Slow changes: warned of within few parts, silent while nothing changes, kept over a restart."""

import json
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partgate.glossary import languages
from partgate.picture_check import Measures, learn_limits
from partgate.picture_check.drift import DriftMonitor, DriftState, Usual, learn_usual, say_warning
from partgate.picture_check.rules import RULES

USUAL = Measures(120, 30, 480, 640, 0.6, 0.2, 0.01, 0.01, 1.1, 0.9, 15, 0.5, 0.5, 0.45, 0.55, 0.4)
ONE: Mapping[str, Usual] = {"balance_x": Usual(mean=0.5, sigma=0.01, slack=1, warn_from=8)}


def at(deviations: float) -> Measures:
    """Return measures whose light lies so many deviations right of where it usually does."""
    return USUAL._replace(balance_x=0.5 + 0.01 * deviations)


def test_sum_grows_by_what_exceeds_the_slack_and_warns_at_the_limit() -> None:
    monitor = DriftMonitor(ONE)

    told = [monitor.take(at(2.5)) for _ in range(6)]  # 1.5 each: 8 is passed with the sixth

    assert told == [()] * 5 + [("balance_x rises",)]


@pytest.mark.parametrize(("deviations", "warning"), [(3, "balance_x rises"), (-3, "balance_x falls")])
def test_both_directions_are_told_apart(deviations: float, warning: str) -> None:
    monitor = DriftMonitor(ONE)

    assert [monitor.take(at(deviations)) for _ in range(4)][-1] == (warning,)


def test_one_odd_part_never_warns_however_odd_it_is() -> None:
    monitor = DriftMonitor(ONE)

    assert [monitor.take(at(50)), *(monitor.take(at(0)) for _ in range(5)), monitor.take(at(50))] == [()] * 7


@pytest.mark.parametrize("count", [4, 400], ids=["just-warned", "long-warned"])
def test_warning_stays_until_the_sum_is_back_at_zero_and_goes_soon_after_the_cause(count: int) -> None:
    monitor = DriftMonitor(ONE)
    for _ in range(count):
        monitor.take(at(3))

    told = [monitor.take(at(0)) for _ in range(9)]  # from 8 down by 1 each

    assert told == [("balance_x rises",)] * 7 + [()] * 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_measure_that_is_no_number_changes_nothing(value: float) -> None:
    monitor = DriftMonitor(ONE)
    monitor.take(at(2.5))
    before = monitor.state

    monitor.take(USUAL._replace(balance_x=value, brightness=value))

    assert monitor.state == before


def test_reset_forgets_sums_and_warnings() -> None:
    monitor = DriftMonitor(ONE)
    for _ in range(4):
        monitor.take(at(3))

    monitor.reset()

    assert monitor.state == DriftMonitor(ONE).state
    assert monitor.take(at(3)) == ()


def test_monitor_goes_on_after_a_restart_where_it_stopped() -> None:
    whole, first = DriftMonitor(ONE), DriftMonitor(ONE)
    offs = [2.5, -1, 3, 3, 3, 3, 3, 0, 0, 2]
    for off in offs[:5]:
        first.take(at(off))

    second = DriftMonitor(ONE, json.loads(json.dumps(first.state)))

    assert [whole.take(at(off)) for off in offs][5:] == [second.take(at(off)) for off in offs[5:]]
    assert second.state == whole.state


@pytest.mark.parametrize(
    "state",
    [
        {"sums": {}, "warned": []},
        {"sums": {"brightness": [3, 0]}, "warned": ["brightness falls"]},
        {"sums": {"balance_x": [math.nan, 0]}, "warned": []},
        {"sums": {"balance_x": [math.inf, 0]}, "warned": []},
        {"sums": {"balance_x": [-1, 0]}, "warned": []},
        {"sums": {"balance_x": [1]}, "warned": ["balance_x sinks"]},
    ],
    ids=["empty", "not-watched", "nan", "infinite", "negative", "short"],
)
def test_state_that_does_not_fit_starts_from_zero(state: DriftState) -> None:
    assert DriftMonitor(ONE, state).state == DriftMonitor(ONE).state


def test_state_above_a_limit_that_was_lowered_starts_at_the_limit() -> None:
    monitor = DriftMonitor(ONE, {"sums": {"balance_x": [0, 90]}, "warned": ["balance_x rises"]})

    assert monitor.state == {"sums": {"balance_x": [0, 8]}, "warned": ["balance_x rises"]}


def test_state_given_out_is_a_copy() -> None:
    monitor = DriftMonitor(ONE)
    monitor.state["sums"]["balance_x"][1] = 99

    assert monitor.take(at(0)) == ()


@given(st.lists(st.floats(-0.9, 0.9), max_size=200))
@settings(max_examples=50, deadline=None)
def test_parts_within_the_slack_never_warn(offs: list[float]) -> None:
    monitor = DriftMonitor(ONE)

    assert all(monitor.take(at(off)) == () for off in offs)


def learned(count: int, sigma: float) -> dict[str, Usual]:
    """Return what is usual after so many pictures whose measures scatter by so much of the shift sought."""
    rng = np.random.default_rng(count)
    places = {name: rule.to_scale(np.array([getattr(USUAL, name)]))[0] for name, rule in RULES.items()}
    rows = [
        USUAL._replace(**{n: RULES[n].from_scale(p + sigma * RULES[n].shift * rng.normal()) for n, p in places.items()})
        for _ in range(count)
    ]
    return dict(learn_limits(rows).usual)


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        ({"brightness": 120 * 0.85}, "brightness falls"),
        ({"balance_x": 0.53}, "balance_x rises"),
        ({"part_x": 0.42}, "part_x falls"),
        ({"sharpness": 0.52}, "sharpness falls"),
        ({"detail": 0.17}, "detail falls"),
    ],
    ids=["light-15-percent-down", "camera-moved-3-percent", "part-moved-3-percent", "focus", "detail"],
)
@pytest.mark.parametrize("count", [20, 300])
def test_change_is_warned_of_within_fifty_parts(count: int, changed: dict[str, float], warning: str) -> None:
    monitor = DriftMonitor(learned(count, 0.5))

    told = [monitor.take(USUAL._replace(**changed)) for _ in range(50)]

    assert warning in told[-1]


@pytest.mark.parametrize("count", [15, 40, 400])
def test_chance_that_a_run_reaches_the_limit_keeps_to_what_was_allowed(count: int) -> None:
    values = np.random.default_rng(count).exponential(0.02, count)  # heavier on one side than the normal
    usual = learn_usual("balance_x", values, count, 0.002)
    assert usual is not None
    rng, streams, parts = np.random.default_rng(1), 200, 2000
    sums, warned = np.zeros((2, streams)), 0

    for _ in range(parts):
        off = (rng.choice(values, streams) - usual.mean) / usual.sigma
        sums = np.maximum(0, sums + np.minimum(np.stack([-off, off]) - usual.slack, 2))
        over = (sums >= usual.warn_from).any(0)
        warned += int(over.sum())
        sums[:, over] = 0

    assert warned <= 0.002 * streams * parts


def test_rare_values_on_either_side_put_the_warning_off_alike() -> None:
    off = np.where(np.arange(300) % 5 == 0, 0.02, -0.005)  # a fifth lies two deviations off

    usual = [learn_usual("balance_x", values, 300, 1e-6) for values in (0.5 + off, 0.5 - off)]
    even = learn_usual("balance_x", np.where(np.arange(300) % 2 == 0, 0.49, 0.51), 300, 1e-6)

    assert usual[0] is not None
    assert usual[1] is not None
    assert even is not None
    assert usual[0].warn_from == pytest.approx(usual[1].warn_from, rel=1e-3)
    assert usual[0].warn_from > 1.05 * even.warn_from


def test_smaller_allowed_rate_warns_later() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.02, 200)

    often, seldom = (learn_usual("balance_x", values, 200, rate) for rate in (1e-3, 1e-7))

    assert often is not None
    assert seldom is not None
    assert seldom.warn_from > 1.5 * often.warn_from


def test_mean_that_is_known_badly_widens_the_slack() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.02, 200)

    few, many = learn_usual("balance_x", values, 8, 1e-6), learn_usual("balance_x", values, 200, 1e-6)

    assert few is not None
    assert many is not None
    assert few.slack == pytest.approx(0.25 + 2 / math.sqrt(8), abs=1e-3)
    assert many.slack < few.slack


@pytest.mark.parametrize("constant", [0.5, 0.0, 1.0])
def test_scene_that_never_changes_gets_a_deviation_that_dust_does_not_exceed(constant: float) -> None:
    usual = learn_usual("balance_x", np.full(30, constant), 30, 1e-6)

    assert usual is not None
    assert usual.sigma == pytest.approx(RULES["balance_x"].shift / 6, rel=1e-3)
    assert usual.warn_from == 8  # four parts at least: each adds two at most


@pytest.mark.parametrize("language", languages)
def test_warnings_are_said_in_both_languages_each_in_words_of_its_own(language: str) -> None:
    said = [say_warning(f"{name} {direction}", language) for name in RULES for direction in ("rises", "falls")]

    assert len(set(said)) == len(said)
    assert all("{" not in one and ": " in one for one in said)
