"""Acceptance: a frozen gate judges sealed parts, and each agreed limit is passed, failed or not shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from partgate import __version__
from partgate.acceptance.page import render_acceptance
from partgate.acceptance.parts import (
    describe_material,
    judge_parts,
    refuse_foreign_good_class,
    refuse_known_pictures,
    refuse_unusable_limits,
)
from partgate.acceptance.seal import Seal, check_against_seal, read_seal, read_test_folder, seal_now, write_seal
from partgate.configfile import make_folder, write_atomically
from partgate.data.folder import LabelledFolder, data_sha256
from partgate.errors import ConfigError, DataError
from partgate.evaluation.agreed_limits import (
    AgreedLimits,
    LimitResult,
    LimitVerdict,
    count_verdicts,
    judge_limits,
    load_limits,
    overall_verdict,
    severity_of,
)
from partgate.evaluation.judge import Judged, Progress, check_classes, is_escape, is_false_reject
from partgate.evaluation.regions import deciding_region, mark_region
from partgate.imaging import encode_jpeg, read_picture
from partgate.inference.inspector import Inspector
from partgate.pages.pdf import load_weasyprint, write_pdf
from partgate.parts import Verdict
from partgate.report.data import describe_setting
from partgate.report.thumbnails import shrink

ACCEPTANCE_FORMAT = 1
RECORD = "acceptance.json"
SEAL = "seal.json"
MOST_PICTURES = 24
_ORDER = {"escape": 0, "false_reject": 1, "recheck": 2}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A finished acceptance."""

    verdict: LimitVerdict
    results: tuple[LimitResult, ...]
    record: Mapping[str, Any]
    files: tuple[Path, ...]


def accept(
    run_or_recipe: Path, data: Path, limits_file: Path, out: Path, *, seal_file: Path | None = None,
    language: str = "en", pdf: bool = False, signed_by: Sequence[str] = (), threads: int = 2, progress: Progress,
) -> Acceptance:  # fmt: skip
    """Judge sealed parts by a released recipe and write the record for both sides to sign.

    Args:
        run_or_recipe: Run folder of a training, or a recipe file.
        data: Labelled folder with parts that neither trained the bundle nor chose its limits.
        limits_file: What was agreed.
        out: Folder for the record; made where it does not exist. A record that lies there is never overwritten.
        seal_file: What ``partgate seal`` wrote before; without one the parts are sealed now and the record says so.
        language: ``en`` or ``de``: what the page shows first, and the only one in the PDF.
        pdf: Also write ``acceptance.pdf``.
        signed_by: Names for the signature fields: supplier, customer, further ones.
        threads: Pictures judged at once.
        progress: Is told about each picture.

    Raises:
        ConfigError: If recipe or limits are wrong, or a limit names a class or severity that the data does not have.
        BundleError: If the bundle is damaged or not the pinned one.
        DataError: If the data cannot be used, is not what was sealed, or had a say in the gate.
        PartgateError: If a PDF is wanted and its library is missing.
    """
    if pdf:
        load_weasyprint()  # its absence is told now, not after the long part
    limits, limits_sha256 = load_limits(limits_file)
    inspector = Inspector.open(run_or_recipe)
    good = _good_class(inspector)
    folder = _read_unseen(data, inspector, limits, good)
    seal = _seal_for(seal_file, folder, out)
    judged = judge_parts(folder, inspector, threads, progress)
    counts = count_verdicts(judged, good, inspector.bundle.manifest.classes)
    results = judge_limits(limits, counts)
    record = {
        **_header(results, inspector, limits, signed_by),
        "folder": folder.folder.resolve().name,
        "counts": asdict(counts),
        "material": asdict(describe_material(folder, good, inspector)),
        "seal": {"sealed_at": seal.sealed_at.isoformat(), "before": seal_file is not None},
        "sha256": {**_hashes(folder, seal, inspector), "limits": limits_sha256},
        "mistakes": _mistakes(judged, good, limits),
        "parts": [_part(one) for one in judged],
    }
    page = render_acceptance(record, _thumbnails(record["mistakes"], folder.folder, inspector), language)
    files = _write(record, page, out, language if pdf else None)
    return Acceptance(overall_verdict(results), results, record, files)


def _good_class(inspector: Inspector) -> str:
    good = inspector.recipe.good_class
    if good is None:
        raise ConfigError([
            f"recipe '{inspector.recipe.name}': sorts by class, but agreed limits speak of good and defect parts; "
            "an acceptance needs a recipe with a good_class"
        ])  # fmt: skip
    return good


def _read_unseen(data: Path, inspector: Inspector, limits: AgreedLimits, good: str) -> LabelledFolder:
    """Return the parts to judge: of the recipe's classes, none that had a say in the gate, enough for every limit."""
    folder = read_test_folder(data, good)
    check_classes(folder, inspector)
    refuse_foreign_good_class(folder, inspector)
    refuse_known_pictures(folder, inspector)
    refuse_unusable_limits(limits, folder, inspector, good)
    return folder


def _seal_for(seal_file: Path | None, folder: LabelledFolder, out: Path) -> Seal:
    """Return the seal that the parts lie under, or seal them now; the folder of the record exists afterwards."""
    before = read_seal(seal_file) if seal_file else None
    if before is not None:
        check_against_seal(folder, before)
    _refuse_second_record(out)
    make_folder(out)
    return before or _seal_into(out, folder)


def _seal_into(out: Path, folder: LabelledFolder) -> Seal:
    if (out / SEAL).exists():
        raise DataError(f"{out}: holds a seal already; judge by it with --seal {out / SEAL}, or name another folder")
    seal = seal_now(folder.pictures)
    write_seal(seal, folder.folder.resolve().name, out / SEAL)
    return seal


def _refuse_second_record(out: Path) -> None:
    if (out / RECORD).exists():
        raise DataError(f"{out}: holds a record already; a record is never overwritten: name another folder")


def _hashes(folder: LabelledFolder, seal: Seal, inspector: Inspector) -> dict[str, str]:
    return {
        "data": data_sha256(folder.pictures),
        "seal": seal.sha256,
        "bundle_id": inspector.bundle.id,
        "bundle_file": inspector.bundle.sha256,
        "recipe": inspector.recipe_sha256,
    }


def _header(
    results: Sequence[LimitResult], inspector: Inspector, limits: AgreedLimits, signed_by: Sequence[str]
) -> dict[str, Any]:
    recipe, training = inspector.recipe, inspector.bundle.manifest.training
    chosen_on = recipe.decision.chosen_on
    return {
        "format": ACCEPTANCE_FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "partgate": __version__,
        "verdict": overall_verdict(results).value,
        "results": [asdict(result) for result in results],
        "agreed": limits.model_dump(mode="json"),
        "recipe": {
            "name": recipe.name,
            "good_class": recipe.good_class,
            "recheck_from": recipe.decision.recheck_from,
            "reject_from": recipe.decision.reject_from,
            "chosen": recipe.decision.chosen,
            "chosen_de": recipe.decision.chosen_de,
            "limits_set": describe_setting(recipe.decision),
            "chosen_on": chosen_on.model_dump(mode="json", exclude={"picture_sha256"}) if chosen_on else None,
        },
        "training": {"pictures": training.pictures, "groups": training.groups, "folder": training.folder},
        "signed_by": list(signed_by),
    }


def _mistakes(judged: Sequence[Judged], good: str, limits: AgreedLimits) -> list[dict[str, Any]]:
    """Return escapes, false rejects and rechecks, the surest of each kind first."""

    def rank(entry: dict[str, Any]) -> tuple[int, float]:
        score = entry["defect_score"]
        score = 0.5 if score is None else score
        return _ORDER[entry["kind"]], score if entry["kind"] == "escape" else -score

    kinds = ((_kind(one, good), one) for one in judged)
    found = [
        {"kind": kind, "counts_as": _counts_as(kind, one, good, limits), **_part(one)} for kind, one in kinds if kind
    ]
    return sorted(found, key=rank)


def _kind(one: Judged, good: str) -> str | None:
    if is_escape(one, good):
        return "escape"
    if is_false_reject(one, good):
        return "false_reject"
    return "recheck" if one.decision.verdict is Verdict.RECHECK else None


def _counts_as(kind: str, one: Judged, good: str, limits: AgreedLimits) -> str | None:
    """Return what the part counts as under the agreed rule for rechecks; ``None``: as no mistake."""
    if kind != "recheck":
        return kind
    if one.picture.label == good:
        return "false_reject" if limits.rechecks_good == "false_reject" else None
    return "escape" if limits.rechecks == "escape" else None


def _part(one: Judged) -> dict[str, Any]:
    score = one.prediction.defect_score
    return {
        "part": one.picture.part,
        "file": one.picture.file,
        "label": one.picture.label,
        "severity": severity_of(one.picture) or None,
        "verdict": one.decision.verdict.name,
        "reason": int(one.decision.reason),
        "predicted_class": one.prediction.predicted_class,
        "defect_score": score if np.isfinite(score) else None,  # JSON knows no NaN
        "region": deciding_region(one),
    }


def _thumbnails(mistakes: Sequence[Mapping[str, Any]], folder: Path, inspector: Inspector) -> dict[str, bytes]:
    """Return small pictures of the first mistakes, as JPEG by file."""
    geometry = inspector.bundle.manifest.geometry
    found = {}
    for entry in mistakes[:MOST_PICTURES]:
        try:
            image = read_picture(folder / entry["file"])
        except DataError:  # judged a moment ago, gone since: it is listed by name
            continue
        height_px, width_px = image.shape[:2]
        marked = mark_region(shrink(image), height_px, width_px, geometry, entry["region"])
        found[entry["file"]] = encode_jpeg(marked, quality=80)
    return found


def _write(record: Mapping[str, Any], page: str, out: Path, pdf_language: str | None) -> tuple[Path, ...]:
    files = [out / "acceptance.html"]
    try:
        write_atomically(files[0], page.encode())
        if pdf_language is not None:
            files.append(out / "acceptance.pdf")
            write_pdf(page, pdf_language, files[-1])
        files.append(out / RECORD)  # last: a record is there whole or not at all
        write_atomically(files[-1], json.dumps(record, indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise DataError(f"{out}: the record cannot be written: {error.strerror}; name a folder with space") from error
    return tuple(files)
