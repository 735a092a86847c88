"""Train, validation, test: no group on two sides, every picture on one, shares as asked, the same again."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.data.folder import LabelledFolder, Picture, read_folder
from partgate.data.split import DEFAULT_SHARES, read_split, split_pictures, write_split
from partgate.errors import DataError

SIDES = ("train", "validation", "test")


def picture(
    file: str, label: str, group: str = "", split: str | None = None, columns: Mapping[str, str] | None = None
) -> Picture:
    """Return a labelled picture; without a group it is one of its own."""
    sha256 = hashlib.sha256(file.encode()).hexdigest()
    return Picture(Path(file), file, label, sha256, group or sha256, split=split, columns=columns or {})


def folder_of(pictures: Sequence[Picture], good_class: str | None = "good") -> LabelledFolder:
    """Return a labelled folder of pictures that need not exist."""
    classes = tuple(sorted({p.label for p in pictures}))
    return LabelledFolder(Path("parts"), tuple(pictures), classes, good_class, has_groups=False, notes=())


def counted(**classes: int) -> LabelledFolder:
    """Return a folder with so many single pictures per class."""
    return folder_of([picture(f"{name}/{i}.png", name) for name, n in classes.items() for i in range(n)])


def table(folder: LabelledFolder, sides: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return per class how many pictures stand on train, validation and test."""
    counts = Counter((p.label, sides[p.file]) for p in folder.pictures)
    return {name: tuple(counts[name, side] for side in SIDES) for name in folder.classes}


groups_of_pictures = st.lists(
    st.tuples(st.lists(st.sampled_from(["good", "dent", "scratch"]), min_size=1, max_size=6)), min_size=3, max_size=25
)


@given(groups_of_pictures, st.integers(0, 9), st.sampled_from(["good", None]))
def test_no_group_is_ever_on_two_sides_and_every_picture_has_exactly_one(
    groups: list[tuple[list[str]]], seed: int, good_class: str | None
) -> None:
    pictures = [
        picture(f"{g}-{i}.png", label, f"group {g}")
        for g, (labels,) in enumerate(groups)
        for i, label in enumerate(labels)
    ]
    folder = folder_of(pictures, good_class)
    try:
        sides, _ = split_pictures(folder, DEFAULT_SHARES, seed)
    except DataError:
        return

    assert sorted(sides) == sorted(p.file for p in pictures)
    assert set(sides.values()) <= set(SIDES)
    found = defaultdict(set)
    for p in pictures:
        found[p.group].add(sides[p.file])
    assert all(len(one) == 1 for one in found.values())


@given(
    st.integers(3, 200),
    st.integers(3, 200),
    st.sampled_from([(0.6, 0.2, 0.2), (0.5, 0.25, 0.25), (0.8, 0.1, 0.1)]),
    st.integers(0, 99),
)
def test_shares_of_single_pictures_are_always_those_asked_for_within_two_pictures(
    goods: int, defects: int, shares: tuple[float, ...], seed: int
) -> None:
    folder = counted(good=goods, dent=defects)

    sides, _ = split_pictures(folder, dict(zip(SIDES, shares, strict=True)), seed)

    for name, n in (("good", goods), ("dent", defects)):
        for have, share in zip(table(folder, sides)[name], shares, strict=True):
            assert abs(have - share * n) < 2
            assert have >= 1 or n < 3


def test_sixty_twenty_twenty_by_hand() -> None:
    folder = counted(good=100, dent=10)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, seed=0)

    assert table(folder, sides) == {"good": (60, 20, 20), "dent": (6, 2, 2)}
    assert notes == []


def test_class_of_three_groups_has_one_on_each_side() -> None:
    folder = counted(good=30, dent=3)

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed=0)

    assert table(folder, sides)["dent"] == (1, 1, 1)


@given(st.integers(0, 1000))
def test_same_seed_gives_the_same_split_whatever_the_order_of_the_pictures(seed: int) -> None:
    folder = counted(good=20, dent=8)
    turned = folder_of(folder.pictures[::-1])

    assert split_pictures(folder, DEFAULT_SHARES, seed) == split_pictures(folder, DEFAULT_SHARES, seed)
    assert split_pictures(folder, DEFAULT_SHARES, seed)[0] == split_pictures(turned, DEFAULT_SHARES, seed)[0]


def test_another_seed_gives_another_split() -> None:
    folder = counted(good=40, dent=40)

    assert split_pictures(folder, DEFAULT_SHARES, 0)[0] != split_pictures(folder, DEFAULT_SHARES, 1)[0]


def test_large_group_goes_as_a_whole_and_the_others_make_up_for_it() -> None:
    large = [picture(f"reel/{i}.png", "good", "reel") for i in range(60)]
    folder = folder_of([*large, *counted(good=40, dent=10).pictures])

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed=3)

    assert {sides[p.file] for p in large} == {"train"}
    assert table(folder, sides)["good"] == (60, 20, 20)


def test_further_columns_are_mixed_alike_on_all_sides() -> None:
    columns = [{"grade": grade, "type": kind} for grade in "01" for kind in ("mono", "poly")]
    pictures = [
        picture(f"{label}/{i}-{c}.png", label, columns=columns[c])
        for label in ("good", "dent") for c in range(4) for i in range(10 * (c + 1))
    ]  # fmt: skip

    sides, _ = split_pictures(folder_of(pictures), DEFAULT_SHARES, 0, ["grade", "type"])

    counts = Counter((p.label, *p.columns.values(), sides[p.file]) for p in pictures)
    for label in ("good", "dent"):
        for c, column in enumerate(columns):
            found = tuple(counts[label, *column.values(), side] for side in SIDES)
            assert found == (6 * (c + 1), 2 * (c + 1), 2 * (c + 1))


def test_column_that_does_not_exist_is_named_with_those_that_do() -> None:
    folder = folder_of([picture(f"{i}.png", "good" if i % 2 else "dent", columns={"grade": "0"}) for i in range(12)])

    with pytest.raises(
        DataError, match=r"^parts: labels\.csv has no column 'grad' to stratify by; further columns: grade"
    ):
        split_pictures(folder, DEFAULT_SHARES, 0, ["grad"])


# --- too little to learn from


def test_one_class_alone_cannot_be_learned() -> None:
    with pytest.raises(DataError, match=r"^parts: only class 'good' has pictures; learning needs at least two classes"):
        split_pictures(counted(good=50), DEFAULT_SHARES, 0)


@pytest.mark.parametrize("small", ["good", "dent"])
def test_good_or_defect_of_one_picture_asks_for_more(small: str) -> None:
    folder = counted(**{"good": 20, "dent": 20, small: 1})
    told = "good" if small == "good" else "all defects"

    with pytest.raises(DataError) as caught:
        split_pictures(folder, DEFAULT_SHARES, 0)

    # ignoring groups would not help here, so it is not proposed
    assert str(caught.value) == (
        f"parts: {told}: 1 pictures from 1 groups; training and test need at least 2 groups, validation a third: "
        "add pictures of further parts"
    )


@pytest.mark.parametrize("small", ["good", "dent"])
def test_two_groups_are_learned_and_tested_without_validation_and_the_user_told(small: str) -> None:
    folder = counted(**{"good": 20, "dent": 20, small: 2})
    told = "good" if small == "good" else "all defects"

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    counts = table(folder, sides)
    assert counts[small] == (1, 0, 1)
    assert counts["dent" if small == "good" else "good"] == (16, 0, 4)
    assert notes[0] == (
        f"{told}: 2 pictures from only 2 groups: one to learn from, one for the test, none for validation; "
        "limits come from scores of the same group, which are too good"
    )


@pytest.mark.parametrize("n", [3, 4])
def test_class_of_three_or_four_pictures_is_learned_and_tested(n: int) -> None:
    folder = counted(good=20, dent=n)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert min(table(folder, sides)["dent"]) == 1
    assert notes == []


@pytest.mark.parametrize("n", [1, 2])
def test_rare_defect_class_beside_others_is_learned_and_the_user_told(n: int) -> None:
    folder = counted(good=20, dent=10, scratch=n)

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert table(folder, sides)["scratch"][0] == 1
    assert notes == [f"class 'scratch' has pictures of only {n} groups: it is learned, but hardly tested"]


@given(st.integers(0, 99))
def test_defects_of_many_rare_classes_never_all_miss_the_test(seed: int) -> None:
    folder = counted(good=30, dent=2, pore=2, scratch=2, stain=2)

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed)

    rows = [row for name, row in table(folder, sides).items() if name != "good"]
    assert [row[0] for row in rows] == [1, 1, 1, 1]  # each is learned
    assert sum(row[1] for row in rows) == sum(row[2] for row in rows) == 2


def test_side_without_defects_is_told() -> None:
    folder = counted(good=30, dent=1, pore=1, scratch=1)

    _, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert "no defect picture stands on the side 'test': nothing can be said about it" in notes


def test_pictures_of_too_few_groups_say_how_to_split_by_picture() -> None:
    defects = [picture(f"dent/{i}.png", "dent", "reel 1") for i in range(20)]
    folder = folder_of([*defects, *counted(good=20).pictures])

    with pytest.raises(
        DataError, match=r"all defects: 20 pictures from 1 groups; .* or set split.by: picture in the tr"
    ):
        split_pictures(folder, DEFAULT_SHARES, 0)


def test_count_in_the_message_is_that_of_the_class_where_groups_mix_labels() -> None:
    mixed = [picture(f"{i}.png", "dent" if i < 4 else "good", "reel 1") for i in range(30)]
    folder = folder_of([*mixed, *counted(good=20).pictures])

    with pytest.raises(DataError, match="all defects: 4 pictures from 1 groups"):
        split_pictures(folder, DEFAULT_SHARES, 0)


def test_sorting_needs_two_groups_of_every_class() -> None:
    pictures = [picture(f"{name}/{i}.png", name) for name, n in (("bolt", 9), ("nut", 1)) for i in range(n)]

    with pytest.raises(DataError, match="nut: 1 pictures from 1 groups"):
        split_pictures(folder_of(pictures, None), DEFAULT_SHARES, 0)


# --- sides given by the user


def test_given_sides_are_kept_and_the_rest_is_dealt_out() -> None:
    given_ = [picture(f"test/{i}.png", "good", split="test") for i in range(10)]
    folder = folder_of([*given_, *counted(good=40, dent=10).pictures])

    sides, notes = split_pictures(folder, DEFAULT_SHARES, 0)

    assert {sides[p.file] for p in given_} == {"test"}
    assert table(folder, sides)["good"] == (30, 10, 10)
    assert notes == ["50 pictures have no split in labels.csv and are dealt out by share"]


def test_split_that_is_wholly_given_is_taken_as_it_is() -> None:
    pictures = [
        picture(f"{i}.png", label, split=SIDES[i % 3]) for label in ("good", "dent") for i in range(20)
        if (label == "good") == (i % 2 == 0)
    ]  # fmt: skip

    sides, notes = split_pictures(folder_of(pictures), DEFAULT_SHARES, 0)

    assert sides == {p.file: p.split for p in pictures}
    assert notes == []


def test_group_that_was_given_two_sides_is_refused_with_a_file_of_each() -> None:
    pictures = [picture("a.png", "good", "reel", "train"), picture("b.png", "good", "reel", "test")]

    with pytest.raises(
        DataError, match=r"one group on 2 sides of the split: 'b\.png' on test, 'a\.png' on train; pictures"
    ):
        split_pictures(folder_of([*pictures, *counted(good=9, dent=9).pictures]), DEFAULT_SHARES, 0)


def test_group_with_one_given_side_goes_there_as_a_whole() -> None:
    pictures = [picture("a.png", "good", "reel", "test"), picture("b.png", "good", "reel")]

    sides, _ = split_pictures(folder_of([*pictures, *counted(good=9, dent=9).pictures]), DEFAULT_SHARES, 0)

    assert sides["a.png"] == sides["b.png"] == "test"


# --- from folder to file


def test_copies_never_stand_on_two_sides(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    made = make_folder(tmp_path / "parts", {"good": 12, "scratch": 12})
    for path in sorted((made / "good").iterdir()):
        (made / "good" / f"copy_{path.name}").write_bytes(path.read_bytes())

    folder = read_folder(made, independent=True)
    sides, _ = split_pictures(folder, DEFAULT_SHARES, 0)

    assert len(folder.pictures) == 36
    by_hash = defaultdict(set)
    for p in folder.pictures:
        by_hash[p.sha256].add(sides[p.file])
    assert all(len(found) == 1 for found in by_hash.values())


def test_groups_count_only_where_they_are_not_ignored(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    made = make_folder(tmp_path / "parts", {"good": 9, "scratch": 9})
    rows = [f"{name}/{name}_{i:03d}.png,{name},one reel" for name in ("good", "scratch") for i in range(9)]
    (made / "labels.csv").write_text("\n".join(["file,label,group", *rows]), encoding="utf-8")

    folder = read_folder(made, independent=True)

    assert min(min(row) for row in table(folder, split_pictures(folder, DEFAULT_SHARES, 0)[0]).values()) >= 1
    with pytest.raises(DataError, match="good: 9 pictures from 1 groups"):
        split_pictures(read_folder(made), DEFAULT_SHARES, 0)


@pytest.mark.parametrize("name", ["a.png", "Gehäuse.png", "two words, one comma.png", "line\nbreak.png", 'a "b".png'])
def test_written_split_is_read_back_by_the_hash_of_each_picture(tmp_path: Path, name: str) -> None:
    folder = folder_of([picture(name, "good"), picture("other.png", "dent")])
    path = tmp_path / "split.csv"

    write_split(path, folder, {name: "test", "other.png": "train"})

    assert path.read_text(encoding="utf-8").startswith("file,label,split,group,sha256\n")
    assert read_split(path) == {folder.pictures[0].sha256: "test", folder.pictures[1].sha256: "train"}


@pytest.mark.parametrize(
    "content",
    [None, b"file,label\na.png,good\n", "file,sha256,split\n\xfc".encode("cp1252"), b'a,"' + b"x" * 200_000],
    ids=["missing", "other-columns", "not-utf-8", "open-quotation-mark"],
)
def test_file_that_is_no_split_of_a_run_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "split.csv").write_bytes(content)

    with pytest.raises(DataError, match=r"split\.csv: cannot be read as the split of a run .*; train again"):
        read_split(tmp_path / "split.csv")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "good_class", "independent"),
    [("ball_screw", None, False), ("casting_impeller", None, False), ("fabric_stain", None, False),
     ("magnetic_tile", None, False), ("screw_presence", None, True), ("steel_strip", "none", False),
     ("toy_figure", None, False)],
)  # fmt: skip
def test_real_sets_are_split_without_a_leak_and_every_side_shows_every_class(
    real_data: Path, name: str, good_class: str | None, independent: bool
) -> None:
    folder = read_folder(real_data / name, good_class, independent=independent)

    sides, _ = split_pictures(folder, DEFAULT_SHARES, seed=0)

    by_group = defaultdict(set)
    for p in folder.pictures:
        by_group[p.group].add(sides[p.file])
    assert all(len(found) == 1 for found in by_group.values())
    assert min(min(row) for row in table(folder, sides).values()) >= 1


@pytest.mark.data
def test_real_set_of_a_single_group_is_refused_until_groups_are_ignored(real_data: Path) -> None:
    folder = read_folder(real_data / "screw_presence")

    with pytest.raises(DataError, match=r"screw_presence: .* 1 groups; .* split.by: picture in the training file"):
        split_pictures(folder, DEFAULT_SHARES, 0)
