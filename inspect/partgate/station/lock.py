"""One process for each station: the operating system's lock on a file beside the records, gone with its holder."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from partgate.errors import RecordError

Role = Literal["run", "watch"]

_WORDS: dict[Role, str] = {"run": "is already running", "watch": "is already watched"}
_LOCKED_BYTE = 4096  # behind the text: Windows lets nobody read a byte that is locked
_LONGEST_NAME = 60


def lock_path(folder: Path, station: str, role: Role) -> Path:
    """Return the lock's file: stations that share a records folder have one each.

    Example:
        >>> lock_path(Path("records"), "Linie 3", "run").name
        '.run-Linie%203-a5afb536.lock'
    """
    digest = hashlib.sha256(station.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    shown = quote(station.encode("utf-8", "backslashreplace"), safe="")[:_LONGEST_NAME]
    return folder / f".{role}-{shown}-{digest}.lock"


@contextmanager
def only_one(folder: Path, station: str, role: Role) -> Iterator[None]:
    """Hold a station for this process while the block runs.

    The lock is the operating system's, not the file: a holder that was killed leaves the file, and nothing is locked.

    Args:
        folder: Of the station's records; made where it does not exist.
        station: Its name.
        role: ``run`` for the station itself, ``watch`` for its watcher.

    Raises:
        RecordError: If another process holds it, or the folder cannot be written to.
    """
    path = lock_path(folder, station, role)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RecordError(f"{path}: cannot be made: {error.strerror}; name a writable folder under records") from None
    try:
        if not _try_to_lock(handle, path):
            raise RecordError(
                f"station '{station}': {_WORDS[role]} on this PC, by process {_holder(handle)}; stop that first, or "
                f"give this station another name"
            )
        with suppress(OSError):  # a full disk: the number is for the message alone
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)  # and with it the lock


def _holder(handle: int) -> str:
    try:
        return os.read(handle, 20).decode("ascii", "replace").strip() or "?"
    except OSError:
        return "?"


def _try_to_lock(handle: int, path: Path) -> bool:
    """Lock an open file for this process; ``False`` where another one has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:  # a network drive without locks
        raise RecordError(f"{path}: cannot be locked: {error.strerror}; keep records on a disk of this PC") from None
    return True
