"""The contact sheet: sampled pictures beside their augmented views, as the network sees them."""

import random
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from partgate.configfile import write_atomically
from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.errors import DataError, TrainingError
from partgate.imaging import encode_jpeg, encode_png
from partgate.inference.bundle import Geometry
from partgate.parts import Image
from partgate.training.augment import Augmenter, check_transforms
from partgate.training.config import TrainingConfig
from partgate.training.features import read_part
from partgate.training.look import choose_geometry
from partgate.training.views import Augmented, augmented_views

_ENCODERS = {".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg}
_MOST_PIXELS = 100_000_000  # of a sheet: 300 MB, and JPEG ends at 65,535 px a side
_GAP_PX, _LINE_PX = 8, 20
_LEAST_CELL_PX = 128  # narrower, a caption would not fit
_PAPER, _INK = 245, (40, 40, 40)
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


@dataclass(frozen=True, slots=True)
class Row:
    """One look at one sampled picture."""

    title: str
    cells: tuple[tuple[str, Image], ...]  # caption and picture, all of one size


@dataclass(frozen=True, slots=True)
class Preview:
    """What a contact sheet shows."""

    files: tuple[str, ...]
    geometry: Geometry
    transforms: tuple[str, ...]
    flips: tuple[str, ...]
    view_cpu_ms: float  # mean time of one view on one core
    notes: tuple[str, ...]


def write_preview(config: TrainingConfig, source: str, out: Path, pictures: int, views: int, seed: int) -> Preview:
    """Write a sheet with a row per sampled picture: as it is, then augmented; the good class first.

    A part that is looked at in several places has a row for each. With the seed of the training these are views that
    the training takes.

    Args:
        config: Data, geometry and augmentation.
        source: How the user knows the configuration, for the messages.
        out: File to write, .png, .jpg or .jpeg; an older one is replaced.
        pictures: How many to sample; each class is shown at least once.
        views: Augmented views of each.
        seed: Another seed, another sample and other views.

    Raises:
        ConfigError: If the augmentation is wrong.
        DataError: If the data cannot be used or no picture can be read.
        TrainingError: If ``out`` cannot be written, lies among the data, or would be too large.
    """
    _check_out(out, config.data)
    check_transforms(config.augment, source)
    folder = read_folder(config.data, config.good_class)
    geometry = choose_geometry(folder.pictures, config)
    looks = geometry.look_names or ("",)
    _check_size(geometry, max(pictures, len(folder.classes)) * len(looks), views)

    notes: list[str] = []
    sample = _sample(folder, geometry, pictures, seed, notes)
    shown = augmented_views(config.flips, Augmenter(config.augment, seed), views)
    shown[0].show(sample[0][1][0], "")  # what the first picture costs is not what a picture costs
    started = time.thread_time()
    rows = [_row(picture, look, name, image, shown) for picture, seen in sample
            for look, (name, image) in enumerate(zip(looks, seen, strict=True))]  # fmt: skip
    spent_s = time.thread_time() - started
    sheet = draw_sheet(rows)
    try:
        write_atomically(out, _ENCODERS[out.suffix.lower()](sheet))
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror}; name a file in a writable folder") from error
    files = tuple(picture.file for picture, _ in sample)
    names = tuple(entry.transform for entry in config.augment)
    return Preview(files, geometry, names, config.flips, 1000 * spent_s / (len(rows) * views), tuple(notes))


def _check_out(out: Path, data: Path) -> None:
    if out.suffix.lower() not in _ENCODERS:
        raise TrainingError(f"{out}: must end in {', '.join(_ENCODERS)}, got {out.suffix or 'no suffix'!r}")
    if not out.absolute().parent.is_dir():
        raise TrainingError(f"{out}: there is no folder {out.absolute().parent}; make it first")
    if out.resolve().is_relative_to(data.resolve()):
        raise TrainingError(f"{out}: lies in the labelled folder and would be taken for a part; name another place")


def _check_size(geometry: Geometry, rows: int, views: int) -> None:
    width = (views + 1) * (max(geometry.width_px, _LEAST_CELL_PX) + _GAP_PX) + _GAP_PX
    height = rows * (geometry.height_px + 2 * _LINE_PX + _GAP_PX) + _GAP_PX
    if width * height > _MOST_PIXELS:
        raise TrainingError(
            f"a sheet of {rows} rows with {views} views each would have {width} x {height} px, at most "
            f"{_MOST_PIXELS // 10**6} megapixels are drawn; lower --pictures or --views"
        )


def _sample(
    folder: LabelledFolder, geometry: Geometry, count: int, seed: int, notes: list[str]
) -> list[tuple[Picture, list[Image]]]:
    """Return pictures of all classes in turn, then sorted by class, the good one first."""
    order = sorted(folder.classes, key=lambda name: (name != folder.good_class, name))
    left = {name: _readable(folder, geometry, name, seed, notes) for name in order}
    chosen: list[tuple[Picture, list[Image]]] = []
    wanted = max(count, len(order))
    while left and len(chosen) < wanted:
        for name in list(left):
            found = next(left[name], None)
            if found is None:
                del left[name]
            elif len(chosen) < wanted:
                chosen.append(found)
    if not chosen:
        raise DataError("\n".join([f"{folder.folder}: no picture can be shown", *notes[:5]]))
    return sorted(chosen, key=lambda one: order.index(one[0].label))


def _readable(
    folder: LabelledFolder, geometry: Geometry, label: str, seed: int, notes: list[str]
) -> Iterator[tuple[Picture, list[Image]]]:
    pictures = [picture for picture in folder.pictures if picture.label == label]
    random.Random(seed).shuffle(pictures)
    for picture in pictures:
        try:
            yield picture, read_part(picture, geometry)[0]
        except DataError as error:
            notes.append(str(error))


def _row(picture: Picture, look: int, name: str, image: Image, views: Sequence[Augmented]) -> Row:
    cells = [("as it is", image)]
    for view in views:
        caption = ", ".join((f"view {view.number + 1}", *view.mirrored.sides))
        cells.append((caption, view.show(image, f"{picture.sha256} {look}")))
    return Row(", ".join(filter(None, (f"{picture.label}: {picture.file}", name))), tuple(cells))


def draw_sheet(rows: Sequence[Row]) -> Image:
    """Return a contact sheet: for each row its title, then the pictures side by side, each under its caption.

    Args:
        rows: At least one, all with as many pictures of one size.

    Returns:
        Shape (height, width, 3), uint8, RGB.
    """
    height, width = rows[0].cells[0][1].shape[:2]
    cell_width = max(width, _LEAST_CELL_PX)
    row_height = height + 2 * _LINE_PX + _GAP_PX
    across = len(rows[0].cells) * (cell_width + _GAP_PX) + _GAP_PX
    sheet = np.full((len(rows) * row_height + _GAP_PX, across, 3), _PAPER, np.uint8)
    for i, row in enumerate(rows):
        top = _GAP_PX + i * row_height
        _write(sheet, row.title, _GAP_PX, top, across - 2 * _GAP_PX)
        for j, (caption, image) in enumerate(row.cells):
            left = _GAP_PX + j * (cell_width + _GAP_PX)
            _write(sheet, caption, left, top + _LINE_PX, cell_width)
            sheet[top + 2 * _LINE_PX :, left:][:height, :width] = image
    return sheet


def _write(sheet: Image, text: str, left: int, top: int, width: int) -> None:
    """Write one line of text; the font knows ASCII alone."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_SPELLED_OUT))
    plain = "".join(sign if 32 <= ord(sign) < 127 else "?" for sign in plain if not unicodedata.combining(sign))
    shown = _shorten(plain, width)
    cv2.putText(sheet, shown, (left, top + _LINE_PX - 6), _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)


def _shorten(text: str, width: int) -> str:
    for kept in range(len(text), 0, -1):
        shown = text if kept == len(text) else f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
        if cv2.getTextSize(shown, _FONT, _FONT_SCALE, 1)[0][0] <= width:
            return shown
    return ""
