"""Files that are written: there whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from partgate.configfile import dump_yaml, write_atomically


def test_written_file_holds_all_bytes_and_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.bin"
    path.write_bytes(b"old")

    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_a_folder_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "a.bin", b"new")

    assert list(tmp_path.iterdir()) == []


def test_writing_over_a_folder_fails_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()

    with pytest.raises(OSError, match=r"a\.bin"):
        write_atomically(tmp_path / "a.bin", b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


# Files of at most 1000 bytes: writing more fails in the middle, as on a full disk. In a process of its own, since the
# limit holds for every file that a process writes, the test runner's own output among them.
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from partgate.configfile import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), b"x" * 5000)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a thing of POSIX")
def test_full_disk_leaves_the_old_file_and_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "record.bin"
    path.write_bytes(b"old")

    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)

    assert done.stdout == "File too large\n"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_yaml_is_written_in_the_given_order_with_umlauts_under_its_comment() -> None:
    assert dump_yaml({"product": "Gehäuse", "lane": 1}, comment="Rezept\nLinie 3").decode() == (
        "# Rezept\n# Linie 3\nproduct: Gehäuse\nlane: 1\n"
    )
