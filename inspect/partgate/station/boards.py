"""Pictures of the calibration board, taken by a station's own camera: each new pose is kept."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from partgate.calibration.board import Board, Corners, find_corners, is_new_pose
from partgate.cameras.base import CameraConfig
from partgate.configfile import make_folder, write_atomically
from partgate.errors import CameraEndedError, CameraError, CameraLostError, DataError
from partgate.imaging import encode_png

_GRAB_S, _MOST_GRABS_LOST = 2.0, 5


def take_boards(
    camera: CameraConfig, board: Board, folder: Path, count: int, say: Callable[[str], None], stop: threading.Event,
    patience_s: float = 60.0,
) -> tuple[Path, ...]:  # fmt: skip
    """Return pictures of the board in different poses, as the camera gives them, without any calibration.

    Args:
        camera: Of the station; it must not be in use.
        board: What to look for.
        folder: Where the pictures go; older ones there are an error.
        count: How many poses.
        say: Is told a sentence at a time.
        stop: Ends it early with what there is.
        patience_s: Longest wait for a new pose.

    Raises:
        CameraError: If the camera cannot be opened or gives no picture.
        DataError: If the folder holds pictures, cannot be written to, or no board is seen for so long or at all.
    """
    is_new = [path for path in (folder, folder.parent) if not path.exists()]
    make_folder(folder)
    if any(folder.glob("board-*.png")):
        raise DataError(f"{folder}: holds pictures of a board already; calibrate from them, or name another folder")
    files: list[Path] = []
    try:
        _take(camera, board, folder, count, say, stop, patience_s, files)
    finally:
        if not files:  # a second try is not to stumble over what the first one left
            for path in is_new:
                with suppress(OSError):
                    path.rmdir()
    if not files:
        raise DataError(
            f"camera '{camera.name}': no board was seen, nothing is calibrated; hold one with {board.columns} x "
            f"{board.rows} inner corners into the picture, all of it, sharp and lit"
        )
    return tuple(files)


def _take(
    camera: CameraConfig, board: Board, folder: Path, count: int, say: Callable[[str], None], stop: threading.Event,
    patience_s: float, files: list[Path],
) -> None:  # fmt: skip
    """Add to the files, pose by pose."""
    kept: list[Corners] = []
    lost, until = 0, time.monotonic() + patience_s
    with camera.open() as source:
        while len(files) < count and not stop.is_set():
            try:
                image = source.grab(_GRAB_S).image
            except CameraEndedError:
                break
            except CameraLostError:
                raise
            except CameraError:
                lost += 1
                if lost > _MOST_GRABS_LOST:
                    raise
                continue
            corners = find_corners(image, board)
            if corners is not None and is_new_pose(corners, kept, image.shape[1]):
                files.append(folder / f"board-{len(files) + 1:02d}.png")
                _write(files[-1], encode_png(image))
                kept.append(corners)
                lost, until = 0, time.monotonic() + patience_s
                say(f"{len(files)} of {count} poses: tilt the board to another side, hold it into another corner")
            elif time.monotonic() > until:
                raise DataError(
                    f"camera '{camera.name}': no new pose of a board with {board.columns} x "
                    f"{board.rows} inner corners for "
                    f"{patience_s:.0f} s, {len(files)} of {count} taken: is all of it in the picture, sharp and lit?"
                )


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}; free some space") from error
