"""The log of a run: streamed or whole, and its memory."""

import json

import pytest

from partgate.errors import RecordError
from partgate.simulate.conveyor import OUTCOMES_KEPT, PartOutcome
from partgate.simulate.gate_values import TakenResult
from partgate.simulate.journal import Journal, write_whole


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["run.json", "run.jsonl"])
def test_log_in_a_missing_folder_is_refused_before_anything_runs(tmp_path, name):
    with pytest.raises(RecordError, match=r"no folder .*nowhere: make it"):
        Journal(tmp_path / "nowhere" / name)


def test_stream_that_cannot_be_opened_is_told_with_what_to_do(tmp_path):
    (tmp_path / "run.jsonl").mkdir()

    with (
        pytest.raises(RecordError, match=r"run\.jsonl: cannot be written: .*give another path"),
        Journal(tmp_path / "run.jsonl"),
    ):
        pass


def test_full_disk_is_told_with_what_to_do(tmp_path):
    (tmp_path / "run.jsonl").symlink_to("/dev/full")

    with Journal(tmp_path / "run.jsonl") as journal, pytest.raises(RecordError, match=r"cannot be written: .*No space"):
        journal.tell("start")


def test_log_that_cannot_be_written_is_told_with_what_to_do_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "run.json").mkdir()

    with pytest.raises(RecordError, match=r"run\.json: cannot be written: .*give another path"):
        write_whole(tmp_path / "run.json", "{}")

    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_streamed_line_tells_the_lane_the_result_that_was_acted_on_and_the_truth(tmp_path):
    part = PartOutcome(1, 7, 5, 2, True, TakenResult(5, 7, 1, 2, 3), "good")

    with Journal(tmp_path / "run.jsonl") as journal:
        journal.note(part)
        journal.tell("fault", name="cut", part=2)
        streamed = lines(tmp_path / "run.jsonl")

    assert streamed == [
        {
            "event": "part", "number": 1, "boot": 7, "sequence": 5, "lane": 2, "accepted": True, "truth": "good",
            "result": {"sequence": 5, "boot": 7, "verdict": 1, "lane": 2, "after_scans": 3},
        },
        {"event": "fault", "name": "cut", "part": 2},
    ]  # fmt: skip


def test_end_of_the_stream_tells_the_counters_over_all_starts(tmp_path):
    with Journal(tmp_path / "run.jsonl") as journal:
        journal.finish(8, {"good": 1}, {"good": 70_000})

    assert lines(tmp_path / "run.jsonl")[-1] == {
        "event": "end", "boot": 8, "counters": {"good": 1}, "totals": {"good": 70_000},
    }  # fmt: skip


def test_streamed_run_keeps_the_last_parts_alone_and_counts_all_lanes(tmp_path):
    parts = OUTCOMES_KEPT + 5
    with Journal(tmp_path / "run.jsonl") as journal:
        for number in range(1, parts + 1):
            journal.note(PartOutcome(number, 1, 1, number % 2, number % 2 == 1))
        report = journal.finish(1, {}, {})

    assert len(report.parts) == OUTCOMES_KEPT
    assert report.lanes == {0: parts // 2, 1: parts - parts // 2}
    assert len(lines(tmp_path / "run.jsonl")) == parts + 1


def test_document_holds_every_part(tmp_path):
    parts = OUTCOMES_KEPT + 5
    with Journal(tmp_path / "run.json") as journal:
        for number in range(1, parts + 1):
            journal.note(PartOutcome(number, 1, 1, 0, False))
        journal.finish(1, {}, {})

    assert len(json.loads((tmp_path / "run.json").read_text())["parts"]) == parts
