"""Recipes: lanes and class numbers that fit, GOOD always with a lane, the same recipe after saving and loading."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.configfile import check_settings, read_yaml
from partgate.errors import ConfigError
from partgate.parts import Prediction, Verdict
from partgate.recipe import VERDICT_LANES, Recipe, default_lanes, load_recipe, number_classes, recipe_path, save_recipe

PIN = {"file": "model.partgate", "id": "0123456789abcdef" * 4}
LIMITS = {"recheck_from": 0.4, "reject_from": 0.6}
CLASSES = ("dent", "good", "scratch")
# Any word; PyYAML writes NEL, LS and PS so that it reads a line end.
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.just("\n"), min_size=1, max_size=8)
# No class is called like a verdict where parts are sorted by class: reading the folder refuses that.
class_names = (
    st.lists(words.filter(lambda word: word not in VERDICT_LANES), min_size=2, max_size=6, unique=True)
    .map(sorted)
    .map(tuple)
)


def make(folder: Path = Path("/run"), **changes: object) -> Recipe:
    """Return the recipe of a plain product with some keys changed, as if it had stood in a file."""
    keys: dict[str, object] = {
        "name": "cover",
        "bundle": PIN,
        "good_class": "good",
        "classes": list(CLASSES),
        "decision": LIMITS,
        "lanes": {"GOOD": 1},
        "class_numbers": {"dent": 1, "scratch": 2},
    }
    return check_settings(keys | changes, Recipe, source="recipe.yaml", folder=folder)


def sorting(**changes: object) -> Recipe:
    """Return a recipe that sorts by class."""
    keys = {"good_class": "none", "classes": ["bolt", "nut"], "lanes": {"bolt": 3, "nut": 4, "RECHECK": 2},
            "class_numbers": {"bolt": 1, "nut": 2}}  # fmt: skip
    return make(**(keys | changes))


def says(predicted: str, defect: str | None) -> Prediction:
    """Return a prediction of a class."""
    return Prediction(0.5, {predicted: 0.5}, predicted, defect)


# --- lanes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lanes": {"GOOD": 0}}, "lanes: GOOD needs a lane from 1 up, got 0"),
        ({"lanes": {"REJECT": 3}}, "lanes: REJECT is lane 0 on every controller, got 3"),
        ({"lanes": {"GOD": 1}}, "lanes: 'GOD' is neither a verdict nor a class; known: GOOD, RECHECK, REJECT, dent, "),
        ({"lanes": {"dent": 2}}, "lanes: class 'dent' has a lane, but this recipe tells good from defect"),
        ({"lanes": {"GOOD": -1}}, "lanes.GOOD: input should be greater than or equal to 0, got -1"),
        ({"lanes": {"GOOD": 65536}}, "lanes.GOOD: input should be less than or equal to 65535, got 65536"),
        ({"lanes": {"GOOD": True}}, "lanes.GOOD: input should be a valid integer, got True"),
        ({"good_class": "gut"}, "good_class 'gut' is not a class; known: dent, good, scratch"),
        ({"class_numbers": {"dent": 1}}, "class_numbers: class 'scratch' has no number"),
        ({"class_numbers": {"dent": 1, "scratch": 1}}, "class_numbers: each class needs a number of its own, got"),
        ({"class_numbers": {"dent": 0, "scratch": 1}}, "class_numbers.dent: input should be greater than"),
        ({"class_numbers": {"dent": 65535, "scratch": 1}}, "class_numbers.dent: input should be less than"),
        ({"classes": ["good"]}, "classes: .* at least 2 items"),
        ({"bundle": PIN | {"id": "0" * 63}}, "bundle.id: string should match pattern"),
        ({"decision": {"recheck_from": 0.9, "reject_from": 0.5}}, "decision: limits must satisfy 0 <= recheck_from"),
        ({"region": [0, 0, 10]}, "region.3: is missing"),
    ],
)  # fmt: skip
def test_recipe_that_cannot_work_says_why(changes: Mapping[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=f"^recipe.yaml: {told}"):
        make(**changes)


@pytest.mark.parametrize(
    ("lanes", "told"),
    [
        ({"bolt": 1}, "lanes: class 'nut' needs a lane from 1 up, got None"),
        ({"bolt": 1, "nut": 0}, "lanes: class 'nut' needs a lane from 1 up, got 0"),
        ({"bolt": 1, "nut": 2, "REJECT": 1}, "lanes: REJECT is lane 0 on every controller, got 1"),
    ],
)
def test_sorting_needs_a_lane_for_every_class(lanes: Mapping[str, int], told: str) -> None:
    with pytest.raises(ConfigError, match=f"^recipe.yaml: {told}"):
        sorting(lanes=lanes)


def test_all_problems_of_lanes_and_numbers_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        make(lanes={"GOOD": 0, "REJECT": 1, "hm": 2}, class_numbers={})

    assert str(caught.value).count("lanes:") == 3
    assert str(caught.value).count("class_numbers:") == 2


@pytest.mark.parametrize("good_class", ["GOOD", "Ok"])
def test_classes_named_like_verdicts_are_classes_all_the_same(good_class: str) -> None:
    classes = sorted([good_class, "REJECT"])

    recipe = make(
        classes=classes,
        good_class=good_class,
        lanes=default_lanes(classes, good_class),
        class_numbers=number_classes(classes, good_class),
    )

    assert recipe.lane_for(Verdict.GOOD, says(good_class, "REJECT")) == 1
    assert recipe.lane_for(Verdict.REJECT, says("REJECT", "REJECT")) == 0


def test_good_takes_its_lane_and_recheck_its_own_where_there_is_one() -> None:
    recipe = make(lanes={"GOOD": 7, "RECHECK": 9})

    assert recipe.lane_for(Verdict.GOOD, says("good", "dent")) == 7
    assert recipe.lane_for(Verdict.RECHECK, says("good", "dent")) == 9
    assert make().lane_for(Verdict.RECHECK, None) == 0


@given(st.sampled_from([make(), make(lanes={"GOOD": 5, "RECHECK": 6, "REJECT": 0}), sorting()]), st.data())
def test_reject_is_always_lane_0(recipe: Recipe, data: st.DataObject) -> None:
    predicted = data.draw(st.sampled_from([None, *recipe.classes]))
    prediction = None if predicted is None else says(predicted, predicted)

    assert recipe.lane_for(Verdict.REJECT, prediction) == 0


@given(class_names, st.data())
def test_good_always_names_a_lane_from_1_up(classes: tuple[str, ...], data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([None, *(name for name in classes if name != "none")]))
    lanes = {name: data.draw(st.integers(1, 65535)) for name in (["GOOD"] if good is not None else classes)}
    try:
        recipe = make(classes=list(classes), good_class=good, lanes=lanes, class_numbers=number_classes(classes, good))
    except ConfigError:
        return

    for name in classes:
        assert recipe.lane_for(Verdict.GOOD, says(name, name)) >= 1


def test_sorting_sends_each_class_to_its_lane_and_the_unsure_to_recheck() -> None:
    recipe = sorting()

    assert recipe.good_class is None
    assert recipe.lane_for(Verdict.GOOD, says("bolt", "bolt")) == 3
    assert recipe.lane_for(Verdict.GOOD, says("nut", "nut")) == 4
    assert recipe.lane_for(Verdict.RECHECK, says("nut", "nut")) == 2


def test_lanes_are_kept_when_a_class_is_added() -> None:
    older = {"screw": 4, "RECHECK": 9}

    assert default_lanes(["bolt", "nut", "screw"], None, kept=older) == {"bolt": 5, "nut": 6, "screw": 4, "RECHECK": 9}
    assert default_lanes(["dent", "good"], "good", kept={"GOOD": 3}) == {"GOOD": 3, "REJECT": 0, "RECHECK": 0}


@given(class_names, st.booleans())
def test_default_lanes_always_make_a_recipe(classes: tuple[str, ...], sorts: bool) -> None:
    good = None if sorts or "none" in classes else classes[-1]

    recipe = make(
        classes=list(classes),
        good_class=good,
        lanes=default_lanes(classes, good),
        class_numbers=number_classes(classes, good),
    )

    assert recipe.classes == classes


# --- class numbers


def test_numbers_are_kept_when_a_class_is_added() -> None:
    first = number_classes(["good", "scratch"], "good")

    second = number_classes(["dent", "good", "scratch"], "good", kept=first)

    assert first == {"scratch": 1}
    assert second == {"scratch": 1, "dent": 2}


def test_number_of_a_class_that_is_gone_is_never_given_to_another() -> None:
    assert number_classes(["good", "pore"], "good", kept={"scratch": 1, "dent": 5}) == {
        "scratch": 1,
        "dent": 5,
        "pore": 6,
    }


@given(class_names, st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 1000)).filter(
    lambda kept: len(set(kept.values())) == len(kept)
))  # fmt: skip
def test_numbers_are_always_unique_and_never_0_and_old_ones_stay(
    classes: tuple[str, ...], kept: dict[str, int]
) -> None:
    numbers = number_classes(classes, classes[0], kept)

    assert {name: numbers[name] for name in kept} == kept
    assert len(set(numbers.values())) == len(numbers)
    assert min(numbers.values()) >= 1
    assert set(classes[1:]) <= set(numbers)


@pytest.mark.parametrize(
    ("verdict", "prediction", "number"),
    [
        (Verdict.GOOD, says("good", "dent"), 0),
        (Verdict.REJECT, says("scratch", "scratch"), 2),
        (Verdict.RECHECK, says("good", "dent"), 1),
        (Verdict.REJECT, None, 0),
        (Verdict.REJECT, says("good", None), 0),
    ],
    ids=["good-names-none", "reject-names-its-defect", "recheck-names-the-likeliest-defect", "no-picture", "no-number"],
)
def test_class_on_the_wire_is_the_defect(verdict: Verdict, prediction: Prediction | None, number: int) -> None:
    assert make().class_number_for(verdict, prediction) == number


def test_sorting_names_the_class_of_a_good_part_on_the_wire() -> None:
    assert sorting().class_number_for(Verdict.GOOD, says("nut", "nut")) == 2


# --- the file


@given(
    classes=class_names,
    name=words,
    limits=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    region=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(10, 99), st.integers(10, 99)),
    sorts=st.booleans(),
)
def test_saving_and_loading_always_gives_the_same_recipe(
    tmp_path_factory: pytest.TempPathFactory, classes: tuple[str, ...], name: str, limits: list[float],
    region: tuple[int, int, int, int] | None, sorts: bool,
) -> None:  # fmt: skip
    run = tmp_path_factory.mktemp("run")
    good = None if sorts or "none" in classes else classes[0]
    recipe = make(
        run,
        name=name,
        classes=list(classes),
        good_class=good,
        decision={"recheck_from": limits[0], "reject_from": limits[1], "chosen": name},
        lanes=default_lanes(classes, good),
        class_numbers=number_classes(classes, good),
        region=region,
        picture={"brightness_from": 1.5, "brightness_to": 200, "contrast_from": 3, "aspect_from": 0.8, "aspect_to": 2,
                 "height_px_from": 10, "width_px_from": 20},
    )  # fmt: skip

    save_recipe(recipe, run / "recipe.yaml", "model.partgate")

    assert load_recipe(run) == recipe


def test_saved_recipe_names_no_path_of_this_machine(tmp_path: Path) -> None:
    save_recipe(make(tmp_path), tmp_path / "recipe.yaml", "model.partgate")

    assert str(tmp_path) not in (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert read_yaml(tmp_path / "recipe.yaml")["bundle"] == PIN


def test_sorting_is_written_as_a_user_would_write_it(tmp_path: Path) -> None:
    save_recipe(sorting(), tmp_path / "recipe.yaml", "model.partgate")

    assert read_yaml(tmp_path / "recipe.yaml")["good_class"] == "none"


def test_run_folder_and_recipe_file_mean_the_same_recipe(tmp_path: Path) -> None:
    save_recipe(make(tmp_path), tmp_path / "recipe.yaml", "model.partgate")

    assert recipe_path(tmp_path) == recipe_path(tmp_path / "recipe.yaml") == tmp_path / "recipe.yaml"


@pytest.mark.parametrize("name", ["", "nowhere", "nowhere.yaml"])
def test_place_without_a_recipe_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no recipe there; name a run folder of 'partgate train' or a recipe file"):
        load_recipe(tmp_path / name)
