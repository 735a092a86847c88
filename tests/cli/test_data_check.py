"""``partgate data check`` as a user types it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "partgate", "data", "check")
WITHOUT_TRAIN = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'torchvision', 'timm', 'sklearn', 'onnx', 'albumentations'):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
sys.meta_path.insert(0, Missing())
"""


def check(*arguments: object, cwd: Path, without_train: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command; with a folder to put the block into, as if partgate[train] were not installed."""
    environment = dict(os.environ)
    if without_train is not None:
        (without_train / "sitecustomize.py").write_text(WITHOUT_TRAIN, encoding="utf-8")
        environment["PYTHONPATH"] = str(without_train)
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=environment, timeout=240,
        check=False,
    )  # fmt: skip


def test_missing_folder_is_told_in_one_line(tmp_path: Path) -> None:
    done = check("nowhere", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (1, "partgate: nowhere: no such folder\n")


def test_empty_folder_says_what_belongs_into_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = check("empty", cwd=tmp_path)

    assert done.returncode == 1
    assert "holds no labelled picture; put pictures" in done.stderr


def test_run_without_out_of_fold_scores_is_told_before_any_work(
    tmp_path: Path, make_folder: Callable[..., Path]
) -> None:
    make_folder(tmp_path / "parts", {"good": 2, "dent": 2})

    done = check("parts", "--run", "nowhere", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == ("partgate: nowhere/out_of_fold.csv: no such file; no such run folder, or leave --run away\n")


def test_without_the_training_packages_the_rest_is_checked_and_it_says_what_is_not(
    tmp_path: Path, make_folder: Callable[..., Path]
) -> None:
    data = make_folder(tmp_path / "parts", {"good": 13, "dent": 3})
    shutil.copy(data / "good/good_000.png", data / "dent/copy.png")
    (tmp_path / "blocked").mkdir()

    done = check("parts", "--lang", "de", cwd=tmp_path, without_train=tmp_path / "blocked")

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "fix   The same picture under two labels: Decide which label is true" in done.stdout
    assert "looking for it needs the pretrained network (pip install 'partgate[train]')" in done.stdout
    assert done.stdout.splitlines()[-1] == "page: parts-check/check.html"
    assert '<html lang="de">' in (tmp_path / "parts-check/check.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_with_them_look_alikes_are_found_and_answers_are_obeyed(
    tmp_path: Path, make_folder: Callable[..., Path]
) -> None:
    data = make_folder(tmp_path / "parts", {"good": 13, "dent": 13})
    shutil.copy(data / "good/good_000.png", data / "dent/copy.png")
    (data / "findings.yaml").write_text("leave_out: [dent/copy.png]", encoding="utf-8")

    done = check("parts", "--out", "seen", "--image-size", "96", cwd=tmp_path)

    document = json.loads((tmp_path / "seen/check.json").read_text(encoding="utf-8"))
    assert done.returncode == 0
    assert "note: 1 pictures are left out by findings.yaml, e.g. 'dent/copy.png'" in done.stdout
    assert (document["parts_by"], document["left_out"], document["open"]["fix"]) == ("found", 1, 0)
    assert document["not_checked"] == ["doubtful_label"]
