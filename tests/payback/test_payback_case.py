"""The case file: what is asked back, and that the example loads."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from partgate.configfile import check_settings
from partgate.errors import ConfigError, DataError
from partgate.payback.case import EXAMPLE_FILE, PaybackCase, load_case
from partgate.payback.payback import measured_of, work_out
from partgate.payback.rates import rates_from_report, read_report

REPORT = {"good_class": "good", "recipe": "cover", "created_at": "2026-11-20T10:00:00+00:00", "counted": "part",
          "n_good": 300, "n_defect": 60, "escapes": 1, "false_rejects": 2, "rechecks_good": 5, "rechecks_defect": 3,
          "training": {"groups_ignored": False}}  # fmt: skip


def example(path: str = "", value: Any = None) -> dict[str, Any]:
    """Return the example's plain values with one of them replaced; ``del`` takes it out."""
    data: dict[str, Any] = yaml.safe_load(EXAMPLE_FILE.read_text(encoding="utf-8"))
    if path:
        *sections, key = path.split(".")
        place = data
        for section in sections:
            place = place[section]
        if value == "del":
            del place[key]
        else:
            place[key] = value
    return data


def problems_of(data: Any) -> str:
    """Return what is said about a wrong case."""
    with pytest.raises(ConfigError) as caught:
        check_settings(data, PaybackCase, source="case.yaml", folder=Path("/plant"))
    return str(caught.value)


def test_example_loads_works_and_says_that_it_is_one():
    case = load_case(EXAMPLE_FILE)

    found = work_out(case, measured_of(case, "example.yaml"))

    assert EXAMPLE_FILE.read_text(encoding="utf-8").startswith("# EXAMPLE")
    assert case.name.startswith("Example")
    assert found.worst.months is not None


def test_every_key_says_what_it_means():
    def silent(model: Any) -> list[str]:
        return [name for name, field in model.model_fields.items() if not field.description]

    from partgate.payback import case as module

    for model in (module.Volume, module.Today, module.Costs, module.WithGate, module.Item, module.Grant):
        assert silent(model) == [], model.__name__


def case_file(folder: Path, *changes: tuple[str, str]) -> Path:
    """Return the example as a file with some of its text replaced."""
    text = EXAMPLE_FILE.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "line2.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_thousands_as_german_writes_them_are_never_read_as_a_thousandth(tmp_path: Path):
    path = case_file(tmp_path, ("amount: 18500", "amount: 18.500"), ("_year: 180000", "_year: 180.000"))

    with pytest.raises(ConfigError) as caught:
        load_case(path)

    assert str(caught.value).splitlines() == [
        f"{path}: volume.parts_per_year: is 180000 meant? write 180000 (or 180.00), got 180.000",
        f"{path}: investment.3.amount: is 18500 meant? write 18500 (or 18.50), got 18.500",
    ]


def test_thousands_stand_among_all_problems(tmp_path: Path):
    path = case_file(tmp_path, ("amount: 14000", "amount: 1.400.000"), ("currency: EUR", "currency: euro"))

    with pytest.raises(ConfigError) as caught:
        load_case(path)

    assert "investment.4.amount: is 1400000 meant? write 1400000, got 1.400.000" in str(caught.value)
    assert "costs.currency: must be three capital letters" in str(caught.value)


@pytest.mark.parametrize("written", ["0.012", "0.125", "1.80", "12.5", "18.5000", "18500"])
def test_other_numbers_are_taken_as_they_are(tmp_path: Path, written: str):
    wage = load_case(case_file(tmp_path, ("wage_per_hour: 34 ", f"wage_per_hour: {written} "))).today.wage_per_hour

    assert wage == Decimal(written)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("costs.escape", 0, "costs.escape: input should be greater than 0, got 0"),
        ("costs.false_reject", -4, "costs.false_reject: input should be greater than 0, got -4"),
        ("costs.currency", "del", "costs.currency: is missing"),
        ("costs.currency", "€", "costs.currency: must be three capital letters such as EUR or CHF, got '€'"),
        ("costs.escpae", 3, "costs.escpae is not a known key; did you mean 'escape'?"),
        ("costs.recheck", 2, "would count the person's time twice"),
        ("with_gate.minutes_per_recheck", "del", "costs.recheck: is missing; give it, or with_gate.minutes"),
        ("with_gate.other_hours_per_year", -1, "input should be greater than or equal to 0, got -1"),
        ("today.hours_per_shift", -8, "today.hours_per_shift: input should be greater than or equal to 0, got -8"),
        ("today.hours_per_shift", 0, "hours_per_shift must be greater than 0, got 0"),
        ("today.hours_per_shift", "del", "must hold exactly one of hours_per_year, hours_per_shift, hours_per_1000"),
        ("today.hours_per_year", 9, "got hours_per_year and hours_per_shift"),
        ("volume.shifts_per_year", "del", "volume.shifts_per_year: is missing; hours or minutes per shift need it"),
        ("volume.defect_share", 0, "volume.defect_share: must be a fraction between 0 and 1, got 0: it must"),
        ("volume.defect_share", 1, "got 1: is 1 % meant? That is 0.01"),
        ("volume.defect_share", 5, "got 5: is 5 % meant? That is 0.05"),
        ("volume.defect_share", 2.5, "got 2.5: is 2.5 % meant? That is 0.025"),
        ("volume.defect_share", 250, "must be a fraction between 0 and 1, got 250: 0.05 is 5 %"),
        ("today.escapes", {"rate": 5, "source": "x"}, "today.escapes.rate: must be a fraction between 0 and 1"),
        ("today.escapes", {"rate": 0.05}, "source: is missing: a rate that was not counted needs the source"),
        ("today.escapes", {"rate": 0.05, "count": 1, "of": 2}, "must hold count and of (such as '3 of 60'), or rate"),
        ("today.escapes", {"count": 1}, "must hold count and of (such as '3 of 60'), or rate"),
        ("today.escapes", "70 of 60", "count must not exceed the parts it was counted in, got 70 of 60"),
        ("today.escapes", "3 of 0", "today.escapes.of: input should be greater than or equal to 1, got 0"),
        ("today.escapes", "some", "must be counted, such as '3 of 60', or hold keys and values, got 'some'"),
        ("today.escapes", 0.05, "must be counted, such as '3 of 60', or hold keys and values, got 0.05"),
        ("measured.escapes", "300 of 250", "measured.escapes: count must not exceed"),
        ("measured.rechecks_defect", "249 of 250", "a part is judged once, got 2 wrong and 249 rechecked of 250"),
        ("measured.rechecks_good", "1 of 40", "counts of one test must be of the same parts, got 1500 and 40"),
        ("measured.rechecks_good", "del", "or all four counts of one test; missing: rechecks_good"),
        ("measured.report", "report.json", "must hold report or the counts, never both"),
        ("grant", {}, "grant: must hold exactly one of amount and share"),
        ("grant.share", 30, "grant.share: must be a fraction between 0 and 1, got 30: is 30 % meant? That is 0.3"),
        ("investment", [], "investment: tuple should have at least 1 item"),
        ("investment", [{"name": "PC", "amount": 0}], "investment.0.amount: input should be greater than 0, got 0"),
        ("running_cost_per_year", "del", "running_cost_per_year: is missing"),
        ("today.wage_per_hour", True, "must not be yes, no, on, off, true or false"),
        ("today.wage_per_hour", "34,50", "wage_per_hour: input should be a valid decimal, got '34,50'"),
        ("volume.parts_per_year", 10**12, "parts_per_year: input should be less than or equal to 1000000000"),
    ],
)  # fmt: skip
def test_wrong_value_is_named_with_what_was_probably_meant(path: str, value: Any, told: str):
    assert told in problems_of(example(path, value))


def test_all_problems_are_told_at_once():
    data = example("costs.escape", 0)
    data["volume"]["defect_share"] = 5
    data["wage"] = 3

    assert len(problems_of(data).splitlines()) == 3


@pytest.mark.parametrize("text", ["3 of 60", "3 von 60", " 3  of 60 "])
def test_count_may_be_written_in_words(text: str):
    case = check_settings(example("today.escapes", text), PaybackCase, source="case.yaml", folder=Path())

    assert (case.today.escapes.count, case.today.escapes.of) == (3, 60)


def test_report_is_found_from_the_folder_of_the_case_by_file_or_folder(tmp_path: Path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test/report.json").write_text(json.dumps(REPORT), encoding="utf-8")
    for named in ("test", "test/report.json"):
        (tmp_path / "case.yaml").write_text(yaml.safe_dump(example("measured", named)), encoding="utf-8")

        rates = measured_of(load_case(tmp_path / "case.yaml"), "case.yaml")

        assert (rates.escapes.count, rates.escapes.of, rates.rechecks_good.of) == (1, 60, 300)
        assert rates.source == "report.json, cover, 2026-11-20"


def test_missing_report_says_how_one_is_written(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone\.json: no such report; write it with 'partgate evaluate RUN DATA"):
        read_report(tmp_path / "gone.json")


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"format": 1', "\x00"])
def test_file_that_is_no_report_is_refused(tmp_path: Path, text: str):
    (tmp_path / "report.json").write_text(text, encoding="utf-8")

    with pytest.raises(DataError, match=r"report\.json: is no report of 'partgate evaluate'"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"good_class": None}, "sorts by class, without a good class, so that it has no escapes"),
        ({"n_defect": 0}, "holds 0 defect parts, so that a rate is undefined"),
        ({"n_good": 0}, "holds 0 good parts"),
        ({"escapes": 61}, "counts must satisfy 0 <= events <= trials, got 61 of 60"),
        ({"escapes": None}, "is no report of 'partgate evaluate'"),
    ],
    ids=["sorting", "no-defect-parts", "no-good-parts", "more-escapes-than-parts", "no-count"],
)
def test_report_without_rates_that_money_can_be_counted_by_is_refused(changes: dict[str, Any], told: str):
    with pytest.raises(DataError, match=told):
        rates_from_report(REPORT | changes)


def test_report_that_counts_pictures_or_ignored_groups_says_so():
    rates = rates_from_report(REPORT | {"counted": "picture", "training": {"groups_ignored": True}})

    assert rates.caveats == ("pictures", "groups_ignored")
