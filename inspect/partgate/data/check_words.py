"""What the check says in words: sentences of the glossary for findings, the screen's summary, ``check.json``."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import groupby
from typing import Any

from partgate import __version__
from partgate.data.check import Checked
from partgate.data.findings import Finding, Severity
from partgate.data.folder import LabelledFolder
from partgate.glossary import format_number, format_percent, languages, printable, text

FORMAT = 1
"""Format of ``check.json``."""

_TITLED = ".title"
_ALONE = ("blank", "blurred", "dark", "bright", "overexposed", "odd_size", "odd_aspect", "unreadable", "doubtful_label")
_COPIES = ("copies", "near_copies")
_CONTRADICTING = ("two_labels", "near_two_labels")
_SAME_PART = ("near_copies", "alike", "alike_across", "alike_unsure")


def say(finding: Finding, language: str, part: str = "") -> str:
    """Return one text about a finding.

    Args:
        finding: What to speak of.
        language: One of ``glossary.languages``.
        part: ``.title``, ``.why`` or ``.next``; by default the sentence about this one finding.
    """
    return text(f"check.{finding.kind}{part}", language, **write_facts(finding.facts, language))


def write_facts(facts: Mapping[str, Any], language: str) -> dict[str, str | int]:
    """Return facts as a text can take them: rates (``..._share``) as percent, other fractions with three figures."""
    return {name: _write(name, value, language) for name, value in facts.items()}


def _write(name: str, value: Any, language: str) -> str | int:
    if name == "measure":
        return text(f"check.measure.{value}", language)
    if name == "other" and not value:
        return text("check.shortcut.others", language)
    if isinstance(value, float) and name.endswith("_share"):
        return format_percent(value, language, 0 if value >= 0.1 else 1)
    if isinstance(value, float):
        return format_number(value, language, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)
    return value if isinstance(value, int) else printable(str(value))


def by_kind(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return findings in their order, those of a kind together."""
    return [list(group) for _, group in groupby(findings, key=lambda finding: finding.kind)]


def summarise(checked: Checked) -> list[str]:
    """Return what the check says in a few lines for the screen, the heaviest first."""
    counts = ", ".join(f"{count.name} {count.pictures}" for count in checked.classes)
    lines = [f"{len(checked.pictures)} pictures: {counts}"]
    if checked.parts_by != "unknown":
        parts = ", ".join(f"{count.name} {count.parts}" for count in checked.classes)
        lines.append(f"parts ({checked.parts_by}): {parts}")
    lines += [f"note: {note}" for note in checked.notes]
    for group in by_kind(checked.findings):
        severity = min(group, key=lambda finding: list(Severity).index(finding.severity)).severity
        many = f" ({len(group)})" if len(group) > 1 else ""
        lines.append(f"{severity:<5} {say(group[0], 'en', _TITLED)}{many}: {say(group[0], 'en', '.next')}")
    if not checked.findings:
        lines.append(text("check.nothing", "en"))
    if checked.accepted:
        lines.append(f"{len(checked.accepted)} findings are accepted")
    return lines + [text(f"check.not_checked.{kind}", "en") for kind in checked.not_checked]


def as_json(checked: Checked, created_at: str) -> bytes:
    """Return all of the check for other programs; texts in every language."""
    document = {
        "format": FORMAT,
        "partgate": __version__,
        "created_at": created_at,
        "folder": str(checked.folder),
        "good_class": checked.good_class,
        "pictures": len(checked.pictures),
        "unreadable": checked.unreadable,
        "left_out": checked.left_out,
        "parts_by": checked.parts_by,
        "scored": checked.scored,
        "classes": [asdict(count) for count in checked.classes],
        "sizes": [{"height_px": h, "width_px": w, "pictures": n} for h, w, n in checked.sizes],
        "open": {severity.value: checked.count(severity) for severity in Severity},
        "findings": [_entry(finding, is_open=True) for finding in checked.findings]
        + [_entry(finding, is_open=False) for finding in checked.accepted],
        "not_checked": list(checked.not_checked),
        "notes": list(checked.notes),
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _entry(finding: Finding, *, is_open: bool) -> dict[str, Any]:
    return {
        "id": finding.id,
        "kind": finding.kind,
        "severity": finding.severity.value,
        "open": is_open,
        "files": list(finding.files),
        "pairs": [list(pair) for pair in finding.pairs],
        "facts": dict(finding.facts),
        "text": {language: say(finding, language) for language in languages},
        "next": {language: say(finding, language, ".next") for language in languages},
    }


def prepare_answers(checked: Checked, folder: LabelledFolder) -> bytes:
    """Return a ``findings.yaml`` with what the folder's own says already, and every possible answer as a comment."""
    leave_out: dict[str, str] = {}  # a picture with several findings is asked about once
    same, different, accepted = [], [], []
    for finding in checked.findings:
        why = f"# {say(finding, 'en', _TITLED)}: {' '.join(say(finding, 'en').split())}"
        accepted.append(f"  # - {finding.id}  {why}")
        asked = finding.files if finding.kind in (*_ALONE, *_CONTRADICTING) else ()
        asked = finding.files[1:] if finding.kind in _COPIES else asked
        for file in asked:
            leave_out.setdefault(file, f"  # - {_quoted(file)}  {why}")
        if finding.kind in _SAME_PART:
            same.append(f"  # - {_row(finding.files)}  {why}")
            pairs = finding.pairs or (finding.files,) * (len(finding.files) == 2)
            different += [f"  # - {_row(pair)}  {why}" for pair in pairs]
    lines = [
        "# Answers to 'partgate data check'; training obeys them. Copy this file into the folder of the pictures and",
        "# remove the # in front of what you agree with. Nothing is ever deleted.",
        *_list("leave_out", "pictures that are not used", map(_quoted, folder.left_out), leave_out.values()),
        *_list("accepted", "findings that are fine as they are", folder.accepted, accepted),
        *_list("same_part", "pictures of one part, kept together", map(_row, folder.same_part), same),
        *_list("different_parts", "pictures that only look alike", map(_row, folder.different_parts), different),
    ]
    return ("\n".join(lines) + "\n").encode()


def _list(key: str, meaning: str, said: Iterable[str], asked: Iterable[str]) -> list[str]:
    return ["", f"{key}:  # {meaning}", *(f"  - {entry}" for entry in said), *asked]


def _row(files: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, files))}]"


def _quoted(file: str) -> str:
    return json.dumps(file, ensure_ascii=False)  # a JSON string is a YAML one, whatever stands in it
