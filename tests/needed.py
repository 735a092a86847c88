"""What a test needs of the machine: missing, it is skipped with the cure, but never in CI."""

import os
import shutil
from pathlib import Path

import pytest

COUNTERPARTS = Path(__file__).parent / "counterparts"


def need(what: str, is_there: object, install: str) -> None:
    """Skip the test that calls this where something is not installed; in CI, let it fail."""
    if is_there:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing ({install}); .ci/run installs it, in CI no test is skipped for it")
    pytest.skip(f"needs {what} ({install})")


def need_node(library: str) -> None:
    """Skip the test that calls this where Node or one of its libraries is not installed."""
    there = shutil.which("node") and (COUNTERPARTS / "node_modules" / library).exists()
    need(f"node with {library}", there, "tests/counterparts/install")


def need_libmodbus() -> None:
    """Skip the test that calls this where no server on libmodbus can be compiled."""
    there = shutil.which("gcc") and Path("/usr/include/modbus/modbus.h").exists()
    need("gcc and libmodbus-dev", there, "apt-get install gcc libmodbus-dev")
