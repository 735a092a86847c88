"""The frame that every page stands in: one look, both languages with a switch, nothing fetched from anywhere.

A page is a template that begins with ``{% extends "frame.html.j2" %}`` and fills the blocks ``title``, ``kind``,
``heading``, ``facts``, ``style`` and ``content``; macros for facts, hashes and table cells stand in ``macros.html.j2``.
"""

import math
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from partgate.glossary import (
    check_language,
    format_number,
    format_percent,
    format_score,
    format_time,
    languages,
    printable,
)
from partgate.pages.bilingual import Bilingual, phrase

_HOME = "partgate.pages"
_SHARED = ("frame.html.j2", "macros.html.j2")
_SHORT_HASH = 12


def render(package: str, name: str, language: str, /, **values: object) -> str:
    """Return a page.

    Args:
        package: Where its template lies, as ``partgate.evaluation``.
        name: Of the template's file.
        language: Shown first; the other is one click away.
        values: What the template shows.

    Raises:
        ValueError: If the language is unknown.
    """
    check_language(language)
    return _template(package, name).render(language=language, languages=languages, **values)


def render_section(package: str, name: str, /, **values: object) -> Markup:
    """Return a piece of a page, for use inside another one."""
    return Markup(_template(package, name).render(**values))  # escaped where it is made


@lru_cache
def _template(package: str, name: str) -> Template:
    """Return a template; it holds no words, only ids of the glossary."""

    def load(wanted: str) -> str:
        home = _HOME if wanted in _SHARED else package
        return files(home).joinpath(wanted).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(load)
    )
    environment.globals |= {
        "t": phrase,
        "number": written_number,
        "percent": written_percent,
        "score": written_score,
        "time": written_time,
        "either": written_either,
        "name": written_name,
        "short_hash": lambda full: str(full)[:_SHORT_HASH],
    }
    return environment.get_template(name)


def _written(value: object, write: Callable[[Any], Bilingual]) -> Bilingual:
    """Return a number in every language, a dash where it is missing, a word as it is."""
    if isinstance(value, str):
        return written_name(value)
    if not isinstance(value, int | float) or math.isnan(value):
        return phrase("nothing")
    return write(value)


def written_number(value: object, digits: int = 0) -> Bilingual:
    """Return a number as each language writes it; a dash for ``None`` and NaN."""
    return _written(value, lambda one: Bilingual(lambda language: format_number(one, language, digits)))


def written_percent(value: object, digits: int = 1) -> Bilingual:
    """Return a fraction 0..1 as percent in each language; a dash for ``None`` and NaN."""
    return _written(value, lambda one: Bilingual(lambda language: format_percent(one, language, digits)))


def written_score(value: object, digits: int = 3) -> Bilingual:
    """Return a score 0..1 as each language writes it; a dash for ``None`` and NaN."""
    return _written(value, lambda one: Bilingual(lambda language: format_score(one, language, digits)))


def written_name(value: object) -> Bilingual:
    """Return a name from outside as one honest line; a dash for ``None``."""
    return phrase("nothing") if value is None else Bilingual(lambda _: printable(str(value)))


def written_either(english: str, german: str) -> Bilingual:
    """Return a sentence that was written in both languages; in English alone where there is no German one."""
    return Bilingual(lambda language: printable(german if language == "de" and german else english))


def written_time(value: str | datetime) -> Bilingual:
    """Return a point in time as each language writes it."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return Bilingual(lambda language: format_time(moment, language))
