"""The learning curve by its effect: the test side stays unseen, few parts are said to be few, the page stands alone."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from partgate.data.folder import Picture
from partgate.errors import DataError, TrainingError
from partgate.training import learning_curve as module
from partgate.training.config import load_training
from partgate.training.learning_curve import LearningCurve, trace_learning_curve
from partgate.training.learning_curve_page import as_facts, render_learning_curve, write_learning_curve
from partgate.training.learning_curve_words import summarise, warnings_of

MakeFolder = Callable[..., Path]
FROZEN = {"image_size_px": 96, "groups": "given", "fine_tune": {"part": "none"}}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def traced(make_folder: MakeFolder, tmp_path_factory: pytest.TempPathFactory) -> tuple[LearningCurve, list[Picture]]:
    """The curve of a made folder, and the pictures that were looked at for it."""
    data = make_folder(tmp_path_factory.mktemp("curve") / "parts", {"good": 20, "scratch": 15, "spot": 4})
    seen: list[Picture] = []
    look = module.look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "look", lambda pictures, *rest: seen.extend(pictures) or look(pictures, *rest))
        found = trace_learning_curve(load_training(data, "quick", **FROZEN), quietly, draws=3)
    return found, seen


def test_test_side_of_the_folder_is_never_looked_at(traced: tuple[LearningCurve, list[Picture]]):
    from partgate.training.grouping import prepare_folder

    found, seen = traced

    sides = prepare_folder(found.config, quietly).sides

    assert {picture.file for picture in seen} == {file for file, side in sides.items() if side != "test"}
    assert sum(found.pictures.values()) == len(seen)


def test_shares_grow_to_all_and_a_class_grows_while_the_others_stay(traced: tuple[LearningCurve, list[Picture]]):
    found, _ = traced
    together, alone = found.curves[0], found.curves[1]

    assert [curve.grown for curve in found.curves] == [None, "good", "scratch"]
    for curve in found.curves:
        sizes = [point.size for point in curve.points]
        assert sizes == sorted(sizes)
        assert sizes[-1] == 1.0
    assert len({point.pictures["scratch"] for point in alone.points}) == 1
    assert alone.points[-1].pictures == together.points[-1].pictures
    assert together.points[0].pictures["scratch"] < together.points[-1].pictures["scratch"]


def test_class_with_three_parts_has_no_curve_and_few_defects_have_a_bound(
    traced: tuple[LearningCurve, list[Picture]],
):
    found, _ = traced
    seven = replace(found, groups=dict(found.groups) | {"spot": 3}, defect_groups=7)

    warnings = warnings_of(seven, "en")

    assert any(
        one.startswith("7 defect pictures: even without one escape the bound cannot fall below 35 %")
        for one in warnings
    )
    assert "spot: 3 different parts are too few for a curve of this class alone." in warnings
    assert any("Nobody said which pictures show the same part" in one for one in warnings)


def test_summary_says_what_was_learned_from_and_what_twice_of_it_would_bring(
    traced: tuple[LearningCurve, list[Picture]],
):
    found, _ = traced

    lines = summarise(found)

    assert lines[0].startswith("Learned from today, in the mean of the folds: good ")
    assert lines[1].startswith("Twice the pictures of every class: AUROC ")
    assert any(line.startswith("Twice the pictures of scratch alone: AUROC ") for line in lines)


@pytest.mark.parametrize("language", ["en", "de"])
def test_page_stands_alone_in_both_languages(traced: tuple[LearningCurve, list[Picture]], language: str):
    found, _ = traced

    page = render_learning_curve(found, datetime(2026, 1, 2, 3, 4, tzinfo=UTC), language)

    assert f'<html lang="{language}">' in page
    assert "Twice the pictures of every class" in page
    assert "Doppelt so viele Bilder jeder Klasse" in page
    assert "<svg" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert str(found.folder.folder.parent) not in page


def test_facts_are_plain_values_and_hold_every_draw(traced: tuple[LearningCurve, list[Picture]], tmp_path: Path):
    found, _ = traced

    write_learning_curve(found, tmp_path / "out")

    facts = json.loads((tmp_path / "out/learning-curve.json").read_text(encoding="utf-8"))
    assert facts == json.loads(json.dumps(as_facts(found, datetime.fromisoformat(facts["created_at"]))))
    assert (facts["draws"], facts["fine_tuned"], facts["good_class"]) == (3, False, "good")
    assert [len(point["errors"]["auroc"]) for point in facts["curves"][0]["points"]] == [3] * len(
        found.curves[0].points
    )
    assert str(found.folder.folder.parent) not in json.dumps(facts)


def test_place_that_is_not_writable_is_named(traced: tuple[LearningCurve, list[Picture]], tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DataError, match="out: cannot be written: Not a directory; name a writable folder"):
        write_learning_curve(traced[0], tmp_path / "file" / "out")


def test_folder_with_one_class_is_refused(make_folder: MakeFolder, tmp_path: Path):
    data = make_folder(tmp_path / "parts", {"good": 6})

    with pytest.raises((DataError, TrainingError), match="learning needs at least two classes"):
        trace_learning_curve(load_training(data, "quick", **FROZEN), quietly)


@pytest.mark.slow
def test_fine_tuning_says_before_how_long_it_takes_and_stands_beside_the_frozen_curve(
    make_folder: MakeFolder, tmp_path: Path
):
    data = make_folder(tmp_path / "parts", {"good": 14, "scratch": 14})
    said: list[str] = []
    config = load_training(
        data, "standard", image_size_px=96, groups="given", fine_tune={"epochs": 2, "least_steps": 1}
    )

    found = trace_learning_curve(config, quietly, draws=1, say=said.append)

    assert len(said) == 1
    assert re.fullmatch(r"fine-tuning 3 times on growing shares: at most about \d+ min", said[0])
    assert [curve.grown for curve in found.curves] == [None, None, "good", "scratch"]
    assert [len(curve.points) for curve in found.curves[:1]] == [3]
    assert any("fine-tuned 1 times only" in one for one in warnings_of(found, "en"))
