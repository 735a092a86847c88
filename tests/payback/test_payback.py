"""A payback: range, never, what moves it most; and what must hold for every case."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partgate.errors import ConfigError
from partgate.payback.case import PaybackCase
from partgate.payback.figures import run_through
from partgate.payback.payback import Payback, as_facts, measured_of, work_out
from partgate.payback.rates import MeasuredRate, MeasuredRates, rates_from_report
from partgate.payback.sensitivity import find_thresholds
from partgate.payback.words import say_headline, say_never

NEVER = Decimal("Infinity")


def case(
    wage: float = 30, hours: float = 1000, investment: float = 24_000, running: float = 2000, grant: Any = None
) -> PaybackCase:
    """Return a plant with 990 good and 10 defect parts a year, where a mistake costs 100 and 1."""
    return PaybackCase.model_validate(
        {
            "name": "line 3",
            "volume": {"parts_per_year": 1000, "defect_share": 0.01},
            "today": {
                "hours_per_year": hours,
                "wage_per_hour": wage,
                "escapes": "2 of 20",
                "false_rejects": "1 of 100",
            },
            "costs": {"escape": 100, "false_reject": 1, "recheck": 2, "currency": "CHF"},
            "with_gate": {"other_hours_per_year": 100},
            "investment": [{"name": "all", "amount": investment}],
            "running_cost_per_year": [{"name": "all", "amount": running}],
            "grant": grant,
        }
    )


def counted(escapes: int = 1, of: int = 100) -> MeasuredRates:
    """Return rates of a gate tested on ``of`` good and as many defect parts."""
    few, none = MeasuredRate.counted(escapes, of), MeasuredRate.counted(0, of)
    return MeasuredRates(few, few, none, none)


def months(payback: Payback) -> tuple[Decimal, Decimal, Decimal]:
    """Return best, likely and worst months; never is beyond every number."""
    found = (payback.best.months, payback.likely.months, payback.worst.months)
    return tuple(NEVER if one is None else one for one in found)  # type: ignore[return-value]


def test_best_is_never_longer_than_likely_nor_likely_than_worst():
    best, likely, worst = months(work_out(case(), counted()))

    assert best <= likely <= worst


def test_ten_times_the_parts_at_the_same_rates_narrow_the_range():
    few, many = (work_out(case(), counted(k, n)) for k, n in ((1, 20), (10, 200)))

    assert few.likely.saving == many.likely.saving
    assert few.worst.saving < many.worst.saving < many.best.saving < few.best.saving


def test_loss_in_the_worst_case_alone_says_never_there_and_what_would_have_to_change():
    found = work_out(case(hours=180, investment=900), counted(0, 10))

    assert found.likely.months is not None
    assert found.worst.months is None
    assert found.never_in == "worst"
    assert say_headline(found, "en").endswith("in the worst case never")
    assert len(found.thresholds) == 2
    assert "would save money there with one of these changes alone" in say_never(found, "en")[1]


def test_every_named_change_really_ends_the_loss():
    found = work_out(case(hours=120), counted())

    assert found.never_in == "likely"
    assert found.thresholds
    for one in found.thresholds:
        beyond = one.needed * Decimal("1.01" if one.must_grow else "0.99")
        assert run_through(found.likely.figures).saving < 0
        assert run_through(replace(found.likely.figures, **{one.name: beyond})).saving > 0


def test_hours_that_would_end_a_loss_agree_by_hand():
    # Without mistakes on either side: (hours - 100) x 30 - 2000 = 0 at hours = 166.666...; now 120.
    # Hours + 39 %; remaining hours 120 - 2000 / 30 = 53.333... instead of 100, - 47 %; running cost 600, - 70 %.
    none = MeasuredRate.estimated(Decimal(0), "none")
    never = {"rate": 0, "source": "known"}
    today = case(hours=120).today.model_dump() | {"escapes": never, "false_rejects": never}
    plain = PaybackCase.model_validate(case().model_dump() | {"today": today})

    found = work_out(plain, MeasuredRates(none, none, none, none))

    assert [(one.name, round(one.needed, 2), one.must_grow) for one in found.thresholds] == [
        ("hours_per_year", Decimal("166.67"), True),
        ("remaining_hours", Decimal("53.33"), False),
    ]


def test_way_out_is_never_less_than_nothing_nor_more_than_all_parts():
    # (0.001 - 100) x 30 - 2000 is about -5000: no running cost, no wage and no remaining hours below 0 make it up,
    # nor would people that let pass all 10 defect parts (1000), but 164 hours of inspection would.
    found = work_out(case(hours=0.001), counted())

    assert say_headline(found, "de") == "Rechnet sich nie"
    assert found.thresholds == find_thresholds(found.likely)
    assert {one.name for one in found.thresholds} <= {"hours_per_year", "escape_cost", "parts_per_year", "defect_share"}


def test_share_never_moves_beyond_all_parts():
    plant = case().model_copy(update={"volume": case().volume.model_copy(update={"defect_share": Decimal("0.9")})})

    move = next(one for one in work_out(plant, counted()).moves if one.name == "defect_share")

    assert (move.low, move.high) == (Decimal("0.72"), 1)


def test_grant_over_the_whole_investment_is_paid_at_once():
    found = work_out(case(grant={"amount": 24_000}), counted())

    assert months(found) == (0, 0, 0)
    assert say_headline(found, "en") == "Already paid by the grant"


def test_grant_does_not_hide_a_yearly_loss():
    found = work_out(case(hours=163, grant={"share": 1}), counted())

    assert found.likely.months is None
    assert say_headline(found, "en") == "Paid by the grant, but as counted it costs money every year"


def test_number_that_decides_between_payback_and_none_moves_it_most():
    # (181 - 100) x 30 - 2000 = 430, and about 100 from fewer escapes; 20 % fewer hours make it a loss, no rate does.
    found = work_out(case(hours=181), counted(0, 300))

    low, high = found.moves[0].months

    assert found.moves[0].name in {"hours_per_year", "wage_per_hour", "running_cost", "remaining_hours"}
    assert (low is None) != (high is None)


def test_investment_moves_a_payback_of_ten_months_by_two_both_ways():
    # saving: 900 h x 30 - 2000 + ... ; 20 % of the investment are 20 % of the months
    found = work_out(case(), counted())
    move = next(one for one in found.moves if one.name == "investment")
    likely = found.likely.months

    assert likely is not None
    assert move.at_low.months == pytest.approx(Decimal("0.8") * likely, abs=Decimal("0.2"))
    assert move.at_high.months == pytest.approx(Decimal("1.2") * likely, abs=Decimal("0.2"))


def test_measured_rates_move_between_their_bounds_and_estimates_by_a_fifth():
    found = {move.name: move for move in work_out(case(), counted(1, 100)).moves}

    assert found["escapes"].by == "bounds"
    assert found["rechecks_good"].low == 0
    assert round(found["rechecks_good"].high, 4) == Decimal("0.0295")  # 1 - 0.05 ** (1 / 100)
    assert (found["wage_per_hour"].low, found["wage_per_hour"].high) == (24, 36)


def test_summary_of_a_report_and_of_its_counts_agree():
    sizes = {"good_class": "good", "n_good": 100, "n_defect": 100}
    counts = {"escapes": 1, "false_rejects": 1, "rechecks_good": 0, "rechecks_defect": 0}

    summary = as_facts(work_out(case(), rates_from_report(sizes | counts)))

    assert summary["scenarios"] == as_facts(work_out(case(), counted(1, 100)))["scenarios"]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_case_without_measured_rates_asks_for_them():
    with pytest.raises(ConfigError, match=r"line\.yaml: measured: is missing; name a report\.json"):
        measured_of(case(), "line.yaml")


shares = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
plants = st.builds(
    case, wage=st.integers(1, 90), hours=st.integers(1, 3000), investment=st.integers(1, 90_000),
    running=st.integers(1, 20_000), grant=st.sampled_from([None, {"amount": 4000}, {"share": 0.4, "ceiling": 9000}]),
)  # fmt: skip


def between(share: tuple[int, int]) -> MeasuredRate:
    """Return a rate with its bounds."""
    return MeasuredRate.counted(*share)


def widened(rate: MeasuredRate, by: Decimal) -> MeasuredRate:
    """Return the rate with bounds moved outwards."""
    return MeasuredRate(rate.lower * (1 - by), rate.rate, rate.upper + (1 - rate.upper) * by, rate.count, rate.of)


@settings(max_examples=60)
@given(plants, st.tuples(shares, shares, shares, shares), st.decimals(0, 1, places=2))
def test_wider_rate_interval_never_gives_a_narrower_range(plant: PaybackCase, given_shares: Any, by: Decimal):
    narrow = [between(share) for share in given_shares]

    best, likely, worst = months(work_out(plant, MeasuredRates(*narrow)))
    wide = months(work_out(plant, MeasuredRates(*(widened(rate, by) for rate in narrow))))

    assert wide[0] <= best <= likely <= worst <= wide[2]
    assert wide[1] == likely


@settings(max_examples=60)
@given(plants, shares, st.integers(1, 50_000))
def test_higher_investment_never_shortens_and_more_hours_today_never_lengthen(
    plant: PaybackCase, share: tuple[int, int], more: int
):
    rates = MeasuredRates(between(share), between(share), between((0, 50)), between((0, 50)))
    item = plant.investment[0]
    dearer = plant.model_copy(update={"investment": (item, item.model_copy(update={"amount": Decimal(more)}))})
    hours = (plant.today.hours_per_year or 0) + more
    busier = plant.model_copy(update={"today": plant.today.model_copy(update={"hours_per_year": hours})})

    before = months(work_out(plant, rates))

    assert all(late >= soon for late, soon in zip(months(work_out(dearer, rates)), before, strict=True))
    assert all(soon <= late for soon, late in zip(months(work_out(busier, rates)), before, strict=True))


def test_worst_case_holds_in_at_least_95_of_100_tests_of_the_same_gate():
    """All bounds at once are on the safe side: what is drawn from known rates rarely pays back later than 'worst'."""
    random = np.random.default_rng(7)
    true = {"escapes": 0.03, "false_rejects": 0.01, "rechecks_good": 0.02, "rechecks_defect": 0.05}
    exact = {name: MeasuredRate.estimated(Decimal(str(rate))) for name, rate in true.items()}
    people = case().today.model_dump() | {"escapes": {"rate": 0.1, "source": "known"}}
    plant = PaybackCase.model_validate(case(hours=260).model_dump() | {"today": people})
    truth = work_out(plant, MeasuredRates(**exact)).likely.saving
    held = 0

    for _ in range(200):
        drawn = {name: MeasuredRate.counted(int(random.binomial(150, rate)), 150) for name, rate in true.items()}
        found = work_out(plant, MeasuredRates(**drawn))
        held += found.worst.saving <= truth <= found.best.saving

    assert held >= 190
