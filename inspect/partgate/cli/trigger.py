"""``partgate trigger``: which event makes a part, tried and tuned before the line runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Which event makes a part: tried before the line runs.", no_args_is_help=True)


@app.callback()
def _topic() -> None:
    """Which event makes a part: tried before the line runs."""


@app.command()
def watch(
    station: Annotated[Path, typer.Argument(help="Station file; its camera must not be in use.")],
    out: Annotated[Path, typer.Option(help="New or empty folder for the pictures that would be judged.")],
    parts: Annotated[int | None, typer.Option(min=1, help="Stop after so many parts; without, on Ctrl-C.")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after so many seconds.")] = None,
) -> None:
    """Tell what the trigger 'presence' would find: each part as it comes in, is judged, leaves. Judges nothing."""
    from partgate.configfile import load_config
    from partgate.station.config import StationConfig
    from partgate.station.presence_watch import watch_presence
    from partgate.station.run import stopping

    config = load_config(station, StationConfig)
    with stopping(None) as stop:
        counts = watch_presence(config, out, stop, lambda line: print(line, flush=True), parts=parts, seconds=seconds)
    print(f"parts: {counts.judged} with a picture, {counts.not_decidable} not decidable; {counts.ignored} went back")
    print(f"pictures looked at: {counts.pictures}, {counts.rate:.1f} per second; saved in {out}")
    if counts.usual_share is not None:
        print(f"for the station file: part_share: {counts.usual_share:.3f}")
