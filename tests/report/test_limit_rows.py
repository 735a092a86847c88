"""Agreed limits in words: as many decimals as it takes, and days as each language writes them."""

import pytest

from partgate.report.limit_rows import format_limit, written_beside, written_day


@pytest.mark.parametrize(
    ("rate", "english"), [(0.05, "5 %"), (0.025, "2.5 %"), (0.001, "0.1 %"), (0.0001, "0.01 %"), (0.5, "50 %")]
)
def test_limit_is_written_with_as_many_decimals_as_it_has(rate: float, english: str):
    assert format_limit(rate, "en") == english


@pytest.mark.parametrize(
    ("bound", "german"), [(0.0582, "5,8 %"), (0.01991, "1,99 %"), (0.02, "2,0 %"), (0.020004, "2,0004 %")]
)
def test_bound_has_as_many_decimals_as_tell_it_from_a_limit_of_2_percent(bound: float, german: str):
    assert written_beside(bound, 0.02).in_language("de").replace("\u00a0", " ") == german


def test_day_is_written_as_each_language_does_and_none_is_a_dash():
    assert written_day("2026-11-23").in_language("de") == "23.11.2026"
    assert written_day("2026-11-23").in_language("en") == "2026-11-23"
    assert written_day(None).in_language("en") == "–"
