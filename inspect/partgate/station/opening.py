"""Opens the recipe of every camera, proves that they fit together, and measures the engine on this machine."""

import time

import numpy as np

from partgate.cameras.base import CameraConfig
from partgate.cameras.straightened import describe_pictures
from partgate.errors import BundleError
from partgate.inference.inspector import Inspector
from partgate.inference.several import refuse_what_does_not_fit
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
    refuse_what_does_not_fit(config.name, {camera: opened[path].recipe for camera, path in files.items()})
    for camera in config.all_cameras:
        refuse_other_straightening(camera, opened[files[camera.name]])
    took_s = {path: measure_engine(inspector) for path, inspector in opened.items()}
    views = tuple(
        View(camera, opened[path], opened[path].bundle.id, opened[path].recipe_sha256) for camera, path in files.items()
    )
    own_number = views[0].inspector.recipe.number
    return Views(own_number if number is None else number, views, sum(took_s[path] for path in files.values()))


def refuse_other_straightening(camera: CameraConfig, inspector: Inspector) -> None:
    """Refuse a recipe whose pictures were straightened otherwise than those that the camera will give.

    Raises:
        BundleError: If so; both are named, with what to do.
        ConfigError: If the camera's calibration is missing or wrong.
    """
    trained_with, gives = inspector.bundle.manifest.geometry.straightened, describe_pictures(camera)
    if trained_with == gives:
        return
    way_out = "calibrate the camera like that ('partgate camera calibrate --like')" if gives else "name its calibration"
    raise BundleError(
        f"recipe '{inspector.recipe.name}': learned from pictures {_told(trained_with)}, camera '{camera.name}' gives "
        f"them {_told(gives)}; {way_out if trained_with else 'leave out its calibration'}, or train again"
    )


def _told(way: str | None) -> str:
    return "as the camera took them" if way is None else f"straightened ({way})"


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
