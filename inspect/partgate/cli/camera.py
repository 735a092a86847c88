"""``partgate camera``: find a camera, look through it, turn its lens, and see what it made of its settings."""

import time
from pathlib import Path
from typing import Annotated

import typer

from partgate.errors import CameraError, CameraLostError

app = typer.Typer(help="Find a camera, look through it, turn its lens, see its settings.", no_args_is_help=True)

_Which = Annotated[str, typer.Argument(help="Station file, or a kind of camera such as gige with --set for its keys.")]
_Name = Annotated[str | None, typer.Option("--camera", help="Name of the camera, where the station has several.")]
_Keys = Annotated[list[str] | None, typer.Option("--set", help="A setting of a kind, KEY=VALUE; may be repeated.")]
_Timeout = Annotated[float, typer.Option(min=0.01, max=60, help="Longest wait for a picture, in seconds.")]


@app.callback()
def _topic() -> None:
    """Find a camera, look through it, turn its lens, see its settings."""


@app.command("list")
def list_cameras(
    interface: Annotated[str | None, typer.Option(help="Network card to look at, by name or address.")] = None,
) -> None:
    """List the cameras that this PC sees; opens none of them."""
    from partgate.cameras.gige_devices import list_gige_devices
    from partgate.cameras.usb import find_cameras
    from partgate.drivers import DRIVERS

    found = [f"usb      {line}" for line in find_cameras()]
    if next(entry for entry in DRIVERS if entry.kind == "gige").missing:
        print('gige     not looked for: pip install "partgate[gige]"')
    else:
        found += [f"gige     {device}" for device in list_gige_devices(interface)]
    print("\n".join(found) or "no usb and no gige camera found; is it plugged in, powered, and in this PC's network?")


@app.command()
def snap(
    camera: _Which,
    out: Annotated[Path, typer.Option(help="File for the picture, .png for exact pixels.")] = Path("snap.png"),
    name: _Name = None,
    keys: _Keys = None,
    timeout: _Timeout = 2.0,
) -> None:
    """Take one picture with the station's settings and write it into this folder; the station must not run."""
    from partgate.cameras.choose import choose_camera
    from partgate.cameras.view import check_picture_path, describe_view, measure_view, write_view

    check_picture_path(out)
    config = choose_camera(camera, name, keys or [])
    with config.open() as device:
        for line in device.differences:
            print(f"difference: {line}")
        frame = device.grab(timeout)
    write_view(frame.image, out)
    print(f"{out}: {frame.image.shape[1]} x {frame.image.shape[0]} px, {describe_view(measure_view(frame.image))}")


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

    if out is not None:
        check_picture_path(out)
    config = choose_camera(camera, name, keys or [])
    best, taken = 0.0, 0
    with config.open() as device:
        while not pictures or taken < pictures:
            taken += 1
            try:
                frame = device.grab(timeout)
            except CameraLostError:
                raise
            except CameraError as error:
                print(f"{taken:5}  {error}", flush=True)
                continue
            view = measure_view(frame.image)
            best = max(best, view.focus)
            if out is not None:
                write_view(frame.image, out)
            bar = "#" * round(30 * view.focus / best) if best else ""
            print(f"{taken:5}  {describe_view(view)}, {view.focus / best if best else 0:.0%} of best {bar}", flush=True)
            time.sleep(every)


@app.command()
def settings(camera: _Which, name: _Name = None, keys: _Keys = None, timeout: _Timeout = 2.0) -> None:
    """Open the camera and show what was wanted and what it made of it; exit code 1 where they differ."""
    from partgate.cameras.choose import choose_camera
    from partgate.cameras.settings import MachineVisionCamera, wanted_settings

    config = choose_camera(camera, name, keys or [])
    with config.open() as device:
        wanted = wanted_settings(config)
        found = device.applied.found if isinstance(device, MachineVisionCamera) else device.grab(timeout).settings
        differences = device.differences
    print(f"{'setting':<22}{'wanted':>16}{'found':>16}")
    for key in dict.fromkeys([*wanted, *found]):
        print(f"{key:<22}{_show(wanted.get(key)):>16}{_show(found.get(key)):>16}")
    if differences:
        raise CameraError("\n".join(differences))


def _show(value: object) -> str:
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
