"""The check of a folder as one HTML file in both languages, with small pictures inside and nothing fetched."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.data.check import Checked
from partgate.data.check_words import as_json, by_kind, prepare_answers, say
from partgate.data.findings import FINDINGS_FILE, Finding, Severity
from partgate.data.folder import LabelledFolder
from partgate.errors import DataError
from partgate.imaging import encode_jpeg, read_picture
from partgate.pages.bilingual import Bilingual, phrase
from partgate.pages.frame import render, written_time
from partgate.parts import Image

PAGE_FILE = "check.html"
JSON_FILE = "check.json"

_SINGLES_SHOWN = 24  # findings of one picture each, per kind
_GROUPS_SHOWN = 12  # findings of several pictures, per kind
_PICTURES_SHOWN = 8  # per finding
_SIZES_SHOWN = 4
_THUMBNAIL_PX = 200
_JPEG_QUALITY = 78


def write_check(checked: Checked, folder: LabelledFolder, out: Path, language: str = "en") -> None:
    """Write ``check.html``, ``check.json`` and a prepared ``findings.yaml`` into a folder; older ones are replaced.

    Raises:
        DataError: If the folder is the one with the pictures (its ``findings.yaml`` would be overwritten), or cannot be
            written to.
        ValueError: If the language is unknown.
    """
    if out.resolve() == folder.folder.resolve():
        raise DataError(f"{out}: is the folder with the pictures; give --out another folder")
    now = datetime.now(UTC)
    page = render_check(checked, now, language)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / JSON_FILE, as_json(checked, now.isoformat(timespec="seconds")))
        write_atomically(out / FINDINGS_FILE, prepare_answers(checked, folder))
        write_atomically(out / PAGE_FILE, page.encode())
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}") from error


def render_check(checked: Checked, created_at: datetime, language: str = "en") -> str:
    """Return the page.

    Args:
        checked: What was found; the pictures it names are read again for their thumbnails.
        created_at: Shown on the page.
        language: Shown first; the other is one click away.

    Raises:
        ValueError: If the language is unknown.
    """
    kinds = [_kind(group) for group in by_kind(checked.findings)]
    labels = {picture.file: picture.label for picture in checked.pictures}
    shown = {file for kind in kinds for finding in kind.shown for file in finding.files[:_PICTURES_SHOWN]}
    return render(
        "partgate.data",
        "check.html.j2",
        language,
        said=_said,
        checked=checked,
        folder_name=checked.folder.resolve().name,
        created_at=written_time(created_at),
        version=__version__,
        headline=_headline(checked),
        kinds=kinds,
        severities=[severity for severity in Severity if checked.count(severity)],
        labels=labels,
        pictures=_thumbnails(checked.folder, shown),
        pictures_shown=_PICTURES_SHOWN,
        sizes=_sizes(checked.sizes),
        accepted=by_kind(checked.accepted),
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    """All findings of one kind, as the page shows them."""

    name: str
    severity: Severity
    findings: tuple[Finding, ...]
    shown: tuple[Finding, ...]
    layout: str  # ``words``, ``single`` or ``several`` pictures per finding


def _kind(group: Sequence[Finding]) -> _Kind:
    most = max(len(finding.files) for finding in group)
    layout = "words" if most == 0 else "single" if most == 1 else "several"
    severity = min((finding.severity for finding in group), key=list(Severity).index)
    shown = tuple(group[: _GROUPS_SHOWN if layout == "several" else _SINGLES_SHOWN])
    return _Kind(group[0].kind, severity, tuple(group), shown, layout)


def _said(finding: Finding, part: str = "") -> Bilingual:
    return Bilingual(lambda language: say(finding, language, part))


def _headline(checked: Checked) -> Bilingual:
    if fixes := checked.count(Severity.FIX):
        return phrase("check.headline.fix", n=fixes)
    if looks := checked.count(Severity.LOOK):
        return phrase("check.headline.look", n=looks)
    return phrase("check.headline.none")


def _sizes(sizes: Sequence[tuple[int, int, int]]) -> list[Bilingual]:
    if not sizes:
        return [phrase("check.sizes.none")]
    shown = [phrase("check.sizes.one", size=f"{width} × {height}", n=n) for height, width, n in sizes[:_SIZES_SHOWN]]
    rest = len(sizes) - len(shown)
    return [*shown, phrase("check.sizes.more", n=rest)] if rest else shown


def _thumbnails(folder: Path, shown: Iterable[str]) -> Mapping[str, str]:
    """Return small pictures as data URIs by file; those that cannot be read are missing."""
    found = {}
    for file in sorted(shown):
        try:
            jpeg = encode_jpeg(_shrunk(read_picture(folder / file)), _JPEG_QUALITY)
        except DataError:
            continue
        found[file] = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
    return found


def _shrunk(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = _THUMBNAIL_PX / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
