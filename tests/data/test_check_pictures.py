"""Findings about the pictures themselves, each on measures small enough to follow."""

from pathlib import Path

import numpy as np
import pytest

from partgate.data.check_pictures import (
    check_copies,
    check_exposure_and_focus,
    check_light,
    check_marks,
    check_shortcuts,
    check_sizes,
)
from partgate.data.findings import Severity
from partgate.data.folder import Picture
from partgate.data.marks import find_marks
from partgate.data.quality import Measured

FLAT = np.zeros((64, 64), np.uint8)


def one(file: str, label: str = "good", boxes: str = "", **measures: object) -> Measured:
    picture = Picture(Path(file), file, label, f"sha {file}", file, columns={"boxes": boxes})
    fields: dict[str, object] = {
        "height_px": 100, "width_px": 100, "brightness": 100.0, "contrast": 20.0, "clipped": 0.0, "sharpness": 0.5,
        "tint": (1.0, 1.0), "pixels_sha256": file, "hash": 0, "thumbnail": FLAT,
    }  # fmt: skip
    return Measured(picture, **(fields | measures))  # type: ignore[arg-type]


def many(count: int, label: str = "good", **measures: object) -> list[Measured]:
    return [one(f"{label}{i}", label, **measures) for i in range(count)]


# --- copies


def test_copies_in_one_group_need_nothing_but_those_in_two_do() -> None:
    in_two = [one("a", pixels_sha256="same"), one("b", pixels_sha256="same")]
    in_one = [one("c", pixels_sha256="other"), one("d", pixels_sha256="other")]

    found = check_copies([*in_two, *in_one], {"a": "1", "b": "2", "c": "g", "d": "g"})

    assert [(finding.files, finding.severity) for finding in found] == [
        (("a", "b"), Severity.LOOK),
        (("c", "d"), Severity.KNOW),
    ]


@pytest.mark.parametrize(
    ("labels", "groups", "kind"),
    [
        ("good good", "1 2", "near_copies"),
        ("good good", "1 1", "near_copies_kept"),
        ("good dent", "1 1", "near_two_labels"),
    ],
    ids=["two-groups", "one-group", "two-labels"],
)
def test_near_copies_are_told_by_what_is_to_be_done_about_them(labels: str, groups: str, kind: str) -> None:
    thumbnail = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    pictures = [one(name, label, thumbnail=thumbnail) for name, label in zip("ab", labels.split(), strict=True)]

    assert [finding.kind for finding in check_copies(pictures, dict(zip("ab", groups.split(), strict=True)))] == [kind]


# --- exposure and focus


@pytest.mark.parametrize(
    ("kind", "measures", "facts"),
    [
        ("blurred", {"sharpness": 0.43}, {"value": 0.43, "usual_from": 0.44, "usual_to": 0.56}),
        ("dark", {"brightness": 80.0}, {"value": 80.0, "usual_from": 85.0, "usual_to": 115.0}),
        ("bright", {"brightness": 120.0}, {"value": 120.0, "usual_from": 85.0, "usual_to": 115.0}),
        ("overexposed", {"clipped": 0.1}, {"clipped_share": 0.1, "usual_to_share": 0.05}),
        ("blank", {"contrast": 1.0}, {"value": 1.0}),
    ],
)
def test_outlier_is_told_with_its_value_and_what_is_usual(
    kind: str, measures: dict[str, float], facts: dict[str, float]
) -> None:
    (found,) = check_exposure_and_focus([*many(20), one("odd", **measures)])

    assert (found.kind, found.files, found.severity) == (kind, ("odd",), Severity.LOOK)
    assert found.facts == pytest.approx(facts)


def test_blank_picture_is_not_told_a_second_time_as_dark_and_blurred() -> None:
    found = check_exposure_and_focus([*many(20), one("odd", contrast=0.0, brightness=0.0, sharpness=0.0)])

    assert [finding.kind for finding in found] == ["blank"]


# --- sizes


def test_few_pictures_of_another_size_are_odd() -> None:
    (found,) = check_sizes([*many(16), *[one("wide", width_px=200)]])

    assert (found.kind, found.files) == ("odd_size", ("wide",))
    assert found.facts == {"size": "200 × 100", "usual": "100 × 100"}


def test_where_sizes_vary_anyhow_only_other_proportions_are_odd() -> None:
    varied = [one(f"p{i}", width_px=100 + i, height_px=100 + i) for i in range(20)]

    (found,) = check_sizes([*varied, one("long", width_px=300)])

    assert (found.kind, found.facts["size"]) == ("odd_aspect", "300 × 100")
    assert found.facts["value"] == pytest.approx(3.0)
    assert found.facts["usual_to"] == pytest.approx(1.25)


def test_few_pictures_have_no_usual_size() -> None:
    assert check_sizes([*many(10), one("wide", width_px=200)]) == []


# --- shortcuts


def test_class_that_brightness_alone_tells_from_the_good_one_is_named() -> None:
    dents = many(12, "dent", brightness=140.0)

    (found,) = check_shortcuts([*many(12), *dents, *many(12, "spot")], "good")

    assert (found.facts["label"], found.facts["other"], found.facts["measure"]) == ("dent", "good", "brightness")
    assert (found.facts["right_share"], found.facts["value"], found.facts["other_value"]) == (1.0, 140.0, 100.0)
    assert [file.rstrip("0123456789") for file in found.files] == ["dent", "good"]


def test_few_pictures_tell_nothing_apart() -> None:
    assert check_shortcuts([*many(12), *many(11, "dent", brightness=140.0)], "good") == []


def test_in_sorting_each_class_is_compared_with_all_others() -> None:
    red, green = many(12, "red", tint=(1.5, 1.0)), many(12, "green")

    found = check_shortcuts([*red, *green], None)

    assert [(finding.facts["label"], finding.facts["measure"]) for finding in found] == [
        ("green", "colour"),
        ("red", "colour"),
    ]


# --- light


def light(*brightness: float, label: str = "good", **measures: object) -> list[Measured]:
    return [one(f"{label}{i}", label, brightness=value, **measures) for i, value in enumerate(brightness)]


def test_even_light_is_told_with_its_spread() -> None:
    """Of twenty-one values 95 .. 105 in steps of 0.5 the points 5 % and 95 % are 95.5 and 104.5: 9 % of 100."""
    (found,) = check_light(light(*np.arange(95, 105.5, 0.5)), "good")

    assert found.facts["spread_share"] == pytest.approx(0.09)


@pytest.mark.parametrize(
    "pictures",
    [
        light(*np.arange(90, 111)),
        [*light(*[100.0] * 10, tint=(1.0, 1.0)), *light(*[100.0] * 10, tint=(1.1, 1.0))],
        light(*[100.0] * 11),
        [],
    ],
    ids=["brightness-varies", "colour-varies", "too-few", "none"],
)
def test_no_warning_where_light_varies_or_little_is_known(pictures: list[Measured]) -> None:
    assert check_light(pictures, "good") == []


def test_defects_may_vary_as_they_like_and_in_sorting_the_most_even_class_counts() -> None:
    defects = light(*np.arange(20, 220, 10), label="dent")

    assert check_light([*light(*[100.0] * 12), *defects], "good") != []
    assert check_light([*light(*[100.0] * 12), *defects], None) != []
    assert check_light([*light(*np.arange(20, 220, 10)), *light(*[100.0] * 12, label="dent")], "good") == []


# --- marks


@pytest.mark.parametrize(
    ("boxes", "kind", "further"),
    [
        ("0 0 40 40", "marks_kept", {}),
        ("0 0 15 15", "marks_lost_size", {"wanted_px": 64}),
        ("0 0 2 2", "marks_lost", {}),
        ("", "marks_none", {}),
    ],
    ids=["kept", "larger-input", "too-small-itself", "nothing-marked"],
)
def test_size_of_defects_leads_to_one_sentence(boxes: str, kind: str, further: dict[str, int]) -> None:
    """Pictures of 96 px a side are seen at 32 px, a third; seen whole, nothing can be won any more."""
    pictures, size = [one("a", boxes=boxes, height_px=96, width_px=96)], 96 if kind == "marks_lost" else 32
    marks, unread = find_marks(pictures, size)

    (found,) = check_marks(marks, unread, pictures, size)

    assert found.kind == kind
    assert found.facts.items() >= further.items()


def test_mark_that_cannot_be_read_is_told_with_the_file() -> None:
    pictures = [one("a", boxes="1 2 3")]
    marks, unread = find_marks(pictures, 32)

    found = check_marks(marks, unread, pictures, 32)

    assert [(finding.kind, finding.files) for finding in found] == [("mark_unreadable", ("a",)), ("marks_none", ())]


def test_tiles_are_proposed_for_large_pictures() -> None:
    pictures = [one("a", boxes="0 0 20 20", height_px=2000, width_px=2000)]
    marks, unread = find_marks(pictures, 250)

    (found,) = check_marks(marks, unread, pictures, 250)

    assert (found.kind, found.facts["rows"], found.facts["columns"]) == ("marks_lost_tiles", 4, 4)
