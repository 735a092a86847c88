"""The run folder: whole or not at all, and what was stopped is gone on from by the same training alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from partgate.errors import DataError, TrainingError
from partgate.training.distributed import Team
from partgate.training.run_folder import WORK_FOLDER, run_folder


def stopped(run: Path, fingerprint: str = "one") -> Path:
    """Return the folder of a training that was stopped after it wrote a checkpoint."""
    unfinished = run.with_name(f"{run.name}.unfinished")
    with pytest.raises(KeyboardInterrupt):
        fail(run, unfinished / WORK_FOLDER / "checkpoint", KeyboardInterrupt(), fingerprint)
    return unfinished


def fail(run: Path, file: Path, error: BaseException, fingerprint: str = "one") -> None:
    with run_folder(run, fingerprint, Team()):
        file.write_text("half")
        raise error


@contextmanager
def went_on(run: Path, fingerprint: str = "one") -> Iterator[bool]:
    with run_folder(run, fingerprint, Team()) as unfinished:
        yield (unfinished / WORK_FOLDER / "checkpoint").is_file()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_run_that_exists_is_left_as_it_is(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "mine").write_text("keep")

    with (
        pytest.raises(TrainingError, match="run: exists already; name another folder or remove it"),
        run_folder(run, "one", Team()),
    ):
        pass

    assert names(tmp_path) == ["run", "run/mine"]


def test_second_training_into_the_same_run_is_refused_while_the_first_one_writes(tmp_path: Path):
    run = tmp_path / "run"

    with run_folder(run, "one", Team()) as unfinished:
        (unfinished / "facts").write_text("of the first")
        with pytest.raises(TrainingError, match=r"run.unfinished: another training writes there; wait for it or name"):
            fail(run, tmp_path / "x", ValueError("not reached"))

    assert names(tmp_path) == ["run", "run/facts"]


def test_place_that_is_not_writable_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(TrainingError, match=r"file/run: cannot be written: File exists; name a folder on a writ"):
        fail(tmp_path / "file" / "run", tmp_path / "x", ValueError("not reached"))


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (DataError("class spot has no picture"), DataError, "class spot has no picture"),
        (ValueError("a bug"), ValueError, "a bug"),
        (OSError(28, "No space left on device"), TrainingError, "run: cannot be written: No space left on device; "),
    ],
    ids=["user", "bug", "disk-full"],
)
def test_error_leaves_nothing_behind(tmp_path: Path, error: Exception, kind: type[Exception], sentence: str):
    with pytest.raises(kind, match=sentence):
        fail(tmp_path / "run", tmp_path / "run.unfinished" / "model.partgate", error)

    assert names(tmp_path) == []


def test_finished_run_takes_its_name_and_holds_nothing_of_the_work(tmp_path: Path):
    with run_folder(tmp_path / "a" / "run", "one", Team()) as unfinished:
        (unfinished / WORK_FOLDER / "maps.npy").write_text("large")
        (unfinished / "model.partgate").write_text("whole")

    assert names(tmp_path) == ["a", "a/run", "a/run/model.partgate"]


def test_ctrl_c_leaves_what_the_same_training_goes_on_from(tmp_path: Path):
    stopped(tmp_path / "run")

    with went_on(tmp_path / "run") as has_checkpoint:
        assert has_checkpoint

    assert names(tmp_path) == ["run"]


def test_other_training_starts_afresh(tmp_path: Path):
    stopped(tmp_path / "run")

    with went_on(tmp_path / "run", "another") as has_checkpoint:
        assert not has_checkpoint


def test_leftovers_without_a_fingerprint_are_cleared(tmp_path: Path):
    unfinished = tmp_path / "run.unfinished"
    (unfinished / WORK_FOLDER).mkdir(parents=True)
    (unfinished / WORK_FOLDER / "checkpoint").write_text("whose?")
    (unfinished / "model.partgate").write_bytes(b"half")

    with went_on(tmp_path / "run") as has_checkpoint:
        assert not has_checkpoint

    assert names(tmp_path) == ["run"]


def test_training_that_was_killed_while_it_cleared_up_goes_on(tmp_path: Path):
    work = stopped(tmp_path / "run") / WORK_FOLDER
    (work / "checkpoint").unlink()
    work.rmdir()

    with run_folder(tmp_path / "run", "one", Team()) as unfinished:
        assert (unfinished / WORK_FOLDER).is_dir()


def test_further_members_of_a_team_write_and_remove_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Team, "wait", lambda self: None)
    (tmp_path / "run.unfinished").mkdir()

    with pytest.raises(ValueError, match="a bug"), run_folder(tmp_path / "run", "one", Team(rank=1, size=2)):
        raise ValueError("a bug")
    with run_folder(tmp_path / "run", "one", Team(rank=1, size=2)):
        pass

    assert names(tmp_path) == ["run.unfinished"]
