"""The folder that a training leaves: whole or not at all; what a killed training had is gone on from."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from partgate.errors import TrainingError
from partgate.training.distributed import Team

WORK_FOLDER = "work"
"""Inside an unfinished run: kept maps and the checkpoint of the last round; removed at the end."""

_FINGERPRINT_FILE = "fingerprint"
_SUFFIX = ".unfinished"


@contextmanager
def run_folder(run: Path, fingerprint: str, team: Team) -> Iterator[Path]:
    """Give a folder beside ``run`` that takes its name at the end.

    Where a training with the same fingerprint was killed or stopped, its folder is given as it was left. Any error
    removes it; Ctrl-C leaves it, so that the same command goes on.

    Args:
        run: Must not exist.
        fingerprint: Says what is trained on what; another training does not go on from this one's state.
        team: Its first process makes and removes the folder.

    Raises:
        TrainingError: If the run exists, another training writes there, or the place cannot be written.
    """
    check_free(run)
    unfinished = run.with_name(f"{run.name}{_SUFFIX}")
    with _alone(unfinished) if team.leads else nullcontext():
        if team.leads:
            _open(run, unfinished, fingerprint)
        team.wait()
        with _whole_or_nothing(run, unfinished, team):
            yield unfinished


@contextmanager
def _alone(unfinished: Path) -> Iterator[None]:
    """Hold a lock beside the folder, which the system takes back from a process that is killed."""
    lock = FileLock(unfinished.with_name(f"{unfinished.name}.lock"), timeout=0)
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise TrainingError(f"{unfinished}: another training writes there; wait for it or name another run") from error
    except OSError as error:
        run = unfinished.with_name(unfinished.name.removesuffix(_SUFFIX))
        raise TrainingError(f"{run}: cannot be written: {error.strerror}; name a folder on a writable disk") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def _whole_or_nothing(run: Path, unfinished: Path, team: Team) -> Iterator[None]:
    try:
        yield
        if team.leads:
            shutil.rmtree(unfinished / WORK_FOLDER)
            (unfinished / _FINGERPRINT_FILE).unlink()
            os.replace(unfinished, run)
    except OSError as error:
        _remove(unfinished, team)
        raise TrainingError(f"{run}: cannot be written: {error.strerror or error}; nothing was left there") from error
    except Exception:
        _remove(unfinished, team)
        raise


def check_free(run: Path) -> None:
    """Refuse a run folder that exists.

    Raises:
        TrainingError: If it does.
    """
    if run.exists():
        raise TrainingError(f"{run}: exists already; name another folder or remove it")


def _open(run: Path, unfinished: Path, fingerprint: str) -> None:
    mark = unfinished / _FINGERPRINT_FILE
    try:
        if mark.is_file() and mark.read_text(encoding="utf-8") == fingerprint:
            (unfinished / WORK_FOLDER).mkdir(exist_ok=True)  # it may have been killed while it cleared up
            return
        shutil.rmtree(unfinished, ignore_errors=True)  # of a training on other pictures or with other settings
        (unfinished / WORK_FOLDER).mkdir(parents=True)
        mark.write_text(fingerprint, encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written: {error.strerror}; name a folder on a writable disk") from error


def _remove(unfinished: Path, team: Team) -> None:
    if team.leads:
        shutil.rmtree(unfinished, ignore_errors=True)
