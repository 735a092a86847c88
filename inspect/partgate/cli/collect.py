"""``partgate collect``: training pictures from the line itself."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer


def collect(
    station: Annotated[
        Path, typer.Argument(help="Station file, like those in configs/stations/; no recipe is needed.")
    ],
    label: Annotated[str, typer.Option(help="Class of the parts that come: good, or a kind of defect.")],
    parts: Annotated[int | None, typer.Option(min=1, help="Stop after so many parts; without, on Ctrl-C.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Labelled folder to fill; by default the station file's name and -pictures.")
    ] = None,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="Enter takes a picture; the controller is not opened.")
    ] = False,
    lot: Annotated[str | None, typer.Option(help="Lot of these parts, where the controller names none.")] = None,
) -> None:
    """Take training pictures with the line's own camera, light and trigger. Nothing is judged, recorded or sorted.

    The controller sees a station in shadow mode (state bit 7) and gets no result: every part goes where it goes without
    a station. Type undo, 'label NAME', 'part NAME' or quit, then Enter.
    """
    from partgate.configfile import load_config
    from partgate.station.collect import CollectingStation
    from partgate.station.collecting import HELP, CollectWishes, collect_pictures

    config = load_config(station, CollectingStation)
    wishes = CollectWishes(label, out or Path(f"{station.stem}-pictures"), parts, by_hand, lot)
    is_person = sys.stdin is not None and (by_hand or sys.stdin.isatty())
    how = "Enter takes a picture" if by_hand else "waiting for parts; no result is sent"
    print(f"station '{config.name}': collecting '{label}' into {wishes.out}, opening", flush=True)

    def tell_ready() -> None:
        print(f"ready, {how} (Ctrl-C ends)", flush=True)
        if is_person:
            print(HELP, flush=True)

    lines = typed_lines() if is_person else None
    tally = collect_pictures(config, wishes, lambda text: print(text, flush=True), lines, on_ready=tell_ready)
    print(f"{tally.kept} parts collected, {tally.undone} taken back, {tally.useless} pictures not kept")
    for why, count in tally.without.items():
        print(f"{count} parts without a picture: {why}")
    if tally.kept:
        print(f"next: partgate data check {wishes.out}")


def typed_lines() -> Iterator[str]:
    """Give what a person types, line by line.

    Read from the file itself: a thread that waits inside Python's own reader would keep the program from ending.
    """
    rest = b""
    while chunk := os.read(sys.stdin.fileno(), 1024):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")
