"""What is told where limits hurt: both numbers, and what to set."""

import pytest

from .scored_parts import choose


def test_escape_wish_that_rejects_beyond_a_fifth_is_told_with_both_numbers() -> None:
    limits = choose([0.1] * 7 + [0.5] * 3, [0.3] + [0.9] * 99, max_escape_rate=0)

    assert limits.warnings == (
        "max_escape_rate 0 (reached: 0 of 100) sends 3 of 10 good parts (30 %) to reject or recheck; more defect "
        "pictures, a larger image_size_px or a recheck band may help",
    )


def test_false_reject_wish_that_lets_beyond_a_fifth_escape_is_told_with_both_numbers() -> None:
    limits = choose([0.1] * 9 + [0.5], [0.3] * 3 + [0.9] * 7, max_false_reject_rate=0.05)

    assert limits.warnings == (
        "max_false_reject_rate 0.05 (reached: 0 of 10) lets 3 of 10 defect parts (30 %) escape; set max_escape_rate "
        "as well to get a recheck band",
    )


def test_exactly_a_fifth_is_not_beyond() -> None:
    assert choose([0.1] * 8 + [0.5] * 2, [0.3] + [0.9] * 99, max_escape_rate=0).warnings == ()


def test_rechecks_count_as_much_as_rejects_so_that_rechecking_everything_is_no_success() -> None:
    limits = choose([0.1] * 5 + [0.6] * 5, [0.3] + [0.9] * 99, max_escape_rate=0, max_false_reject_rate=0)

    assert (limits.false_rejects, limits.rechecks_good) == (0, 5)
    assert "5 of 10 good parts (50 %) to reject or recheck" in limits.warnings[0]


def test_too_few_defect_parts_to_show_the_wanted_rate_are_told_with_the_number_needed() -> None:
    limits = choose([0.1] * 20, [0.9] * 20, max_escape_rate=0.02)

    # 1 - 0.05 ** (1 / 20) = 13.9 %
    assert limits.warnings == (
        "20 defect parts cannot show an escape rate of 0.02: even 0 escapes show at most 13.9 %; 149 different defect "
        "parts would be needed",
    )


def test_enough_defect_parts_for_the_wanted_rate_give_no_warning() -> None:
    assert choose([0.1] * 20, [0.9] * 59, max_escape_rate=0.05).warnings == ()
    assert len(choose([0.1] * 20, [0.9] * 58, max_escape_rate=0.05).warnings) == 1


@pytest.mark.parametrize("highest", [1.0, 1 - 1e-7])
def test_good_parts_that_score_one_cannot_be_kept_from_reject_and_are_told(highest: float) -> None:
    limits = choose([0.1, 0.2, 0.3, highest], [0.9, highest], max_false_reject_rate=0)

    assert limits.false_rejects == 1
    told = "max_false_reject_rate 0 cannot be kept: 1 of 4 good parts score as high as a score can be"
    assert any(warning.startswith(told) for warning in limits.warnings)


def test_cheapest_limit_that_rejects_beyond_a_fifth_is_told_with_both_numbers_and_what_to_set() -> None:
    limits = choose([0.9] * 10, [0.1])

    assert limits.warnings == (
        "the cheapest limits send 10 of 10 good parts (100 %) to reject or recheck to let 0 of 1 defect parts escape, "
        "as an escape costs 10 false rejects; set cost where that is not so, or defects are rarer on the line than in "
        "the data (defect_share); where people look again at doubtful parts, cost.recheck opens a band",
    )
