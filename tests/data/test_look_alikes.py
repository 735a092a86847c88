"""Look-alikes: one part found again however it lies, parts of one design kept apart, a person's word above all."""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from partgate.data.folder import Picture
from partgate.data.look_alikes import LookAlikes, find_look_alikes, read_grey
from partgate.errors import DataError

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "groups.py"
SIDE_PX = 120
Grey = NDArray[np.uint8]


def texture(seed: int) -> NDArray[np.float32]:
    """Return blotches of 3 to 8 px with spread 1, others for each seed."""
    noise = np.random.default_rng(seed).normal(size=(SIDE_PX, SIDE_PX)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.asarray(blotches / blotches.std(), np.float32)


def part(number: int, shown: int = 0, design: float = 0.0) -> Grey:
    """Return a part; how it lies and is lit changes from one time it is shown to the next.

    Args:
        number: Which part.
        shown: How often before.
        design: How much of its looks it has in common with all others, 0 to 1.
    """
    looks = design * texture(999) + (1 - design) * texture(number)
    place = cv2.getRotationMatrix2D(((SIDE_PX - 1) / 2, (SIDE_PX - 1) / 2), 75.0 * shown, 1.0)
    turned = cv2.warpAffine(looks, place, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(1000 * number + shown).normal(0, 0.05, turned.shape)
    return np.clip((128 + 30 * (turned + noise)) * (1 - 0.2 * shown), 0, 255).astype(np.uint8)


def parts(count: int, times: int, design: float = 0.0) -> dict[str, Grey]:
    """Return pictures by file: so many parts, each shown so often."""
    return {f"{p:02d}-{shown}.png": part(p, shown, design) for p in range(count) for shown in range(times)}


def search(
    shown: Mapping[str, Grey], copies: Mapping[str, str] | None = None, features: NDArray[np.float32] | None = None,
    **settings: object,
) -> LookAlikes:  # fmt: skip
    """Search pictures that need not exist; without features all look the same to the backbone."""
    pictures = [
        Picture(Path(file), file, "good", hashlib.sha256((copies or {}).get(file, file).encode()).hexdigest(), file)
        for file in shown
    ]
    values = np.zeros((len(shown), 2), np.float32) if features is None else features
    return find_look_alikes(pictures, values, lambda one: shown[one.file], **settings)  # type: ignore[arg-type]


def together(found: LookAlikes) -> set[frozenset[str]]:
    """Return the files of each group with at least two."""
    members: dict[str, set[str]] = {}
    for file, group in found.groups.items():
        members.setdefault(group, set()).add(file)
    return {frozenset(files) for files in members.values() if len(files) > 1}


@pytest.mark.parametrize("shape", [(1, 4), (2, 1, 4)], ids=["of other pictures", "of several views"])
def test_features_that_are_not_one_row_for_each_picture_are_refused(shape):
    with pytest.raises(ValueError, match=r"one row for each of 2 pictures, got shape \("):
        find_look_alikes([Picture(Path(n), n, "good", n, n) for n in "ab"], np.zeros(shape, np.float32))


def test_picture_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
        read_grey(Picture(tmp_path / "gone.png", "gone.png", "good", "0", "0"))


@pytest.mark.parametrize("said", ["a person", "the bytes"])
def test_pictures_that_must_be_together_and_apart_are_a_contradiction_that_names_both(said):
    joined = [("00-0.png", "01-0.png")] if said == "a person" else []
    copies = {"01-0.png": "00-0.png"} if said == "the bytes" else {}

    with pytest.raises(DataError, match=r"'00-0\.png' and '01-0\.png' are said to show different parts, but are byte-"):
        search(parts(3, 1), copies, joined=joined, separated=[("00-0.png", "01-0.png")])


def test_part_is_found_again_turned_and_in_other_light_and_others_stay_alone():
    shown = parts(12, 1) | {"00-1.png": part(0, 1), "00-2.png": part(0, 2), "05-1.png": np.fliplr(part(5)).copy()}

    found = search(shown)

    assert together(found) == {frozenset({"00-0.png", "00-1.png", "00-2.png"}), frozenset({"05-0.png", "05-1.png"})}
    assert found.largest == 3
    assert {pair.first[:2] for pair in (*found.confirmed, *found.unsure)} == {"00", "05"}


def test_parts_of_one_design_are_alike_in_any_case_and_not_lumped():
    same_pose = {file: part(int(file[:2]), design=0.7) for file in parts(14, 1)}

    found = search(same_pose)

    assert together(found) == set()
    assert found.alike_from > 0.8


def test_part_of_one_design_is_told_by_what_is_its_own():
    found = search(parts(10, 3, design=0.5))

    assert together(found) == {frozenset(f"{p:02d}-{shown}.png" for shown in range(3)) for p in range(10)}


def test_same_texture_at_another_size_is_another_part():
    place = cv2.getRotationMatrix2D(((SIDE_PX - 1) / 2, (SIDE_PX - 1) / 2), 0.0, 1.15)
    larger = np.asarray(cv2.warpAffine(part(3), place, (SIDE_PX, SIDE_PX)), np.uint8)

    assert together(search(parts(12, 1) | {"larger.png": larger})) == set()


def test_same_picture_is_found_where_likeness_varies_so_much_that_nothing_is_unusual():
    shown = {f"{i:02d}.png": part(i, design=0.9 if i < 10 else 0.0) for i in range(12)}
    again = np.clip(part(10).astype(int) + 1, 0, 255).astype(np.uint8)

    found = search(shown | {"again.png": again})

    assert together(found) == {frozenset({"10.png", "again.png"})}
    assert found.alike_from == 0.995


def test_picture_saved_again_at_half_its_size_stays_with_the_first():
    half = np.asarray(cv2.resize(part(3), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)

    assert together(search(parts(12, 1) | {"half.png": half})) == {frozenset({"03-0.png", "half.png"})}


def test_among_fewer_than_ten_pictures_only_the_same_picture_is_alike():
    again = np.clip(part(2).astype(int) + 1, 0, 255).astype(np.uint8)

    found = search(parts(3, 2) | {"again.png": again})

    assert together(found) == {frozenset({"02-0.png", "again.png"})}


def test_copies_stay_together_whatever_they_look_like():
    assert together(search(parts(3, 1), {"02-0.png": "00-0.png"})) == {frozenset({"00-0.png", "02-0.png"})}


def test_what_a_person_joins_is_joined_and_files_that_are_gone_are_passed_over():
    found = search(parts(4, 1), joined=[("00-0.png", "gone.png", "03-0.png")])

    assert together(found) == {frozenset({"00-0.png", "03-0.png"})}


def test_what_a_person_separates_stays_apart_by_way_of_others_too():
    shown = parts(12, 1) | {"00-1.png": part(0, 1), "00-2.png": part(0, 2)}

    found = search(shown, separated=[("00-0.png", "00-2.png")])

    assert len(together(found)) == 1
    assert found.groups["00-0.png"] != found.groups["00-2.png"]


def test_groups_are_numbered_in_the_order_of_the_pictures_and_cover_each():
    shown = {"b.png": part(1), "a.png": part(2), "c.png": part(3)}

    found = search(shown, joined=[("b.png", "c.png")])

    assert found.groups == {"b.png": "look-alike 0001", "a.png": "look-alike 0002", "c.png": "look-alike 0001"}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_picture_is_no_reason_to_stop(count):
    found = search(parts(count, 1))

    assert len(set(found.groups.values())) == count
    assert found.largest == min(count, 1)


def test_pictures_that_are_all_the_same_are_one_group():
    again = {f"{i:02d}.png": np.clip(part(0).astype(int) + i, 0, 255).astype(np.uint8) for i in range(12)}

    assert together(search(again)) == {frozenset(again)}


def test_more_threads_find_the_same_and_progress_ends_with_all():
    told: list[tuple[str, int, int]] = []
    shown = parts(6, 2)

    found = search(shown, threads=2, progress=lambda *now: told.append(now))

    assert found == search(shown)
    assert told[11] == ("pictures", 12, 12)
    assert told[-1] == ("look-alikes", 66, 66)


def nearest_is_the_last(some: NDArray[np.complex64], others: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Stand in for the comparison of rings: it says nothing about the pictures."""
    return np.tile(np.arange(len(others), dtype=float), (len(some), 1))


def test_pair_that_only_the_backbone_brings_together_is_compared_too(monkeypatch):
    monkeypatch.setattr("partgate.data.look_alikes._NEIGHBOURS", 1)
    monkeypatch.setattr("partgate.data.look_alikes.correlate_rings", nearest_is_the_last)
    shown = parts(30, 1) | {"00-1.png": part(0, 1), "30-0.png": part(30)}
    seen = np.random.default_rng(1).normal(size=(len(shown), 16)).astype(np.float32)

    by_chance = search(shown, features=seen)
    seen[30] = seen[0]
    by_features = search(shown, features=seen)

    assert together(by_chance) == set()
    assert together(by_features) == {frozenset({"00-0.png", "00-1.png"})}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "most"), [("casting_impeller", 0.10), ("magnetic_tile", 0.15)])
def test_real_parts_found_by_their_looks_hardly_leak(real_data, monkeypatch, name, most):
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    spec = importlib.util.spec_from_file_location("benchmark_groups", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)

    found = benchmark.measure(name, real_data, seeds=(0, 1, 2), threads=2)

    assert max(found["leak"].values()) <= most
    assert min(found["random_leak"].values()) > 0.85
    assert found["largest"][0] <= 1.5 * found["largest"][1]
    assert found["precision"] > 0.8
    assert found["recall"] > 0.8
