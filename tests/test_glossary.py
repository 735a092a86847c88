"""The glossary: every text in both languages, numbers as each language writes them."""

import re
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate import glossary
from partgate.glossary import format_number, format_percent, format_score, format_time, printable, text
from partgate.parts import Fault, Reason, Verdict


@pytest.mark.parametrize("text_id", sorted(glossary.load_texts()))
def test_every_text_exists_in_both_languages_with_the_same_placeholders(text_id: str) -> None:
    entry = glossary.load_texts()[text_id]
    names = glossary.placeholders(entry["en"])
    values = {name: f"<{name}>" for name in names}

    written = [text(text_id, language, **values) for language in glossary.languages]

    assert all(all(f"<{name}>" in version for name in names) for version in written)


def test_every_verdict_reason_and_fault_on_the_wire_has_words() -> None:
    ids = [f"verdict.{verdict.name}" for verdict in Verdict]
    ids += [f"reason.{reason.value}" for reason in Reason] + [f"fault.{fault.value}" for fault in Fault]

    assert [text_id for text_id in ids if text_id not in glossary.load_texts()] == []


def test_verdicts_are_called_what_the_trade_calls_them() -> None:
    assert [text(f"verdict.{verdict.name}", "de") for verdict in Verdict] == ["Gut", "Ausschleusen", "Nachprüfung"]
    assert [text(f"verdict.{verdict.name}", "en") for verdict in Verdict] == ["Good", "Reject", "Recheck"]


def test_no_id_stands_twice() -> None:
    sources = [file.read_text(encoding="utf-8") for file in files("partgate").joinpath("texts").iterdir()]

    ids = [found for source in sources for found in re.findall(r"^([\w.]+):", source, flags=re.MULTILINE)]

    assert sorted(ids) == sorted(set(ids))


def test_no_text_uses_words_that_the_field_reads_both_ways() -> None:
    two_faced = re.compile(
        r"\b(TP|FP|TN|FN|TPR|FPR|OK|NG|NOK|pass|fail|anomal\w+|[Pp]ositiv(e[nrs]?|es)?|[Nn]egativ(e[nrs]?|es)?"
        r"|(?<![Bb]alanced )[Aa]ccuracy|Genauigkeit)\b"
    )

    found = {text_id: entry for text_id, entry in glossary.load_texts().items() if two_faced.search(str(dict(entry)))}

    assert found == {}


def test_unknown_id_names_the_nearest_one() -> None:
    with pytest.raises(KeyError, match=r"unknown text 'verdict\.GOD'; nearest known id: 'verdict\.GOOD'"):
        text("verdict.GOD", "en")


def test_missing_placeholder_is_named() -> None:
    with pytest.raises(ValueError, match=r"text 'figure\.escapes' needs a value for n, noun, got \['k'\]"):
        text("figure.escapes", "de", k=3)


def test_unknown_language_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="language must be one of en, de, got 'fr'"):
        text("verdict.GOOD", "fr")


@pytest.mark.parametrize("value", [0.5, np.float32(0.5)], ids=["python", "numpy"])
def test_unwritten_float_is_refused_because_german_has_a_decimal_comma(value: object) -> None:
    with pytest.raises(ValueError, match="rate must be formatted for the language"):
        text("figure.rate", "de", rate=value)


def test_braces_in_a_value_stay_as_they_are() -> None:
    assert text("gate.truth", "en", true_class="{k} {0}") == "truth: {k} {0}"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"en": "a"}, r"x: must have en and de, got \['en'\]"),
        ({"en": "{n} a", "de": "a"}, "x: the placeholders must be the same in every language"),
        ({"en": "a", "de": 1}, "x: must be words in every language"),
        ({"en": "a", "de": "b", "fr": "c"}, "x: fr is not a known key"),
        ({"en": "a", "de": "b", "note": {"en": "c"}}, r"x\.note: must have en and de"),
    ],
    ids=["language-missing", "placeholder-missing", "not-words", "unknown-key", "note-in-one-language"],
)
def test_damaged_entry_is_refused_by_name(entry: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        glossary.read_entries({"x": entry})


@pytest.mark.parametrize(
    ("value", "digits", "english", "german"),
    [
        (0.25, 2, "0.25", "0,25"),
        (2995, 0, "2995", "2995"),
        (12345.6, 1, "12\u00a0345.6", "12\u00a0345,6"),
        (-1.5, 1, "-1.5", "-1,5"),
    ],
)
def test_numbers_are_written_as_the_language_does(value: float, digits: int, english: str, german: str) -> None:
    assert (format_number(value, "en", digits), format_number(value, "de", digits)) == (english, german)


def test_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="number must be finite, got nan"):
        format_number(float("nan"), "en")


@pytest.mark.parametrize(
    ("fraction", "english", "german"),
    [
        (3 / 412, "0.7 %", "0,7 %"),
        (0.0, "0.0 %", "0,0 %"),
        (1.0, "100.0 %", "100,0 %"),
        (0.0004, "0.04 %", "0,04 %"),
        (0.9996, "99.96 %", "99,96 %"),
    ],
    ids=["plain", "none", "all", "nearly-none", "nearly-all"],
)
def test_percent_has_a_space_and_the_languages_decimal_sign(fraction: float, english: str, german: str) -> None:
    assert (format_percent(fraction, "en"), format_percent(fraction, "de")) == (english, german)


@given(st.integers(2, 100_000).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n))))
def test_a_rate_that_is_neither_none_nor_all_never_looks_like_it(counts: tuple[int, int]) -> None:
    k, n = counts

    shown = float(format_percent(k / n, "en").removesuffix(" %"))

    assert 0 < shown < 100


def test_score_just_below_one_never_reads_as_one() -> None:
    assert [format_score(score, "de") for score in (0.99987, 1.0, 0.32)] == ["0,9999", "1,000", "0,320"]


def test_time_is_given_in_utc() -> None:
    in_berlin = datetime(2026, 11, 22, 15, 3, tzinfo=timezone(timedelta(hours=1)))

    assert format_time(in_berlin, "en") == "2026-11-22 14:03 UTC"
    assert format_time(datetime(2026, 11, 22, 14, 3, tzinfo=UTC), "de") == "22.11.2026, 14:03 UTC"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Größe.jpg", "Größe.jpg"),
        ("a\nb", "a␊b"),
        ("a\x7fb", "a�b"),
        ("a\udce4b", "a�b"),
        ("a\u202egpj.exe", "a�gpj.exe"),
    ],
    ids=["umlauts", "line-break", "control", "not-decodable", "turned-direction"],
)
def test_names_from_outside_become_one_honest_line(name: str, shown: str) -> None:
    assert printable(name) == shown
