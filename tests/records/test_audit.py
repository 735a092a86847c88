"""The audit log: starts, stops and changes, and a proof that names the row that was touched."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from partgate.cli.records import app
from partgate.configfile import Settings
from partgate.errors import RecordError
from partgate.parts import Reason, Record, Verdict
from partgate.recipe import BundlePin, Limits, Recipe
from partgate.records import audit
from partgate.records.audit import AuditEvent, RecipeInForce, content_of, start_event, stop_event
from partgate.records.store import DATABASE_FILE, RecordStore, read_audit
from partgate.records.verify import verify_records

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class MadeSettings(Settings):
    recipe: Path = Path("recipe.yaml")
    trigger_age_ms: float = 50


def start(reject_from: float = 0.5, sha256: str = "a" * 64, model: str = "b" * 64, **settings: object) -> AuditEvent:
    limits = Limits(recheck_from=0.3, reject_from=reject_from, set_by="A. Prüfer", set_at=AT, why="Reklamation 7")
    recipe = Recipe(
        name="cover", bundle=BundlePin(file=Path("m.partgate"), id=model), good_class="good",
        classes=("dent", "good"), decision=limits, lanes={"GOOD": 1}, class_numbers={"dent": 1},
    )  # fmt: skip
    made = MadeSettings(**settings)  # type: ignore[arg-type]
    return replace(start_event("line", RecipeInForce(recipe, sha256, model), made, Path()), at=AT)


STOP = replace(stop_event("line", "asked to stop", {"triggers": 3, "results": 2, "misses": 1}), at=AT)


def record(sequence: int) -> Record:
    return Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=AT, verdict=Verdict.GOOD,
        reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="cover", bundle_id="b" * 64, lane=1,
    )  # fmt: skip


def write(folder: Path, *entries: AuditEvent | Record) -> None:
    with RecordStore(folder) as store:
        for entry in entries:
            store.add(entry) if isinstance(entry, Record) else store.note(entry)


def kinds(folder: Path) -> list[str]:
    return [row["kind"] for row in read_audit(folder)]


def change(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / DATABASE_FILE) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def cli(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return found.exit_code, found.stdout, str(found.exception)


def test_start_says_recipe_rule_model_settings_and_version(tmp_path: Path):
    write(tmp_path, start(), STOP)

    first, second = read_audit(tmp_path)

    said = content_of(first)
    assert said["partgate"]
    assert (said["recipe"]["name"], said["recipe"]["sha256"], said["model"]) == ("cover", "a" * 64, "b" * 64)
    assert said["rule"] == {
        "recheck_from": 0.3, "reject_from": 0.5, "set_by": "A. Prüfer", "set_at": "2026-11-23T08:00:00Z",
        "why": "Reklamation 7",
    }  # fmt: skip
    assert len(said["settings_sha256"]) == 64
    assert content_of(second) == {"why": "asked to stop", "triggers": 3, "results": 2, "misses": 1}


def test_same_start_again_says_no_change(tmp_path: Path):
    write(tmp_path, start(), STOP, start(), STOP)

    assert kinds(tmp_path) == ["start", "stop", "start", "stop"]


@pytest.mark.parametrize(
    ("second", "changed"),
    [
        (start(reject_from=0.4), ["rule.reject_from"]),
        (start(sha256="c" * 64), ["recipe.sha256"]),
        (start(model="d" * 64), ["model"]),
        (start(trigger_age_ms=80), ["settings.trigger_age_ms", "settings_sha256"]),
    ],
    ids=["rule", "recipe", "model", "settings"],
)
def test_each_change_against_the_last_start_is_a_row_with_what_was_and_what_is(
    tmp_path: Path, second: AuditEvent, changed: list[str]
):
    write(tmp_path, start(), STOP, second)

    rows = [content_of(row) for row in read_audit(tmp_path) if row["kind"] == "change"]

    assert [row["what"] for row in rows] == changed
    assert all(row["was"] != row["is"] for row in rows)
    assert changed != ["rule.reject_from"] or (rows[0]["was"], rows[0]["is"]) == (0.5, 0.4)


def test_start_after_a_start_without_a_stop_says_so_in_a_row_of_its_own(tmp_path: Path):
    write(tmp_path, start())
    write(tmp_path, start())

    assert kinds(tmp_path) == ["start", "no_stop", "start"]
    assert content_of(read_audit(tmp_path)[1])["start"] == 1


def test_other_station_in_the_same_folder_is_compared_with_its_own_start_only(tmp_path: Path):
    write(tmp_path, start(), replace(start(reject_from=0.4), station="other"))

    assert kinds(tmp_path) == ["start", "start"]


def test_paths_are_kept_as_seen_from_the_records_so_that_another_working_folder_is_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = Recipe.model_construct(decision=start_rule(), bundle=None)
    monkeypatch.chdir(tmp_path)
    near = start_event("line", RecipeInForce(recipe, "", ""), MadeSettings(recipe=Path("r.yaml")), Path("records"))
    monkeypatch.chdir(tmp_path.parent)
    name = Path(tmp_path.name)
    far = start_event("line", RecipeInForce(recipe, "", ""), MadeSettings(recipe=name / "r.yaml"), name / "records")

    assert near.content == far.content
    assert near.content["settings"]["recipe"] == "../r.yaml"


def start_rule() -> Limits:
    return Limits(recheck_from=0.3, reject_from=0.5)


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["UPDATE audit SET content = replace(content, '0.5', '0.6') WHERE id = 1"], "audit row 1: was changed"),
        (["UPDATE audit SET content = CAST(x'7BFF' AS TEXT) WHERE id = 2"], "audit row 2: was changed"),
        (["UPDATE audit SET content = x'00' WHERE id = 2"], "audit row 2: was changed"),
        (["UPDATE audit SET id = 9 WHERE id = 4"], "audit row 9: was changed"),
        (["DELETE FROM audit WHERE id = 2"], "audit row 3: does not follow the audit row before it"),
        (["DELETE FROM audit WHERE id = 1"], "audit row 2: does not follow the audit row before it"),
        (
            ["INSERT INTO audit SELECT 5, at, station, kind, content, record_digest, previous, digest, record, entry "
             "FROM audit WHERE id = 4"],
            "audit row 5: does not follow",
        ),
        (
            ["UPDATE audit SET id = 99 WHERE id = 2", "UPDATE audit SET id = 2 WHERE id = 3",
             "UPDATE audit SET id = 3 WHERE id = 99"],
            "audit row 2: does not follow",
        ),
    ],
    ids=["value", "no-text", "blob", "number", "removed", "first-removed", "added", "reordered"],
)  # fmt: skip
def test_row_that_was_changed_removed_added_or_moved_is_named(tmp_path: Path, statements: Sequence[str], problem: str):
    write(tmp_path, start(), STOP, start(), STOP)
    assert verify_records(tmp_path).problems == ()

    change(tmp_path, *statements)

    assert any(problem in line for line in verify_records(tmp_path).problems)


def test_byte_flipped_in_the_file_is_found_and_its_row_named(tmp_path: Path):
    write(tmp_path, start(), STOP)
    path = tmp_path / DATABASE_FILE
    content = path.read_bytes()
    place = content.index(b"Reklamation")
    path.write_bytes(content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :])

    assert any(line.startswith("audit row 1: was changed") for line in verify_records(tmp_path).problems)


def test_end_of_the_records_cut_off_before_a_row_of_the_audit_log_is_found(tmp_path: Path):
    write(tmp_path, start(), record(1), record(2), STOP)

    change(tmp_path, "DELETE FROM records WHERE id = 2")

    assert any("audit row 2: the record that was the newest" in line for line in verify_records(tmp_path).problems)


def test_end_cut_off_is_seen_only_with_the_hash_that_was_noted(tmp_path: Path):
    write(tmp_path, start(), record(1), STOP)
    noted = verify_records(tmp_path).last_audit

    write(tmp_path, start(), record(2), STOP)
    assert verify_records(tmp_path, [noted]).problems == ()
    later = verify_records(tmp_path).last_audit
    change(tmp_path, "DELETE FROM audit WHERE id = 4")

    assert verify_records(tmp_path, [noted]).problems == ()
    assert "the end was cut off" in verify_records(tmp_path, [later]).problems[0]


def test_command_prints_the_hashes_to_note_and_takes_them_back(tmp_path: Path):
    write(tmp_path, start(), record(1), STOP)
    found = verify_records(tmp_path)

    code, printed, _ = cli("verify", tmp_path, "--until", found.last_audit, "--until", found.last_record)

    assert code == 0
    assert found.last_audit in printed
    assert found.last_record in printed
    assert "stands in no row" in cli("verify", tmp_path, "--until", "e" * 64)[2]
    assert "must be the 64 digits" in cli("verify", tmp_path, "--until", "abc")[2]


def test_command_lists_the_log_for_people_and_as_json(tmp_path: Path):
    write(tmp_path, start())
    write(tmp_path, start(reject_from=0.4), STOP)

    _, printed, _ = cli("audit", tmp_path)

    assert "recipe 'cover' aaaaaaaaaaaa, recheck from 0.3, reject from 0.5 (set by A. Prüfer" in printed
    assert "the start of row 1 has no stop: killed" in printed
    assert "changed: rule.reject_from was 0.5, is 0.4" in printed
    assert "stop, asked to stop: triggers 3, results 2, declared misses 1" in printed
    assert [row["kind"] for row in json.loads(cli("audit", tmp_path, "--json")[1])] == [
        "start", "no_stop", "start", "change", "stop",
    ]  # fmt: skip


def test_start_before_that_was_tampered_with_does_not_keep_the_station_from_starting(tmp_path: Path):
    write(tmp_path, start(), STOP)
    change(tmp_path, "UPDATE audit SET content = 'x' WHERE id = 1")

    write(tmp_path, start())

    assert content_of(read_audit(tmp_path)[-1])["was"] == "audit row 1 cannot be read"
    with pytest.raises(RecordError, match="audit row 1: was changed after it was written"):
        content_of(read_audit(tmp_path)[0])


def test_event_that_could_be_written_only_in_part_is_written_as_a_whole_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path, start())
    append, failures = audit._append, [OSError(28, "No space left on device")]

    def fail_once(
        connection: Connection, event: AuditEvent, kind: str, content: Mapping[str, Any], entry: str | None
    ) -> None:
        if kind == "start" and failures:
            raise failures.pop()
        append(connection, event, kind, content, entry)

    monkeypatch.setattr(audit, "_append", fail_once)
    write(tmp_path, start())

    assert not failures
    assert kinds(tmp_path) == ["start", "no_stop", "start"]
    assert verify_records(tmp_path).problems == ()


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_audit import RecordStore, start
with RecordStore(Path({folder!r})) as store:
    while True:
        if store._queue.qsize() < 20:
            store.note(start(reject_from=0.4 if store.taken % 2 else 0.5))
            if store.written > 10:
                print("writing", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of Unix")
def test_log_is_whole_after_kill_9_between_two_writes_and_an_event_is_never_half_there(tmp_path: Path):
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)

    assert verify_records(tmp_path).problems == ()
    assert len(kinds(tmp_path)) % 3 == 1  # the first start alone, then no_stop, start, change
