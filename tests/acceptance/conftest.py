"""What the tests of acceptances share: grey pictures that the made gate judges, and an acceptance of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.acceptance.acceptance import Acceptance, accept

LIMITS = "name: cover\nrechecks: caught\nrechecks_good: accepted\n"


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture
def make_grey_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function: pictures of one grey level each; the made gate takes brightness / 255 as the defect score."""

    def make(levels: Mapping[str, Sequence[int]], name: str = "data") -> Path:
        folder = tmp_path / name
        for label, values in levels.items():
            (folder / label).mkdir(parents=True)
            for number, value in enumerate(values):
                pixels = np.full((40, 40, 3), value, np.uint8)
                pixels[0, 0] = (number % 256, len(label), number // 256)  # no two files alike
                cv2.imwrite(str(folder / label / f"{number:03d}.png"), pixels)
        return folder

    return make


@pytest.fixture
def run(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """The run folder of a made gate: recheck from 0.4, reject from 0.6."""
    return make_run(tmp_path / "run")


@pytest.fixture
def judge(run: Path, tmp_path: Path) -> Callable[..., Acceptance]:
    """A function: accept a folder against limits given as YAML."""

    def accept_it(data: Path, limits: str, gate: Path = run, **options: object) -> Acceptance:
        path = tmp_path / "limits.yaml"
        path.write_text(LIMITS + limits, encoding="utf-8")
        return accept(gate, data, path, tmp_path / "out", progress=quietly, **options)

    return accept_it
