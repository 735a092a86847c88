"""The recipe of every camera is opened once; recipes that do not fit together are refused before the line starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from partgate.configfile import load_config
from partgate.errors import BundleError, ConfigError
from partgate.station.config import StationConfig
from partgate.station.opening import open_views

TWO = {"cameras": [{"kind": "folder", "name": name, "folder": "p"} for name in ("top", "side")]}
ONE = {"camera": {"kind": "folder", "name": "top", "folder": "p"}}


@pytest.fixture
def station(tmp_path: Path) -> Callable[..., StationConfig]:
    def make(**keys: Any) -> StationConfig:
        content = {"name": "line", "controller": {"kind": "memory"}, "records": {"folder": "r"}, **keys}
        (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return load_config(tmp_path / "station.yaml", StationConfig)

    return make


@pytest.fixture
def runs(tmp_path: Path, make_run: Callable[..., Path]) -> list[str]:
    return [make_run(tmp_path / name).name for name in ("a", "b")]


def change(folder: Path, **keys: Any) -> None:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text(encoding="utf-8")), **keys}), encoding="utf-8")


def test_one_recipe_for_two_cameras_is_opened_once_and_counts_twice(station: Callable[..., StationConfig], runs: Any):
    views = open_views(station(recipe=runs[0], **TWO), None)

    first, second = views.views
    assert first.inspector is second.inspector
    assert [view.camera for view in views.views] == ["top", "side"]
    assert views.engine_p99_s > 0


def test_each_camera_may_have_a_recipe_of_its_own_by_number(station: Callable[..., StationConfig], runs: Any):
    config = station(recipes={7: runs[0], 8: {"top": runs[0], "side": runs[1]}}, **TWO)

    views = open_views(config, 8)

    assert (views.number, config.recipe_numbers) == (8, (7, 8))
    assert views.views[0].inspector is not views.views[1].inspector


def test_recipe_without_a_number_in_the_station_file_has_its_own(
    station: Callable[..., StationConfig], runs: Any, tmp_path: Path
):
    change(tmp_path / "a", number=41)

    assert open_views(station(recipe=runs[0], **ONE), None).number == 41


def test_lanes_that_differ_between_cameras_are_refused(
    station: Callable[..., StationConfig], runs: Any, tmp_path: Path
):
    change(tmp_path / "b", lanes={"GOOD": 3})

    with pytest.raises(ConfigError, match="must go to one lane for all cameras, got 'top' 1, 'side' 3"):
        open_views(station(recipe={"top": "a", "side": "b"}, **TWO), None)


def test_missing_bundle_is_named(station: Callable[..., StationConfig], runs: Any, tmp_path: Path):
    for bundle in (tmp_path / "a").glob("*.partgate"):
        bundle.unlink()

    with pytest.raises(BundleError, match="a"):
        open_views(station(recipe="a", **ONE), None)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"recipe": "a"}, "camera: give one camera under camera, or several under cameras"),
        ({"recipe": "a", **ONE, **TWO}, "camera: give one camera under camera, or several under cameras"),
        (ONE, "recipe: give one under recipe, or several by number under recipes"),
        ({"recipe": "a", "recipes": {1: "a"}, **ONE}, "recipe: give one under recipe, or several by number"),
        ({"recipe": {"top": "a"}, **TWO}, "recipe: must name the cameras top, side, got top"),
        ({"recipe": {"top": "a", "site": "b"}, **TWO}, "recipe: must name the cameras top, side, got site, top"),
        ({"recipe": "a", "cameras": [ONE["camera"]] * 2}, "cameras: each needs a name of its own, got top, top"),
        ({"recipe": "a", "cameras": ONE["camera"]}, r"cameras: must be a list \(lines that begin with -\)"),
        ({"recipes": {0: "a"}, **ONE}, "greater than or equal to 1"),
        ({"recipes": {70000: "a"}, **ONE}, "less than or equal to 65535"),
    ],
)
def test_station_file_whose_cameras_and_recipes_do_not_fit_says_what_to_write(
    station: Callable[..., StationConfig], keys: dict[str, Any], says: str
):
    with pytest.raises(ConfigError, match=says):
        station(**keys)
