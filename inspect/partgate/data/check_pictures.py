"""Findings about the pictures themselves: copies, focus, exposure, sizes, light, the size of marked defects."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import exp, log

import numpy as np

from partgate.data.copies import find_exact_copies, find_near_copies
from partgate.data.findings import Finding, Severity, finding_id
from partgate.data.marks import ENOUGH_PX, MarkedDefects, smallest_seen
from partgate.data.quality import BLANK_BELOW, Measured, find_outliers, told_apart

_ENOUGH = 12  # pictures from which on a set or class is its own yardstick
_USUAL_SIZE_SHARE = 0.8
_ASPECT_FACTOR = 1.25
_TOLD_APART_FROM = 0.9
_ONE_LIGHT_SPREAD = 0.1  # 95 % minus 5 % point of the brightness, as a share of the class's median
_ONE_LIGHT_TINT = 0.05
_SMALL_MARKS_SHOWN = 12

Measure = Callable[[Measured], float]

# Measure, what of it lies on one side, and how far from the median it must be at least.
_OUTLIERS: Mapping[str, tuple[Measure, int, Callable[[float], float]]] = {
    "blurred": (lambda one: one.sharpness, -1, lambda middle: 0.12 * middle),  # a Gauss of 1 to 1.5 px
    "dark": (lambda one: one.brightness, -1, lambda middle: max(15.0, 0.15 * middle)),
    "bright": (lambda one: one.brightness, 1, lambda middle: max(15.0, 0.15 * middle)),
    "overexposed": (lambda one: one.clipped, 1, lambda _: 0.05),
}
_MAY_TELL_APART: Mapping[str, Measure] = {
    "brightness": lambda one: one.brightness,
    "sharpness": lambda one: one.sharpness,
    "pixels": lambda one: float(one.height_px * one.width_px),
    "aspect": lambda one: one.width_px / one.height_px,
    "colour": lambda one: one.tint[0] / one.tint[1],
}


def check_copies(pictures: Sequence[Measured], groups: Mapping[str, str]) -> list[Finding]:
    """Return exact and near copies; those under two labels are findings of their own.

    Copies that are in one group already stand on one side of any split: nothing is left to do about them.

    Args:
        pictures: All readable ones.
        groups: Name of the group by file, given or found.
    """
    found = []
    for group in find_exact_copies(pictures):
        labels, is_kept = _labels(group), _are_kept_together(group, groups)
        kind = "two_labels" if len(labels) > 1 else "copies"
        severity = Severity.FIX if len(labels) > 1 else Severity.KNOW if is_kept else Severity.LOOK
        found.append(_together(kind, severity, group, labels))
    for group in find_near_copies(pictures):
        labels, is_kept = _labels(group), _are_kept_together(group, groups)
        kind = "near_two_labels" if len(labels) > 1 else "near_copies_kept" if is_kept else "near_copies"
        found.append(_together(kind, Severity.KNOW if kind == "near_copies_kept" else Severity.LOOK, group, labels))
    return found


def _labels(group: Sequence[Measured]) -> list[str]:
    return sorted({one.picture.label for one in group})


def _are_kept_together(copies: Sequence[Measured], groups: Mapping[str, str]) -> bool:
    return len({groups[one.picture.file] for one in copies}) == 1


def _together(kind: str, severity: Severity, group: Sequence[Measured], labels: Sequence[str]) -> Finding:
    subject = " / ".join(labels)
    name = finding_id(kind, [one.picture.sha256 for one in group], subject if len(labels) > 1 else "")
    files = tuple(one.picture.file for one in group)
    return Finding(name, kind, severity, files, {"n": len(group), "labels": subject})


def check_exposure_and_focus(pictures: Sequence[Measured]) -> list[Finding]:
    """Return blank pictures, and those far less sharp, darker, brighter or more overexposed than their like."""
    blank = [one for one in pictures if one.contrast < BLANK_BELOW]
    found = [_single("blank", one, {"value": one.contrast}) for one in blank]
    rest = [one for one in pictures if one.contrast >= BLANK_BELOW]
    for kind, (measure, sign, distance) in _OUTLIERS.items():
        for outlier in find_outliers(rest, measure, distance, sign):
            low, high = max(0.0, outlier.usual_from), outlier.usual_to
            facts: dict[str, float] = {"value": outlier.value, "usual_from": low, "usual_to": high}
            if kind == "overexposed":
                facts = {"clipped_share": outlier.value, "usual_to_share": high}
            found.append(_single(kind, outlier.measured, facts))
    return found


def _single(kind: str, one: Measured, facts: Mapping[str, object], severity: Severity = Severity.LOOK) -> Finding:
    return Finding(finding_id(kind, [one.picture.sha256]), kind, severity, (one.picture.file,), facts)


def count_sizes(pictures: Sequence[Measured]) -> Counter[tuple[int, int]]:
    """Return how many pictures have which height and width."""
    return Counter((one.height_px, one.width_px) for one in pictures)


def check_sizes(pictures: Sequence[Measured]) -> list[Finding]:
    """Return pictures whose size, or where sizes vary anyhow whose proportions, differ from the usual one."""
    if len(pictures) < _ENOUGH:
        return []
    ((height, width), count), *_ = count_sizes(pictures).most_common(1)
    if count >= _USUAL_SIZE_SHARE * len(pictures):
        odd = [one for one in pictures if (one.height_px, one.width_px) != (height, width)]
        usual = f"{width} × {height}"
        return [_single("odd_size", one, {"size": f"{one.width_px} × {one.height_px}", "usual": usual}) for one in odd]
    found = []
    for sign in (-1, 1):
        outliers = find_outliers(pictures, lambda one: log(one.width_px / one.height_px), _aspect_reach, sign)
        for outlier in outliers:
            one = outlier.measured
            values = {"value": exp(outlier.value), "usual_from": exp(outlier.usual_from)}
            size = f"{one.width_px} × {one.height_px}"
            found.append(_single("odd_aspect", one, values | {"usual_to": exp(outlier.usual_to), "size": size}))
    return found


def _aspect_reach(_: float) -> float:
    return log(_ASPECT_FACTOR)


def check_shortcuts(pictures: Sequence[Measured], good_class: str | None) -> list[Finding]:
    """Return classes that brightness, sharpness, size or colour alone tell from the good one (or from all others).

    A model takes such a shortcut instead of looking at the defect; where the light changes it then fails.
    """
    found = []
    labels = sorted({one.picture.label for one in pictures} - {good_class})
    for label in labels:
        members = [one for one in pictures if one.picture.label == label]
        others = [one for one in pictures if one.picture.label == good_class]
        if good_class is None:
            others = [one for one in pictures if one.picture.label != label]
        if min(len(members), len(others)) < _ENOUGH:
            continue
        how_well = {name: _apart(members, others, measure) for name, measure in _MAY_TELL_APART.items()}
        best = max(how_well, key=lambda name: how_well[name])
        if how_well[best] >= _TOLD_APART_FROM:
            measure = _MAY_TELL_APART[best]
            ordered = sorted(members, key=measure), sorted(others, key=measure)
            shown = [group[len(group) // 2] for group in ordered]  # the usual one of each side
            facts = {"label": label, "measure": best, "right_share": how_well[best], "other": good_class or ""}
            facts |= {"value": measure(shown[0]), "other_value": measure(shown[1])}
            files = tuple(one.picture.file for one in shown)
            found.append(
                Finding(finding_id("shortcut", (), f"{label} {best}"), "shortcut", Severity.LOOK, files, facts)
            )
    return found


def _apart(one: Sequence[Measured], other: Sequence[Measured], measure: Measure) -> float:
    return told_apart([measure(member) for member in one], [measure(member) for member in other])


def check_light(pictures: Sequence[Measured], good_class: str | None) -> list[Finding]:
    """Return a warning where the pictures were taken under practically the same light.

    The brightness must keep within 10 % of its median (5 % to 95 % point) and the colour of the light within 5 %.
    Looked at are the good parts, since defects may change the brightness themselves; without a good class each class on
    its own, and the most even one counts. A class tells something from 12 pictures on.

    Source:
        Limits: own, from seven real sets: fixed lamps gave 1 to 9 %, daylight or several exposures 40 % and more.
    """
    classes: dict[str, list[Measured]] = {}
    for one in pictures:
        if good_class in (None, one.picture.label):
            classes.setdefault(one.picture.label, []).append(one)
    spreads = [_light_spread(members) for members in classes.values() if len(members) >= _ENOUGH]
    if not spreads or min(spreads) > _ONE_LIGHT_SPREAD:
        return []
    return [Finding(finding_id("one_light", ()), "one_light", Severity.KNOW, (), {"spread_share": min(spreads)})]


def _light_spread(members: Sequence[Measured]) -> float:
    """Return the spread of the brightness, or twice that of the colour where it is larger: it may be half as wide."""
    tint = max(_spread([one.tint[side] for one in members]) for side in (0, 1))
    return max(_spread([one.brightness for one in members]), tint * _ONE_LIGHT_SPREAD / _ONE_LIGHT_TINT)


def _spread(values: Sequence[float]) -> float:
    low, middle, high = np.percentile(values, [5, 50, 95])
    return float((high - low) / max(middle, 1.0e-6))


def check_marks(
    marks: MarkedDefects | None, unread: Mapping[str, str], pictures: Sequence[Measured], image_size_px: int
) -> list[Finding]:
    """Return whether the smallest marked defect survives the scaling to the input size, and what to set instead."""
    found = [
        Finding(finding_id("mark_unreadable", (), file), "mark_unreadable", Severity.LOOK, (file,), {"reason": reason})
        for file, reason in sorted(unread.items())
    ]
    if marks is None and pictures:
        usual = smallest_seen(count_sizes(pictures), image_size_px)
        facts: dict[str, object] = {"px": usual, "image_size_px": image_size_px, "enough_px": int(ENOUGH_PX)}
        return [*found, Finding(finding_id("marks_none", ()), "marks_none", Severity.KNOW, (), facts)]
    if marks is None:
        return found
    smallest = marks.marks[0]
    facts = {
        "n": len(marks.marks),
        "too_small": marks.too_small,
        "side_px": smallest.side_px,
        "kept_px": smallest.kept_px,
        "image_size_px": image_size_px,
        "enough_px": int(ENOUGH_PX),
    }
    if not marks.too_small:
        return [*found, Finding(finding_id("marks_kept", ()), "marks_kept", Severity.KNOW, (smallest.file,), facts)]
    kind = "marks_lost"
    if marks.wanted_size_px is not None:
        kind, facts = "marks_lost_size", facts | {"wanted_px": marks.wanted_size_px}
    elif marks.tiles is not None:
        kind, facts = "marks_lost_tiles", facts | {"rows": marks.tiles[0], "columns": marks.tiles[1]}
    small = [mark for mark in marks.marks if mark.kept_px < ENOUGH_PX]
    files = tuple(dict.fromkeys(mark.file for mark in small))[:_SMALL_MARKS_SHOWN]
    return [*found, Finding(finding_id(kind, (), str(image_size_px)), kind, Severity.LOOK, files, facts)]
