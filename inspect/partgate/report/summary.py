"""A report in a few sentences, for the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from partgate.glossary import count_of

_MOST_NAMED = 4  # columns; further classes are numbered, so that the table fits the screen; regions likewise


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
            f"{count_of(report['escapes_without_recheck'], 'escape')}, "
            f"{count_of(report['false_rejects_without_recheck'], 'false reject')}",
        ]
    if report["regions"]:
        lines += _regions(report["regions"])
    if report["auroc"] is not None:
        lines.append(f"AUROC {report['auroc']:.3f}, balanced accuracy {report['balanced_accuracy']:.3f}")
    data = report["data"]
    if data["left_out"]:
        lines.append(f"{data['left_out']} pictures that trained or tuned the bundle were left out")
    if report["training"]["groups_ignored"]:
        lines.append("NOT INDEPENDENT: split by picture although groups were given; says nothing about new parts")
    lines += [f"not readable: {name}" for name in data["unreadable"]]
    return lines


def _rate(what: str, report: Mapping[str, Any], events: str, trials: str, rate: str) -> str:
    k, n = report[events], report[trials]
    if not n:
        return f"{k} of {n} {what}: nothing can be said without such parts"
    seen, bound = 100 * report[rate], 100 * report[f"{rate}_upper95"]
    return f"{k} of {n} {what} ({seen:.1f} %, at most {bound:.1f} %, one-sided 95 %)"


def _regions(regions: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return where parts were rejected, the place with the most first."""
    found = sorted(((-counts["reject"], name) for name, counts in regions.items() if counts["reject"]))
    shown = ", ".join(f"{name} {-less}" for less, name in found[:_MOST_NAMED])
    more = f", {len(found) - _MOST_NAMED} further places" if len(found) > _MOST_NAMED else ""
    return [f"rejected for: {shown}{more}"] if found else []


def _matrix(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    head = "truth \\ prediction"
    numbered = len(classes) > _MOST_NAMED
    columns = [str(i + 1) for i in range(len(classes))] if numbered else list(classes)
    rows = [f"{i + 1} {name}" for i, name in enumerate(classes)] if numbered else list(classes)
    width = max(6, *(len(name) + 2 for name in columns))
    first = max(len(head), *(len(name) for name in rows))
    lines = [f"{head:<{first}}" + "".join(f"{name:>{width}}" for name in columns)]
    return lines + [
        f"{name:<{first}}" + "".join(f"{n:>{width}}" for n in row) for name, row in zip(rows, matrix, strict=True)
    ]
