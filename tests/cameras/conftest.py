"""What the tests of the genicam driver share: its producers, and what is wrong with them."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..needed import need


@pytest.fixture(scope="session")
def viky() -> Path:
    library = find_spec("genicam")  # not imported: its library stays out of this process
    assert library is not None
    assert library.origin is not None
    return Path(library.origin).with_name("viky.cti")


@pytest.fixture(scope="session")
def faulty(viky: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("cc", shutil.which("cc"), "apt-get install gcc libc6-dev")
    path = tmp_path_factory.mktemp("producer") / "faulty.cti"
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-o",
        path,
        Path(__file__).with_name("faulty_producer.c"),
        "-Wl,--no-as-needed",
        viky,
    ]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the name of a file is a fault."""
    monkeypatch.setenv("FAULTY_PRODUCER", str(tmp_path))
    return tmp_path
