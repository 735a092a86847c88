"""The arithmetic of a payback, worked by hand to the cent."""

from decimal import Decimal

import pytest

from partgate.payback.case import PaybackCase
from partgate.payback.figures import Line, months_to_pay, to_the_cent
from partgate.payback.payback import work_out
from partgate.payback.rates import MeasuredRate, MeasuredRates


def case(**changes: object) -> PaybackCase:
    """Return the plant of the hand-worked case; sections are replaced whole."""
    sections: dict[str, object] = {
        "name": "line 3",
        "volume": {"parts_per_year": 100_000, "defect_share": 0.02, "shifts_per_year": 250},
        "today": {
            "hours_per_shift": 8,
            "wage_per_hour": 31.50,
            "escapes": {"rate": 0.10, "source": "study"},
            "false_rejects": {"rate": 0.01, "source": "study"},
        },
        "costs": {"escape": 40, "false_reject": 2.25, "currency": "EUR"},
        "with_gate": {"minutes_per_recheck": 1, "sample_check_minutes_per_shift": 12, "other_hours_per_year": 100},
        "investment": [{"name": "station", "amount": 52_000.50}, {"name": "mounting", "amount": 8_000}],
        "running_cost_per_year": [{"name": "care", "amount": 3_600}],
        "grant": {"share": 0.25, "ceiling": 12_000},
    }
    return PaybackCase.model_validate(sections | changes)


def rates(*, width: str = "1") -> MeasuredRates:
    """Return round rates; ``width`` 0 takes the bounds away."""

    def rate(lower: str, middle: str, upper: str) -> MeasuredRate:
        mid, share = Decimal(middle), Decimal(width)
        edges = (mid + (Decimal(edge) - mid) * share for edge in (lower, upper))
        return MeasuredRate(next(edges), mid, next(edges), count=1, of=100)

    return MeasuredRates(
        escapes=rate("0.01", "0.02", "0.05"),
        false_rejects=rate("0.002", "0.004", "0.01"),
        rechecks_good=rate("0.01", "0.015", "0.02"),
        rechecks_defect=rate("0.02", "0.03", "0.06"),
    )


def test_likely_case_agrees_to_the_cent_with_the_sum_worked_by_hand():
    # parts    defect 100 000 x 0.02 = 2 000, good 98 000
    # wages    today   8 h x 250 shifts = 2 000 h             x 31.50                                   = 63 000.00
    #          gate    12 min x 250 / 60 = 50 h, + 100 h = 150 h x 31.50                                =  4 725.00
    # escapes  today   2 000 x 0.10 = 200                     x 40.00                                   =  8 000.00
    #          gate    0.02 + 0.03 x 0.10 (missed again at the recheck) = 0.023; 2 000 x 0.023 = 46 x 40 = 1 840.00
    # rejects  today   98 000 x 0.01 = 980                    x 2.25                                    =  2 205.00
    #          gate    0.004 + 0.015 x 0.01 = 0.00415; 98 000 x 0.00415 = 406.7 x 2.25 = 915.075        =    915.08
    # rechecks         98 000 x 0.015 + 2 000 x 0.03 = 1 470 + 60 = 1 530 min = 25.5 h x 31.50 = 803.25 =    803.25
    # running                                                                                           =  3 600.00
    # saving   58 275.00 + 6 160.00 + 1 289.92 - 803.25 - 3 600.00                                      = 61 321.67
    # to pay   60 000.50 - min(0.25 x 60 000.50 = 15 000.125, 12 000.00)                                = 48 000.50
    # months   48 000.50 x 12 / 61 321.67 = 576 006 / 61 321.67 = 9.393..., up to a tenth               =       9.4
    found = work_out(case(), rates())

    assert found.likely.lines == (
        Line("inspection", Decimal("63000.00"), Decimal("4725.00")),
        Line("escapes", Decimal("8000.00"), Decimal("1840.00")),
        Line("false_rejects", Decimal("2205.00"), Decimal("915.08")),
        Line("rechecks", Decimal("0.00"), Decimal("803.25")),
        Line("running_cost", Decimal("0.00"), Decimal("3600.00")),
    )
    assert found.likely.saving == Decimal("61321.67")
    assert (found.investment, found.grant, found.net) == (Decimal("60000.50"), Decimal("12000.00"), Decimal("48000.50"))
    assert found.likely.months == Decimal("9.4")
    assert found.likely.hours_today == 2000
    assert found.likely.hours_with_gate == Decimal("175.5")


def test_worst_and_best_case_take_every_bound_at_once_and_agree_by_hand():
    # worst    escapes 0.05 + 0.06 x 0.10 = 0.056; 2 000 x 0.056 = 112 x 40                              =  4 480.00
    #          rejects 0.01 + 0.02 x 0.01 = 0.0102; 98 000 x 0.0102 = 999.6 x 2.25                       =  2 249.10
    #          rechecks 1 960 + 120 = 2 080 min x 31.50 / 60                                             =  1 092.00
    #          saving  58 275.00 + 3 520.00 - 44.10 - 1 092.00 - 3 600.00                                = 57 058.90
    #          months  576 006 / 57 058.90 = 10.09..., up                                                =      10.1
    # best     escapes 0.01 + 0.02 x 0.10 = 0.012; 24 x 40                                               =    960.00
    #          rejects 0.002 + 0.01 x 0.01 = 0.0021; 205.8 x 2.25 = 463.05                               =    463.05
    #          rechecks 980 + 40 = 1 020 min = 17 h x 31.50                                              =    535.50
    #          saving  58 275.00 + 7 040.00 + 1 741.95 - 535.50 - 3 600.00                               = 62 921.45
    #          months  576 006 / 62 921.45 = 9.15..., up                                                 =       9.2
    found = work_out(case(), rates())

    assert [line.with_gate for line in found.worst.lines[1:4]] == [
        Decimal("4480.00"), Decimal("2249.10"), Decimal("1092.00"),
    ]  # fmt: skip
    assert (found.worst.saving, found.worst.months) == (Decimal("57058.90"), Decimal("10.1"))
    assert (found.best.saving, found.best.months) == (Decimal("62921.45"), Decimal("9.2"))


def test_bounds_of_todays_counts_speak_the_other_way_round():
    # 1 of 1 people let pass: at least 5 %, at most 100 % of the defect parts (lower bound of n of n: 0.05 ** (1/n)).
    today = case().today.model_dump() | {"escapes": {"count": 1, "of": 1}}

    found = work_out(case(today=today), rates(width="0"))

    escapes_today = [one.lines[1].today for one in (found.worst, found.likely, found.best)]
    assert escapes_today == [Decimal("4000.00"), Decimal("80000.00"), Decimal("80000.00")]


@pytest.mark.parametrize(
    ("hours", "per_year"),
    [({"hours_per_year": 1234}, 1234), ({"hours_per_shift": 4}, 1000), ({"hours_per_1000_parts": 5}, 500)],
    ids=["per-year", "per-shift", "per-1000-parts"],
)
def test_hours_of_today_may_be_said_in_three_ways(hours: dict[str, float], per_year: int):
    today = {key: value for key, value in case().today.model_dump().items() if not key.startswith("hours")}

    found = work_out(case(today=today | hours), rates())

    assert found.likely.hours_today == per_year
    assert found.likely.lines[0].today == per_year * Decimal("31.50")


def test_recheck_given_as_money_costs_that_and_no_minutes():
    # 1 470 + 60 rechecks x 1.50
    costs = case().costs.model_dump() | {"recheck": 1.5}

    found = work_out(case(costs=costs, with_gate={"other_hours_per_year": 150}), rates())

    assert found.likely.lines[3].with_gate == Decimal("2295.00")
    assert found.likely.hours_with_gate is None


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (None, "0.00"),
        ({"amount": 500}, "500.00"),
        ({"amount": 90_000}, "60000.50"),
        ({"share": 0.1}, "6000.05"),
        ({"share": 0.1, "ceiling": 3_000}, "3000.00"),
        ({"amount": 5_000, "ceiling": 3_000}, "3000.00"),
    ],
    ids=["none", "amount", "never-more-than-the-investment", "share", "ceiling", "ceiling-of-an-amount"],
)
def test_grant_is_its_amount_or_share_up_to_the_ceiling(grant: object, expected: str):
    assert work_out(case(grant=grant), rates()).grant == Decimal(expected)


def test_what_is_printed_adds_up_to_the_cent():
    found = work_out(case(), rates())

    for one in (found.best, found.likely, found.worst):
        assert one.saving == sum(line.today for line in one.lines) - sum(line.with_gate for line in one.lines)
        assert all(amount == to_the_cent(amount) for line in one.lines for amount in (line.today, line.with_gate))


def test_escapes_never_exceed_the_defect_parts():
    # With almost no test the bounds of escapes and rechecks together pass 100 %: 2 000 defect parts x 40 is the most.
    wide = MeasuredRate.counted(0, 1)
    people = case().today.model_dump() | {"escapes": {"rate": 0.9, "source": "study"}}

    found = work_out(case(today=people), MeasuredRates(wide, wide, wide, wide))

    assert found.worst.lines[1].with_gate == Decimal("80000.00")


@pytest.mark.parametrize(
    ("net", "saving", "months"),
    [
        ("1200", "1200", "12.0"), ("1200", "1199.99", "12.1"), ("0", "5", "0"), ("0", "0", "0"),
        ("0", "-0.01", None), ("1", "0", None), ("1", "-5", None),
    ],
    ids=["a-year", "a-cent-less", "paid-by-grant", "paid-and-neutral", "paid-but-losing", "no-saving", "loss"],
)  # fmt: skip
def test_months_are_rounded_up_and_a_loss_is_never_paid_back(net: str, saving: str, months: str | None):
    found = months_to_pay(Decimal(net), Decimal(saving))

    assert found == (None if months is None else Decimal(months))


@pytest.mark.parametrize(("exact", "rounded"), [("0.005", "0.01"), ("0.025", "0.03"), ("-0.005", "-0.01")])
def test_half_a_cent_is_rounded_away_from_zero(exact: str, rounded: str):
    assert to_the_cent(Decimal(exact)) == Decimal(rounded)


def test_largest_amounts_that_a_case_may_hold_are_still_exact_to_the_cent():
    largest = case(
        volume={"parts_per_year": 10**9, "defect_share": 0.5, "shifts_per_year": 10**6},
        today=case().today.model_dump() | {"hours_per_shift": 10**6, "wage_per_hour": 10**9},
        with_gate={"minutes_per_recheck": 10**6},
    )

    assert work_out(largest, rates()).likely.lines[0].today == Decimal(10) ** 21
