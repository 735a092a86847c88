"""A belt with parts on it as a free-running camera sees it: pictures of parts, moved along, with noise and flicker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from partgate.imaging import read_picture
from partgate.parts import Image

VIEW = (480, 640)
RATE = 25.0
_BELT = (96, 98, 92)


@dataclass(frozen=True, slots=True)
class Belt:
    """How the belt runs.

    Attributes:
        step_px: Way from picture to picture; negative runs to the left.
        gaps_px: Gap in front of each part, as many as parts, in pixels; 0 touches the part before.
        noise: Standard deviation of the camera's noise, in grey values.
        flicker: Largest change of brightness, as a share.
        empty_pictures: Empty belt before the first part.
        still_pictures: The belt stops for so many pictures with the first part in the middle.
    """

    step_px: float
    gaps_px: Sequence[float]
    noise: float = 3.0
    flicker: float = 0.0
    empty_pictures: int = 55
    still_pictures: int = 0
    seed: int = 0


def cut_out(picture: Image, length_px: int, *, is_round: bool) -> tuple[Image, NDArray[np.uint8]]:
    """Return a part and its mask, scaled so that it is so long and at most 80 % of the view high.

    Args:
        picture: Picture of a part, shape (H, W, 3).
        length_px: Along the belt.
        is_round: Cut along the inscribed ellipse, else the whole picture is the part.
    """
    height, width = picture.shape[:2]
    scale = min(length_px / width, 0.8 * VIEW[0] / height)
    size = (round(width * scale), round(height * scale))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    mask = np.full((size[1], size[0]), 0 if is_round else 255, np.uint8)
    if is_round:
        cv2.ellipse(mask, (size[0] // 2, size[1] // 2), (size[0] // 2 - 2, size[1] // 2 - 2), 0, 0, 360, 255, -1)
    return small, mask


def pictures(parts: Sequence[tuple[Image, NDArray[np.uint8]]], belt: Belt) -> Iterator[Image]:
    """Yield what the camera sees until the last part has left.

    Args:
        parts: Pictures and masks, in the order in which they come.
        belt: How it runs.
    """
    rng = np.random.default_rng(belt.seed)
    height, width = VIEW
    shade = np.linspace(0.9, 1.1, width, dtype=np.float32)[None, :, None]
    weave = rng.normal(0, 2, (height, width, 1)).astype(np.float32)
    # Drawn once: it takes most of the time.
    grain = [rng.normal(0, belt.noise, (height, width, 3)).astype(np.float32) for _ in range(8)]
    starts = _starts(parts, belt)
    moves = int((starts[-1] + width) / abs(belt.step_px)) + 3
    first_at = starts[0] + width / 2 - parts[0][0].shape[1] / 2
    travelled, stops = 0.0, belt.still_pictures
    for number in range(belt.empty_pictures + moves + stops):
        if number >= belt.empty_pictures:
            is_still = stops > 0 and travelled >= first_at
            stops, travelled = (stops - 1, travelled) if is_still else (stops, travelled + abs(belt.step_px))
        scene = np.roll(weave, round(travelled), axis=1) + np.array(_BELT, np.float32)[None, None, :]
        for (picture, mask), start in zip(parts, starts, strict=True):
            _lay(scene, picture, mask, round(travelled - start))
        if belt.step_px < 0:
            scene = scene[:, ::-1]
        light = shade * np.float32(1 + belt.flicker * np.sin(2.1 * number) * rng.uniform(0.8, 1))
        scene = scene * light + np.roll(grain[number % 8], int(rng.integers(width)), axis=1)
        yield np.clip(scene, 0, 255).astype(np.uint8)


def _starts(parts: Sequence[tuple[Image, NDArray[np.uint8]]], belt: Belt) -> list[float]:
    """Return how far the rear edge of each part lies behind the edge of the view where parts come in, in pixels."""
    starts, position = [], 0.0
    for (picture, _), gap in zip(parts, belt.gaps_px, strict=True):
        position += gap + picture.shape[1]
        starts.append(position)
    return starts


def middle_part(parts: Sequence[tuple[Image, NDArray[np.uint8]]], belt: Belt, number: int) -> int:
    """Return which part lies nearest to the middle in a picture of :func:`pictures`; the belt must not have stopped."""
    travelled = max(0, number - belt.empty_pictures + 1) * abs(belt.step_px)
    centres = [
        travelled - start + picture.shape[1] / 2
        for (picture, _), start in zip(parts, _starts(parts, belt), strict=True)
    ]
    return min(range(len(centres)), key=lambda place: abs(centres[place] - VIEW[1] / 2))


def _lay(scene: NDArray[np.float32], picture: Image, mask: NDArray[np.uint8], left: int) -> None:
    height, width = scene.shape[:2]
    top = (height - picture.shape[0]) // 2
    first, last = max(0, left), min(width, left + picture.shape[1])
    if first < last:
        part = slice(first - left, last - left)
        where = mask[:, part] > 0
        scene[top : top + picture.shape[0], first:last][where] = picture[:, part][where]


def write_video(path: Path, stream: Iterator[Image], rate: float = RATE) -> Path:
    """Write pictures as a video file that plays through the code of a USB camera (Motion-JPEG).

    Raises:
        RuntimeError: If this OpenCV cannot write one.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (VIEW[1], VIEW[0]))
    if not writer.isOpened():
        raise RuntimeError(f"{path}: OpenCV cannot write Motion-JPEG here")
    for image in stream:
        writer.write(np.ascontiguousarray(image[:, :, ::-1]))
    writer.release()
    return path


def real_parts(folder: Path, count: int, length_px: int, *, is_round: bool) -> list[tuple[Image, NDArray[np.uint8]]]:
    """Return parts of a real set, good and defect by turns, sorted by name.

    Args:
        folder: With one sub-folder per class.
        count: So many.
        length_px: See :func:`cut_out`.
        is_round: See :func:`cut_out`.
    """
    classes = [sorted(sub.iterdir()) for sub in sorted(folder.iterdir()) if sub.is_dir()]
    files = [files[index % len(files)] for index in range(count) for files in classes][:count]
    return [cut_out(read_picture(file), length_px, is_round=is_round) for file in files]
