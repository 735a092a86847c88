"""``partgate run``: the station."""

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partgate.errors import RecordError

if TYPE_CHECKING:
    from partgate.station.config import StationConfig


def run(
    station: Annotated[Path, typer.Argument(help="Station file, like those in configs/stations/.")],
    parts: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stop after so many triggers, not counting those missed while disconnected; without, on Ctrl-C."
        ),
    ] = None,
    linger: Annotated[
        float,
        typer.Option(min=0, help="Seconds the heartbeat goes on after the last part, until it has passed its gate."),
    ] = 2.0,
) -> None:
    """Inspect parts: wait for triggers, judge, sort, record. Ctrl-C finishes the part in hand."""
    from partgate.configfile import load_config
    from partgate.glossary import text
    from partgate.station.config import StationConfig
    from partgate.station.run import percentiles, run_station

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = load_config(station, StationConfig)
    print(f"station '{config.name}': {_recipes(config)}, opening", flush=True)
    result = run_station(
        config, parts, linger_s=linger, on_ready=lambda: print("ready, waiting for parts (Ctrl-C stops)", flush=True)
    )
    summary = result.summary
    verdicts: Counter[str] = Counter()
    for (_, verdict, _), n in summary.lanes.items():
        verdicts[verdict] += n
    print("verdicts: " + (", ".join(f"{n} {name}" for name, n in sorted(verdicts.items())) or "none"))
    for reason, n in summary.rechecks.most_common():
        last = " ".join(summary.last_recheck[reason].split())
        print(f"RECHECK: {n} {text(f'reason.{int(reason)}', 'en')}" + (f"; the last one: {last}" if last else ""))
    if any(truth != "?" for truth, _, _ in summary.lanes):
        print("truth      verdict   lane  parts")
        for (truth, verdict, lane), n in sorted(summary.lanes.items()):
            print(f"{truth:<10} {verdict:<9} {lane:>4} {n:>6}")
    if summary.latencies_ms:
        median, high = percentiles(summary.latencies_ms)
        print(f"trigger seen -> verdict written: median {median:.1f} ms, 99th percentile {high:.1f} ms")
    if summary.missed_before:
        print(f"besides these, missed while the station was off or not connected: {summary.missed_before}")
    sign = "=" if summary.adds_up else "!="
    print(f"triggers {summary.triggers} {sign} results {summary.results} + declared misses {summary.misses}")
    print(f"records: {result.records}")
    if not summary.adds_up:
        raise RecordError(f"station '{config.name}': triggers and records do not add up; run 'partgate records verify'")


def _recipes(config: "StationConfig") -> str:
    numbers = config.recipe_numbers or (None,)
    told = [", ".join(sorted({str(path) for path in config.recipe_files(number).values()})) for number in numbers]
    if config.recipe_numbers:
        told = [f"{number} {files}" for number, files in zip(numbers, told, strict=True)]
    return f"recipe{'s' if len(told) > 1 else ''} {'; '.join(told)}"
