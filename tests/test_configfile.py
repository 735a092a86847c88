"""YAML files: every problem at once, in plain words."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from partgate.configfile import (
    RelativePath,
    Settings,
    check_settings,
    load_config,
    read_yaml,
)
from partgate.drivers import driver_kinds
from partgate.errors import ConfigError
from partgate.recipe import Recipe
from partgate.station.config import StationConfig


class Lamp(Settings):
    """A small file to be wrong in."""

    name: str
    brightness: float = Field(default=1, gt=0)
    pulses: int | None = Field(default=None, ge=1)
    is_on: bool = False
    calibration: RelativePath = Path("calibration.png")
    anything: Any = None


def problems_of(data: object, model: type[Settings] = Lamp) -> tuple[str, ...]:
    """Return what is said about wrong settings, one line each."""
    with pytest.raises(ConfigError) as caught:
        check_settings(data, model, source="lamp.yaml", folder=Path("/plant"))
    return caught.value.problems


def written(folder: Path, text: str | bytes) -> Path:
    """Write a YAML file."""
    path = folder / "lamp.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_all_problems_are_told_at_once_with_file_key_and_value() -> None:
    problems = problems_of({"brightnes": 3, "brightness": -1, "pulses": "many", "is_on": [True]})

    assert problems == (
        "lamp.yaml: name: is missing",
        "lamp.yaml: brightness: input should be greater than 0, got -1",
        "lamp.yaml: pulses: input should be a valid integer, unable to parse string as an integer, got 'many'",
        "lamp.yaml: is_on: input should be a valid boolean, got [True]",
        "lamp.yaml: brightnes is not a known key; did you mean 'brightness'?",
    )


def test_unknown_key_near_no_other_lists_the_known_ones() -> None:
    assert problems_of({"name": "ring", "wzqj": 1}) == (
        "lamp.yaml: wzqj is not a known key; known keys: name, brightness, pulses, is_on, calibration, anything",
    )


def test_value_that_happens_to_stand_in_the_sentence_is_told_all_the_same() -> None:
    assert problems_of({"name": "ring", "brightness": 0}) == (
        "lamp.yaml: brightness: input should be greater than 0, got 0",
    )


def test_key_without_a_value_says_that_nothing_was_given() -> None:
    assert problems_of({"name": None}) == ("lamp.yaml: name: must be text, got nothing",)


@pytest.mark.parametrize("key", ["brightness", "pulses"])
def test_yes_is_never_taken_for_the_number_one(key: str) -> None:
    (problem,) = problems_of({"name": "ring", key: yaml.safe_load("yes")})

    assert problem.startswith(f"lamp.yaml: {key}: must not be yes, no")
    assert problem.endswith("got True")


def test_yes_is_a_switch_where_a_switch_is_meant() -> None:
    lamp = check_settings({"name": "a", "is_on": True, "anything": True}, Lamp, source="a", folder=Path())

    assert lamp.is_on
    assert lamp.anything is True


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_are_finite(number: float) -> None:
    assert "finite number" in problems_of({"name": "ring", "brightness": number})[0]


def test_key_that_is_no_text_is_named() -> None:
    (problem,) = problems_of({"name": "ring", yaml.safe_load("on"): 1})

    assert problem == "lamp.yaml: True is not a known key: a key is a word, not a number, a date, yes or no"


@pytest.mark.parametrize("when", ["2026-11-24", "2026-11-24 10:00:00"])
def test_date_where_text_must_stand_says_how_to_write_it(tmp_path: Path, when: str) -> None:
    with pytest.raises(ConfigError) as told:
        load_config(written(tmp_path, f"name: {when}\n"), Lamp)

    (problem,) = told.value.problems
    assert problem.endswith(f"name: must be text, got the date {when}; put text in quotation marks")


def test_nested_driver_settings_keep_their_path_and_suggest_their_own_keys() -> None:
    problems = problems_of(
        {
            "name": "line 3",
            "recipe": "cover.yaml",
            "camera": {"kind": "folder", "foldr": "pictures", "seed": -1},
            "controller": {"kind": "modbus", "host": "192.0.2.7", "port": 70000, "prt": 1},
            "records": {"folder": 7, "pictures": {"keep": "some"}},
            "treads": 2,
        },
        StationConfig,
    )

    assert problems == (
        "lamp.yaml: camera.folder: is missing",
        "lamp.yaml: camera.seed: input should be greater than or equal to 0, got -1",
        "lamp.yaml: camera.foldr is not a known key; did you mean 'folder'?",
        "lamp.yaml: controller.port: input should be less than or equal to 65535, got 70000",
        "lamp.yaml: controller.prt is not a known key; did you mean 'port'?",
        "lamp.yaml: records.folder: must be a path, got 7",
        "lamp.yaml: records.pictures.keep: input should be 'all', 'not_good' or 'none', got 'some'",
        "lamp.yaml: treads is not a known key; did you mean 'threads'?",
    )


def test_unknown_driver_kind_names_the_nearest_and_hides_no_other_problem() -> None:
    problems = problems_of(
        {"name": "a", "recipe": "a", "camera": {"kind": "ubs"}, "controller": "modbus"}, StationConfig
    )

    assert problems == (
        f"lamp.yaml: camera: unknown kind 'ubs'; known kinds: {', '.join(driver_kinds('camera'))}; did you mean 'usb'?",
        "lamp.yaml: controller: must hold kind and its settings; "
        f"known kinds: {', '.join(driver_kinds('controller'))}, got 'modbus'",
        "lamp.yaml: records: is missing",
    )


def test_section_that_must_hold_keys_is_told_in_plain_words() -> None:
    problems = problems_of({"name": "a", "bundle": "model.partgate"}, Recipe)

    assert "lamp.yaml: bundle: must hold keys and values, got 'model.partgate'" in problems


@pytest.mark.parametrize(
    ("text", "line"),
    [("name: a\nbrightness: [1, 2\nis_on: no\n", 3), ("name: a\n\tis_on: no\n", 2), ("a: b: c\n", 1)],
    ids=["bracket-left-open", "tab", "two-colons"],
)
def test_syntax_error_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigError, match=rf"lamp\.yaml: line {line} is not YAML: \w+"):
        load_config(path, Lamp)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: 2026-13-45\n", "line 1 is not YAML: 2026-13-45 is no date; put it in quotation marks where it is text"),
        ("brightness: !!int bright\n", "is not YAML: invalid literal"),
        ("name: !!python/object:os.system {}\n", "line 1 is not YAML: could not determine a constructor"),
        ("name: *lamp\n", "line 1 is not YAML: found undefined alias"),
        ("[" * 5000, "is not YAML: maximum recursion depth"),
        (b"\nname: \x00\n", "line 2 holds the character U\\+0000, which no YAML file may hold"),
    ],
    ids=["no-such-date", "no-number", "python-object", "no-such-anchor", "endless-nesting", "zero-byte"],
)
def test_text_that_no_yaml_reader_takes_is_an_error_of_the_file(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        load_config(written(tmp_path, text), Lamp)


@given(st.binary(max_size=40))
def test_bytes_of_a_file_never_end_in_anything_but_settings_or_a_config_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), b"name: a\nanything: " + data)
        try:
            lamp = load_config(path, Lamp)
        except ConfigError:
            return

    assert isinstance(lamp, Lamp)


@pytest.mark.parametrize(
    ("text", "found"),
    [("- a\n- b\n", "a list"), ("only words\n", "text"), ("", "nothing"), ("3", "3")],
    ids=["list", "text", "empty", "number"],
)
def test_file_without_keys_says_what_it_holds(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ConfigError, match=rf"lamp\.yaml: must hold keys and values, got {found}"):
        load_config(written(tmp_path, text), Lamp)


def test_file_that_is_no_utf_8_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "# lamp\nname: Prüfplatz\n".encode("cp1252"))

    with pytest.raises(
        ConfigError, match=r"lamp\.yaml: line 2 holds byte FC, which is no UTF-8; save the file as UTF-8$"
    ):
        load_config(path, Lamp)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_config(tmp_path / "nowhere.yaml", Lamp)


def test_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder, must be a YAML file; name the file in it$"):
        load_config(tmp_path, Lamp)


def test_relative_paths_are_meant_from_the_folder_of_their_file(tmp_path: Path) -> None:
    lamp = load_config(written(tmp_path, "name: ring\ncalibration: ../white/a.png\n"), Lamp)

    assert lamp.calibration == tmp_path / "../white/a.png"


def test_absolute_paths_stay(tmp_path: Path) -> None:
    lamp = load_config(written(tmp_path, "name: ring\ncalibration: /white/a.png\n"), Lamp)

    assert lamp.calibration == Path("/white/a.png")


def test_relative_paths_inside_a_driver_are_meant_from_the_station_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "name: a\nrecipe: cover.yaml\ncamera: {kind: folder, folder: pictures}\ncontroller: {kind: memory}\n"
        "records: {folder: out}\n",
    )

    station = load_config(path, StationConfig)

    assert station.camera.model_dump()["folder"] == tmp_path / "pictures"
    assert station.records.folder == tmp_path / "out"


def test_settings_cannot_be_changed_afterwards() -> None:
    lamp = Lamp(name="ring")

    with pytest.raises(ValueError, match="frozen"):
        lamp.name = "bar"  # type: ignore[misc]


def test_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path):
    path = tmp_path / "twice.yaml"
    path.write_text("name: a\nthreads: 1\nname: b\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"twice\.yaml: line 3 .*key 'name' stands twice"):
        read_yaml(path)
