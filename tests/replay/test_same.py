"""The same recipe judges archived pictures again: equal to the bit, or each difference is named."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partgate.errors import RecordError
from partgate.inference.inspector import Inspector
from partgate.parts import Verdict
from partgate.records.config import RecordsConfig, RetentionConfig
from partgate.records.retention import prune
from partgate.records.store import RecordStore
from partgate.replay.summary import say_differences, summarise

from .conftest import Line


def picture_of(line: Line, level: int) -> Path:
    return line.records / line.row_of(level)["picture"]


def test_records_of_a_station_are_equal_to_the_bit(line: Line):
    facts = line.replay().facts

    assert facts["same"]["exact"] == facts["judged"] == facts["records"] == 8
    assert facts["same"]["different"] == 0
    assert {row["verdict"] for row in line.rows()} == {"GOOD", "RECHECK", "REJECT"}
    assert say_differences(facts) == []
    assert any("to the bit" in sentence for sentence in summarise(facts))


@pytest.mark.parametrize("name", ["verdict", "lane", "class_number", "defect_score"])
def test_each_difference_is_a_defect_that_is_told_with_its_record(
    line: Line, name: str, monkeypatch: pytest.MonkeyPatch
):
    row = line.row_of(240)
    from partgate.replay import replay as module

    spell = module.as_stored
    other = {"verdict": "GOOD", "lane": 5, "class_number": 9, "defect_score": row["defect_score"] + 1e-9}

    def lie(its: Any, inspection: Any) -> dict[str, Any]:
        now = spell(its, inspection)
        return now | {name: other[name]} if its["id"] == row["id"] else now

    monkeypatch.setattr(module, "as_stored", lie)
    facts = line.replay().facts

    assert facts["same"]["different_records"] == [[row["id"], row["id"]]]
    assert facts["same"]["different"] == 1
    told = "\n".join(say_differences(facts))
    assert "1 of 8 parts differ" in told
    assert f"record {row['id']}: was REJECT, lane 0, class number 1, score" in told


def test_picture_with_a_flipped_byte_is_named_and_not_judged(line: Line):
    path = picture_of(line, 60)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    number = line.row_of(60)["id"]

    facts = line.replay().facts

    assert facts["left_out"] == {"changed": {"count": 1, "records": [[number, number]]}}
    assert facts["judged"] == 7
    assert any(f"another SHA-256 than in the record: {number}" in sentence for sentence in summarise(facts))


def test_missing_picture_is_told_apart_from_one_that_retention_deleted(line: Line):
    with sqlite3.connect(line.records / "records.sqlite") as database:  # as a station that ran long ago
        size = max(size for (size,) in database.execute("SELECT picture_bytes FROM records"))
    database.close()
    missing = line.rows()[-1]
    (line.records / missing["picture"]).unlink()
    prune(line.records, RetentionConfig(gigabytes=(5 * size) / 1e9), None, dry_run=False)

    facts = line.replay().facts

    assert facts["left_out"]["missing"]["records"] == [[missing["id"], missing["id"]]]
    assert facts["left_out"]["pruned"]["count"] >= 1
    assert facts["judged"] + facts["left_out"]["pruned"]["count"] + 1 == 8


def test_record_that_was_changed_is_not_compared(line: Line):
    number = line.row_of(240)["id"]
    with sqlite3.connect(line.records / "records.sqlite") as database:
        database.execute("UPDATE records SET verdict = 'GOOD' WHERE id = ?", (number,))
    database.close()

    facts = line.replay().facts

    assert facts["left_out"] == {"record_changed": {"count": 1, "records": [[number, number]]}}
    assert facts["same"]["different"] == 0


def test_jpeg_archive_is_not_exact_and_its_steps_are_counted(make_line: Callable[..., Line]):
    line = make_line(pictures="{format: jpeg, quality: 30}")

    facts = line.replay().facts

    same = facts["same"]
    assert (same["exact"], same["lossy"], same["different"]) == (0, 8, 0)
    assert same["lossy_different"] > 0
    assert 0 < same["lossy_largest_step"] < 0.05
    steps = [abs(part["now"]["defect_score"] - part["was"]["defect_score"]) for part in same["parts"]]
    assert same["lossy_largest_step"] == max(steps)
    assert say_differences(facts) == []
    assert any("JPEG pictures, which is not exact" in sentence for sentence in summarise(facts))


def test_recipe_that_was_changed_meanwhile_is_named_with_its_hash(line: Line):
    before = (line.folder / "run/recipe.yaml").read_bytes()
    sha256 = line.rows()[0]["recipe_sha256"]
    (line.folder / "run/recipe.yaml").write_bytes(before + b"# another\n")

    with pytest.raises(RecordError) as caught:
        line.replay()

    assert "none of 8 records can be judged again" in str(caught.value)
    assert f"by recipe 'made part' with SHA-256 {sha256[:12]}" in str(caught.value)
    assert "--recipe" in str(caught.value)


def test_recipe_found_again_and_named_proves_the_records_like_the_stations_own(line: Line):
    recipe = line.folder / "run/recipe.yaml"
    kept = line.folder / "run/kept.yaml"
    kept.write_bytes(recipe.read_bytes())
    recipe.write_bytes(recipe.read_bytes() + b"# another\n")

    facts = line.replay(kept).facts

    assert facts["same"]["exact"] == 8
    assert facts["same"]["different"] == 0
    assert facts["other"]["count"] == 0


def test_verdicts_of_the_line_are_counted_by_reason_and_not_compared(line: Line):
    from dataclasses import replace

    from partgate.parts import Reason

    with RecordStore(RecordsConfig(folder=line.records)) as store:
        for sequence, reason in enumerate((4, 5, 6, 6, 7, 8, 9, 10), start=2000):
            store.add(replace(made_record(sequence), reason=Reason(reason)))
        store.add(replace(made_record(2100), reason=Reason.NOT_READY, missed=True, detail="not connected"))

    replayed = line.replay()
    facts = replayed.facts

    assert facts["not_from_model"] == {"4": 1, "5": 1, "6": 2, "7": 1, "8": 1, "9": 1, "10": 1, "missed": 1}
    assert facts["judged"] == 8
    assert facts["records"] == 17
    assert "  1 not from the model: declared miss: the station was off, not connected, not enabled or stopping" in (
        summarise(facts)
    )


def made_record(sequence: int) -> Any:
    from datetime import UTC, datetime

    from partgate.parts import Reason, Record

    return Record(
        station="line", boot=9, sequence=sequence, first_sequence=sequence, at=datetime.now(UTC),
        verdict=Verdict.RECHECK, reason=Reason.MODEL, detail="", sent=True, missed=False, recipe="made part",
        bundle_id="0" * 64, image=None,
    )  # fmt: skip


def test_every_record_ends_in_exactly_one_place(make_line: Callable[..., Line]):
    line = make_line(pictures="{keep: not_good}")

    facts = json.loads(json.dumps(line.replay().facts))

    left_out = sum(one["count"] for one in facts["left_out"].values())
    assert facts["left_out"]["not_kept"]["count"] == sum(row["verdict"] == "GOOD" for row in line.rows()) == 3
    assert facts["records"] == facts["judged"] + left_out + sum(facts["not_from_model"].values()) + facts["gaps"] == 8


def test_archive_without_pictures_is_refused_with_the_reason(make_line: Callable[..., Line]):
    line = make_line(pictures="{keep: none}")

    with pytest.raises(RecordError, match="none of 8 records can be judged again:\n  8 no picture was kept"):
        line.replay()


def test_one_part_is_in_memory_at_a_time(line: Line, monkeypatch: pytest.MonkeyPatch):
    """Pictures are asked for one record after the other, each judged before the next is read."""
    from partgate.replay import replay as module

    order: list[str] = []
    load, inspect = module.load_picture, Inspector.inspect

    def read(*given: Any) -> Any:
        order.append("read")
        return load(*given)

    def judge(inspector: Inspector, image: Any) -> Any:
        order.append("judge")
        return inspect(inspector, image)

    monkeypatch.setattr(module, "load_picture", read)
    monkeypatch.setattr(Inspector, "inspect", judge)
    line.replay()

    assert order == ["read", "judge"] * 8
