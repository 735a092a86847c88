"""Every text that operators and quality people read, in English and German, and how numbers are written in each."""

import math
import string
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import yaml

languages = ("en", "de")
"""The languages every text exists in; the first is the default."""

_PARTS = ("formula", "note", "definition")  # of an entry: texts of their own
_ENTRY_KEYS = {"en", "de", "source", *_PARTS}
_FOLDER = "texts"
_NO_BREAK_SPACE = "\u00a0"
_TURNS_DIRECTION = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"


def text(text_id: str, /, language: str, **values: object) -> str:
    """Return one text with its placeholders filled in.

    Args:
        text_id: Key in a file of ``texts``; formula, note and definition of an entry are texts of their own, as
            ``id.formula``.
        language: One of ``languages``.
        values: One value per placeholder; whole numbers and words as they are, other numbers already written
            by ``format_number``, ``format_percent`` or ``format_score``. Values without a placeholder are ignored.

    Raises:
        KeyError: If there is no such text.
        ValueError: If the language is unknown, a placeholder has no value, or a value is a float, which would print
            a decimal point in German.

    Example:
        >>> text("verdict.REJECT", "de")
        'Ausschleusen'
        >>> text("figure.escapes", "en", k=3, n=412, noun=text("counted.part.defect", "en"))
        '3 of 412 defect parts escaped'
    """
    check_language(language)
    texts = load_texts()
    if text_id not in texts:
        near = get_close_matches(text_id, texts, n=1)
        hint = f"; nearest known id: {near[0]!r}" if near else ""
        raise KeyError(f"unknown text {text_id!r}{hint}")
    template = texts[text_id][language]
    missing = sorted(placeholders(template) - values.keys())
    if missing:
        raise ValueError(f"text {text_id!r} needs a value for {', '.join(missing)}, got {sorted(values)}")
    floats = sorted(key for key, value in values.items() if isinstance(value, Real) and not isinstance(value, Integral))
    if floats:
        raise ValueError(f"text {text_id!r}: {', '.join(floats)} must be formatted for the language, got a float")
    return template.format(**values)


def format_number(value: float, language: str, digits: int = 0) -> str:
    """Write a number with a fixed count of decimals; from 10 000 on in groups of three, apart by a no-break space.

    Raises:
        ValueError: If the language is unknown or the number is not finite.

    Example:
        >>> format_number(0.25, "de", 2)
        '0,25'
        >>> format_number(2995, "en")
        '2995'
    """
    check_language(language)
    if not math.isfinite(value):
        raise ValueError(f"number must be finite, got {value}")
    written = f"{value:,.{digits}f}" if abs(value) >= 10_000 else f"{value:.{digits}f}"
    written = written.replace(",", _NO_BREAK_SPACE)
    return written.replace(".", ",") if language == "de" else written


def format_percent(fraction: float, language: str, digits: int = 1) -> str:
    """Write a fraction 0..1 as percent, with more decimals where rounding would turn it into none or all.

    Example:
        >>> format_percent(0.139, "de")
        '13,9 %'
        >>> format_percent(0.0004, "en")
        '0.04 %'
    """
    return format_number(100 * fraction, language, _telling_digits(100 * fraction, 100, digits)) + " %"


def format_score(score: float, language: str, digits: int = 3) -> str:
    """Write a score or threshold 0..1, with more decimals where rounding would turn it into exactly 0 or 1.

    Example:
        >>> format_score(0.5, "de")
        '0,500'
        >>> format_score(0.99987, "en")
        '0.9999'
    """
    return format_number(score, language, _telling_digits(score, 1, digits))


def format_time(moment: datetime, language: str) -> str:
    """Write a point in time to the minute, in UTC; one without a zone is taken as UTC.

    Example:
        >>> format_time(datetime(2026, 11, 22, 14, 3), "de")
        '22.11.2026, 14:03 UTC'
    """
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    parts = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M"}
    return text("time", language, **{name: moment.strftime(pattern) for name, pattern in parts.items()})


def count_of(n: int, noun: str) -> str:
    """Return a count with its English noun, for the screen.

    Example:
        >>> count_of(1, "false reject"), count_of(0, "false reject")
        ('1 false reject', '0 false rejects')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def printable(name: str) -> str:
    r"""Return a name from outside as one honest line.

    Line breaks and control characters become signs; what is no text, or would turn the direction of reading, becomes
    the replacement character.

    Example:
        >>> printable("a\nb")
        'a␊b'
    """
    return "".join(_printable_sign(sign) for sign in name)


def check_language(language: str) -> None:
    """Refuse a language that the glossary does not have.

    Raises:
        ValueError: If it is not one of ``languages``.
    """
    if language not in languages:
        raise ValueError(f"language must be one of {', '.join(languages)}, got {language!r}")


def placeholders(template: str) -> set[str]:
    """Return the names in braces.

    Example:
        >>> sorted(placeholders("{k} of {n}"))
        ['k', 'n']
    """
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@lru_cache(maxsize=1)
def load_texts() -> Mapping[str, Mapping[str, str]]:
    """Return all texts by id and language, read once from the package.

    Raises:
        ValueError: If a file misses a language, has an unknown key, the languages differ in their placeholders, or an
            id stands in two files.
    """
    return MappingProxyType(read_entries(load_entries()))


def load_entries() -> dict[str, Mapping[str, Any]]:
    """Return the entries of all files as they are written.

    Raises:
        ValueError: If an id stands in two files.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    home: dict[str, str] = {}
    for file in sorted(files("partgate").joinpath(_FOLDER).iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".yaml"):
            continue
        for text_id, entry in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).items():
            if text_id in entries:
                raise ValueError(f"{text_id}: must stand once, got {home[text_id]} and {file.name}")
            entries[text_id], home[text_id] = entry, file.name
    return entries


def read_entries(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, str]]:
    """Check the entries and lay formulas, notes and definitions beside them as texts of their own.

    Raises:
        ValueError: As ``load_texts``; all problems at once, one line each.
    """
    texts: dict[str, Mapping[str, str]] = {}
    problems: list[str] = []
    for text_id, entry in raw.items():
        problems += [f"{text_id}: {key} is not a known key" for key in sorted(entry.keys() - _ENTRY_KEYS)]
        parts = {text_id: {key: entry[key] for key in languages if key in entry}}
        parts |= {f"{text_id}.{key}": dict(entry[key]) for key in _PARTS if key in entry}
        for part_id, part in parts.items():
            problems += _problems_of(part_id, part)
            if part_id in texts:
                problems.append(f"{part_id}: must stand once, got twice")
            texts[part_id] = MappingProxyType(part)
    if problems:
        raise ValueError("texts: " + "\n".join(problems))
    return texts


def _problems_of(text_id: str, entry: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with one text: a language missing, not a text, other placeholders."""
    if set(entry) != set(languages):
        return [f"{text_id}: must have {' and '.join(languages)}, got {sorted(entry)}"]
    if not all(isinstance(value, str) and value for value in entry.values()):
        return [f"{text_id}: must be words in every language, got {dict(entry)}"]
    names = {language: sorted(placeholders(entry[language])) for language in languages}
    if len({tuple(found) for found in names.values()}) > 1:
        return [f"{text_id}: the placeholders must be the same in every language, got {names}"]
    return []


def _printable_sign(sign: str) -> str:
    """Return the sign itself, or what stands for it."""
    if ord(sign) < 0x20:
        return chr(0x2400 + ord(sign))
    if unicodedata.category(sign) in ("Cc", "Cs", "Cn", "Co") or sign in _TURNS_DIRECTION:
        return "\N{REPLACEMENT CHARACTER}"
    return sign


def _telling_digits(value: float, whole: float, digits: int) -> int:
    """Return how many decimals keep a value that is not 0 and not the whole from looking like it."""
    most = digits + 6
    while digits < most and value not in (0, whole) and round(value, digits) in (0, whole):
        digits += 1
    return digits
