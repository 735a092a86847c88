"""Opens the recipe of every camera, proves that they fit together, and measures the engine on this machine."""

import time

import numpy as np

from partgate.errors import ConfigError
from partgate.inference.inspector import Inspector
from partgate.parts import Verdict
from partgate.station.config import StationConfig
from partgate.station.views import View, Views

_ENGINE_TRIALS = 30
_FEWEST_TRIALS = 5  # where one part needs many runs


def open_views(config: StationConfig, number: int | None) -> Views:
    """Return a recipe of a station, warmed up and measured.

    Args:
        config: The station file.
        number: Of the recipe; ``None`` for the only one, whose own number counts.

    Raises:
        PartgateError: If a recipe or its bundle cannot be opened, or several cameras' recipes do not fit together.
    """
    files = config.recipe_files(number)
    opened = {path: Inspector.open(path, config.threads) for path in dict.fromkeys(files.values())}
    _refuse_what_does_not_fit(config.name, {camera: opened[path] for camera, path in files.items()})
    took_s = {path: measure_engine(inspector) for path, inspector in opened.items()}
    views = tuple(
        View(camera, opened[path], opened[path].bundle.id, opened[path].recipe_sha256) for camera, path in files.items()
    )
    own_number = views[0].inspector.recipe.number
    return Views(own_number if number is None else number, views, sum(took_s[path] for path in files.values()))


def _refuse_what_does_not_fit(station: str, inspectors: dict[str, Inspector]) -> None:
    if len(inspectors) == 1:
        return
    sorting = [camera for camera, inspector in inspectors.items() if inspector.recipe.good_class is None]
    if sorting:
        raise ConfigError(
            [f"station '{station}': camera '{sorting[0]}' sorts by class; several cameras need a good class"]
        )
    lanes = {camera: inspector.recipe.lane_for(Verdict.GOOD, None) for camera, inspector in inspectors.items()}
    if len(set(lanes.values())) > 1:
        told = ", ".join(f"'{camera}' {lane}" for camera, lane in lanes.items())
        raise ConfigError([f"station '{station}': a good part must go to one lane for all cameras, got {told}"])


def measure_engine(inspector: Inspector, trials: int = _ENGINE_TRIALS) -> float:
    """Return the time that the engine needs for a picture at most, as the 99th percentile of trials, in seconds.

    All regions or tiles of the picture count; with many of them fewer pictures are tried.
    """
    times = []
    for _ in range(max(_FEWEST_TRIALS, trials // inspector.runs_per_part)):
        began = time.perf_counter()
        inspector.rehearse()
        times.append(time.perf_counter() - began)
    return float(np.percentile(times, 99))
