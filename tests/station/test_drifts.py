"""A slow drift of a camera's pictures is warned of once, long before a part is refused, and never changes a verdict."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from partgate.configfile import load_config
from partgate.inference.inspector import Inspector
from partgate.parts import Image, Reason, StationStatus
from partgate.picture_check import Measures, PictureLimits, learn_limits, measure
from partgate.records.audit_words import audit_line
from partgate.records.store import read_audit, read_records
from partgate.station import run as station_run
from partgate.station.config import StationConfig
from partgate.station.drifts import Drifts
from partgate.station.recipes import RecipeShelf
from partgate.station.run import run_station
from partgate.station.status import Onlookers
from partgate.station.views import View, Views

from ..conftest import make_part, write_picture

USUAL_LIGHT, PARTS = 1.0, 60


def lit(seed: int, light: float) -> Image:
    """Return a part under so much light; each has a little more or less by itself."""
    own = 1 + 0.02 * np.random.default_rng(seed).standard_normal()
    return np.clip(make_part("none", seed) * (light * own), 0, 255).astype(np.uint8)


LEARNED = [measure(lit(seed, USUAL_LIGHT)) for seed in range(200)]


@pytest.fixture(scope="module")
def limits() -> PictureLimits:
    return learn_limits(LEARNED)


@dataclass
class _Inspector:
    """Has a recipe with limits."""

    recipe: Any


@dataclass
class _Recipe:
    picture: PictureLimits | None
    name: str = "cover"


def shelf_of(*numbers: int, limits: PictureLimits | None, cameras: Sequence[str] = ("top",)) -> RecipeShelf:
    made = {
        number: Views(number, tuple(View(name, _played(limits), "0" * 64) for name in cameras), 0.01)
        for number in numbers
    }
    return RecipeShelf(made[numbers[0]], numbers, made.__getitem__)


def _played(limits: PictureLimits | None) -> Any:
    return _Inspector(_Recipe(limits))


def dark(number: int = 0) -> Measures:
    return measure(lit(1000 + number, 0.85))


def test_drift_is_told_once_and_once_that_it_is_back_to_usual(limits: PictureLimits, caplog: pytest.LogCaptureFixture):
    notes: list[dict[str, Any]] = []
    drifts = Drifts(shelf_of(1, limits=limits), lambda kind, content: notes.append({"kind": kind, **content}))
    caplog.set_level(logging.WARNING)

    for number in range(40):
        drifts.take({"top": dark(number)})
    warned = drifts.warnings
    for number in range(200):
        drifts.take({"top": LEARNED[number]})

    of_light = [note["is"] for note in notes if note["what"] == "brightness falls"]
    assert of_light == ["begun", "over"]
    assert "camera 'top': brightness falls against the training pictures: check lamp" in warned[0]
    assert drifts.warnings == ()
    told = [record.message for record in caplog.records if "brightness falls" in record.message]
    assert [line.split(":")[0] for line in told] == ["drift, camera 'top'", "drift is over, back to usual"]


def test_audit_log_gets_a_drift_in_both_languages(limits: PictureLimits):
    notes: list[tuple[str, dict[str, Any]]] = []
    drifts = Drifts(shelf_of(1, limits=limits), lambda kind, content: notes.append((kind, content)))

    for number in range(40):
        drifts.take({"top": dark(number)})

    kind, content = next(note for note in notes if note[1]["what"] == "brightness falls")
    assert (kind, content["camera"], content["recipe"], content["is"]) == ("drift", "top", "cover", "begun")
    assert content["said"]["de"].startswith("Die Helligkeit nimmt gegenüber den Lernbildern ab: Lampe")
    assert content["said"]["en"].startswith("brightness falls against the training pictures: check lamp")


def test_each_camera_drifts_by_itself(limits: PictureLimits):
    drifts = Drifts(shelf_of(1, limits=limits, cameras=("top", "side")), lambda kind, content: None)

    for number in range(40):
        drifts.take({"top": LEARNED[number], "side": dark(number)})

    assert drifts.warnings
    assert all(warning.startswith("camera 'side': ") for warning in drifts.warnings)


def test_part_whose_picture_was_not_usable_adds_nothing(limits: PictureLimits):
    drifts = Drifts(shelf_of(1, limits=limits), lambda kind, content: None)

    for _ in range(40):
        drifts.take({})

    assert drifts.warnings == ()


def test_recipe_without_usual_values_is_not_followed(limits: PictureLimits):
    for found in (None, limits.model_copy(update={"usual": {}})):
        drifts = Drifts(shelf_of(1, limits=found), lambda kind, content: None)
        for number in range(40):
            drifts.take({"top": dark(number)})
        assert drifts.warnings == ()


def test_another_recipe_begins_anew(limits: PictureLimits):
    shelf = shelf_of(1, 2, limits=limits)
    drifts = Drifts(shelf, lambda kind, content: None)
    for number in range(40):
        drifts.take({"top": dark(number)})
    assert drifts.warnings

    shelf.want(2)
    while shelf.settle() is None:
        threading.Event().wait(0.01)

    assert drifts.warnings == ()
    drifts.take({"top": dark()})
    assert drifts.warnings == ()


def test_inspection_carries_the_measures_of_a_usable_picture_alone(make_run: Callable[..., Path], tmp_path: Path):
    inspector = Inspector.open(make_run(tmp_path / "run", recipe={"picture": learn_limits(LEARNED)}))

    usable, covered = inspector.inspect(lit(3, 1.0)), inspector.inspect(np.zeros((48, 64, 3), np.uint8))

    assert usable.measures == measure(lit(3, 1.0))
    assert (covered.decision.reason, covered.measures) == (Reason.PICTURE_NOT_USABLE, None)


# ---- a whole station ----


@pytest.fixture
def play(make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: PictureLimits) -> Any:
    """A function: let a station judge parts under these lights; gives its records, audit log and states."""

    def run(lights: Sequence[float]) -> tuple[list[dict[str, Any]], list[Any], list[StationStatus]]:
        for number, light in enumerate(lights):
            write_picture(tmp_path / "pictures" / f"{number:03d}.png", lit(5000 + number, light))
        make_run(tmp_path / "run", recipe={"picture": limits}, recheck_from=0.98, reject_from=0.99)
        content = {
            "name": "line",
            "recipe": "run",
            "camera": {"kind": "folder", "name": "top", "folder": "pictures"},
            "controller": {"kind": "memory", "interval_ms": 30, "window_ms": 5000},
            "records": {"folder": "records"},
            "trigger_age_ms": 5000,
        }
        (tmp_path / "station.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        states: list[StationStatus] = []
        monkeypatch.setattr(
            station_run, "Onlookers", lambda on_status, on_result: Onlookers([*on_status, states.append], on_result)
        )
        run_station(load_config(tmp_path / "station.yaml", StationConfig), len(lights), threading.Event())
        return read_records(tmp_path / "records"), read_audit(tmp_path / "records"), states

    return run


def test_light_that_fades_slowly_is_warned_of_before_the_first_part_is_refused(
    play: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    fading = [1 - 0.15 * number / PARTS for number in range(PARTS)]

    records, audit, states = play([*fading, 0.4, 0.4, 0.4])

    judged = [row for row in records if not row["missed"]]
    first_refused = next(row for row in judged if row["reason"] == Reason.PICTURE_NOT_USABLE)
    drift = next(row for row in audit if row["kind"] == "drift")
    before = [row for row in judged if row["at"] < drift["at"]]
    assert drift["at"] < first_refused["at"]
    assert {(row["verdict"], row["reason"]) for row in before} == {("GOOD", Reason.MODEL)}
    assert json.loads(drift["content"])["what"] == "brightness falls"
    assert "drift begun, camera 'top': brightness falls against the training pictures: check lamp" in audit_line(drift)
    assert any("brightness falls" in record.message for record in caplog.records)
    assert any("camera 'top': brightness falls" in one for one in states[-1].warnings)
    assert states[0].warnings == ()


def test_light_that_stays_is_never_warned_of(play: Any):
    records, audit, states = play([1.0] * PARTS)

    assert [row for row in audit if row["kind"] == "drift"] == []
    assert all(state.warnings == () for state in states)
    assert {row["verdict"] for row in records if not row["missed"]} == {"GOOD"}
