"""Nothing is looked up on a network, and a line PC does without what only learning needs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .typed import partgate, station_file

NO_NETWORK = """
import socket, sys
class Blocked(socket.socket):
    def connect(self, address):
        if self.family != socket.AF_UNIX and not str(address[0]).startswith('127.'):
            print('network:', address, file=sys.stderr); sys.stderr.flush(); import os; os._exit(99)
        return super().connect(address)
def refuse(*a, **k):
    if a[0] not in ('127.0.0.1', 'localhost', None):
        print('look-up:', a, file=sys.stderr); sys.stderr.flush(); import os; os._exit(98)
    return resolve(*a, **k)
resolve = socket.getaddrinfo
socket.socket, socket.getaddrinfo = Blocked, refuse
"""


@pytest.mark.slow
def test_nothing_is_looked_up_on_a_network_by_import_train_evaluate_and_run(
    make_folder: Callable[..., Path], tmp_path: Path
):
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    data = make_folder(tmp_path / "parts", {"good": 9, "spot": 9})
    (tmp_path / "training.yaml").write_text("data: parts\ngroups: given\nimage_size_px: 96\n", encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "PARTGATE_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    albumentations = "import partgate.training, albumentations"
    control = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)"

    def python(code: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, check=False
        ).returncode

    assert python(control) in {98, 99}, "the guard must see a real attempt"
    assert python(albumentations) == 0
    for command in (
        ("train", tmp_path / "training.yaml", "--preset", "quick", "--out", tmp_path / "run"),
        ("evaluate", tmp_path / "run", data, "--out", tmp_path / "report"),
        ("run", station_file(tmp_path, tmp_path / "run", data), "--parts", 3, "--linger", 0),
        ("doctor",),
    ):
        done = partgate(*command, env=env)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_line_pc_never_imports_what_only_learning_needs():
    code = (
        "import sys; import partgate.station.run, partgate.cli.main, partgate.cameras.usb, partgate.controllers.modbus;"
        "print([m for m in ('torch', 'torchvision', 'timm', 'albumentations', 'sklearn', 'onnx') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_training_without_its_libraries_says_what_to_install(tmp_path: Path):
    (tmp_path / "good").mkdir()
    block = "import sys; sys.modules['torch'] = None\nimport importlib.util as u\nfind = u.find_spec\n"
    code = (
        block + "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        f"sys.argv = ['partgate', 'train', {str(tmp_path)!r}, '--out', 'x']\nfrom partgate.cli.main import main\nmain()"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 1
    assert "training needs torch; pip install 'partgate[train]'" in done.stderr
