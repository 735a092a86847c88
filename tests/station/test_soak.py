"""The soak: a short one is clean, a broken rule is noticed, and each of its counts sees what it is there for."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SOAK_WITHIN_S = 200
KEYS = ((1, 1), (1, 2), (1, 3))
needs_kill = pytest.mark.skipif(sys.platform != "linux", reason="kill -9, RLIMIT_FSIZE and tmpfs are Linux's")


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """The modules that count and that hold what is counted, found by name as the script finds them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module("soak_count"), importlib.import_module("soak_evidence")
    for name in {name for name in sys.modules if name.startswith("soak")} - before:
        del sys.modules[name]


def make_row(number: int, boot: int, sequence: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number, "boot": boot, "sequence": sequence, "first_sequence": sequence, "missed": False, "sent": True,
        "acknowledged": True, "verdict": "GOOD", "lane": 1, "true_class": "good", "detail": "", "reason": 0,
        "latency_ms": 5.0, "grab_ms": 1.0, "judge_ms": 1.0, "gap": None,
        "at": "2026-01-01T00:00:00.000+00:00", "captured_at": "2026-01-01T00:00:00.001+00:00",
    } | changes  # fmt: skip


def make_evidence(evidence: ModuleType) -> Any:
    """Three good parts, one a second: triggered, answered, in lane 1, on record."""
    seen = evidence.Evidence(lives=[(0.0, "lock")], watchdog=[(0.5, False)], entered=3)
    for number, (boot, sequence) in enumerate(KEYS, start=1):
        seen.triggers[boot, sequence] = (float(number), number, "good")
        seen.blocks.append([number + 0.01, sequence, boot, 1, 1, 1, boot])
        seen.parts.append([number + 0.4, number, boot, sequence, 1, "good", [sequence, boot, 1, 1, 5]])
        seen.rows.append(make_row(number, boot, sequence))
    return seen


def _change_part(number: int, **changes: Any) -> Callable[[Any], None]:
    places = {"lane": 4, "truth": 5, "taken": 6}

    def change(seen: Any) -> None:
        for name, value in changes.items():
            seen.parts[number - 1][places[name]] = value

    return change


def _add_restart(seen: Any, at: float) -> None:
    """Let the controller start anew, with one part that is on record."""
    seen.triggers[2, 1] = (at, 4, "good")
    seen.rows.append(make_row(4, 2, 1))


WRONG: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "no result taken": ("good_lane_without_own_good", _change_part(2, taken=None)),
    "result of another part": ("good_lane_without_own_good", _change_part(2, taken=[1, 1, 1, 1, 5])),
    "result of another boot": ("good_lane_without_own_good", _change_part(2, taken=[2, 9, 1, 1, 5])),
    "reject taken": ("good_lane_without_own_good", _change_part(2, taken=[2, 1, 2, 0, 5])),
    "taken after the window": ("good_lane_without_own_good", _change_part(2, taken=[2, 1, 1, 1, 102])),
    "defect in the good lane": ("good_lane_not_good", _change_part(2, truth="defect")),
    "stray in the good lane": ("good_lane_not_good", _change_part(2, truth="stray")),
    "good after the engine failed": (
        "good_of_failed_engine", lambda seen: seen.faults.append(("nan-score", 2.0, 2.0, (1, 2))),
    ),
    "sent twice": ("blocks_repeated", lambda seen: seen.blocks.append(seen.blocks[0])),
    "sent for a part that never came": ("blocks_of_no_part", lambda seen: seen.blocks.append([4, 9, 1, 2, 0, 1, 1])),
    "sent before its part came": ("blocks_of_no_part", lambda seen: seen.blocks[1].__setitem__(0, 1.9)),
    "good of the recipe before": (
        "good_by_other_recipe", lambda seen: [block.__setitem__(5, 2) for block in seen.blocks],
    ),
    "good while the disk is full": (
        "good_while_locked", lambda seen: seen.faults.append(("disk-full", 0.5, 5.0, None)),
    ),
    "good for a part that came while not enabled": (
        "good_while_not_asked", lambda seen: seen.faults.append(("enable-off", 1.8, 2.3, None)),
    ),
    "good for a part that came while the bin was full": (
        "good_while_not_asked", lambda seen: seen.faults.append(("bin-full", 1.8, 2.3, None)),
    ),
    "good for a part that came while the controller's heartbeat stood": (
        "good_while_not_asked", lambda seen: seen.faults.append(("unheard", 1.4, 2.3, None)),
    ),
    "found after the window": ("good_decided_late", lambda seen: seen.rows[0].update(judge_ms=200.0)),
    "picture older than its trigger": (
        "records_older_picture", lambda seen: seen.rows[0].update(captured_at="2025-12-31T23:59:59.990+00:00"),
    ),
    "hang that the controller did not see": (
        "hangs_unseen", lambda seen: seen.faults.append(("engine-hung", 3.0, 4.0, (1, 3))),
    ),
    "record gone": ("records_lost", lambda seen: seen.rows.pop(1)),
    "record gone long before the controller restarted": (
        "records_lost", lambda seen: (seen.rows.pop(), _add_restart(seen, 60.0)),
    ),
    "number left out and not declared": (
        "records_lost", lambda seen: (
            seen.triggers.update({(1, 5): (5.0, 4, "good")}),
            seen.rows.append(make_row(4, 1, 5)),
        ),
    ),
    "record twice": ("records_doubled", lambda seen: seen.rows.append(make_row(4, 1, 2))),
    "record of no trigger": ("records_of_no_trigger", lambda seen: seen.rows.append(make_row(4, 1, 9))),
    "record names another verdict": ("records_differ", lambda seen: seen.rows[0].update(verdict="REJECT")),
    "record names another lane": ("records_differ", lambda seen: seen.rows[0].update(lane=2)),
    "good part whose picture was another's": ("records_differ", lambda seen: seen.rows[0].update(true_class="defect")),
    "answered, yet declared as missed without a kill": (
        "records_differ", lambda seen: seen.rows[0].update(missed=True),
    ),
}  # fmt: skip


def test_clean_evidence_leaves_every_count_at_zero(counting):
    count, evidence = counting

    figures = count.count_evidence(make_evidence(evidence))

    assert {name: figures[name] for name in count.SAFETY if figures.get(name)} == {}
    assert (figures["triggers"], figures["results"], figures["declared_misses"]) == (3, 3, 0)


@pytest.mark.parametrize("case", WRONG)
def test_each_count_sees_what_it_is_there_for(counting, case):
    count, evidence = counting
    figure, spoil = WRONG[case]
    seen = make_evidence(evidence)

    spoil(seen)

    assert count.count_evidence(seen)[figure] >= 1


def test_part_that_the_controller_forgot_by_its_restart_is_counted_apart(counting):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.rows.pop()
    _add_restart(seen, 3.5)  # half a second after the last trigger of the first start

    figures = count.count_evidence(seen)

    assert (figures["unseen_before_restart"], figures["records_lost"]) == (1, 0)


def test_answered_part_whose_record_went_with_a_killed_station_is_counted_apart(counting):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.rows[2].update(missed=True, verdict="RECHECK")
    seen.kills.append(3.2)

    figures = count.count_evidence(seen)

    assert (figures["judged_but_declared_after_kill"], figures["records_differ"]) == (1, 0)


@pytest.mark.parametrize(("over", "figure"), [(2.001, 0), (2.1, 1)])
def test_part_that_comes_just_before_the_bin_is_emptied_may_be_good(counting, over, figure):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.faults.append(("bin-full", 1.5, over, None))  # the second part comes at 2.0

    assert count.count_evidence(seen)["good_while_not_asked"] == figure


@pytest.mark.parametrize(("verdict", "differ"), [("GOOD", 0), ("RECHECK", 1)])
def test_part_kept_out_by_the_result_of_the_one_before_is_compared_with_its_own_block(counting, verdict, differ):
    count, evidence = counting
    seen = make_evidence(evidence)
    _change_part(3, lane=0, taken=[2, 1, 1, 1, 5])(seen)
    seen.rows[2]["verdict"] = verdict

    figures = count.count_evidence(seen)

    assert (figures["closed_for_another_part"], figures["records_differ"]) == (1, differ)


def test_hang_that_trips_the_watchdog_is_as_it_must_be(counting):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.faults.append(("engine-hung", 3.0, 4.0, (1, 3)))
    seen.watchdog.append((3.4, True))

    assert count.count_evidence(seen)["hangs_unseen"] == 0


@pytest.mark.parametrize(("kind", "unseen"), [("freeze", 0), ("clock-back", 1)])
def test_hang_counts_unless_the_controller_stood_still_meanwhile(counting, kind, unseen):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.faults += [("engine-hung", 3.0, 4.0, (1, 3)), (kind, 3.5, 4.0, None)]

    assert count.count_evidence(seen)["hangs_unseen"] == unseen


@pytest.mark.parametrize(("next_part_at", "unseen"), [(2.3, 1), (2.5, 0)], ids=["scans-on-time", "starved-of-scans"])
def test_hang_is_held_against_the_station_only_where_the_controller_scanned_on(counting, next_part_at, unseen):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.triggers[1, 3] = (next_part_at, 3, "good")  # its window of 0.2 s ran from second 2
    seen.faults.append(("engine-hung", 2.0, 3.0, (1, 2)))

    figures = count.count_evidence(seen)

    assert (figures["hangs_unseen"], figures["hangs_while_controller_starved"]) == (unseen, 1 - unseen)


def test_recovery_is_from_the_end_of_a_fault_to_the_next_part_whose_good_was_taken(counting):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.faults.append(("slow", 1.2, 1.75, None))

    recovery = count.count_evidence(seen)["recovery"]["slow"]

    assert recovery == {"number": 1, "median_s": 0.26, "longest_s": 0.26, "longest_alone_s": 0.26}  # 2 s + 5 scans


def test_memory_compares_the_second_tenth_of_the_longest_life_with_its_last(counting):
    count, evidence = counting
    seen = make_evidence(evidence)
    seen.memory = [(1, 0, 50.0), (1, 10, 90.0)]
    seen.memory += [(2, parts, 100.0 if parts <= 500 else 110.0) for parts in range(0, 1001, 50)]

    memory = count.count_evidence(seen)["memory"]

    assert memory == {"parts": 1000, "begin_mb": 100.0, "end_mb": 110.0, "change_percent": 10.0}


# ---- whole runs ----


def run_soak(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the script; return its exit code, its figures and what it printed."""
    out = tmp_path / "soak.json"
    command = [sys.executable, str(BENCHMARKS / "soak.py"), "--keep", str(tmp_path / "kept"), "--out", str(out)]
    soak = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = soak.communicate(timeout=SOAK_WITHIN_S)
    finally:
        if soak.poll() is None:
            soak.terminate()  # it ends its own processes
            soak.wait(SOAK_WITHIN_S)
    assert out.exists(), said
    return soak.returncode, json.loads(out.read_text(encoding="utf-8"))["result"], said


@pytest.mark.slow
@needs_kill
@pytest.mark.timeout(3 * SOAK_WITHIN_S)
def test_short_soak_with_faults_of_every_process_loses_nothing_and_lets_no_wrong_part_through(tmp_path):
    code, figures, said = run_soak(tmp_path, "--parts", "900", "--fault-every", "40", "--minutes", "2")

    assert figures["violations"] == {}, said
    assert code == 0
    assert figures["lanes"]["1"] > 0
    made = set(figures["recovery"])
    assert "kill" in made
    assert made & {"camera-lost", "database-locked", "disk-full"}
    assert made & {"clock-back", "engine-exception", "engine-hung", "nan-score"}
    assert made & {"cut", "freeze", "power", "restart", "slow"}


@pytest.mark.slow
@needs_kill
@pytest.mark.timeout(3 * SOAK_WITHIN_S)
def test_soak_fails_where_a_record_in_25_is_dropped(tmp_path):
    code, figures, _ = run_soak(tmp_path, "--break", "record-dropped", "--parts", "200")

    assert code == 1
    assert figures["violations"]["records_lost"] >= 1
