"""Training on: old sides stay, test pictures never become training ones, old and new judge the same unseen parts."""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.data.split import DEFAULT_SHARES, read_split, split_pictures
from partgate.errors import BundleError, ConfigError, DataError
from partgate.training.config import load_training
from partgate.training.continuation import keep_sides, settings_of

MakeFolder = Callable[..., Path]
MakeRun = Callable[..., Path]
Row = tuple[str, str, str]  # picture, group, side


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def sha256_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def folder_of(groups: Mapping[str, Sequence[str]], split: Mapping[str, str] | None = None) -> LabelledFolder:
    """Return a folder of pictures by group; the label is the first word of a picture's name."""
    given_split = split or {}
    pictures = [
        Picture(Path(name), name, name.split()[0], sha256_of(name), group, split=given_split.get(name))
        for group, names in groups.items()
        for name in names
    ]
    classes = tuple(sorted({picture.label for picture in pictures}))
    return LabelledFolder(Path("parts"), tuple(pictures), classes, "good", has_groups=True, notes=())


@pytest.fixture
def earlier(make_run: MakeRun, tmp_path: Path) -> Callable[[Sequence[Row]], Path]:
    """A function: a run folder whose split holds these pictures."""

    def make(rows: Sequence[Row]) -> Path:
        run = make_run(tmp_path / "old")
        with (run / "split.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file", "label", "split", "group", "sha256"])
            table.writerows([name, name.split()[0], side, group, sha256_of(name)] for name, group, side in rows)
        return run

    return make


Earlier = Callable[[Sequence[Row]], Path]


def test_run_without_a_split_is_refused(make_run: MakeRun, tmp_path: Path):
    run = make_run(tmp_path / "old")

    with pytest.raises(DataError, match=r"old: has no split\.csv; name a run folder that 'partgate train' made"):
        keep_sides(run, folder_of({"a": ["good 1"]}))


@pytest.mark.parametrize(
    "content",
    ["", "file,label,split\na,b,c\n", "file,label,split,group,sha256\na,good,nowhere,g,00\n", "\0\n\n"],
    ids=["empty", "columns-missing", "side-unknown", "no-text"],
)
def test_run_with_a_damaged_split_is_refused(earlier: Earlier, content: str):
    run = earlier([("good 1", "a", "train")])
    (run / "split.csv").write_text(content)

    with pytest.raises(DataError, match="cannot be read as the split of a run"):
        keep_sides(run, folder_of({"a": ["good 1"]}))


def test_run_with_a_damaged_bundle_is_told_before_the_training(earlier: Earlier):
    run = earlier([("good 1", "a", "train")])
    whole = (run / "model.partgate").read_bytes()
    (run / "model.partgate").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(BundleError):
        keep_sides(run, folder_of({"a": ["good 1"]}))


def test_run_without_a_recipe_is_refused(earlier: Earlier):
    run = earlier([("good 1", "a", "train")])
    (run / "recipe.yaml").unlink()

    with pytest.raises(ConfigError, match="no recipe there"):
        keep_sides(run, folder_of({"a": ["good 1"]}))


def test_run_of_another_product_is_refused_with_both_counts(earlier: Earlier):
    run = earlier([("good 1", "a", "train"), ("good 2", "b", "test")])

    with pytest.raises(DataError, match="none of its 2 pictures is among the 1 of parts: another product"):
        keep_sides(run, folder_of({"a": ["good 3"]}))


def test_run_that_tells_good_from_defect_does_not_go_on_as_sorting(earlier: Earlier):
    run = earlier([("good 1", "a", "train")])
    sorting = LabelledFolder(Path("parts"), (), ("dent", "good"), None, has_groups=True, notes=())

    with pytest.raises(DataError, match="there 'good' is the good class, here it sorts by class; set --good-class"):
        keep_sides(run, sorting)


def test_known_pictures_keep_their_side_and_new_ones_of_their_groups_join_them(earlier: Earlier):
    run = earlier([("good 1", "a", "train"), ("dent 1", "b", "test"), ("good 2", "c", "validation")])

    kept = keep_sides(run, folder_of({"x": ["good 1", "good 9"], "y": ["dent 1"], "c": ["good 8"], "z": ["dent 9"]}))

    assert kept.sides == {"x": "train", "y": "test", "c": "validation"}
    assert "2 pictures are known from old (1 train, 0 validation, 1 test); 3 are new" in kept.notes
    assert "1 pictures of old are no longer there" in kept.notes


def test_number_of_a_group_that_was_found_by_looks_says_nothing_in_the_next_run(earlier: Earlier):
    run = earlier([("good 1", "look-alike 0001", "test"), ("good 2", "look-alike 0002", "train")])

    kept = keep_sides(run, folder_of({"look-alike 0001": ["good 8"], "look-alike 0002": ["good 1"]}))

    assert kept.sides == {"look-alike 0002": "test"}


def test_folder_with_nothing_new_says_so_and_goes_on(earlier: Earlier):
    run = earlier([("good 1", "a", "train")])

    kept = keep_sides(run, folder_of({"a": ["good 1"]}))

    assert kept.notes == (
        "1 pictures are known from old (1 train, 0 validation, 0 test); none is new, the same are learned from again",
    )


@pytest.mark.parametrize(
    ("sides", "expected"),
    [(("train", "test"), "test"), (("train", "validation"), "validation"), (("validation", "test"), "test")],
    ids=["train-and-test", "train-and-validation", "validation-and-test"],
)
def test_group_that_joins_two_sides_goes_to_the_stricter(earlier: Earlier, sides: tuple[str, str], expected: str):
    run = earlier([("good 1", "a", sides[0]), ("good 2", "b", sides[1])])

    kept = keep_sides(run, folder_of({"joined": ["good 1", "good 2"]}))

    assert kept.sides == {"joined": expected}
    assert any("1 groups join pictures that stood on different sides, e.g. that of 'good 1'" in n for n in kept.notes)
    seen = [note for note in kept.notes if "1 pictures that the old model learned from stand on test now" in note]
    assert bool(seen) == (expected == "test")


def test_side_in_labels_csv_that_contradicts_the_run_is_refused():
    folder = folder_of({"a": ["good 1"], "b": ["good 2"], "c": ["good 3"], "d": ["dent 1"], "e": ["dent 2"],
                        "f": ["dent 3"]}, split={"good 1": "train"})  # fmt: skip

    with pytest.raises(DataError, match=r"1 groups on another side than the earlier run, e\.g\. 'good 1' on train, wh"):
        split_pictures(folder, DEFAULT_SHARES, 0, (), {"a": "test"})


def test_new_groups_are_dealt_out_so_that_the_shares_hold_over_everything():
    names = {f"{label}{i}": [f"{label} {i}"] for label in ("good", "dent") for i in range(20)}
    kept = {name: "train" for name in list(names)[:10]}  # of 20 good ones ten stand on train

    sides, _ = split_pictures(folder_of(names), {"train": 0.6, "validation": 0.2, "test": 0.2}, 0, (), kept)

    good = [side for file, side in sides.items() if file.startswith("good")]
    assert [good.count(side) for side in ("train", "validation", "test")] == [12, 4, 4]


@given(st.data())
def test_picture_of_the_old_test_side_is_never_learned_from_whatever_groups_merge(data: st.DataObject):
    from partgate.data.split import Standing
    from partgate.training import continuation

    names = [f"{label} {i}" for label in ("good", "dent") for i in range(8)]
    before = {sha256_of(name): Standing(data.draw(st.sampled_from(["train", "validation", "test"])), name)
              for name in names[:12:2]}  # fmt: skip
    grouping = {name: data.draw(st.integers(0, 9)) for name in names}
    groups: dict[str, list[str]] = {}
    for name, group in grouping.items():
        groups.setdefault(f"group {group}", []).append(name)
    folder = folder_of(groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(continuation, "_read_earlier", lambda run, folder: before)
        kept = keep_sides(Path("old"), folder)
    try:
        sides, _ = split_pictures(folder, DEFAULT_SHARES, 0, (), kept.sides)
    except DataError:  # too few groups
        return

    for name in names:
        if sha256_of(name) in before and before[sha256_of(name)].side == "test":
            assert sides[name] == "test"


def test_settings_of_a_run_without_facts_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"training\.json: cannot be read as the facts of a run"):
        settings_of(tmp_path)


def test_training_from_a_run_keeps_its_recipe_unless_another_is_named(tmp_path: Path):
    assert load_training(tmp_path, "quick", from_run="old").keep == tmp_path.parent / "old"
    assert load_training(tmp_path, "quick", from_run="old", keep="other").keep == tmp_path.parent / "other"


@pytest.mark.slow
def test_training_on_with_new_pictures_and_a_new_class_is_compared_on_the_same_parts(
    trained: tuple[Path, Path], make_folder: MakeFolder, tmp_path: Path
):
    from partgate.evaluation.comparison import compare_gates
    from partgate.evaluation.comparison_words import describe_comparison
    from partgate.recipe import load_recipe
    from partgate.training.loop import train

    _, old = trained
    data = make_folder(tmp_path / "parts", {"good": 34, "scratch": 20, "spot": 18, "bar": 9})
    settings = {**settings_of(old), "image_size_px": 96}
    train(load_training(data, settings.pop("preset"), from_run=str(old), **settings), tmp_path / "new", quietly)

    facts = compare_gates(old, tmp_path / "new", data, keys=("old", "new"), progress=quietly)

    before, after = read_split(old / "split.csv"), read_split(tmp_path / "new/split.csv")
    assert all(after[sha256] == side for sha256, side in before.items())
    test = [picture for picture in read_folder(data).pictures if after[picture.sha256] == "test"]
    assert (facts["n"], facts["tested_before"]["old"]) == (len(test), sum(p.sha256 in before for p in test))
    assert facts["old"]["classes_unknown"] == ["bar"]
    assert dict(load_recipe(tmp_path / "new").class_numbers) == {"scratch": 1, "spot": 2, "bar": 3}
    assert facts["figures"]["escapes"]["new"] == 0
    assert describe_comparison(facts)[1] == "  the old model does not know: bar"
    assert json.loads(json.dumps(facts)) == facts
