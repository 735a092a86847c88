"""``partgate camera calibrate`` and ``straighten``: pictures without distortion, seen from above, evenly lit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partgate.cli.progress import shown_progress
from partgate.errors import ConfigError

if TYPE_CHECKING:
    from partgate.calibration.board import Board

_YAML = (".yaml", ".yml")


def calibrate(
    source: Annotated[
        Path, typer.Argument(help="Folder with pictures of the board, one picture of it, or a station file.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the calibration; it must not hold one.")],
    board: Annotated[str | None, typer.Option(help="Inner corners of the chessboard: 9x6 for 10 x 7 fields.")] = None,
    square_mm: Annotated[float | None, typer.Option(help="Side of one field, measured on the printed board.")] = None,
    plane: Annotated[
        Path | None, typer.Option(help="Picture of the board lying where parts lie; 'last' is SOURCE's last one.")
    ] = None,
    px_per_mm: Annotated[float | None, typer.Option(help="Scale wanted; by default the camera's own.")] = None,
    flat: Annotated[
        Path | None, typer.Option(help="White pictures: a matt, even sheet that fills the picture. File or folder.")
    ] = None,
    dark: Annotated[Path | None, typer.Option(help="Dark pictures: lens covered. File or folder.")] = None,
    rotate: Annotated[float, typer.Option(help="Degrees counter-clockwise; multiples of 90 lose nothing.")] = 0,
    like: Annotated[
        Path | None, typer.Option(help="Calibration whose size, scale and rotation are kept: the camera was moved.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Name of the camera, where the station has several.")] = None,
    poses: Annotated[int, typer.Option(min=1, max=100, help="With a station: poses of the board to take.")] = 15,
) -> None:
    """Calibrate lens, plane and light of a camera from a chessboard and white pictures; draws the result to look at.

    A folder of boards gives the lens, --plane the view from above; a single picture of a board gives the plane alone.
    """
    from partgate.calibration.board import parse_board
    from partgate.calibration.calibrate import CalibrationWishes, calibrate, list_pictures, refuse_existing
    from partgate.calibration.look import draw_calibration, save_look
    from partgate.imaging import read_picture

    if (board is None) != (square_mm is None):
        raise ConfigError(["--board and --square-mm belong together, e.g. --board 9x6 --square-mm 10"])
    refuse_existing(out)
    wanted = parse_board(board, square_mm) if board is not None and square_mm is not None else None
    is_station = source.suffix.lower() in _YAML
    pictures = _take(source, wanted, camera, out, poses) if is_station else list_pictures(source)
    wishes = CalibrationWishes(
        pictures, wanted, plane, list_pictures(flat) if flat else (), list_pictures(dark) if dark else (), rotate,
        px_per_mm, like,
    )  # fmt: skip
    done = calibrate(wishes, out)
    for line in done.lines:
        print(line)
    path, corners = done.boards[-1] if done.boards else (pictures[0], None)
    look = save_look(out, draw_calibration(read_picture(path), done.calibration, wanted, corners))
    print(f"look:  {look} (left as the camera sees it, right straightened: straight edges run along the lines)")
    print(f"gives: {done.calibration.settings.describe()}")
    print(f"next:  'calibration: {out}' under camera in the station file, then partgate collect")


def _take(source: Path, board: "Board | None", name: str | None, out: Path, poses: int) -> tuple[Path, ...]:
    from partgate.configfile import load_config
    from partgate.station.boards import take_boards
    from partgate.station.collect import CollectingStation
    from partgate.station.run import stopping

    if board is None:
        raise ConfigError([f"{source}: a station takes pictures of a board: give --board and --square-mm"])
    config = load_config(source, CollectingStation)
    found = [camera for camera in config.all_cameras if name in (None, camera.name)]
    if len(found) != 1:
        known = ", ".join(config.camera_names)
        raise ConfigError([f"{source}: --camera must name one of its cameras: {known}; got {name or 'none'}"])
    print(f"camera '{found[0].name}': hold the board into the picture, {poses} poses (Ctrl-C ends early)", flush=True)
    with stopping(None) as stop:
        return take_boards(found[0], board, out / "boards", poses, lambda text: print(text, flush=True), stop)


def straighten(
    pictures: Annotated[Path, typer.Argument(help="Labelled folder with pictures as the camera gave them.")],
    calibration: Annotated[Path, typer.Option(help="Folder of 'partgate camera calibrate', of that camera.")],
    out: Annotated[Path, typer.Option(help="New labelled folder.")],
) -> None:
    """Straighten a labelled folder as the line straightens its pictures; labels.csv says by which calibration."""
    from partgate.data.straighten import straighten_folder

    with shown_progress() as progress:
        done = straighten_folder(pictures, calibration, out, progress)
    for text in done.unreadable:
        print(f"left out: {text}")
    print(f"{done.pictures} pictures straightened: {done.description}")
    print(f"next: partgate train {out} --out RUN")
