"""``partgate simulate``: a PLC with a conveyor, to try everything without hardware."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Counterparts to try a station without hardware.", no_args_is_help=True)


@app.callback()
def _topic() -> None:
    """Counterparts to try a station without hardware."""


@app.command()
def plc(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port to listen on.")] = 5020,
    host: Annotated[str, typer.Option(help="Address to listen on; this machine alone unless set.")] = "127.0.0.1",
    base_address: Annotated[int, typer.Option(help="Zero-based register of offset 0.")] = 0,
    parts: Annotated[
        int, typer.Option(min=0, help="Parts to feed once the station is ready; 0 feeds until Ctrl-C.")
    ] = 0,
    interval_ms: Annotated[int, typer.Option(help="From one part to the next, milliseconds.")] = 600,
    travel_ms: Annotated[int, typer.Option(help="From the camera to the gate, milliseconds.")] = 520,
    cover_ms: Annotated[int, typer.Option(help="How long a part covers a sensor, milliseconds.")] = 60,
    window_ms: Annotated[int, typer.Option(help="Time allowed from trigger to result, milliseconds.")] = 200,
    boot: Annotated[int | None, typer.Option(help="PLC_BOOT of this start; by default from the clock.")] = None,
    recipe: Annotated[int, typer.Option(help="Recipe number wanted; 0 wishes none.")] = 0,
    lot: Annotated[str, typer.Option(help="Lot, ASCII, at most 16 characters.")] = "",
    part_id_prefix: Annotated[str, typer.Option(help="Give each part an id: this and its sequence.")] = "",
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME@PART: make a fault when that part enters the belt.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Write counters and the lane of each part as JSON.")] = None,
) -> None:
    """Be a PLC with part sensor, conveyor and lanes on Modbus TCP: the program of docs/plc/gate.st."""
    from partgate.simulate.bench import run_plc
    from partgate.simulate.conveyor import ConveyorSettings
    from partgate.simulate.settings import PlcSettings

    belt = ConveyorSettings(interval_ms=interval_ms, cover_ms=cover_ms, travel_ms=travel_ms)
    settings = PlcSettings(
        host=host, port=port, base_address=base_address, boot=boot, conveyor=belt, window_ms=window_ms, recipe=recipe,
        lot=lot, part_id_prefix=part_id_prefix,
    )  # fmt: skip
    run_plc(settings, parts=parts, log=log, faults=fault or [], say=lambda line: print(line, flush=True))
