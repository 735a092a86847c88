"""Exact and near copies: one shot however it was saved, never two parts in one fixture."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.copies import find_exact_copies, find_near_copies
from partgate.data.folder import Picture, read_folder
from partgate.data.quality import Measured, measure_pictures, perceptual_hash


def part(seed: int, own: float = 12, height: int = 120, width: int = 160) -> np.ndarray:
    """A part in a fixture that is always the same, with a surface of its own, as rough as said."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 60.0)
    cv2.circle(picture, (width // 2, height // 2), height // 3, (150, 150, 150), -1)
    texture = cv2.resize(rng.normal(0, own, (24, 32)), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + texture[..., None], 0, 255).astype(np.uint8)


def measured(folder: Path, pictures: dict[str, np.ndarray | bytes]) -> list[Measured]:
    found = []
    for name, content in pictures.items():
        path = folder / name
        data = content if isinstance(content, bytes) else cv2.imencode(path.suffix, content)[1].tobytes()
        path.write_bytes(data)
        found.append(Picture(path, name, "good", name, name))
    return measure_pictures(found, 1, lambda step, done, total: None)[0]


def shot(name: str, thumbnail: np.ndarray) -> Measured:
    picture = Picture(Path(name), name, "good", name, name)
    return Measured(picture, 120, 160, 100.0, 30.0, 0.0, 0.5, (1.0, 1.0), name, perceptual_hash(thumbnail), thumbnail)


def names(groups: list[list[Measured]]) -> list[list[str]]:
    return [[one.picture.file for one in group] for group in groups]


def test_same_pixels_in_another_file_are_an_exact_copy_and_no_near_one(tmp_path: Path) -> None:
    found = measured(tmp_path, {"a.png": part(0), "b.bmp": part(0), "c.png": part(1)})

    assert names(find_exact_copies(found)) == [["a.png", "b.bmp"]]
    assert names(find_near_copies(found)) == []


@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1),
        lambda picture: cv2.resize(picture, (80, 60), interpolation=cv2.INTER_AREA),
        lambda picture: (picture * 0.8).astype(np.uint8),
        lambda picture: np.clip(picture + np.random.default_rng(9).normal(0, 5, picture.shape), 0, 255).astype(
            np.uint8
        ),
    ],
    ids=["compressed", "half-the-size", "darker", "noisier"],
)
def test_shot_saved_again_is_found_among_parts_of_the_same_fixture(
    tmp_path: Path, changed: Callable[[np.ndarray], np.ndarray]
) -> None:
    pictures = {f"part_{seed:02d}.png": part(seed) for seed in range(30)}

    found = measured(tmp_path, {**pictures, "again.png": changed(part(7))})

    assert [sorted(group) for group in names(find_near_copies(found))] == [["again.png", "part_07.png"]]


def test_different_parts_in_one_fixture_are_no_copies(tmp_path: Path) -> None:
    assert find_near_copies(measured(tmp_path, {f"{seed}.png": part(seed, own=4) for seed in range(40)})) == []


def test_set_of_one_unmoved_part_is_one_group_although_nothing_is_individual() -> None:
    rng = np.random.default_rng(0)
    plain = cv2.resize(part(0)[..., 0], (64, 64), interpolation=cv2.INTER_AREA).astype(float)
    shots = [np.round(plain + rng.normal(0, 0.7, (64, 64))).astype(np.uint8) for _ in range(400)]

    assert [len(group) for group in find_near_copies([shot(str(i), one) for i, one in enumerate(shots)])] == [400]


def test_larger_picture_of_near_copies_comes_first(tmp_path: Path) -> None:
    small = cv2.resize(part(0), (80, 60), interpolation=cv2.INTER_AREA)

    found = measured(tmp_path, {"a.png": small, "b.png": part(0), "c.png": part(1)})

    assert names(find_near_copies(found)) == [["b.png", "a.png"]]


def test_blank_pictures_and_other_proportions_are_never_near_copies(tmp_path: Path) -> None:
    flat, flatter = np.full((64, 64), 100, np.uint8), np.full((64, 64), 101, np.uint8)
    squeezed = cv2.resize(part(0), (120, 120), interpolation=cv2.INTER_AREA)

    found = measured(tmp_path, {"a.png": flat, "b.png": flatter, "c.png": part(0), "d.png": squeezed})

    assert find_near_copies(found) == []


@pytest.mark.parametrize("count", [0, 1])
def test_no_pictures_no_copies(tmp_path: Path, count: int) -> None:
    found = measured(tmp_path, {f"{seed}.png": part(seed) for seed in range(count)})

    assert find_exact_copies(found) == find_near_copies(found) == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["casting_impeller", "magnetic_tile", "toy_figure"])
def test_near_copies_in_real_sets_never_join_two_parts(real_data: Path, name: str) -> None:
    pictures = read_folder(real_data / name).pictures

    groups = find_near_copies(measure_pictures(pictures, 2, lambda step, done, total: None)[0])

    assert all(len({one.picture.group for one in group}) == 1 for group in groups)
