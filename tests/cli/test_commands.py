"""The commands as a user types them: each explains itself, every mistake in one line."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from partgate.drivers import DRIVERS, driver_kinds

from .typed import partgate


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train"],
        ["evaluate"],
        ["decide"],
        ["plan"],
        ["seal"],
        ["accept"],
        ["msa"],
        ["payback"],
        ["compare"],
        ["predict"],
        ["run"],
        ["doctor"],
        ["data"],
        ["data", "get"],
        ["records"],
        ["simulate", "plc"],
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(arguments: Sequence[str]):
    done = partgate(*arguments, "--help")

    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_version_is_told():
    assert re.fullmatch(r"partgate \d+\.\d+\.\d+\n", partgate("--version").stdout)


def test_wrong_usage_ends_with_two_and_names_the_option():
    done = partgate("train", "--oot", "x")

    assert done.returncode == 2
    assert "--oot" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nowhere", "--out", "run"], "nowhere: no such file"),
        (["evaluate", "nowhere", "data", "--out", "x"], "nowhere: no recipe there"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["records", "verify", "nowhere"], "nowhere: holds no records.sqlite"),
        (["predict", "nowhere", "x.png"], "nowhere: no recipe there"),
    ],
    ids=["train", "evaluate", "run", "records", "predict"],
)
def test_mistake_of_the_user_is_one_line_without_a_traceback(tmp_path: Path, arguments: Sequence[str], sentence: str):
    done = partgate(*arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("partgate: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_station_file_says_every_problem_at_once(tmp_path: Path):
    path = tmp_path / "station.yaml"
    path.write_text(
        "name: x\nrecipe: run\ncamera: {kind: webcam}\ncontroller: {kind: modbus, hots: plc, port: 99999}\nrecods: {}\n"
    )

    done = partgate("run", path)

    assert done.returncode == 1
    assert f"camera: unknown kind 'webcam'; known kinds: {', '.join(driver_kinds('camera'))}" in done.stderr
    assert "controller.hots is not a known key; did you mean 'host'?" in done.stderr
    assert "controller.host: is missing" in done.stderr
    assert "controller.port: input should be less than or equal to 65535, got 99999" in done.stderr
    assert "recods is not a known key; did you mean 'records'?" in done.stderr


def test_predict_judges_readable_pictures_and_names_the_others(trained: tuple[Path, Path], tmp_path: Path):
    data, run = trained
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n")

    done = partgate("predict", run, data / "good/good_001.png", torn, data / "spot/spot_001.png", "--json")

    rows = json.loads(done.stdout)
    assert [row["verdict"] for row in rows] == ["GOOD", "REJECT"]
    assert rows[1]["predicted_class"] == "spot"
    assert done.returncode == 1
    assert "torn.png: is cut off or damaged" in done.stderr


def test_doctor_tells_the_machine_and_is_able(tmp_path: Path):
    done = partgate("doctor", "--json", cwd=tmp_path)

    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["able"]
    assert found["ms_per_part"] > 0
    assert {backbone["name"] for backbone in found["backbones"] if backbone["present"]} >= {"efficientnet_lite0"}
    assert {driver["kind"] for driver in found["drivers"]} == {entry.kind for entry in DRIVERS}


def test_doctor_that_finds_a_recipe_without_its_bundle_is_not_able(trained: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "recipe.yaml").write_bytes((trained[1] / "recipe.yaml").read_bytes())

    done = partgate("doctor", tmp_path)

    assert done.returncode == 1
    assert "model.partgate: cannot be read" in done.stdout
    assert "this machine cannot do the job" in done.stdout
