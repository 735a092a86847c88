"""Pictures are deleted by age and size: oldest first, on the audit log first, and never one that is under review."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.cli.records import app
from partgate.parts import Frame, Reason, Record, Verdict
from partgate.records import retention as retention_module
from partgate.records.audit import content_of
from partgate.records.config import RecordsConfig, RetentionConfig
from partgate.records.retention import prune
from partgate.records.review import add_review
from partgate.records.store import RecordStore, read_audit, read_records
from partgate.records.verify import verify_records

from .made_records import wait_for

NOW = datetime.now(UTC)
PICTURE = np.full((8, 8, 3), 100, np.uint8)
AGE = RetentionConfig(days=30)


def make_record(sequence: int, age_days: float, verdict: Verdict = Verdict.GOOD, **changes: object) -> Record:
    record = Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=NOW - timedelta(days=age_days),
        verdict=verdict, reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="cover", bundle_id="0" * 64,
        image=PICTURE,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def write(folder: Path, *records: Record) -> None:
    with RecordStore(folder) as store:
        for record in records:
            store.add(record)


def there(folder: Path) -> list[int]:
    return [row["sequence"] for row in read_records(folder) if row["picture"] and (folder / row["picture"]).is_file()]


def cli(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return found.exit_code, found.stdout, str(found.exception)


def test_old_pictures_go_and_their_records_stay_whole(tmp_path: Path):
    left = Frame(PICTURE, NOW, "left")
    write(tmp_path, make_record(1, 40, more_frames=(left,)), make_record(2, 31), make_record(3, 29))

    (found,) = prune(tmp_path, AGE, None, dry_run=False)

    assert (found.station, found.pictures) == ("line", 2)
    assert there(tmp_path) == [3]
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 1
    verified = verify_records(tmp_path)
    assert (verified.problems, verified.records, verified.pictures, verified.pruned) == ((), 3, 4, 3)
    (event,) = read_audit(tmp_path)
    said = content_of(event)
    assert (event["kind"], said["records"], said["pictures"], said["why"]) == (
        "prune",
        [[1, 2]],
        2,
        "more than 30 days",
    )
    assert said["bytes"] == found.size > 0


def test_picture_that_retention_did_not_delete_is_missing_all_the_same(tmp_path: Path):
    write(tmp_path, make_record(1, 40), make_record(2, 1))
    prune(tmp_path, AGE, None, dry_run=False)

    (tmp_path / read_records(tmp_path)[1]["picture"]).unlink()

    assert [line.split(": picture")[0] for line in verify_records(tmp_path).problems] == ["record 2"]


@pytest.mark.parametrize(
    ("verdict", "review", "stays"),
    [
        (Verdict.RECHECK, None, True),
        (Verdict.RECHECK, {"verdict": "unsure"}, True),
        (Verdict.RECHECK, {"verdict": "good"}, False),
        (Verdict.RECHECK, {"verdict": "defect"}, False),
        (Verdict.RECHECK, {"verdict": "good", "hold": True}, True),
        (Verdict.REJECT, None, False),
        (Verdict.REJECT, {"hold": True}, True),
        (Verdict.GOOD, {"hold": True}, True),
    ],
)
def test_picture_under_review_stays_however_old_it_is(
    tmp_path: Path, verdict: Verdict, review: dict[str, object] | None, stays: bool
):
    write(tmp_path, make_record(1, 50), make_record(2, 45, verdict), make_record(3, 40))
    if review is not None:
        add_review(tmp_path, 2, "A. Prüfer", **review)  # type: ignore[arg-type]

    prune(tmp_path, AGE, None, dry_run=False)

    assert there(tmp_path) == ([2] if stays else [])
    assert verify_records(tmp_path).problems == ()


def test_picture_goes_once_it_is_released_or_settled(tmp_path: Path):
    write(tmp_path, make_record(1, 50, Verdict.RECHECK), make_record(2, 45), make_record(3, 40))
    add_review(tmp_path, 3, "A. Prüfer", hold=True)
    prune(tmp_path, AGE, None, dry_run=False)
    assert there(tmp_path) == [1, 3]

    add_review(tmp_path, 3, "B. Prüferin", hold=False)
    prune(tmp_path, AGE, None, dry_run=False)
    assert there(tmp_path) == [1]
    add_review(tmp_path, 1, "B. Prüferin", "defect")
    prune(tmp_path, AGE, None, dry_run=False)

    assert there(tmp_path) == []
    assert verify_records(tmp_path).problems == ()


def test_oldest_go_until_the_rest_fits_the_size(tmp_path: Path):
    write(tmp_path, make_record(1, 5, Verdict.RECHECK), *(make_record(sequence, 4) for sequence in range(2, 6)))
    size = read_records(tmp_path)[0]["picture_bytes"]

    prune(tmp_path, RetentionConfig(gigabytes=3.5 * size / 1e9), None, dry_run=False)

    assert there(tmp_path) == [1, 4, 5]


def test_more_under_review_than_the_size_allows_deletes_none_of_it_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    write(tmp_path, *(make_record(sequence, 5, Verdict.RECHECK) for sequence in (1, 2, 3)))

    prune(tmp_path, RetentionConfig(gigabytes=1e-9), None, dry_run=False)

    assert there(tmp_path) == [1, 2, 3]
    assert "under review, more than retention.gigabytes" in caplog.text


def test_records_of_an_earlier_version_without_sizes_are_measured_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from partgate.records.pictures import PictureArchive

    save = PictureArchive.save
    monkeypatch.setattr(PictureArchive, "save", lambda archive, record: save(archive, record) | {"picture_bytes": None})
    write(tmp_path, *(make_record(sequence, 5) for sequence in (1, 2, 3)))
    size = next((tmp_path / "pictures").rglob("*.png")).stat().st_size

    prune(tmp_path, RetentionConfig(gigabytes=1.5 * size / 1e9), None, dry_run=False)

    assert there(tmp_path) == [3]


def test_station_deletes_in_small_steps_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention_module, "_BATCH", 3)
    monkeypatch.setattr(retention_module, "_FILES_A_STEP", 2)
    monkeypatch.setattr(retention_module, "_AGAIN_S", 0.05)
    write(tmp_path, *(make_record(sequence, 50) for sequence in range(1, 9)), make_record(9, 1))

    with RecordStore(RecordsConfig(folder=tmp_path, retention=AGE)) as store:
        wait_for(lambda: (store._retention.wait_s or 0) > 0)  # it looked before any station was known
        store.last_trigger("line")
        wait_for(lambda: there(tmp_path) == [9])
        store.add(make_record(10, 1))

    assert [content_of(row)["pictures"] for row in read_audit(tmp_path)] == [3, 3, 2]
    assert verify_records(tmp_path).problems == ()


def test_station_killed_between_log_and_deletion_deletes_the_rest_when_it_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path, *(make_record(sequence, 50) for sequence in (1, 2, 3)))
    unlink = Path.unlink

    def die(path: Path, missing_ok: bool = False) -> None:
        if "-2.png" in path.name:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            prune(tmp_path, AGE, None, dry_run=False)
    assert there(tmp_path) == [2, 3]
    assert verify_records(tmp_path).problems == ()

    prune(tmp_path, AGE, None, dry_run=False)

    assert there(tmp_path) == []
    assert len(read_audit(tmp_path)) == 1


def test_picture_that_cannot_be_deleted_is_told_once_and_keeps_no_record_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    write(tmp_path, make_record(1, 50))
    tried: list[Path] = []

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".png":
            tried.append(path)
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(retention_module, "_REST_S", 0.01)
    monkeypatch.setattr(retention_module, "_AGAIN_S", 0.01)
    with RecordStore(RecordsConfig(folder=tmp_path, retention=AGE)) as store:
        store.last_trigger("line")
        wait_for(lambda: len(tried) > 2)
        store.add(make_record(2, 1))
        wait_for(lambda: store.written == 1)
        assert store.problem is None

    assert caplog.text.count("cannot be deleted: [Errno 13] Permission denied") == 1


def test_stations_of_one_folder_are_counted_and_deleted_apart(tmp_path: Path):
    write(tmp_path, make_record(1, 50), make_record(1, 50, station="other"), make_record(2, 50))

    (found,) = prune(tmp_path, AGE, "line", dry_run=False)

    assert found.pictures == 2
    assert [row["station"] for row in read_records(tmp_path) if (tmp_path / row["picture"]).is_file()] == ["other"]
    assert content_of(read_audit(tmp_path)[0])["records"] == [[1, 3]]
    other = next(row for row in read_records(tmp_path) if row["station"] == "other")
    (tmp_path / other["picture"]).unlink()
    assert verify_records(tmp_path).problems == (f"record 2: picture {other['picture']} is missing",)


def test_command_tells_first_and_deletes_then(tmp_path: Path):
    write(tmp_path, make_record(1, 50), make_record(2, 1))

    dry = cli("prune", tmp_path, "--days", 30, "--dry-run")
    assert there(tmp_path) == [1, 2]
    assert read_audit(tmp_path) == []
    done = cli("prune", tmp_path, "--days", 30)

    assert dry[:2] == (0, "station 'line': pictures of 1 records would be deleted, 0.000 GB\n")
    assert done[:2] == (0, "station 'line': pictures of 1 records deleted, 0.000 GB\n")
    assert there(tmp_path) == [2]
    assert "retention deleted the pictures of 1 records" in cli("audit", tmp_path)[1]
    assert "(1 deleted by retention)" in cli("verify", tmp_path)[1]
    assert "names no records.retention; give --days, --gigabytes or both" in cli("prune", tmp_path)[2]
    assert "gigabytes: input should be greater than 0, got -1.0" in cli("prune", tmp_path, "--gigabytes", "-1")[2]
