"""The power law: given ones are found again, nothing is promised from noise, and a broken promise widens the band."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partgate.evaluation.power_law import fit_power_law, look_ahead

SIZES = np.array([0.125, 0.25, 0.5, 0.75, 1.0])


def errors_of(means: np.ndarray, noise: float = 0.0, draws: int = 8, shakes: int = 50) -> np.ndarray:
    """Return errors (draws, S, 1 + B) around given means."""
    rng = np.random.default_rng(0)
    of_draws = means + rng.normal(0, 1, (draws, len(means))) * noise
    shaken = of_draws[..., None] + rng.normal(0, 1, (1, len(means), shakes)) * noise
    return np.concatenate([of_draws[..., None], shaken], 2)


def test_curve_without_noise_is_carried_on_exactly():
    means = 0.05 + 0.1 * SIZES**-0.5

    outlook = look_ahead(SIZES, errors_of(means), 0)

    assert outlook.trend == "falls"
    assert outlook.now == pytest.approx(0.15)
    assert outlook.twice == pytest.approx(0.05 + 0.1 * 2**-0.5, abs=1e-6)
    assert outlook.twice_band == pytest.approx((outlook.twice, outlook.twice), abs=1e-6)
    assert outlook.tried is not None
    assert outlook.tried.was_kept or outlook.tried.promised == pytest.approx((0.15, 0.15), abs=1e-6)


@pytest.mark.parametrize("means", [np.full(5, 0.2), np.linspace(0.1, 0.2, 5)], ids=["level", "rising"])
def test_error_that_does_not_fall_promises_nothing(means: np.ndarray):
    outlook = look_ahead(SIZES, errors_of(means), 0)

    assert (outlook.trend, outlook.twice, outlook.twice_band, outlook.curve) == ("flat", None, None, ())


def test_fall_that_is_smaller_than_chance_promises_nothing():
    outlook = look_ahead(SIZES, errors_of(np.linspace(0.21, 0.2, 5), noise=0.1), 0)

    assert outlook.trend == "flat"


def test_two_sizes_are_no_curve():
    outlook = look_ahead(SIZES[-2:], errors_of(np.array([0.2, 0.1])), 0)

    assert (outlook.trend, outlook.twice, outlook.law) == ("none", None, None)
    assert outlook.now == pytest.approx(0.1)


def test_size_that_could_not_be_measured_ends_in_no_promise():
    errors = errors_of(np.array([0.3, 0.2, 0.1]))
    errors[0, 0, :] = np.nan

    assert look_ahead(SIZES[-3:], errors, 0).trend == "none"


def test_noise_makes_the_band_wide_and_says_so():
    outlook = look_ahead(SIZES, errors_of(np.array([0.2, 0.12, 0.09, 0.06, 0.05]), noise=0.05, draws=12, shakes=200), 0)

    assert outlook.trend == "wide"


def test_gain_larger_than_half_had_promised_widens_the_band_upwards():
    steady, faster = np.array([0.4, 0.36, 0.33, 0.3, 0.28]), np.array([0.4, 0.36, 0.33, 0.2, 0.1])

    kept, missed = (look_ahead(SIZES, errors_of(means, noise=0.002), 0) for means in (steady, faster))

    assert missed.tried is not None
    assert not missed.tried.was_kept
    assert missed.tried.measured < missed.tried.promised[0]
    assert missed.twice_band is not None
    assert kept.twice_band is not None
    assert missed.twice_band[1] - missed.twice_band[0] > kept.twice_band[1] - kept.twice_band[0]


def test_gain_smaller_than_half_had_promised_takes_the_promise_down_to_nothing():
    means = np.array([0.4, 0.3, 0.2, 0.2, 0.2])

    outlook = look_ahead(SIZES, errors_of(means, noise=0.001), 0)

    assert outlook.twice_band is not None
    assert outlook.twice_band[1] == pytest.approx(outlook.now, abs=1e-3)


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.floats(0, 0.2), st.integers(0, 5))
def test_promise_is_never_worse_than_today_nor_below_no_error(means: list[float], noise: float, seed: int):
    errors = np.clip(errors_of(np.array(means), noise, draws=3, shakes=20), 0, 1)

    outlook = look_ahead(SIZES, errors, seed)

    if outlook.twice is not None and outlook.twice_band is not None:
        low, high = outlook.twice_band
        assert 0 <= low <= outlook.twice + 1e-12
        assert outlook.twice <= high + 1e-12
        assert high <= outlook.now + 1e-12


def test_floor_and_drop_are_never_below_nothing():
    rising, steep = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), SIZES**-3.0

    law = fit_power_law(SIZES, np.stack([rising, steep]), np.ones(5))

    assert law.floor.shape == (2,)
    assert law.drop[0] == 0
    assert (law.floor >= 0).all()
    assert law.floor[1] == 0
