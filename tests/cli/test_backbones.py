"""``partgate backbones``: facts without torch, the cost measured once, and every licence in sight."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from partgate.cli.backbones import backbones
from partgate.errors import ConfigError
from partgate.models import cost
from partgate.models.cost import known_cost_ms, measure_cost_ms
from partgate.models.registry import BACKBONES, BackboneSpec, find_backbone

app = typer.Typer()
app.command()(backbones)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Let every backbone cost 12.5 ms; gives the names that were measured."""
    names: list[str] = []

    def measure(spec: BackboneSpec) -> float:
        names.append(spec.name)
        return 12.5

    monkeypatch.setattr(cost, "measure_cost_ms", measure)
    monkeypatch.setenv("PARTGATE_CACHE", str(tmp_path / "cache"))
    return names


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_table_shows_size_input_cost_weights_and_licence_of_each(measured: list[str]):
    lines = run().splitlines()

    assert [line.split()[0] for line in lines[1:-2]] == list(BACKBONES)
    assert lines[1].split() == [
        "efficientnet_lite0", "4.7", "M", "224", "px", "12.5", "ms", "installed", "Apache-2.0",
    ]  # fmt: skip
    assert "28.3 M  224 px   12.5 ms  file or download BSD-3-Clause" in next(line for line in lines if "swin_t" in line)
    assert "one picture of that size on this machine, ONNX Runtime, one thread" in lines[-2]


def test_cost_is_measured_once_on_a_machine(measured: list[str]):
    run("resnet18", "resnet50")
    run("resnet18", "resnet50")

    assert measured == ["resnet18", "resnet50"]


def test_nothing_is_measured_where_nobody_wants_it(measured: list[str]):
    shown = run("--no-measure")

    assert measured == []
    assert "cost: not measured; leave out --no-measure" in shown


def test_without_the_training_packages_facts_are_shown_and_what_the_cost_needs(
    measured: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("partgate.cli.backbones.find_spec", lambda name: None)
    monkeypatch.setattr("partgate.models.registry.find_spec", lambda name: None)

    shown = run()

    assert measured == []
    assert "missing          Apache-2.0" in shown
    assert "cost: not measured; it needs torch, torchvision, timm, onnx, onnxscript: pip install" in shown


def test_json_holds_all_facts(measured: list[str]):
    rows = json.loads(run("--json"))

    assert [row["name"] for row in rows] == list(BACKBONES)
    assert rows[0] == {
        "name": "efficientnet_lite0",
        "parameters_m": 4.7,
        "input_px": 224,
        "cost_ms": 12.5,
        "weights": "installed",
        "present": True,
        "licence": "Apache-2.0",
        "source": BACKBONES["efficientnet_lite0"].source,
    }


def test_json_without_measuring_says_null(measured: list[str]):
    assert {row["cost_ms"] for row in json.loads(run("--json", "--no-measure"))} == {None}


def test_name_of_timm_is_shown_with_its_licence_and_needs_a_file(measured: list[str]):
    assert run("timm/resnet26").splitlines()[1].split()[-2:] == ["file", "apache-2.0"]


def test_unknown_name_is_refused(measured: list[str]):
    with pytest.raises(ConfigError, match="did you mean 'resnet50'"):
        run("resnet51")


def test_cost_of_another_input_size_is_another_cost(measured: list[str]):
    kept: dict[str, bytes] = {}

    def keep(name: str, make: Callable[[], bytes]) -> bytes:
        return kept.setdefault(name, make())

    assert known_cost_ms(find_backbone("efficientnet_lite0"), keep) == 12.5
    assert known_cost_ms(find_backbone("efficientnet_lite1"), keep) == 12.5
    assert len(kept) == 2
    assert all(name.startswith("costs/") for name in kept)


@pytest.mark.slow
def test_measured_cost_is_of_the_exported_graph_and_above_zero():
    assert 0 < measure_cost_ms(find_backbone("resnet18")) < 10_000
