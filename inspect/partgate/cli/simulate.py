"""``partgate simulate``: a PLC with a conveyor, to try everything without hardware."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Counterparts to try a station without hardware.", no_args_is_help=True)

USUAL_PORTS = {"modbus": 5020, "opcua": 4840, "s7": 1102, "tcp": 5025}


class Transport(StrEnum):
    """What can carry the words."""

    MODBUS = "modbus"
    OPCUA = "opcua"
    S7 = "s7"
    TCP = "tcp"


class Role(StrEnum):
    """Who connects to whom."""

    SERVER = "server"
    CLIENT = "client"


@app.callback()
def _topic() -> None:
    """Counterparts to try a station without hardware."""


@app.command()
def plc(
    transport: Annotated[Transport, typer.Option(help="What carries the words.")] = Transport.MODBUS,
    role: Annotated[
        Role, typer.Option(help="tcp only. server: listen; client: connect to a station that listens.")
    ] = Role.SERVER,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port; unset, modbus 5020, opcua 4840, s7 1102, tcp 5025."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on, this machine alone unless set; as client, the station's.")
    ] = "127.0.0.1",
    base_address: Annotated[int, typer.Option(help="modbus only. Zero-based register of offset 0.")] = 0,
    parts: Annotated[
        int, typer.Option(min=0, help="Parts to feed once the station is ready; 0 feeds until Ctrl-C.")
    ] = 0,
    interval_ms: Annotated[int, typer.Option(help="From one part to the next, milliseconds.")] = 600,
    travel_ms: Annotated[int, typer.Option(help="From the camera to the gate, milliseconds.")] = 520,
    cover_ms: Annotated[int, typer.Option(help="How long a part covers a sensor, milliseconds.")] = 60,
    window_ms: Annotated[int, typer.Option(help="Time allowed from trigger to result, milliseconds.")] = 200,
    scan_ms: Annotated[int, typer.Option(help="Time of one scan of the controller, milliseconds.")] = 10,
    lockstep: Annotated[
        bool, typer.Option(help="The next part comes once the one before is acknowledged or its window is over.")
    ] = False,
    boot: Annotated[int | None, typer.Option(help="PLC_BOOT of this start; by default from the clock.")] = None,
    recipe: Annotated[int, typer.Option(help="Recipe number wanted; 0 wishes none.")] = 0,
    lot: Annotated[str, typer.Option(help="Lot, ASCII, at most 16 characters.")] = "",
    part_id_prefix: Annotated[str, typer.Option(help="Give each part an id: this and its sequence.")] = "",
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME@PART: make a fault when that part enters the belt.")
    ] = None,
    fault_every: Annotated[
        int, typer.Option(min=0, help="Besides, draw a fault by chance about every so many parts; 0 draws none.")
    ] = 0,
    fault_seed: Annotated[int, typer.Option(help="Seed of the drawn faults: the same one draws the same.")] = 0,
    log: Annotated[
        Path | None,
        typer.Option(help="Write what became of each part: .jsonl as it goes, else one JSON document at the end."),
    ] = None,
) -> None:
    """Be a PLC with part sensor, conveyor and lanes: the program of docs/plc/gate.st, with faults on demand."""
    from partgate.simulate.bench import run_plc
    from partgate.simulate.conveyor import ConveyorSettings
    from partgate.simulate.faults import FaultPlan
    from partgate.simulate.settings import PlcSettings

    belt = ConveyorSettings(interval_ms=interval_ms, cover_ms=cover_ms, travel_ms=travel_ms, lockstep=lockstep)
    settings = PlcSettings(
        transport=transport.value, role=role.value, host=host, port=USUAL_PORTS[transport] if port is None else port,
        base_address=base_address, boot=boot, conveyor=belt, window_ms=window_ms, scan_ms=scan_ms, recipe=recipe,
        lot=lot, part_id_prefix=part_id_prefix,
    )  # fmt: skip
    faults = FaultPlan(fault or [], fault_every, fault_seed)
    run_plc(settings, parts=parts, log=log, faults=faults, say=lambda line: print(line, flush=True))
