"""The loop where another station writes: found before anything is written, or while running."""

from pathlib import Path

import pytest

from partgate.parts import Fault, Verdict

from .played_loop import DONE, IDLE, PART
from .two_recipes import TwoRecipes


def test_second_station_is_found_by_its_heartbeat_before_anything_is_written(tmp_path: Path):
    count = iter(range(7, 1000))
    bench = TwoRecipes(tmp_path, IDLE, IDLE, PART, DONE)
    bench.controller.foreign = lambda: bench.controller.stop.set() or next(count)  # type: ignore[func-returns-value]

    bench.run()

    assert (bench.controller.states, bench.controller.cleared, bench.controller.sent) == ([], 0, [])
    assert "another station writes there (fault 9)" in (bench.statuses[0].problem or "")
    assert bench.statuses[0].fault is Fault.SECOND_STATION


def test_heartbeat_that_an_earlier_run_left_is_counted_on_from(tmp_path: Path):
    bench = TwoRecipes(tmp_path, IDLE, IDLE, IDLE)
    bench.controller.foreign = lambda: bench.controller.states[-1].heartbeat if bench.controller.states else 41

    bench.run()

    assert bench.controller.states[0].heartbeat == 42


def test_station_that_comes_later_is_found_while_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.station.second._LOOK_EVERY_S", 0.0)
    count = iter(range(1000, 9999))
    bench = TwoRecipes(tmp_path, *[IDLE] * 10)
    looks: list[int] = []

    def foreign() -> int:
        looks.append(1)
        if len(looks) > 6:
            bench.controller.stop.set()
        own = bench.controller.states[-1].heartbeat if bench.controller.states else 0
        return own if len(looks) < 3 else next(count)

    bench.controller.foreign = foreign
    bench.run()

    assert any("another station writes there" in (status.problem or "") for status in bench.statuses)


def test_late_write_of_its_own_is_not_taken_for_another_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("partgate.station.second._LOOK_EVERY_S", 0.0)
    bench = TwoRecipes(tmp_path, IDLE, IDLE, IDLE, IDLE, PART, DONE)
    bench.controller.foreign = lambda: 65000  # stands still

    bench.run()

    assert [record.verdict for record in bench.store.records] == [Verdict.GOOD]


def test_two_fresh_stations_on_zeroed_words_find_each_other(tmp_path: Path):
    """Both begin at 0: that the word equals one's own first heartbeat says nothing."""
    values = iter([0, 0, 1, 2, 3])
    bench = TwoRecipes(tmp_path, IDLE, IDLE)
    bench.controller.foreign = lambda: bench.controller.stop.set() or next(values, 9)  # type: ignore[func-returns-value]

    bench.run()

    assert bench.controller.states == []
    assert "another station writes there" in (bench.statuses[0].problem or "")
