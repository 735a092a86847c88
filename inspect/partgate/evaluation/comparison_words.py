"""A comparison of two gates in sentences, for the page and for the screen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from partgate.evaluation.comparison_figures import CRITERIA
from partgate.evaluation.paired import BEYOND_CHANCE
from partgate.glossary import format_number, format_percent, printable, text

_SMALLEST_P = 0.001
_FILES_NAMED = 3  # on the screen; the files hold all
_MINUS = "\N{MINUS SIGN}"
_OF = {"escapes": "defect", "false_rejects": "good"}


def name_gate(key: str, language: str) -> str:
    """Return what one of the two is called in a sentence.

    Example:
        >>> name_gate("b", "de"), name_gate("old", "en")
        ('B', 'the old model')
    """
    return text(f"compare.gate.{key}", language)


def say_conclusion(facts: Mapping[str, Any], language: str) -> str:
    """Say which of the two is better, or that nobody can know."""
    conclusion = facts["conclusion"]
    first, second = facts["keys"]
    rose = conclusion["more_by_count"]
    winner = next(key for key, names in conclusion["fewer"].items() if names) if rose else conclusion["better"]
    gains, losses = conclusion["fewer"][winner or second], rose or conclusion["fewer"][first]
    said = text(
        "compare.conclusion.trade_by_count" if rose else f"compare.conclusion.{conclusion['kind']}",
        language,
        first=name_gate(first, language),
        second=name_gate(second, language),
        winner="" if winner is None else name_gate(winner, language),
        gains=_joined([f"compare.fewer.{name}" for name in gains], language),
        losses=_joined([f"compare.more.{name}" for name in losses], language),
    )
    return said[:1].upper() + said[1:]


def _joined(text_ids: Sequence[str], language: str) -> str:
    return text("compare.and", language).join(text(text_id, language) for text_id in text_ids)


def deciding_figures(facts: Mapping[str, Any]) -> list[str]:
    """Return the names of the figures that decide and can be counted on these parts."""
    return [name for name in CRITERIA if name in facts["figures"] and facts["figures"][name]["n"]]


def say_figure(facts: Mapping[str, Any], name: str, language: str) -> str:
    """Say what the second gate does more or less often than the first, in counts."""
    figure = facts["figures"][name]
    first, second = facts["keys"]
    step = figure[second] - figure[first]
    return text(
        f"compare.step.{name}.{'fewer' if step < 0 else 'more' if step else 'same'}",
        language,
        n=format_number(figure["n"], language),
        noun=counted_noun(facts, name, language),
        first=name_gate(first, language),
        second=name_gate(second, language),
        d=format_number(abs(step), language),
        a=format_number(figure[first], language),
        b=format_number(figure[second], language),
    )


def say_chance(facts: Mapping[str, Any], name: str, language: str) -> str:
    """Say whether chance alone explains it, with the parts that differ; empty where it happened to no part."""
    figure = facts["figures"][name]
    if not figure["n"] - figure["neither"]:
        return ""
    first, second = facts["keys"]
    only_first, only_second = figure[f"only_{first}"], figure[f"only_{second}"]
    kind = "beyond" if figure["beyond_chance"] else "could"
    if only_first == only_second:
        kind = "balanced" if only_first else "none"
    return text(
        f"compare.chance.{kind}",
        language,
        only_first=only_first,
        only_second=only_second,
        first=name_gate(first, language),
        second=name_gate(second, language),
        p=write_p(figure["chance"], language),
    )


def say_margin(facts: Mapping[str, Any], name: str, language: str) -> str:
    """Say between which limits the true difference lies, in percentage points; empty where nothing can differ."""
    if facts["conclusion"]["kind"] == "same_gate":
        return ""
    figure = facts["figures"][name]
    low, high = (write_points(figure[f"difference_{end}95"], language) for end in ("low", "high"))
    return text("compare.margin", language, low=low, high=high)


def write_points(difference: float, language: str) -> str:
    """Write a difference of two rates in percentage points, with its sign.

    Example:
        >>> write_points(-0.0214, "de"), write_points(0.05, "en"), write_points(0.0, "en")
        ('−2,1', '+5.0', '0.0')
    """
    written = format_number(abs(100 * difference), language, 1)
    sign = "" if not float(written.replace(",", ".")) else "+" if difference > 0 else _MINUS
    return sign + written


def write_p(p: float, language: str) -> str:
    """Write what the test gives, with as many decimals as show on which side of the limit it lies.

    Example:
        >>> write_p(0.25, "en"), write_p(0.0156, "de"), write_p(0.0498, "en"), write_p(0.00001, "en")
        ('p = 0.25', 'p = 0,016', 'p = 0.0498', 'p < 0.001')
    """
    is_small = p < _SMALLEST_P
    digits = 2 if p >= 0.1 else 3 if round(p, 3) != BEYOND_CHANCE or p == BEYOND_CHANCE else 4
    value = format_number(_SMALLEST_P if is_small else p, language, digits)
    return text("compare.chance.below" if is_small else "compare.chance.exact", language, p=value)


def counted_noun(facts: Mapping[str, Any], name: str, language: str) -> str:
    """Return what a figure is counted among, in the case that stands after "of"."""
    return text(f"counted.{facts['counted']}.{_OF.get(name.removesuffix('_closed'), 'all')}", language)


def describe_comparison(facts: Mapping[str, Any]) -> list[str]:
    """Return a comparison in a few lines of English, for the screen: counts before rates, the conclusion last."""
    first, second = (name_gate(key, "en") for key in facts["keys"])
    unit = facts["counted"] + "s"
    only = {key: facts["left_out_only_by"][key] for key in facts["keys"]}
    left_out = "".join(
        f"; {n} left out that only {name_gate(key, 'en')} has seen or grouped with what it has seen"
        for key, n in only.items()
        if n
    )
    if not facts["n"]:
        return [f"{first} against {second}: no {facts['counted']} that neither has seen{left_out}: nothing to compare"]
    counted = f"{facts['n']} {unit}"
    if facts["good_class"] is not None:
        counted += f" ({facts['n_good']} good, {facts['n_defect']} defect)"
    return [f"{first} against {second} on {counted} that neither has seen{left_out}:", *_lines(facts)]


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    first, second = facts["keys"]
    for key in facts["keys"]:
        if facts[key]["classes_unknown"]:
            unknown = ", ".join(map(printable, facts[key]["classes_unknown"]))
            yield f"  {name_gate(key, 'en')} does not know: {unknown}"
    for name in CRITERIA:
        if name not in facts["figures"]:
            continue
        figure = facts["figures"][name]
        if not figure["n"]:
            yield f"  {text(f'compare.figure.{name}', 'en').lower()}: nothing can be said without such parts"
            continue
        bounds = " → ".join(format_percent(figure[f"{key}_upper95"], "en") for key in (first, second))
        yield f"  {say_figure(facts, name, 'en')}"
        yield f"    At most {bounds} (one-sided 95 %). {say_margin(facts, name, 'en')}".rstrip()
        if chance := say_chance(facts, name, "en"):
            yield f"    {chance}"
    changed = facts["changed"]
    if changed:
        files = ", ".join(printable(one["file"]) for one in changed[:_FILES_NAMED])
        more = ", ..." if len(changed) > _FILES_NAMED else ""
        yield f"  {len(changed)} changed, {facts['better']} to the better, {facts['worse']} to the worse: {files}{more}"
    yield f"  {say_conclusion(facts, 'en')}"
