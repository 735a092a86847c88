"""What is said about chosen limits: by which wishes, and where they hurt."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import written_percent
from partgate.recipe import ChosenOn
from partgate.wishes import Cost, Promise, Wishes

_SAME_SHARE = 0.02  # weighted pictures move the share that calibrated scores mean
_TOO_MUCH = 0.2  # a wish that drives the other rate beyond a fifth is told to the user


@dataclass(frozen=True, slots=True)
class ChosenLimits:
    """Limits and what they did to the parts they were chosen on."""

    recheck_from: float
    reject_from: float
    n_good: int
    n_defect: int
    escapes: int  # defect parts below recheck_from
    false_rejects: int  # good parts from reject_from upwards
    rechecks_good: int
    rechecks_defect: int
    seen_share: float  # of defect parts by the calibrated chances
    how: str  # in English; describe_wishes says it in both languages
    warnings: tuple[str, ...]  # the same by warn_about
    counted: Literal["part", "picture"] = "part"  # what the counts are of


def describe_wishes(wishes: Wishes, chosen: ChosenLimits) -> Bilingual:
    """Return in words by what limits were chosen."""
    has_band = chosen.reject_from > chosen.recheck_from
    wished = list(_promises(wishes.promise, chosen)) if wishes.promise is not None else list(_rates(wishes))
    if wished:
        band = phrase("limits_words.band" if has_band else "limits_words.one")
        with_band = has_band or len(wished) > 1
        return Bilingual(
            lambda language: (
                ", ".join(one.in_language(language) for one in wished)
                + (f": {band.in_language(language)}" if with_band else "")
            )
        )
    return phrase("limits_words.cheapest", cost=say_cost(wishes.cost), share=_say_share(wishes, chosen))


def say_chosen(how: Bilingual, on: ChosenOn, day: date, folder: str | None = None) -> dict[str, str]:
    """Return ``chosen`` and ``chosen_de`` of a recipe: how, on what and when its limits were chosen.

    Args:
        how: In words.
        on: The parts.
        day: When.
        folder: Name of the folder with fresh pictures; ``None`` for the scores of the training.
    """
    noun = phrase(f"counted.{on.counted}.all")
    where = f"limits_words.on.{'training' if folder is None else 'fresh'}"
    said = phrase("limits_words.chosen", how=how, on=phrase(where, n=on.parts, noun=noun, folder=folder), day=f"{day}")
    return {"chosen": said.in_language("en"), "chosen_de": said.in_language("de")}


def _rates(wishes: Wishes) -> Iterator[Bilingual]:
    for name in ("max_escape_rate", "max_false_reject_rate"):
        rate = getattr(wishes, name)
        if rate is not None:
            yield Bilingual(lambda language, name=name, rate=rate: f"{name} {_plain(rate).in_language(language)}")  # type: ignore[misc]


def _promises(promise: Promise, chosen: ChosenLimits) -> Iterator[Bilingual]:
    if promise.escape is not None:
        yield phrase("limits_words.promise.escape", share=_percent(promise.escape), n=chosen.n_defect)
    if promise.false_reject is not None:
        share = _percent(promise.false_reject)
        said = phrase("limits_words.promise.false_reject", share=share, n=chosen.n_good)
        is_kept = _is_kept(promise.false_reject, chosen.false_rejects, chosen.n_good)
        yield said if is_kept else phrase("limits_words.promise.broken", promise=said)


def _is_kept(share: float, events: int, n: int) -> bool:
    return events <= max(0, int(share * (n + 1) + 1e-9) - 1)


def _say_share(wishes: Wishes, chosen: ChosenLimits) -> Bilingual:
    if wishes.defect_share is not None:
        return phrase("limits_words.share.line", share=_plain(wishes.defect_share))
    counted = chosen.n_defect / max(1, chosen.n_defect + chosen.n_good)
    if abs(counted - chosen.seen_share) < _SAME_SHARE:
        return phrase("limits_words.share.data")
    seen, counts = written_percent(chosen.seen_share, 0), written_percent(counted, 0)
    return phrase("limits_words.share.scores", seen=seen, counted=counts)


def say_cost(cost: Cost) -> Bilingual:
    """Return what mistakes cost, in words.

    Example:
        >>> say_cost(Cost(escape=250, false_reject=4, recheck=1.5, currency="EUR")).in_language("en")
        'an escape costs 250 EUR, a false reject 4 EUR and a recheck 1.5 EUR'
    """
    per, unit = (cost.false_reject, None) if cost.currency is None else (1.0, cost.currency)
    amounts = {"escape": _plain(cost.escape / per), "false_reject": _plain(cost.false_reject / per)}
    kind = "ratio" if unit is None else "money"
    if cost.recheck is None:
        return phrase(f"limits_words.cost.{kind}", **amounts, unit=unit)
    return phrase(f"limits_words.cost.{kind}_recheck", **amounts, recheck=_plain(cost.recheck / per), unit=unit)


def _plain(value: float) -> Bilingual:
    """Return a number with as many digits as it has, at most six."""
    return Bilingual(lambda language: f"{value:g}".replace(".", "," if language == "de" else "."))


def _percent(share: float) -> Bilingual:
    return Bilingual(lambda language: f"{_plain(100 * share).in_language(language)} %")


def warn_about(chosen: ChosenLimits, wishes: Wishes) -> Iterator[Bilingual]:
    """Give sentences on what the wishes cost, or why they cannot be kept."""
    strict = chosen.false_rejects + chosen.rechecks_good
    escape_rate, strict_rate = chosen.escapes / max(1, chosen.n_defect), strict / max(1, chosen.n_good)
    counts: dict[str, object] = {
        name: getattr(chosen, name) for name in ("escapes", "false_rejects", "n_good", "n_defect")
    } | {"strict": strict}
    if wishes.promise is not None:
        yield from _warn_about_promise(chosen, wishes.promise)
    if wishes.max_escape_rate is not None and strict_rate > _TOO_MUCH:
        band = "_band" if chosen.reject_from > chosen.recheck_from else ""
        wish, rate = _plain(wishes.max_escape_rate), written_percent(strict_rate, 0)
        yield phrase(f"limits_words.note.escape_rate{band}", wish=wish, rate=rate, **counts)
    if wishes.max_false_reject_rate is not None and escape_rate > _TOO_MUCH:
        wish, rate = _plain(wishes.max_false_reject_rate), written_percent(escape_rate, 0)
        yield phrase("limits_words.note.false_reject_rate", wish=wish, rate=rate, **counts)
    is_by_cost = wishes.max_escape_rate is None and wishes.max_false_reject_rate is None and wishes.promise is None
    if is_by_cost and strict_rate > _TOO_MUCH:
        yield _warn_about_cheapest(wishes, written_percent(strict_rate, 0), counts)
    yield from _warn_about_what_cannot_be(chosen, wishes, counts)


def _warn_about_cheapest(wishes: Wishes, rate: Bilingual, counts: Mapping[str, object]) -> Bilingual:
    said = [phrase("limits_words.note.cheapest", cost=say_cost(wishes.cost), rate=rate, **counts)]
    said += [] if wishes.defect_share else [phrase("limits_words.note.rarer")]
    said += [] if wishes.cost.recheck else [phrase("limits_words.note.opens_band")]
    return Bilingual(lambda language: "".join(one.in_language(language) for one in said))


def _warn_about_what_cannot_be(
    chosen: ChosenLimits, wishes: Wishes, counts: Mapping[str, object]
) -> Iterator[Bilingual]:
    cost = wishes.cost
    if cost.recheck is not None and cost.recheck >= min(cost.escape, cost.false_reject):
        prices = {name: _plain(getattr(cost, name)) for name in ("recheck", "escape", "false_reject")}
        yield phrase("limits_words.note.dear_recheck", **prices)
    wish = wishes.max_false_reject_rate
    if wish is not None and chosen.false_rejects / max(1, chosen.n_good) > wish + 1e-9:
        yield phrase("limits_words.note.highest_score", wish=_plain(wish), **counts)
    wish = wishes.max_escape_rate
    if wish and upper_bound(0, chosen.n_defect) > wish:
        upper = written_percent(upper_bound(0, chosen.n_defect))
        yield phrase("limits_words.note.too_few", wish=_plain(wish), upper=upper, needed=parts_needed(wish), **counts)


def _warn_about_promise(chosen: ChosenLimits, promise: Promise) -> Iterator[Bilingual]:
    for name, share, n in (
        ("escape", promise.escape, chosen.n_defect),
        ("false_reject", promise.false_reject, chosen.n_good),
    ):
        if share is not None and share * (n + 1) < 1 - 1e-9:
            least, needed = written_percent(1 / (n + 1)), math.ceil(1 / share - 1e-9) - 1
            yield phrase(f"limits_words.note.promise_{name}", n=n, least=least, share=_percent(share), needed=needed)
    share = promise.false_reject
    if share is not None and not _is_kept(share, chosen.false_rejects, chosen.n_good):
        false_rejects, n_good = chosen.false_rejects, chosen.n_good
        yield phrase("limits_words.note.promise_broken", false_rejects=false_rejects, n_good=n_good)
