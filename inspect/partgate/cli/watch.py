"""``partgate watch``: stations that are started again when they fail or hang."""

import logging
from pathlib import Path
from typing import Annotated

import typer


def watch(
    stations: Annotated[list[Path], typer.Argument(help="Station files; each runs in a process of its own.")],
    hang_after: Annotated[
        float, typer.Option(min=2, help="Seconds without a sign of life after which a station counts as hung.")
    ] = 15,
    restarts: Annotated[int, typer.Option(min=0, help="So many restarts, then the station stays down.")] = 10,
    within: Annotated[float, typer.Option(min=0.1, help="Minutes in which they are counted.")] = 10,
) -> None:
    """Run stations and start again what fails or hangs. Ctrl-C ends all after the part in hand.

    Exit code 1 where a station stayed down. Linux: better 'partgate service install'.
    """
    from partgate.station.process import WatchSettings
    from partgate.station.run import stopping
    from partgate.station.supervise import watch_stations

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = WatchSettings(hang_after_s=hang_after, restarts=restarts, within_s=60 * within)
    with stopping(None) as stop:
        down = watch_stations(stations, stop, settings)
    if down:
        print(f"stayed down: {', '.join(down)}; the lines above say why")
        raise typer.Exit(1)
