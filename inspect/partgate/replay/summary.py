"""What the screen says after a replay, in English."""

from collections.abc import Iterator, Mapping
from typing import Any

from partgate.glossary import count_of, format_number, format_score, printable, text

_MOST_RANGES = 20
_HASH_DIGITS = 12


def say_numbers(ranges: list[list[int]], most: int = _MOST_RANGES) -> str:
    """Return numbers of records as people write them.

    Example:
        >>> say_numbers([[3, 5], [9, 9]])
        '3-5, 9'
    """
    told = [f"{first}" if first == last else f"{first}-{last}" for first, last in ranges[:most]]
    return ", ".join(told) + (", ..." if len(ranges) > most else "")


def summarise(facts: Mapping[str, Any]) -> list[str]:
    """Return what was found, the defects of the same recipe left to :func:`say_differences`."""
    line = sum(facts["not_from_model"].values())
    left_out = sum(one["count"] for one in facts["left_out"].values())
    lines = [
        f"{count_of(facts['records'], 'record')} from {facts['span'][0]} to {facts['span'][1]}",
        text("replay.whole", "en", n=facts["records"], judged=facts["judged"], line=line, left_out=left_out,
             gaps=facts["gaps"]),
    ]  # fmt: skip
    lines += say_left_out(facts)
    lines += list(_same(facts["same"]))
    if facts["other"] is not None and facts["other"]["count"]:
        lines += list(_other(facts))
    return lines


def say_left_out(facts: Mapping[str, Any]) -> list[str]:
    """Return what was not judged again and why, with what to do about it."""
    lines = [
        f"  {n} not from the model: {text(f'reason.{reason}', 'en')}" for reason, n in facts["not_from_model"].items()
    ]
    if facts["gaps"]:
        lines.append(f"  {count_of(facts['gaps'], 'declared gap')}: never recorded one by one")
    for cause, one in facts["left_out"].items():
        numbers = say_numbers(one["records"])
        lines.append(f"  {one['count']} {text(f'replay.left_out.{cause}', 'en')}: {numbers}")
    for gone in facts["recipes_gone"]:
        said = text(
            "replay.recipe_gone", "en", n=gone["count"], recipe=f"'{printable(gone['recipe'])}'",
            sha256=gone["recipe_sha256"][:_HASH_DIGITS], bundle=gone["bundle_id"][:_HASH_DIGITS],
        )  # fmt: skip
        lines.append(f"  {said}")
    return lines


def _same(same: Mapping[str, Any]) -> Iterator[str]:
    if same["exact"] and not same["different"]:
        yield text("replay.equal", "en", n=same["exact"])
    if same["lossy"]:
        step = format_score(same["lossy_largest_step"], "en", 6)
        yield text("replay.lossy", "en", n=same["lossy"], k=same["lossy_different"], step=step,
                   verdicts=same["lossy_verdicts"])  # fmt: skip
        if same["lossy_verdicts"]:
            yield f"  records {say_numbers(same['lossy_verdict_records'])}"


def say_differences(facts: Mapping[str, Any]) -> list[str]:
    """Return what the same recipe said differently about the same picture; nothing where all is equal."""
    same = facts["same"]
    if not same["different"]:
        return []
    lines = [text("replay.differs", "en", k=same["different"], n=same["exact"]),
             f"records {say_numbers(same['different_records'])}"]  # fmt: skip
    exact = [part for part in same["parts"] if part["exact"]]
    for part in exact[:_MOST_RANGES]:
        lines.append(f"record {part['record']}: was {_said(part['was'])}; is {_said(part['now'])}")
    return lines


def _said(said: Mapping[str, Any]) -> str:
    score = "none" if said["defect_score"] is None else f"{said['defect_score']:.9f}"
    return f"{said['verdict']}, lane {said['lane']}, class number {said['class_number']}, score {score}"


def _other(facts: Mapping[str, Any]) -> Iterator[str]:
    other, name = facts["other"], f"'{printable(facts['recipe'])}'"
    which = "replay.changed" if other["changed"] else "replay.changed.none"
    yield text(which, "en", k=other["changed"], n=other["count"], recipe=name)
    for then, row in other["moves"]["table"].items():
        for now, count in row.items():
            if count and then != now:
                yield f"  {printable(then)} -> {printable(now)}: {count}"
    if facts["classes_unknown"]:
        yield text("replay.classes_unknown", "en", classes=", ".join(map(printable, facts["classes_unknown"])))
    if other["other_class"]:
        yield text("replay.other_class", "en", n=other["other_class"])
    if other["lossy"]:
        yield text("replay.lossy_other", "en", n=other["lossy"])
    yield from _truth(other)
    yield text("replay.no_improvement", "en")


def _truth(other: Mapping[str, Any]) -> Iterator[str]:
    if other["mistakes"] is None:
        return
    known = sum(other["said_by"].values())
    if not known:
        yield text("replay.truth.none", "en")
        return
    yield text("replay.truth.known", "en", n=known, all=other["count"], **other["said_by"])
    for name, found in other["mistakes"].items():
        of = other["truths"]["good" if name in ("false_rejects", "rechecks_good") else "defect"]["count"]
        if of:
            yield f"  {text(f'replay.mistakes.{name}', 'en', n=of)}: {found['then']} -> {found['now']}"
    if money := other["money"]:
        unit = money["cost"]["currency"] or text("cost.unit", "en")
        then, now = (format_number(money[when]["value"], "en") for when in ("then", "now"))
        yield text("replay.money", "en", then=then, now=now, unit=printable(unit))
