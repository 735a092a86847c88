"""What a person says about a record is a row of the audit log; the record itself never changes."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from partgate.cli.records import app
from partgate.parts import Reason, Record, Verdict
from partgate.records.audit import content_of
from partgate.records.export import stream_export
from partgate.records.store import DATABASE_FILE, RecordStore, read_audit, read_records
from partgate.records.verify import verify_records

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with RecordStore(tmp_path) as store:
        for sequence in (1, 2):
            store.add(
                Record(
                    station="line", boot=1, sequence=sequence, first_sequence=sequence, at=AT, verdict=Verdict.RECHECK,
                    reason=Reason.RECHECK_BAND, detail="", sent=True, missed=False, recipe="cover", bundle_id="0" * 64,
                )
            )  # fmt: skip
    return tmp_path


def cli(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return found.exit_code, found.stdout, str(found.exception)


def review(folder: Path, *arguments: object) -> tuple[int, str, str]:
    return cli("review", folder, "--record", 2, "--by", "A. Prüfer", *arguments)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--record", 2, "--by", "A"], "a review says --verdict good, defect or unsure, or --hold or --release"),
        (
            ["--record", 3, "--by", "A", "--hold"],
            "record 3: is not on record; 'partgate records list' shows the numbers",
        ),
        (["--record", 2, "--by", " ", "--hold"], "--by: must name a person, got nothing"),
    ],
)
def test_review_that_says_nothing_of_anything_by_anybody_is_refused(
    folder: Path, arguments: list[object], problem: str
):
    assert problem in cli("review", folder, *arguments)[2]
    assert read_audit(folder) == []


def test_unknown_verdict_is_wrong_usage(folder: Path):
    assert review(folder, "--verdict", "perfect")[0] == 2


def test_review_is_a_chained_row_with_the_hash_of_its_record(folder: Path):
    before = read_records(folder)

    done = review(folder, "--verdict", "defect", "--note", "Kratzer", "--hold")

    (row,) = read_audit(folder)
    assert done[:2] == (0, "record 2: defect, held, by A. Prüfer\n")
    assert (row["kind"], row["station"], row["record"]) == ("review", "line", 2)
    assert content_of(row) == {
        "record": 2, "digest": before[1]["digest"], "verdict": "defect", "by": "A. Prüfer", "note": "Kratzer",
        "hold": True,
    }  # fmt: skip
    assert read_records(folder) == before
    assert verify_records(folder).problems == ()


def test_newest_action_counts_and_what_it_does_not_speak_of_stays(folder: Path):
    review(folder, "--verdict", "unsure", "--hold")
    second = cli("review", folder, "--record", 2, "--by", "B. Prüferin", "--verdict", "good", "--note", "nachgemessen")
    assert second[1] == "record 2: good, held, by B. Prüferin\n"
    review(folder, "--release")

    first, last = stream_export(folder)

    assert (first["review_verdict"], first["on_hold"]) == (None, False)
    assert (last["review_verdict"], last["review_by"], last["review_note"], last["on_hold"]) == (
        "good", "A. Prüfer", "nachgemessen", False,
    )  # fmt: skip


def test_review_that_was_changed_and_a_reviewed_record_that_was_changed_are_named(folder: Path):
    review(folder, "--verdict", "defect")
    with sqlite3.connect(folder / DATABASE_FILE) as connection:
        connection.execute("UPDATE audit SET content = replace(content, 'defect', 'good')")
        connection.execute("UPDATE records SET digest = 'x' WHERE id = 2")
    connection.close()

    problems = verify_records(folder).problems

    assert "audit row 1: was changed after it was written" in problems
    assert "audit row 1: record 2, which it is about, is gone or changed" in problems


def test_review_moved_to_another_record_is_named(folder: Path):
    review(folder, "--verdict", "good")
    with sqlite3.connect(folder / DATABASE_FILE) as connection:
        connection.execute("UPDATE audit SET record = 1")
    connection.close()

    assert verify_records(folder).problems == ("audit row 1: was changed after it was written",)


def test_everything_about_one_part_is_shown(folder: Path):
    review(folder, "--verdict", "defect", "--note", "Kratzer", "--hold")

    code, printed, _ = cli("show", folder, "--record", 2)

    assert code == 0
    assert "verdict          RECHECK" in printed
    assert "record 2 reviewed as defect and held by A. Prüfer: Kratzer" in printed
    assert "record 9: is not on record" in cli("show", folder, "--record", 9)[2]
