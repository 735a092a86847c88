"""Which pictures the run page shows: mistakes, the nearest to a limit, sure ones; none twice, of a part only one."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.folder import Picture
from partgate.inference.bundle import Geometry
from partgate.parts import Prediction, Verdict
from partgate.training.outcome import Story
from partgate.training.page_samples import Sample, judge_samples, kind_of_mistake, pick_rows, thumbnail

WHOLE = Geometry(region=None, height_px=32, width_px=32)


def judged(name: str, label: str, predicted: str, score: float, verdict: Verdict, group: str = "") -> Sample:
    chances = {label: score} | {predicted: 1 - score}
    picture = Picture(Path(name), name, label, "0" * 64, group or name)
    return Sample(picture, Prediction(score, chances, predicted, None), verdict, picture.group)


def sample(name: str, label: str, score: float, *, group: str = "", limit: float = 0.5) -> Sample:
    predicted = "defect" if score >= 0.5 else "good"
    one = judged(name, label, predicted, score, Verdict.REJECT if score >= limit else Verdict.GOOD, group)
    return replace(one, prediction=replace(one.prediction, probabilities={"defect": score, "good": 1 - score}))


def sorted_sample(name: str, label: str, predicted: str, score: float) -> Sample:
    return judged(name, label, predicted, score, Verdict.GOOD if score < 0.4 else Verdict.RECHECK)


def names(
    samples: Sequence[Sample], good_class: str | None = "good", limits: Sequence[float] = (0.5,)
) -> dict[str, list[str]]:
    """Return the files of each row."""
    rows = pick_rows(samples, good_class, limits)
    return {row.kind: [one.picture.file for one in row.samples] for row in rows}


def test_worst_mistakes_come_first():
    samples = [
        sample("a", "defect", 0.3), sample("b", "defect", 0.1), sample("c", "good", 0.6), sample("d", "good", 0.9),
    ]  # fmt: skip

    assert names(samples) == {"escape": ["b", "a"], "false_reject": ["d", "c"]}


def test_of_a_group_one_picture_stands_in_a_row_and_all_are_counted():
    samples = [sample("a", "defect", 0.1, group="x"), sample("b", "defect", 0.2, group="x"), sample("c", "defect", 0.3)]

    rows = pick_rows(samples, "good", [0.5])

    assert [(row.kind, [one.picture.file for one in row.samples], row.count) for row in rows] == [
        ("escape", ["a", "c"], 3)
    ]


def test_at_most_six_mistakes_of_a_kind_are_shown():
    samples = [sample(f"{place}", "defect", place / 100) for place in range(1, 10)]

    assert names(samples) == {"escape": ["1", "2", "3", "4", "5", "6"]}


def test_nearest_to_any_limit_comes_first_and_no_picture_is_shown_twice():
    samples = [sample(f"{score}", "good", score) for score in (0.01, 0.02, 0.1, 0.14, 0.19, 0.22, 0.3, 0.45)]

    found = names(samples, limits=(0.2, 0.5))

    assert found["near"] == ["0.19", "0.22", "0.45", "0.14", "0.3", "0.1"]
    assert found["sure"] == ["0.01", "0.02"]


def test_sure_ones_are_right_by_verdict_and_by_class():
    # Ten pictures at the limit fill the row of the nearest.
    near = [sample(f"n{place}", "good", 0.49) for place in range(6)]
    lucky = sample("lucky", "defect", 0.45, limit=0.4)  # rejected, but taken for good

    found = names([*near, lucky, sample("surest", "good", 0.0), sample("sure", "defect", 1.0)], limits=(0.49,))

    assert found["sure"] == ["sure", "surest"]


def test_many_classes_share_the_room_for_sure_ones():
    near = [sorted_sample(f"near {number}", "class 0", "class 0", 0.39) for number in range(6)]
    sure = [
        sorted_sample(f"{place} {number}", f"class {place}", f"class {place}", 0.01)
        for place in range(20) for number in range(2)
    ]  # fmt: skip

    found = names([*near, *sure], None, (0.4,))

    assert len(found["near"]) == 6
    assert sorted(found["sure"]) == sorted(f"{place} 0" for place in range(20))


def test_sorted_wrong_is_a_verdict_in_the_wrong_class_and_a_recheck_is_none():
    samples = [
        sorted_sample("wrong", "bolt", "nut", 0.2), sorted_sample("surely wrong", "bolt", "nut", 0.1),
        sorted_sample("asked", "bolt", "nut", 0.45), sorted_sample("right", "nut", "nut", 0.01),
    ]  # fmt: skip

    assert names(samples, None, (0.4,)) == {"wrong_class": ["surely wrong", "wrong"], "near": ["asked", "right"]}


@pytest.mark.parametrize(
    ("label", "verdict", "kind"),
    [
        ("defect", Verdict.GOOD, "escape"),
        ("good", Verdict.REJECT, "false_reject"),
        ("good", Verdict.RECHECK, None),
        ("defect", Verdict.RECHECK, None),
        ("defect", Verdict.REJECT, None),
        ("good", Verdict.GOOD, None),
    ],
)
def test_mistake_is_what_the_verdict_does_to_the_part(label: str, verdict: Verdict, kind: str | None):
    assert kind_of_mistake(replace(sample("a", label, 0.5), verdict=verdict), "good") == kind


def test_every_judged_picture_has_its_verdict_and_the_place_that_decided(make_story: Callable[..., Story]):
    story = make_story()
    judged = replace(story.learned.judged, regions=("left", "left", "left", "right", "right", "right"))

    samples = judge_samples(replace(story, learned=replace(story.learned, judged=judged)))

    shown = {one.picture.file: (one.verdict.name, one.prediction.region) for one in samples}
    assert shown == {
        "good/a.png": ("GOOD", "left"), "good/b.png": ("GOOD", "left"), "good/c.png": ("REJECT", "left"),
        "defect/a.png": ("GOOD", "right"), "defect/b.png": ("REJECT", "right"), "defect/c.png": ("REJECT", "right"),
    }  # fmt: skip


def written(path: Path, height: int, width: int) -> Sample:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, width // 2 :] = 255  # black on the left, white on the right
    cv2.imwrite(str(path), picture)
    return replace(sample("a", "good", 0.1), picture=Picture(path, "a.png", "good", "0" * 64, "a"))


def pixels(uri: str | None) -> np.ndarray:
    assert uri is not None
    return cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [(400, 1000, (80, 200, 3)), (60, 100, (60, 100, 3)), (4000, 16, (200, 1, 3))],
    ids=["shrunk", "small-stays", "thin"],
)
def test_thumbnail_has_at_most_200_px(tmp_path: Path, height: int, width: int, shape: tuple[int, ...]):
    assert pixels(thumbnail(written(tmp_path / "a.png", height, width), WHOLE)).shape == shape


def test_thumbnail_shows_the_region_that_decided(tmp_path: Path):
    one = written(tmp_path / "a.png", 100, 200)
    one = replace(one, prediction=replace(one.prediction, region="right"))
    geometry = Geometry(
        region=None, height_px=32, width_px=32, regions={"left": (0, 0, 100, 100), "right": (120, 0, 200, 100)}
    )

    shown = pixels(thumbnail(one, geometry))

    assert shown.shape == (100, 80, 3)
    assert shown.min() > 200


@pytest.mark.parametrize("content", [None, b"", b"no picture"], ids=["gone", "empty", "no-picture"])
def test_picture_that_cannot_be_read_any_more_has_no_thumbnail(tmp_path: Path, content: bytes | None):
    one = written(tmp_path / "a.png", 100, 200)
    one.picture.path.unlink()
    if content is not None:
        one.picture.path.write_bytes(content)

    assert thumbnail(one, WHOLE) is None
