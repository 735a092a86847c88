"""What a learning curve says: what twice the pictures would bring, and where the numbers carry no claim."""

import math
from collections.abc import Iterator

from partgate.data.groups import GroupSource
from partgate.evaluation.power_law import Outlook
from partgate.evaluation.rates import parts_needed, upper_bound
from partgate.glossary import format_number, format_percent, format_score, printable, text
from partgate.training.learning_curve import Curve, LearningCurve
from partgate.training.learning_curve_draws import FEWEST_DRAWN
from partgate.training.learning_curve_measures import RATES

SHOWN_RATE = 0.05  # up to which escape rate the parts should be able to speak
_FEW_GROUPS = 10  # below, a class's own curve hangs on single parts


def write_value(measure: str, error: float, language: str) -> str:
    """Write an error as what people call the measure: AUROC as a score, the others in percent."""
    if not math.isfinite(error):
        return text("nothing", language)
    if measure in RATES:
        return format_percent(error, language)
    return format_score(1 - error, language) if measure == "auroc" else format_percent(1 - error, language)


def say_outlook(curve: Curve, measure: str, language: str) -> str:
    """Say what twice the pictures would bring, of all classes or of one."""
    outlook = curve.outlook[measure]
    values = {"measure": text(f"learning_curve.measure.{measure}", language),
              "now": write_value(measure, outlook.now, language)}  # fmt: skip
    if outlook.twice_band is not None:
        values["low"], values["high"] = _band(measure, outlook.twice_band, language)
    which = text("learning_curve.grown.all", language)
    if curve.grown is not None:
        which = text("learning_curve.grown.class", language, label=printable(curve.grown))
    return text(f"learning_curve.outlook.{outlook.trend}", language, which=which, **values)


def say_today(outlook: Outlook, measure: str, language: str) -> str:
    """Say how far another test would have measured today's figure."""
    low, high = _band(measure, outlook.now_band, language)
    return text("learning_curve.today", language, now=write_value(measure, outlook.now, language), low=low, high=high)


def say_tried(outlook: Outlook, measure: str, language: str) -> str:
    """Say whether the same method would have been right from half of the pictures; empty where it was not tried."""
    tried = outlook.tried
    if tried is None:
        return ""
    low, high = _band(measure, tried.promised, language)
    measured = write_value(measure, tried.measured, language)
    words = "learning_curve.tried.kept" if tried.was_kept else "learning_curve.tried.missed"
    return text(words, language, low=low, high=high, measured=measured)


def say_at_limit(curve: Curve, language: str) -> str:
    """Say how many escape and how many good ones are rejected today, both at once; empty in sorting by class."""
    values: dict[str, str] = {}
    for name, measure in zip(("escapes", "rejects"), RATES, strict=True):
        if (outlook := curve.outlook.get(measure)) is None:
            return ""
        low, high = _band(measure, outlook.now_band, language)
        values |= {name: write_value(measure, outlook.now, language), f"{name}_low": low, f"{name}_high": high}
    return text("learning_curve.at_limit", language, **values)


def _band(measure: str, errors: tuple[float, float], language: str) -> tuple[str, str]:
    """Return the edges of a band as people read them, the smaller number first."""
    low, high = errors if measure in RATES else errors[::-1]
    return write_value(measure, low, language), write_value(measure, high, language)


def warnings_of(found: LearningCurve, language: str) -> list[str]:
    """Return what the numbers cannot carry, the weightiest first."""
    return list(_warnings(found, language))


def _warnings(found: LearningCurve, language: str) -> Iterator[str]:
    folder = found.folder
    is_known = found.source in (GroupSource.PATTERN, GroupSource.LOOK_ALIKES) or folder.has_groups
    unit = "part" if is_known else "picture"
    if found.source is GroupSource.PICTURE:
        yield text("learning_curve.warning.groups_ignored", language)
    elif found.source is GroupSource.LOOK_ALIKES:
        yield text("learning_curve.warning.groups_found", language)
    elif not is_known:
        yield text("learning_curve.warning.groups_unknown", language)
    if folder.good_class is not None:
        for who, n in (("defect", found.defect_groups), ("good", found.groups[folder.good_class])):
            bound = upper_bound(0, n)
            if bound > SHOWN_RATE:
                yield text(
                    f"learning_curve.warning.bound.{who}.{unit}", language, n=n, needed=parts_needed(SHOWN_RATE),
                    bound=format_percent(bound, language, 0), limit=format_percent(SHOWN_RATE, language, 0),
                )  # fmt: skip
    for name in folder.classes:
        n = found.groups[name]
        if n <= FEWEST_DRAWN:
            yield text("learning_curve.warning.no_curve", language, label=printable(name), n=n)
        elif n < _FEW_GROUPS:
            yield text("learning_curve.warning.few", language, label=printable(name), n=n)
    if found.tuned:
        yield text("learning_curve.warning.few_draws", language, n=found.draws)


def summarise(found: LearningCurve, language: str = "en") -> list[str]:
    """Return the curve in a few lines for the screen."""
    main, curve = found.measures[0], found.curves[0]
    pictures = ", ".join(f"{name} {format_number(n, language)}" for name, n in curve.points[-1].pictures.items())
    lines = [text("learning_curve.learned_from", language, pictures=pictures)]
    lines += [say_outlook(curve, main, language), say_today(curve.outlook[main], main, language)]
    lines += [tried] if (tried := say_tried(curve.outlook[main], main, language)) else []
    lines += [limit] if (limit := say_at_limit(curve, language)) else []
    lines += [say_outlook(one, main, language) for one in found.curves if one.grown is not None]
    return lines + [f"{text('learning_curve.warning', language)}: {one}" for one in warnings_of(found, language)]
