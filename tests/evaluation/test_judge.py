"""Judging many pictures: in order, a few at a time, none kept."""

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.folder import Picture, read_folder
from partgate.evaluation.judge import judge_pictures, map_in_order
from partgate.inference.inspector import Inspector

MakeRun = Callable[..., Path]
SIDE_PX = 256


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def test_results_come_in_the_order_of_the_work_and_only_a_few_are_begun_ahead():
    begun = 0

    def items() -> Iterator[int]:
        nonlocal begun
        for item in range(50):
            begun += 1
            yield item

    ahead = []
    with ThreadPoolExecutor(2) as pool:
        results = []
        for result in map_in_order(pool, lambda item: item * item, items(), 4):
            results.append(result)
            ahead.append(begun - len(results))

    assert results == [item * item for item in range(50)]
    assert max(ahead) < 4


def test_error_in_one_item_reaches_the_caller_and_ends_the_work():
    done: list[int] = []

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the fourth")
        done.append(item)
        return item

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="the fourth"):
        list(map_in_order(pool, work, range(100), 4))

    assert len(done) < 10


def test_progress_tells_every_picture_to_the_last(make_run: MakeRun, tmp_path: Path):
    folder = make_pictures(tmp_path / "data", 5)
    inspector = Inspector.open(make_run(tmp_path / "run"))
    told: list[tuple[str, int, int]] = []

    judge_pictures(folder, inspector, 2, lambda *numbers: told.append(numbers))

    assert told == [("judge", done, 5) for done in range(1, 6)]


def make_pictures(folder: Path, count: int) -> tuple[Picture, ...]:
    """Return pictures of 192 KiB each once they are read."""
    for number in range(count):
        path = folder / ("good" if number % 2 else "defect") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((SIDE_PX, SIDE_PX, 3), 40 * (number % 6), np.uint8)
        pixels[0, 0] = number
        cv2.imwrite(str(path), pixels)
    return read_folder(folder).pictures


@pytest.mark.slow
def test_memory_of_a_large_test_does_not_grow_with_its_pictures(make_run: MakeRun, tmp_path: Path):
    few = make_pictures(tmp_path / "data", 6)
    inspector = Inspector.open(make_run(tmp_path / "run"))
    many = tuple(replace(few[number % 6], file=f"{number}") for number in range(1500))
    judge_pictures(few, inspector, 2, quietly)  # what is loaded once is there

    tracemalloc.start()
    judged, _ = judge_pictures(many, inspector, 2, quietly)
    grown, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(judged) == 1500
    picture = SIDE_PX * SIDE_PX * 3
    assert peak - grown < 20 * picture  # at work: never more than a few pictures
    assert grown / len(many) < picture / 50  # kept: verdicts alone
    assert threading.active_count() < 20
