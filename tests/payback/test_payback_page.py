"""The owner's page, its JSON, the section for a report, and the command."""

import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from partgate.cli.payback import payback as command
from partgate.errors import ConfigError, DataError
from partgate.payback.case import EXAMPLE_FILE, PaybackCase, load_case
from partgate.payback.chart import payback_svg
from partgate.payback.page import render_payback, render_section, write_payback
from partgate.payback.payback import Payback, measured_of, work_out
from partgate.payback.words import say_headline, say_never, summarise, write_input, write_money


def worked(**today: Any) -> Payback:
    """Return the example, worked out, with parts of today's inspection changed."""
    case = load_case(EXAMPLE_FILE)
    case = PaybackCase.model_validate(case.model_dump() | {"today": case.today.model_dump() | today})
    return work_out(case, measured_of(case, "example.yaml"))


class Words(HTMLParser):
    """Collects what is read in one language, and where a page would fetch something."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language, self.words, self.fetched, self._hidden = language, [], [], []  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.fetched += [value for key, value in attrs if key in {"src", "href"}]
        other = tag == "span" and found.get("lang", self.language) != self.language
        if tag in {"span", "style", "title"}:
            self._hidden.append(other or tag != "span" or any(self._hidden))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"span", "style", "title"}:
            self._hidden.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._hidden):
            self.words.append(data)


def read(page: str, language: str) -> str:
    """Return the words of a page in one language, spaces made plain."""
    parser = Words(language)
    parser.feed(page)
    assert parser.fetched == []
    return re.sub(r"\s+", " ", " ".join(parser.words).replace("\u00a0", " "))


def test_page_says_headline_lines_moves_and_limits_in_german():
    words = read(render_payback(worked(), "de"), "de")

    assert "Rechnet sich in 9 bis 13 Monaten, wahrscheinlich in 11" in words
    assert "Lohn der Sichtprüfung 52 360,00 7820,00 44 540,00" in words
    assert "Summe 64 810,67 17 670,82 47 139,85" in words
    assert "Investition 40 160 EUR – 60 240 EUR 7,7 – 12,8" in words
    assert "9 von 120: 7,5 % (4,0 % – 12,7 %) · time study, week 38" in words
    assert "einseitig 95 %" in words
    assert "Zinsen, Steuern, Abschreibung" in words


def test_page_says_the_same_in_english():
    words = read(render_payback(worked(), "en"), "en")

    assert "Pays back in 9 to 13 months, likely 11" in words
    assert "Sum 64 810.67 17 670.82 47 139.85" in words
    assert "estimated, not counted" in words


def test_language_of_the_option_is_shown_first_and_the_other_is_in_the_page():
    page = render_payback(worked(), "de")

    assert '<html lang="de">' in page
    assert 'id="show-de" autocomplete="off" checked' in page
    assert "Pays back in 9 to 13 months" in page


def test_section_of_a_report_holds_both_languages_and_no_page_of_its_own():
    section = str(render_section(worked()))

    assert "<html" not in section
    assert '<span lang="en">Pays back in 9 to 13 months, likely 11</span>' in section
    assert '<span lang="de">Rechnet sich in 9 bis 13 Monaten, wahrscheinlich in 11</span>' in section


def test_page_and_json_hold_the_same_numbers(tmp_path: Path):
    found = worked()

    write_payback(found, tmp_path, "en")

    facts = json.loads((tmp_path / "payback.json").read_text(encoding="utf-8"))
    words = read((tmp_path / "payback.html").read_text(encoding="utf-8"), "en")
    for name, line in facts["scenarios"]["likely"]["lines"].items():
        written = " ".join(write_money(Decimal(str(line[side])), "en") for side in ("today", "with_gate", "saving"))
        assert written.replace("\u00a0", " ") in words, name
    assert facts["months"] == {"best": 8.6, "likely": 10.3, "worst": 12.7}
    assert [one["name"] for one in facts["moves"][:2]] == ["investment", "hours_per_year"]


@pytest.mark.parametrize(
    ("today", "headline"),
    [
        ({"hours_per_shift": "0.9"}, "Likely pays back in 59 months, at best in 28; in the worst case never"),
        ({"hours_per_shift": "0.5"}, "As counted it pays back only after more than ten years; at best in 42 months"),
        ({"hours_per_shift": "0.3"}, "As counted it never pays back; at best in 56 months"),
        ({"hours_per_shift": "0.1", "wage_per_hour": 300}, "Never pays back"),
    ],
    ids=["worst-never", "worst-never-likely-long", "likely-never", "never"],
)
def test_never_stands_in_the_headline_and_is_explained_on_the_page(today: dict[str, Any], headline: str):
    found = worked(**today)

    words = read(render_payback(found, "en"), "en")

    assert headline in words
    assert all(said.replace("\u00a0", " ") in words for said in say_never(found, "en"))
    assert len(say_never(found, "en")) == len(say_never(found, "de"))


@pytest.mark.parametrize(
    ("hours", "headline"),
    [
        ("24", "Pays back in 2 months"),
        ("40", "Pays back within one month"),
        ("1.2", "Likely pays back in 38 months, at best in 22; in the worst case only after more than ten years"),
    ],
    ids=["no-range", "one-month", "worst-case-long"],
)
def test_headline_is_plain_where_there_is_no_range_and_where_it_is_endless(hours: str, headline: str):
    assert say_headline(worked(hours_per_shift=hours), "en") == headline


def test_threshold_is_rounded_away_from_the_loss():
    found = worked()

    up = write_input(found, "escapes_today", Decimal("0.0123456"), "en", up=True)
    down = write_input(found, "escape_cost", Decimal("65.129"), "de", up=False)

    assert (up, down) == ("1.3\u00a0%", "65,12\u00a0EUR")


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("parts_per_year", "180000", "180\u00a0000"),
        ("escapes", "0.00142", "0.14\u00a0%"),
        ("recheck_cost", "0.0031", "0.0031\u00a0EUR"),
        ("wage_per_hour", "34", "34.00\u00a0EUR"),
        ("investment", "50200", "50\u00a0200\u00a0EUR"),
        ("hours_per_year", "1540", "1540 h a year"),
        ("recheck_minutes", "0.75", "0.75 min"),
    ],
)
def test_every_number_is_written_with_its_unit_and_two_digits_that_say_something(name: str, value: str, written: str):
    assert write_input(worked(), name, Decimal(value), "en") == written


def test_names_from_the_case_cannot_break_the_page():
    case = load_case(EXAMPLE_FILE).model_copy(update={"name": "<script>alert(1)</script>\u202e"})

    page = render_payback(work_out(case, measured_of(case, "x")), "en")

    assert "<script>" not in page
    assert "\u202e" not in page


@settings(max_examples=30, deadline=None)
@given(st.decimals("0.1", 24, places=1), st.decimals("0.5", 200, places=1))
def test_every_case_can_be_drawn_and_said_in_both_languages(hours: Decimal, wage: Decimal):
    found = worked(hours_per_shift=hours, wage_per_hour=wage)

    for language in ("en", "de"):
        drawn = ElementTree.fromstring(payback_svg(found, language))

        assert drawn[0].text == say_headline(found, language)
        assert all(abs(float(one.get("x", 0))) <= 560 for one in drawn.iter("text"))


def test_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(DataError, match=r"cannot be written: .*; name a writable folder"):
        write_payback(worked(), tmp_path / "file" / "out")


@pytest.fixture
def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(command)
    return found


def test_example_written_by_the_command_is_worked_out_by_it(app: typer.Typer, tmp_path: Path):
    file, out = tmp_path / "line 3.yaml", tmp_path / "out"

    written = CliRunner().invoke(app, ["--example", str(file)], catch_exceptions=False)
    done = CliRunner().invoke(app, [str(file), "--out", str(out), "--lang", "de"], catch_exceptions=False)

    assert (written.exit_code, done.exit_code) == (0, 0)
    assert "Pays back in 9 to 13 months, likely 11" in done.output
    assert '<html lang="de">' in (out / "payback.html").read_text(encoding="utf-8")
    assert json.loads((out / "payback.json").read_text(encoding="utf-8"))["currency"] == "EUR"


def test_example_never_overwrites_a_file(app: typer.Typer, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"mine\.yaml: is there already and is not overwritten"):
        CliRunner().invoke(app, ["--example", str(tmp_path / "mine.yaml")], catch_exceptions=False)

    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == "mine"


def test_command_without_a_file_says_what_to_give(app: typer.Typer):
    done = CliRunner().invoke(app, [])

    assert done.exit_code == 2
    assert "--example FILE" in done.output


def test_terminal_says_what_it_costs_and_what_it_does_not_know():
    lines = summarise(worked(hours_per_shift="0.3"))

    assert lines[1].startswith("As counted it never pays back")
    assert any("would save money there with one of these changes alone" in line for line in lines)
    assert lines[-1].startswith("note: False-reject rate today: estimated, not counted")
