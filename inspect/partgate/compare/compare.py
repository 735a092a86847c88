"""``partgate compare``: two gates on the same parts, as a page, JSON and a table of the parts with another verdict."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from partgate import __version__
from partgate.compare.page import PICTURES_SHOWN, render_comparison
from partgate.configfile import make_folder, write_atomically
from partgate.errors import DataError
from partgate.evaluation.comparison import compare_gates
from partgate.evaluation.judge import Progress
from partgate.imaging import encode_jpeg, read_picture
from partgate.report.thumbnails import shrink

PAGE_FILE = "compare.html"
JSON_FILE = "compare.json"
TABLE_FILE = "changed.csv"

_JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Comparison:
    """A finished comparison."""

    facts: Mapping[str, Any]  # as in compare.json
    page: Path


def compare(
    first: Path, second: Path, data: Path, out: Path, *, language: str = "en", threads: int = 2, progress: Progress
) -> Comparison:
    """Put the same parts through two gates and write what differs.

    Args:
        first: Run folder or recipe file: A.
        second: Run folder or recipe file: B.
        data: Labelled folder; pictures that had a say in either are left out.
        out: Folder for the page and the tables; made where it does not exist.
        language: ``en`` or ``de``: what the page shows first; both are in it.
        threads: Pictures judged at once.
        progress: Is told about each picture.

    Raises:
        ConfigError: If a recipe is wrong.
        BundleError: If a bundle is damaged or not the pinned one.
        DataError: If the data cannot be used, no part is left that neither has seen, or the folder is not writable.
    """
    make_folder(out)
    facts = compare_gates(first, second, data, threads=threads, progress=progress)
    _refuse_nothing(facts, data)
    facts = {"created_at": datetime.now(UTC).isoformat(timespec="seconds"), "partgate": __version__, **facts}
    pictures = {
        one["file"]: encode_jpeg(shrink(read_picture(data / one["file"])), quality=_JPEG_QUALITY)
        for one in facts["changed"][:PICTURES_SHOWN]
    }
    page = out / PAGE_FILE
    try:
        content = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(out / JSON_FILE, content.encode())
        write_atomically(out / TABLE_FILE, _table(facts))
        write_atomically(page, render_comparison(facts, pictures, language).encode())
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; name a folder with free space") from error
    return Comparison(facts, page)


def _refuse_nothing(facts: Mapping[str, Any], data: Path) -> None:
    if not facts["pictures"]:
        had_a_say = ", ".join(f"{n} in {facts[key]['name']}" for key, n in facts["left_out_by"].items())
        raise DataError(
            f"{data}: nothing is left to compare on: all {facts['left_out']} pictures had a say ({had_a_say}), learned "
            f"from, used to choose limits, or of such a part or group, e.g. {facts['left_out_example']!r}; "
            "take parts that neither has seen"
        )
    if not facts["n"]:
        raise DataError(f"{data}: none of {facts['pictures']} pictures can be read; first: {facts['unreadable'][0]}")


def _table(facts: Mapping[str, Any]) -> bytes:
    keys = facts["keys"]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    said = ("verdict", "reason", "defect_score", "predicted_class", "file")
    table.writerow(["file", "part", "truth", "change", *(f"{key}_{what}" for key in keys for what in said)])
    for one in facts["changed"]:
        values = [one[key][what] for key in keys for what in said]
        cells = ["" if value is None else f"{value:.6f}" if isinstance(value, float) else value for value in values]
        table.writerow([one["file"], one["part"] or "", one["truth"], one["change"], *cells])
    return text.getvalue().encode()
