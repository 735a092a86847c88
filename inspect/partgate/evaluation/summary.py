"""A report in a few sentences, for the screen."""

from collections.abc import Mapping, Sequence
from typing import Any


def summarise(report: Mapping[str, Any]) -> list[str]:
    """Return the headline figures of a report as sentences: counts and bounds first, rechecks beside them."""
    unit = report["counted"] + "s"
    lines = [*_matrix(report["classes"], report["confusion_matrix"])]
    if report["good_class"] is None:
        wrong, n = report["wrong_class"], report["n"]
        lines.append(f"sorted into a wrong lane: {wrong} of {n} {unit}; rechecked: {report['rechecks']}")
    else:
        lines += [
            _rate(f"defect {unit} escaped", report, "escapes", "n_defect", "escape_rate"),
            _rate(f"good {unit} were rejected", report, "false_rejects", "n_good", "false_reject_rate"),
            f"rechecked: {report['rechecks_good']} good, {report['rechecks_defect']} defect; counted against the gate: "
            f"{report['escapes_without_recheck']} escapes, {report['false_rejects_without_recheck']} false rejects",
        ]
    if report["auroc"] is not None:
        lines.append(f"AUROC {report['auroc']:.3f}, balanced accuracy {report['balanced_accuracy']:.3f}")
    data = report["data"]
    if data["left_out"]:
        lines.append(f"{data['left_out']} pictures that trained or tuned the bundle were left out")
    lines += [f"not readable: {name}" for name in data["unreadable"]]
    return lines


def _rate(what: str, report: Mapping[str, Any], events: str, trials: str, rate: str) -> str:
    k, n = report[events], report[trials]
    if not n:
        return f"{k} of {n} {what}: nothing can be said without such parts"
    seen, bound = 100 * report[rate], 100 * report[f"{rate}_upper95"]
    return f"{k} of {n} {what} ({seen:.1f} %, at most {bound:.1f} %, one-sided 95 %)"


def _matrix(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    width = max(8, *(len(name) + 1 for name in classes))
    head = "truth \\ prediction"
    first = max(len(head), width)
    lines = [f"{head:<{first}}" + "".join(f"{name:>{width}}" for name in classes)]
    return lines + [
        f"{name:<{first}}" + "".join(f"{n:>{width}}" for n in row) for name, row in zip(classes, matrix, strict=True)
    ]
