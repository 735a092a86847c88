"""``partgate camera``: find a camera, look through it, turn its lens, and see what it made of its settings."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partgate.errors import CameraError, CameraLostError

if TYPE_CHECKING:
    from partgate.cameras.base import Camera

app = typer.Typer(help="Find a camera, look through it, turn its lens, see its settings.", no_args_is_help=True)

_Which = Annotated[str, typer.Argument(help="Station file, or a kind of camera such as gige with --set for its keys.")]
_Name = Annotated[str | None, typer.Option("--camera", help="Name of the camera, where the station has several.")]
_Keys = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting, KEY=VALUE, in place of the station file's; may be repeated."),
]
_NEVER_SHOWN = ("user", "password")  # not even where the password lies
_Timeout = Annotated[float, typer.Option(min=0.01, max=60, help="Longest wait for a picture, in seconds.")]


@app.callback()
def _topic() -> None:
    """Find a camera, look through it, turn its lens, see its settings."""


@app.command("list")
def list_cameras(
    interface: Annotated[str | None, typer.Option(help="Network card to look at, by name or address.")] = None,
) -> None:
    """List the cameras that this PC sees; opens none of them."""
    from partgate.cameras.basler import list_basler_cameras
    from partgate.cameras.gige_devices import list_gige_devices
    from partgate.cameras.usb import find_cameras
    from partgate.drivers import DRIVERS

    missing = {entry.kind for entry in DRIVERS if entry.missing}
    found = [f"usb      {line}" for line in find_cameras()]
    if "gige" in missing:
        print('gige     not looked for: pip install "partgate[gige]"')
    else:
        found += [f"gige     {device}" for device in list_gige_devices(interface)]
    if "basler" in missing:
        print('basler   not looked for: pip install "partgate[basler]"')
    else:
        try:
            found += [f"basler   {line}" for line in list_basler_cameras()]
        except CameraLostError as error:  # what hangs here must not hide the others
            print(f"basler   {error}")
    print("\n".join(found) or "no camera found; is it plugged in, powered, and in this PC's network?")


@app.command()
def snap(
    camera: _Which,
    out: Annotated[Path, typer.Option(help="File for the picture, .png for exact pixels.")] = Path("snap.png"),
    name: _Name = None,
    keys: _Keys = None,
    timeout: _Timeout = 2.0,
) -> None:
    """Take one picture as the station takes it, straightened where the camera has a calibration; it must not run."""
    from partgate.cameras.choose import choose_camera
    from partgate.cameras.straightened import camera_opener
    from partgate.cameras.view import check_picture_path, describe_view, measure_view, write_view

    check_picture_path(out)
    config = choose_camera(camera, name, keys or [])
    with camera_opener(config)() as device:
        for line in device.differences:
            print(f"difference: {line}")
        frame = device.grab(timeout)
    write_view(frame.image, out)
    how = f" straightened by {frame.settings['calibration']}" if config.calibration else ""
    print(f"{out}: {frame.image.shape[1]} x {frame.image.shape[0]} px{how}, {describe_view(measure_view(frame.image))}")


@app.command()
def watch(
    camera: _Which,
    pictures: Annotated[int, typer.Option(min=0, help="Stop after so many pictures; 0: until Ctrl-C.")] = 0,
    every: Annotated[float, typer.Option(min=0, max=60, help="Pause between two pictures, in seconds.")] = 0.2,
    out: Annotated[Path | None, typer.Option(help="Also write the newest picture to this file.")] = None,
    name: _Name = None,
    keys: _Keys = None,
    timeout: _Timeout = 2.0,
) -> None:
    """Print focus and exposure of picture after picture: turn the lens until the focus figure is at its best."""
    from partgate.cameras.choose import choose_camera
    from partgate.cameras.view import check_picture_path, describe_view, measure_view, write_view
    from partgate.cameras.watched import pictures_of

    if out is not None:
        check_picture_path(out)
    config = choose_camera(camera, name, keys or [])
    best = 0.0
    for number, frame in enumerate(pictures_of(config, timeout), 1):
        if isinstance(frame, str):
            print(f"{number:5}  {frame}", flush=True)
        else:
            view = measure_view(frame.image)
            best = max(best, view.focus)
            if out is not None:
                write_view(frame.image, out)
            bar = "#" * round(30 * view.focus / best) if best else ""
            share = view.focus / best if best else 0
            print(f"{number:5}  {describe_view(view)}, {share:.0%} of best {bar}", flush=True)
        if number == pictures:
            return
        if not isinstance(frame, str):
            time.sleep(every)


@app.command()
def settings(camera: _Which, name: _Name = None, keys: _Keys = None, timeout: _Timeout = 2.0) -> None:
    """Open the camera and show what was wanted and what it made of it; exit code 1 where they differ."""
    from partgate.cameras.choose import choose_camera, hide_secrets
    from partgate.cameras.settings import wanted_settings
    from partgate.cameras.straightened import why_not_straightened

    config = choose_camera(camera, name, keys or [])
    config.straightener()  # a wrong calibration is told before the camera is opened
    with config.open() as device:
        wanted = wanted_settings(config)
        found, size, note = _look_at(device, timeout)
        differences = list(device.differences)
    if size is not None and (misfit := why_not_straightened(config, *size)):
        differences.append(misfit)
    print(f"{'setting':<22}{'wanted':>16}{'found':>16}")
    for key in dict.fromkeys([*wanted, *found]):
        values = ["…" if key in _NEVER_SHOWN and key in side else side.get(key) for side in (wanted, found)]
        shown = [hide_secrets(_show(value)) for value in values]
        print(f"{key:<22}{shown[0]:>16}{shown[1]:>16}")
    if note:
        print(f"note: no picture yet: {note}")
    if differences:
        raise CameraError("\n".join(differences))


def _look_at(
    device: "Camera", timeout_s: float
) -> tuple[Mapping[str, float | str], tuple[int, int] | None, str | None]:
    """Return an open camera's settings, height and width of its pictures, and why there is none yet.

    A machine-vision camera tells its settings itself and may wait for an edge that does not come; others tell them with
    a picture.
    """
    from partgate.cameras.settings import MachineVisionCamera

    if isinstance(device, MachineVisionCamera):
        found = device.applied.found
        size = [found.get(key) for key in ("height_px", "width_px")]
        height, width = (int(side) if isinstance(side, int | float) else 0 for side in size)
        return found, (height, width) if height and width else None, None
    try:
        frame = device.grab(timeout_s)
    except CameraLostError:
        raise
    except CameraError as error:
        return {}, None, str(error)
    return frame.settings, (frame.image.shape[0], frame.image.shape[1]), None


def _show(value: object) -> str:
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
