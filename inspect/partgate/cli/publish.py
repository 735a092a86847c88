"""``partgate publish``: do results and state arrive."""

from pathlib import Path
from typing import Annotated

import typer

from partgate.errors import ConfigError

app = typer.Typer(help="Results and state to a broker or a web address: try it out.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Results and state to a broker or a web address: try it out."""


@app.command()
def test(
    station: Annotated[Path, typer.Argument(help="Station file; what stands under publish is tried.")],
) -> None:
    """Send one test message to each publisher; a running station is not disturbed. Exit code 1: not all arrived."""
    from partgate.configfile import load_config
    from partgate.publish.publishers import try_publishers
    from partgate.station.config import StationConfig

    config = load_config(station, StationConfig)
    if not config.publish:
        raise ConfigError([f"{station}: publish: names nobody; see docs/guides/publish.md"])
    trials = try_publishers(config.publish, config.name)
    for trial in trials:
        said = f"took the test message in {trial.took_ms:.0f} ms" if trial.problem is None else "FAILED"
        print(f"{trial.publisher}: {said}")
    problems = [trial.problem for trial in trials if trial.problem is not None]
    if problems:
        raise ConfigError(problems)
