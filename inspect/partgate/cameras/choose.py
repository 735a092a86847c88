"""Which camera a person means: one of a station file, or a kind with its settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from partgate.cameras.base import CameraConfig
from partgate.configfile import check_settings, read_yaml
from partgate.drivers import driver_config_class, driver_kinds
from partgate.errors import ConfigError


def choose_camera(which: str, name: str | None = None, keys: Sequence[str] = ()) -> CameraConfig:
    """Return the settings of a camera; of a station file only the cameras are read, so it need not be finished.

    Args:
        which: Station file, or a kind.
        name: Of several cameras of a station; None where it has one.
        keys: For a kind: ``KEY=VALUE`` each, the value as in YAML, ``region.width_px=640`` for a key inside another.

    Raises:
        ConfigError: If there is no such file, kind, camera or key, or a value is wrong.
    """
    if which in driver_kinds("camera"):
        if name is not None:
            raise ConfigError([f"--camera goes with a station file, got the kind {which}"])
        return _check({"kind": which} | _read_keys(keys), f"camera {which}", Path())
    if not Path(which).exists() and Path(which).suffix not in (".yaml", ".yml"):
        kinds = ", ".join(driver_kinds("camera"))
        raise ConfigError([f"'{which}' is neither a station file nor a kind of camera; known kinds: {kinds}"])
    if keys:
        raise ConfigError([f"{which}: --set goes with a kind of camera; change the station file instead"])
    return _of_station(Path(which), name)


def _of_station(path: Path, name: str | None) -> CameraConfig:
    content = read_yaml(path)
    one = content.get("camera") if isinstance(content, dict) else None
    several = content.get("cameras") if isinstance(content, dict) else None
    values = several if isinstance(several, list) and several else [one]
    if values == [None]:
        raise ConfigError([f"{path}: camera: is missing; give the camera's kind and settings under it"])
    cameras = [_check(value, f"{path}: camera", path.parent) for value in values]
    fits = [camera for camera in cameras if name in (None, camera.name)]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(camera.name for camera in cameras)
    raise ConfigError([f"{path}: --camera must be one of {names}, got {name or 'nothing'}"])


def _check(value: Any, source: str, folder: Path) -> CameraConfig:
    kind = value.get("kind") if isinstance(value, dict) else value
    try:
        model = driver_config_class("camera", kind)
    except ConfigError as error:
        raise ConfigError([f"{source}: {error}"]) from None
    config = check_settings(value, model, source=source, folder=folder)
    assert isinstance(config, CameraConfig)
    return config


def _read_keys(keys: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in keys:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError([f"--set: must be KEY=VALUE, got '{pair}'"])
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError([f"--set {pair}: is not a value: {' '.join(str(error).split())}"]) from None
        *outer, last = key.split(".")
        inside = values
        for step in outer:
            inside = inside.setdefault(step, {})
            if not isinstance(inside, dict):
                raise ConfigError([f"--set {pair}: {step} is a value already, it holds no further keys"])
        inside[last] = value
    return values
