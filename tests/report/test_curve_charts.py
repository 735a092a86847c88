"""The charts of both curves: named axes, the limits in force, readable without colour."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from partgate.report.curve_charts import precision_svg, roc_svg

Report = Callable[..., dict[str, Any]]
DRAWINGS = {"roc": roc_svg, "precision": precision_svg}


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter("text")]


def path(svg: str) -> list[tuple[float, float]]:
    (line,) = ElementTree.fromstring(svg).iter("polyline")
    return [tuple(map(float, corner.split(","))) for corner in line.get("points", "").split()]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "language", "axes"),
    [
        ("roc", "en", {"Defect parts caught (of 412)", "Good parts rejected (of 1203)"}),
        ("roc", "de", {"Erkannte Schlechtteile (von 412)", "Ausgeschleuste Gutteile (von 1203)"}),
        ("precision", "en", {"Really defect, of all rejected", "Defect parts caught (of 412)"}),
        ("precision", "de", {"Wirklich schlecht, von allen ausgeschleusten", "Erkannte Schlechtteile (von 412)"}),
    ],
)
def test_axes_are_named_in_the_words_of_the_trade(kind: str, language: str, axes: set[str], report_of: Report) -> None:
    shown = set(words(DRAWINGS[kind](report_of(), language)))

    assert axes <= shown
    assert not re.search(r"positive|TPR|FPR|recall", " ".join(shown), re.IGNORECASE)


@pytest.mark.parametrize("kind", DRAWINGS)
def test_limits_in_force_are_marked_by_shape_and_name(kind: str, report_of: Report) -> None:
    svg = DRAWINGS[kind](report_of(), "de")

    assert {"Nachprüfung ab 0,321", "Ausschleusen ab 0,654"} <= set(words(svg))
    assert (svg.count("<circle"), svg.count("<polygon")) == (1, 1)


def test_one_limit_is_marked_once(report_of: Report) -> None:
    curves = report_of()["curves"]
    report = report_of(curves=curves | {"chosen": curves["chosen"][1:]})

    svg = roc_svg(report, "en")

    assert [word for word in words(svg) if "from" in word] == ["reject from 0.654"]
    assert "<circle" not in svg


def test_roc_runs_from_corner_to_corner_and_never_back(report_of: Report) -> None:
    corners = path(roc_svg(report_of(), "en"))

    across, up = zip(*corners, strict=True)
    assert list(across) == sorted(across)
    assert list(up) == sorted(up, reverse=True)
    assert (corners[0], corners[-1]) == ((52.0, 322.0), (416.0, 30.0))


def test_precision_is_drawn_in_steps(report_of: Report) -> None:
    corners = path(precision_svg(report_of(), "en"))

    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))
    share = (322.0 - corners[-1][1]) / (322.0 - 30.0)
    assert share == pytest.approx(412 / 1615, abs=1e-3)  # all rejected: the share of defects in the test


@pytest.mark.parametrize("kind", DRAWINGS)
@pytest.mark.parametrize("curves", [None, {"roc_area": None, "average_precision": None}], ids=["sorting", "one-side"])
def test_without_both_sides_there_is_no_drawing(kind: str, curves: dict[str, Any] | None, report_of: Report) -> None:
    assert DRAWINGS[kind](report_of(curves=curves), "en") == ""
