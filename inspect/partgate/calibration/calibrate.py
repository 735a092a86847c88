"""From pictures of a chessboard and of an even surface to a calibration, with what a person should know about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partgate.calibration.board import (
    GOOD_ERROR_PX,
    Board,
    Corners,
    LensFit,
    covers_enough,
    find_corners,
    fit_lens,
)
from partgate.calibration.file import (
    CALIBRATION_FILE,
    Calibration,
    LoadedCalibration,
    load_calibration,
    save_calibration,
)
from partgate.calibration.plane import PlaneFit, fit_plane
from partgate.calibration.straighten import flat_field_gain, share_outside
from partgate.configfile import make_folder
from partgate.errors import ConfigError, DataError
from partgate.imaging import PICTURE_SUFFIXES, read_picture
from partgate.parts import Image

LAST = "last"
"""Written in place of a file: the last picture of the source is that of the plane."""

_MOST_OUTSIDE = 0.02
_SATURATED, _MOST_SATURATED = 250, 0.001
_DIM = 60  # mean grey value of a white picture below which its noise is multiplied into every part's picture


@dataclass(frozen=True, slots=True)
class CalibrationWishes:
    """What is to be calibrated.

    Attributes:
        pictures: Of the board in several poses, or a single one of a board that lies on the plane.
        board: ``None`` = neither lens nor plane; the pictures then tell the camera's size alone.
        plane: Picture of the board lying where parts lie; :data:`LAST` is the last of ``pictures``.
        flat: Pictures of a matt, even surface.
        dark: Pictures with the lens covered.
        rotation_degrees: Counter-clockwise.
        px_per_mm: Wanted scale of the plane.
        like: Calibration whose size, scale and rotation are taken over: the camera was moved, the parts were not.
    """

    pictures: tuple[Path, ...]
    board: Board | None = None
    plane: Path | None = None
    flat: tuple[Path, ...] = ()
    dark: tuple[Path, ...] = ()
    rotation_degrees: float = 0
    px_per_mm: float | None = None
    like: Path | None = None


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration as it was saved, and what it rests on."""

    calibration: LoadedCalibration
    lines: tuple[str, ...]  # for the person: what was found, what is good, what to do
    boards: tuple[tuple[Path, Corners], ...]  # pictures in which the board was found


def list_pictures(source: Path) -> tuple[Path, ...]:
    """Return the pictures that a user means by a file or a folder, by name.

    Raises:
        DataError: If there are none.
    """
    if source.is_file() and source.suffix.lower() in PICTURE_SUFFIXES:
        return (source,)
    if not source.is_dir():
        raise DataError(f"{source}: no such picture or folder")
    found = tuple(sorted(path for path in source.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES))
    if not found:
        raise DataError(f"{source}: holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))})")
    return found


def refuse_existing(out: Path) -> None:
    """Refuse a folder that holds a calibration: recipes may rest on it.

    Raises:
        ConfigError: If so.
    """
    if (out / CALIBRATION_FILE).exists():
        raise ConfigError([f"{out}: holds a calibration already, which recipes may rest on; name another folder"])


def calibrate(wishes: CalibrationWishes, out: Path) -> Calibrated:
    """Calibrate and save into a folder.

    Args:
        wishes: What to calibrate, from which pictures.
        out: Holds no calibration yet; made where it does not exist.

    Raises:
        DataError: If pictures cannot be read, differ in size, or the board is not seen well enough.
        ConfigError: If the wishes contradict each other, the folder holds a calibration, or the light pictures are no
            use.
    """
    refuse_existing(out)
    like = _check(wishes)
    plane_picture = wishes.pictures[-1] if wishes.plane == Path(LAST) else wishes.plane
    size = read_picture((wishes.pictures or wishes.flat)[0]).shape[:2]
    lines: list[str] = []
    boards: list[tuple[Path, Corners]] = []
    lens = plane = None
    if wishes.board is not None:
        is_lens = len(wishes.pictures) > 1
        boards = list(_find_boards(wishes.pictures, wishes.board, size, lines)) if is_lens else []
        lens = _fit_lens(boards, wishes.board, size, lines) if is_lens else None
        if plane_picture is not None or not is_lens:
            plane = _fit_plane(plane_picture or wishes.pictures[0], wishes, lens, like, size, boards, lines)
    settings = _settings(wishes, size, like, lens, plane)
    flat, dark = _mean(wishes.flat, size), _mean(wishes.dark, size)
    if flat is not None:
        _judge_light(flat, dark, lines)
    outside = share_outside(settings)
    if outside > _MOST_OUTSIDE:
        lines.append(f"note: {100 * outside:.0f} % of the straightened picture lies outside the camera's and is grey")
    make_folder(out)
    return Calibrated(save_calibration(out, settings, flat, dark), tuple(lines), tuple(boards))


def _check(wishes: CalibrationWishes) -> Calibration | None:
    """Return the calibration to be like.

    Raises:
        ConfigError: If wishes contradict each other; all of them at once.
    """
    like = load_calibration(wishes.like).settings if wishes.like else None
    problems = []
    if not wishes.pictures and (wishes.board is not None or not wishes.flat):
        problems.append("no board was seen, nothing is calibrated: name pictures of the board")
    if wishes.board is None and not wishes.flat and not wishes.rotation_degrees:
        problems.append("nothing to calibrate: give --board and --square-mm, --flat or --rotate")
    if wishes.board is None and (wishes.plane is not None or wishes.px_per_mm is not None):
        problems.append("--plane and --px-per-mm need a board: give --board and --square-mm")
    if wishes.px_per_mm is not None and wishes.px_per_mm <= 0:
        problems.append(f"--px-per-mm must be greater than 0, got {wishes.px_per_mm:g}")
    if wishes.dark and not wishes.flat:
        problems.append("--dark needs --flat: a dark picture alone evens no light")
    if like is not None and (wishes.px_per_mm is not None or wishes.rotation_degrees):
        problems.append("--like takes scale and rotation from another calibration: leave out --px-per-mm and --rotate")
    if like is not None and like.flat_field is not None and not wishes.flat:
        problems.append("--like: that calibration evens the light, so this one needs --flat, too")
    if problems:
        raise ConfigError(problems)
    return like


def _find_boards(
    pictures: Sequence[Path], board: Board, size: tuple[int, ...], lines: list[str]
) -> Iterator[tuple[Path, Corners]]:
    missed = []
    for path in pictures:
        corners = find_corners(_read(path, size), board)
        if corners is None:
            missed.append(path.name)
        else:
            yield path, corners
    if missed:
        shown = ", ".join(missed[:5]) + (", ..." if len(missed) > 5 else "")
        lines.append(f"note: no whole board of {board.columns} x {board.rows} inner corners in {len(missed)} of "
                     f"{len(pictures)} pictures: {shown}")  # fmt: skip


def _fit_lens(boards: Sequence[tuple[Path, Corners]], board: Board, size: tuple[int, ...], lines: list[str]) -> LensFit:
    try:
        fit = fit_lens([corners for _, corners in boards], board, size[0], size[1])
    except DataError as error:
        raise DataError("\n".join([*lines, str(error)])) from None
    verdict = "good" if fit.error_px <= GOOD_ERROR_PX else "usable"
    lines.append(
        f"lens: reprojection error {fit.error_px:.2f} px over {len(boards)} boards: {verdict} (good up to "
        f"{GOOD_ERROR_PX} px); worst {boards[fit.worst_picture][0].name} with {fit.worst_px:.2f} px"
    )
    lines.append(f"      boards differ by up to {fit.spread_degrees:.0f} degrees, corners in {100 * fit.covered:.0f} % "
                 "of the picture")  # fmt: skip
    if not covers_enough(fit.covered):
        lines.append(
            "note: the distortion at the picture's edge is guessed: take boards that reach into its corners as well"
        )
    return fit


def _fit_plane(
    path: Path, wishes: CalibrationWishes, lens: LensFit | None, like: Calibration | None, size: tuple[int, ...],
    boards: list[tuple[Path, Corners]], lines: list[str],
) -> PlaneFit:  # fmt: skip
    assert wishes.board is not None
    corners = find_corners(_read(path, size), wishes.board)
    if corners is None:
        raise DataError(
            f"{path}: no whole board of {wishes.board.columns} x {wishes.board.rows} inner corners in it; lay it flat "
            "where the parts lie, all of it in the picture"
        )
    if path not in dict(boards):
        boards.append((path, corners))
    target = (like.height_px, like.width_px) if like else (size[0], size[1])
    scale = like.px_per_mm if like else wishes.px_per_mm
    fit = fit_plane(corners, wishes.board, lens.lens if lens else None, (size[0], size[1]), target, scale)
    lines.append(
        f"plane: {fit.px_per_mm:g} px/mm; straightened corners lie {fit.error_px:.2f} px "
        f"({fit.error_px / fit.px_per_mm:.3f} mm) off an even grid: "
        f"{'good' if fit.error_px <= 2 * GOOD_ERROR_PX else 'poor'}"
        + ("" if lens else "; without lens pictures straight lines stay as bent as the lens makes them")
    )
    return fit


def _settings(
    wishes: CalibrationWishes, size: tuple[int, ...], like: Calibration | None, lens: LensFit | None,
    plane: PlaneFit | None,
) -> Calibration:  # fmt: skip
    height, width = (like.height_px, like.width_px) if like else size
    parts = [f"lens {lens.error_px:.2f} px" if lens else "", f"plane {plane.error_px:.2f} px" if plane else ""]
    return Calibration(
        camera_width_px=size[1], camera_height_px=size[0], width_px=width, height_px=height,
        rotation_degrees=like.rotation_degrees if like else wishes.rotation_degrees,
        lens=lens.lens if lens else None,
        plane=tuple(float(value) for value in plane.transform.ravel()) if plane else None,
        px_per_mm=plane.px_per_mm if plane else None,
        note=", ".join(part for part in parts if part),
    )  # fmt: skip


def _read(path: Path, size: tuple[int, ...]) -> Image:
    image = read_picture(path)
    if image.shape[:2] != tuple(size):
        raise DataError(
            f"{path}: is {image.shape[1]} x {image.shape[0]} px, the first picture is {size[1]} "
            f"x {size[0]} px: all must "
            "come from the same camera at the same settings"
        )
    return image


def _mean(pictures: Sequence[Path], size: tuple[int, ...]) -> Image | None:
    """Return the mean of pictures, so that their noise does not end up in every part's."""
    if not pictures:
        return None
    total = np.zeros((*size, 3), np.float64)
    for path in pictures:
        total += _read(path, size)
    return np.asarray(np.round(total / len(pictures)), np.uint8)


def _judge_light(flat: Image, dark: Image | None, lines: list[str]) -> None:
    saturated = float((flat >= _SATURATED).any(2).mean())
    if saturated > _MOST_SATURATED:
        raise ConfigError([
            f"--flat: {100 * saturated:.1f} % of the white picture is saturated (from {_SATURATED} of 255), at most "
            f"{100 * _MOST_SATURATED:.1f} % are usable: shorten the exposure or dim the lamp, then take it again"
        ])  # fmt: skip
    gain = flat_field_gain(flat, dark)
    lines.append(f"light: even to a factor of {float(gain.max() / gain.min()):.2f} before, to 1 after; mean grey value "
                 f"{flat.mean():.0f} of 255")  # fmt: skip
    if flat.mean() < _DIM:
        lines.append(f"note: the white pictures are dim (below {_DIM}); expose them as bright as the parts")
