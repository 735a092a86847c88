"""What the tests of the report's page share: a small report, and a reader of what a person sees of a page."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

ESCAPE = {
    "file": "scratch/17.jpg", "part": "17", "truth": "scratch", "predicted_class": "good", "verdict": "GOOD",
    "reason": 0, "defect_score": 0.041, "region": None,
}  # fmt: skip
RECHECK = {
    "file": "good/4.jpg", "part": "4", "truth": "good", "predicted_class": "scratch", "verdict": "RECHECK",
    "reason": 1, "defect_score": None, "region": None,
}  # fmt: skip


class _Reader(HTMLParser):
    """Reads what a person sees when one language is chosen."""

    void = frozenset({"meta", "input", "img", "rect", "line", "path", "circle", "br"})

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language
        self.open: list[bool] = []  # one entry per open element: hidden?
        self.seen: list[str] = []
        self.hints: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.hints += [value for key, value in attrs if key in ("title", "alt") and value]
        if tag not in self.void:
            other = tag != "html" and given.get("lang", self.language) != self.language
            self.open.append(other or tag in ("style", "script"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.seen.append(data)


def _read(page: str, language: str) -> str:
    """Return the words of the page in one language, spaces made equal."""
    reader = _Reader(language)
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return re.sub(r"\s+", " ", " ".join(reader.seen).replace("\u00a0", " "))


def _rate(name: str, k: int | None, n: int | None, upper: float | None) -> dict[str, Any]:
    """Return a rate and its bound as the report names them."""
    return {name: k / n if k is not None and n else None, f"{name}_upper95": upper}


def _report_of(**changes: Any) -> dict[str, Any]:
    """Return a small report of a gate with one defect class."""
    report: dict[str, Any] = {
        "format": 2, "created_at": "2026-11-22T14:03:27+00:00", "partgate": "0.1.0", "recipe": "cover",
        "classes": ["good", "scratch"], "good_class": "good", "confusion_matrix": [[1190, 13], [3, 409]],
        "n": 1615, "n_good": 1203, "n_defect": 412, "counted": "part", "escapes": 3, "false_rejects": 7,
        "rechecks_good": 11, "rechecks_defect": 9, "rechecks": 20,
        "escapes_without_recheck": 6, "false_rejects_without_recheck": 17, "wrong_class": None,
        **_rate("escape_rate", 3, 412, 0.0187), **_rate("false_reject_rate", 7, 1203, 0.0109),
        **_rate("escape_rate_without_recheck", 6, 412, 0.0286),
        **_rate("false_reject_rate_without_recheck", 17, 1203, 0.0211),
        **_rate("recheck_rate_good", 11, 1203, 0.0151), **_rate("recheck_rate_defect", 9, 412, 0.0378),
        "balanced_accuracy": 0.9909, "auroc": 0.9987,
        "per_class": {
            "good": {
                "n": 1203, "recall": 0.9892, "precision": 0.9975, "good": 1185, "reject": 7, "recheck": 11,
                "is_known": True, "mistake": "false_reject", "mistakes": 7, **_rate("mistake_rate", 7, 1203, 0.0109),
            },
            "scratch": {
                "n": 412, "recall": 0.9927, "precision": 0.9692, "good": 3, "reject": 400, "recheck": 9,
                "is_known": True, "mistake": "escape", "mistakes": 3, **_rate("mistake_rate", 3, 412, 0.0187),
            },
        },
        "per_severity": None, "agreed": None,
        "thresholds": {"recheck_from": 0.321, "reject_from": 0.654}, "lanes": {"GOOD": 1, "RECHECK": 2, "REJECT": 0},
        "limits_chosen": "", "limits_chosen_de": "", "limits_set": {"by": None, "at": None, "why": None},
        "bundle_sha256": "ab" * 32, "bundle_id": "cd" * 32, "recipe_sha256": "ef" * 32, "data_sha256": "01" * 32,
        "limits_sha256": None,
        "data": {
            "folder": "covers", "pictures": 1822, "left_out": 5203, "split": "test_side", "groups": 1617,
            "unreadable": ["broken.jpg"], "pictures_by_class": {"good": 1401, "scratch": 421},
            "counted_by_class": {"good": 1203, "scratch": 412}, "parts": 1615, "pictures_without_part": 0,
            "groups_known_by": "given",
            "dates": None, "left_out_by_findings": 0, "left_out_without_label": 0, "notes": [],
        },
        "training": {
            "groups_ignored": False,
            "pictures": 5202, "backbone": "efficientnet_lite0", "licence": "Apache-2.0",
            "created_at": "2026-11-21T09:12:00+00:00", "parts_or_groups": 4831, "seed": 77,
            "folder": "covers", "preset": "standard", "sides": None, "limits_chosen_on": None,
            "test_pictures_that_chose_the_limits": 0,
        },
        "histogram": {
            "edges": [index / 20 for index in range(21)],
            "good": [1100, 103, *[0] * 18], "defect": [*[0] * 18, 12, 400],
        },
        "curves": {
            "n_good": 1203, "n_defect": 412,
            "points": [
                {"reject_from": None, "caught": 0, "false_rejects": 0},
                {"reject_from": 0.9, "caught": 400, "false_rejects": 7},
                {"reject_from": 0.01, "caught": 412, "false_rejects": 1203},
            ],
            "chosen": [
                {"reject_from": 0.321, "caught": 409, "false_rejects": 18},
                {"reject_from": 0.654, "caught": 400, "false_rejects": 7},
            ],
            "roc_area": {"value": 0.9987, "lower": 0.9971, "upper": 0.9995},
            "average_precision": {"value": 0.9891, "lower": 0.9735, "upper": 0.9956},
        },
        "worst": [ESCAPE | {"kind": "escape"}, RECHECK | {"kind": "recheck"}],
        "cells": [{"truth": "scratch", "predicted_class": "good", "n": 3, "pictures": [ESCAPE]}],
        "examples": {"good": {"worst": [RECHECK], "median": []}, "scratch": {"worst": [ESCAPE], "median": []}},
        "heat": None, "cost": None,
    }  # fmt: skip
    return report | changes


def _sorting_report(**changes: Any) -> dict[str, Any]:
    """Return the same for pure sorting: no class is the good one."""
    nothing = {
        key: None for key, value in _report_of().items() if re.search("escape|false_reject|_rate|n_good|n_def", key)
    }
    nothing |= {"rechecks_good": None, "rechecks_defect": None, "auroc": None, "curves": None}
    worst = [dict(_report_of()["worst"][0], kind="wrong_class")]
    kind = {"is_known": True, "mistake": "wrong_class", "mistakes": 2, **_rate("mistake_rate", 2, 412, 0.0152)}
    per_class = {name: row | kind for name, row in _report_of()["per_class"].items()}
    nothing |= {"per_class": per_class}
    sorting = {"good_class": None, "wrong_class": 5, "rechecks": 31, "worst": worst, "lanes": {"good": 1, "scratch": 2}}
    return _report_of(**nothing, **sorting, thresholds={"recheck_from": 0.2, "reject_from": 0.9}) | changes


@pytest.fixture(scope="session")
def report_of() -> Callable[..., dict[str, Any]]:
    """A function: a small report of a gate with one defect class; any key can be given."""
    return _report_of


@pytest.fixture(scope="session")
def sorting_report() -> Callable[..., dict[str, Any]]:
    """A function: the same for pure sorting."""
    return _sorting_report


@pytest.fixture(scope="session")
def read() -> Callable[[str, str], str]:
    """A function: the words of a page in one language, spaces made equal."""
    return _read
