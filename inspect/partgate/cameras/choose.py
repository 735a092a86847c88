"""Which camera a person means: one of a station file, or a kind with its settings."""

import re
from collections.abc import Mapping, Sequence
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
        keys: ``KEY=VALUE`` each, the value as in YAML, ``region.width_px=640`` for a key inside another. With a station
            file they stand in place of its own; ``trigger.mode=free`` begins the trigger anew, without its source.

    Raises:
        ConfigError: If there is no such file, kind, camera or key, or a value is wrong.
    """
    if which in driver_kinds("camera"):
        if name is not None:
            raise ConfigError([f"--camera goes with a station file, got the kind {which}"])
        return _check({"kind": which} | _read_keys(keys), f"camera {which}", Path())
    if "://" in which or (not Path(which).exists() and Path(which).suffix not in (".yaml", ".yml")):
        kinds = ", ".join(driver_kinds("camera"))
        raise ConfigError([
            f"'{hide_secrets(which)}' is neither a station file nor a kind of camera; known kinds: {kinds}"
        ])  # fmt: skip
    return _of_station(Path(which), name, keys)


def _of_station(path: Path, name: str | None, keys: Sequence[str]) -> CameraConfig:
    content = read_yaml(path)
    one = content.get("camera") if isinstance(content, dict) else None
    several = content.get("cameras") if isinstance(content, dict) else None
    values = several if isinstance(several, list) and several else [one]
    if values == [None]:
        raise ConfigError([f"{path}: camera: is missing; give the camera's kind and settings under it"])
    cameras = [_check(value, f"{path}: camera", path.parent) for value in values]
    fits = [number for number, camera in enumerate(cameras) if name in (None, camera.name)]
    if len(fits) == 1:
        if not keys:
            return cameras[fits[0]]
        wanted = _replace(values[fits[0]] or {}, _read_keys(keys))
        return _check(wanted, f"{path} with --set: camera", path.parent)
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
        if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
            raise ConfigError([f"--set: must be KEY=VALUE, got '{hide_secrets(pair)}'"])
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else "cannot be read"
            raise ConfigError([f"--set {hide_secrets(pair)}: is not a value: {problem}"]) from None
        *outer, last = key.split(".")
        inside = values
        for step in outer:
            inside = inside.setdefault(step, {})
            if not isinstance(inside, dict):
                raise ConfigError([f"--set {hide_secrets(pair)}: {step} is a value already, it holds no further keys"])
        inside[last] = value
    return values


def _replace(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with others in their place, key by key; another ``mode`` gives its neighbours another meaning."""
    replaced = dict(values)
    for key, value in wanted.items():
        before = values.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and "mode" not in value:
            value = _replace(before, value)
        replaced[key] = value
    return replaced


def hide_secrets(text: str) -> str:
    """Return a text without what may be a user, a password or a query in an address that stands in it.

    Example:
        >>> hide_secrets("url=rtsp://line:secret@camera:554/1?pwd=secret")
        'url=rtsp://…@camera:554/1?…'
    """
    before, sign, address = text.partition("://")
    if not sign:
        return text
    place, query, _ = address.partition("?")
    place = re.sub(r"^.*@", "…@", place)  # up to the last one: a password may hold anything
    return f"{before}://{place}{'?…' if query else ''}"
