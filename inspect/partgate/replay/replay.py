"""``partgate replay``: archived pictures judged again by the code of the line, record by record."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from partgate import __version__
from partgate.configfile import make_folder, write_atomically
from partgate.errors import DataError, RecordError
from partgate.imaging import encode_jpeg
from partgate.pages.pdf import load_weasyprint, write_pdf
from partgate.parts import Image, Reason
from partgate.records.config import RecordsConfig
from partgate.records.pruned import Pruned
from partgate.records.read import Wanted
from partgate.records.schema import row_digest
from partgate.replay.account import FROM_MODEL, Account, as_stored, truth_of
from partgate.replay.difference import difference_facts
from partgate.replay.gates import Gate, Shelf, is_same
from partgate.replay.material import (
    Picture,
    count_records,
    load_picture,
    pictures_of,
    read_pruned,
    refuse_other_purpose,
    stream_reviewed,
)
from partgate.replay.page import render_replay, shown_parts
from partgate.report.thumbnails import shrink

Progress = Callable[[str, int, int], None]

REPLAY_FORMAT = 1
PAGE_FILE, JSON_FILE, PDF_FILE = "replay.html", "replay.json", "replay.pdf"
_JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Source:
    """What is judged again, and by what."""

    records: RecordsConfig
    station: str | None  # whose records; None where a folder may hold those of several
    gates: tuple[Mapping[str, Path], ...]  # recipe file or run folder by camera
    is_named: bool  # a person named the recipe; else they are those of the station file
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Replayed:
    """A finished replay."""

    facts: Mapping[str, Any]  # as in replay.json
    files: tuple[Path, ...]


def replay(
    source: Source,
    wanted: Wanted,
    out: Path | None = None,
    *,
    language: str = "en",
    pdf: bool = False,
    progress: Progress,
) -> Replayed:
    """Judge the pictures of records again and tell what differs; one part is in memory at a time.

    Args:
        source: Records and recipes.
        wanted: Which records.
        out: Folder for page and JSON, made where it does not exist; ``None`` writes nothing.
        language: ``en`` or ``de``: what the page shows first, and the PDF alone; both are in the page.
        pdf: Write a PDF as well.
        progress: Is told about each record.

    Raises:
        RecordError: If there are no such records, they cannot be read, or none of them can be judged again.
        ConfigError: If a recipe is wrong, or was made for other parts.
        BundleError: If a bundle is damaged or not the pinned one.
        DataError: If ``out`` cannot be written.
        PartgateError: If a PDF is wanted and cannot be made on this PC.
    """
    if out is not None and pdf:
        load_weasyprint()
    shelf = Shelf(
        [Gate(source.station or "records", files, source.threads) for files in source.gates], is_named=source.is_named
    )
    total = count_records(source.records, wanted)
    named = shelf.gates[0].recipe if source.is_named else None
    unknown = refuse_other_purpose(source.records, wanted, named) if named else ()
    is_new = out is not None and not out.exists()
    if out is not None:
        make_folder(out)
    try:
        account = Account(is_sorting=named is not None and named.good_class is None)
        _judge_all(source, wanted, shelf, account, total, progress)
        facts = _facts(source, wanted, shelf, account, unknown)
        _refuse_nothing(facts, source)
        files = () if out is None else _write(facts, source.records.folder, out, language, pdf=pdf)
    except BaseException:
        if is_new and out is not None and not any(out.iterdir()):
            out.rmdir()
        raise
    return Replayed(facts, files)


def _judge_all(source: Source, wanted: Wanted, shelf: Shelf, account: Account, total: int, progress: Progress) -> None:
    pruned = read_pruned(source.records, source.station)
    # A station that runs meanwhile adds records: those that were there when they were counted are judged.
    for done, row in enumerate(islice(stream_reviewed(source.records, wanted), total), start=1):
        account.begin(row)
        _judge_one(row, source.records.folder, shelf, pruned, account)
        progress("judge", done, total)


def _judge_one(row: Mapping[str, Any], folder: Path, shelf: Shelf, pruned: Pruned, account: Account) -> None:
    if row_digest(row) != row["digest"]:
        account.leave_out(row, "record_changed")
    elif row["gap"] is not None:
        account.gaps += 1
    elif row["missed"] or row["reason"] not in FROM_MODEL:
        is_missed = row["missed"] and row["reason"] == Reason.NOT_READY  # it says nothing about the recipe
        account.not_from_model["missed" if is_missed else str(row["reason"])] += 1
    else:
        found = _material(row, folder, shelf, pruned)
        if isinstance(found, str):
            account.leave_out(row, found)
        else:
            _compare(row, *found, account)


def _material(
    row: Mapping[str, Any], folder: Path, shelf: Shelf, pruned: Pruned
) -> tuple[Gate, tuple[Picture, ...], dict[str | None, Image]] | str:
    """Return who judges a record again and its pictures by camera, or why nobody does."""
    try:
        pictures = pictures_of(row)
    except ValueError:
        return "unreadable"
    if not pictures:
        return "not_kept"
    gate = shelf.find(row)
    if isinstance(gate, str):
        return gate
    if not gate.knows([picture.camera for picture in pictures], is_good=row["verdict"] == "GOOD"):
        return "other_cameras"
    if not gate.learned_from_such(row):
        return "straightened_otherwise"
    images: dict[str | None, Image] = {}
    for picture in pictures:
        image = load_picture(folder, picture)
        if isinstance(image, str):
            return "pruned" if image == "missing" and pruned.covers(row["station"], row["id"]) else image
        images[picture.camera] = image
    return gate, pictures, images


def _compare(
    row: Mapping[str, Any],
    gate: Gate,
    pictures: Sequence[Picture],
    images: Mapping[str | None, Image],
    account: Account,
) -> None:
    camera, inspection = gate.judge(images)
    now = as_stored(row, inspection)
    shown = next((picture for picture in pictures if picture.camera == camera), pictures[0])
    part = {
        **{name: row[name] for name in ("station", "at", "part_id", "lot", "source")},
        "record": row["id"],
        "camera": row["camera"],
        "camera_now": shown.camera,
        "file": shown.file,
        "sha256": shown.sha256,
        "exact": all(picture.is_exact for picture in pictures),
        "was": {name: row[name] for name in now},
        "now": now,
    }
    if is_same(gate, row):
        account.same.take(part, is_exact=part["exact"])
    else:
        truth, said_by = truth_of(row, gate.recipe)
        account.other.take(part, truth, said_by, is_exact=part["exact"])


def _facts(source: Source, wanted: Wanted, shelf: Shelf, account: Account, unknown: Sequence[str]) -> dict[str, Any]:
    named = shelf.gates[0].recipe if source.is_named else None
    return {
        "format": REPLAY_FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "partgate": __version__,
        "station": source.station,
        "asked": {
            "from": wanted.begins.isoformat() if wanted.begins else None,
            "to": wanted.ends.isoformat() if wanted.ends else None,
            "station": wanted.station,
            "verdict": wanted.verdict,
            "lot": wanted.lot,
        },
        "recipe": named.name if named else None,
        "recipes": [entry for gate in shelf.used for entry in gate.describe()],
        "classes_unknown": list(unknown),
        **account.facts(),
        "other": difference_facts(account.other, named) if named else None,
    }


def _refuse_nothing(facts: Mapping[str, Any], source: Source) -> None:
    if facts["judged"]:
        return
    from partgate.replay.summary import say_left_out

    told = say_left_out(facts)
    raise RecordError("\n".join([f"{source.records.folder}: none of {facts['records']} records can be judged again:",
                                 *told]))  # fmt: skip


def _write(facts: Mapping[str, Any], folder: Path, out: Path, language: str, *, pdf: bool) -> tuple[Path, ...]:
    """Write page and JSON once all of both is made, so that nothing half is left where it is stopped."""
    pictures = {}
    for part in shown_parts(facts):
        image = load_picture(folder, Picture(part["camera_now"], part["file"], part["sha256"]))
        if not isinstance(image, str):  # judged a moment ago, gone since: the page shows an empty box
            pictures[part["file"]] = encode_jpeg(shrink(image), quality=_JPEG_QUALITY)
    page = render_replay(facts, pictures, language)
    content = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False).encode()
    files = [out / PAGE_FILE, out / JSON_FILE]
    try:
        if pdf:
            write_pdf(page, language, out / PDF_FILE)
            files.append(out / PDF_FILE)
        write_atomically(files[0], page.encode())
        write_atomically(files[1], content)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; name a folder with free space") from error
    return tuple(files)
