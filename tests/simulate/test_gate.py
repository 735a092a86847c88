"""The accept gate, scan by scan: in none of these cases may a part take a good lane without a GOOD of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.simulate.gate import Gate
from partgate.simulate.gate_values import GateSettings
from partgate.simulate.words import BLOCK_WORDS, Command, Word, next_number, pack_text, result_check

THREE_ON_THE_WAY = 170  # interval, milliseconds, at a travel time of 520

GOLDEN = pytest.mark.parametrize(
    ("words", "check"),
    [
        ([1, 1, 0, 1, 1, 0], 42358),
        ([4711, 2, 7, 0, 3, 2], 47169),
        ([65535, 3, 65535, 2, 65535, 10], 42510),
    ],
    ids=["first-good", "reject-of-a-class", "highest-numbers"],
)


# ---- the block ----


@GOLDEN
def test_check_is_the_one_of_the_handshake(words, check):
    assert result_check([0, *words]) == check


@GOLDEN
def test_intact_block_is_acknowledged_and_with_one_wrong_bit_in_any_word_it_is_not(words, check):
    for wrong_word in (None, *range(7)):
        gate = Gate(boot=5)
        gate.memory[1:8] = [*words, check]
        if wrong_word is not None:
            gate.memory[1 + wrong_word] ^= 2

        gate.scan()

        assert gate.memory[Word.ACK_SEQ] == (words[0] if wrong_word is None else 0)
        assert gate.counters["damaged"] == (0 if wrong_word is None else 1)


def test_block_of_zeros_is_no_result():
    gate = Gate(boot=5)

    gate.scan()

    assert gate.memory[Word.ACK_SEQ] == 0
    assert not any(gate.counters.values())


def test_damaged_block_that_stays_in_the_memory_is_counted_once():
    gate = Gate(boot=5)
    gate.memory[1:8] = [1, 1, 0, 1, 5, 0, 1]

    for _ in range(50):
        gate.scan()

    assert gate.counters["damaged"] == 1


# ---- one part at a time ----


def test_good_part_takes_the_lane_that_its_good_names(make_line):
    line = make_line()
    line.answer(2, lane=2)
    line.answer(3, lane=3)

    line.conveyor.feed(3)
    line.run_until_empty()

    assert line.lanes == {1: 1, 2: 2, 3: 3}
    assert line.counted == {"good": 3}
    assert line.gate.memory[Word.ACK_SEQ] == 3


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"verdict": 2, "lane": 0}, {"reject": 1}),
        ({"verdict": 2, "lane": 1}, {"reject": 1}),
        ({"verdict": 3, "lane": 0}, {"reject": 1}),
        ({"verdict": 3, "lane": 2}, {"reject": 1}),
        ({"verdict": 0, "lane": 1}, {"reject": 1}),
        ({"verdict": 1, "lane": 0}, {"reject": 1}),
        ({"after_scans": 25}, {"reject": 1, "timeout": 1, "late": 1}),
        ({"boot": 6}, {"reject": 1, "timeout": 1, "late": 1}),
        ({"flipped": Word.RES_CHECK}, {"reject": 1, "timeout": 1, "damaged": 1}),
        ({"flipped": Word.VERDICT, "verdict": 0}, {"reject": 1, "timeout": 1, "damaged": 1}),
    ],
    ids=[
        "reject",
        "reject-that-names-a-lane",
        "not-decidable",
        "not-decidable-with-recheck-lane",
        "no-verdict",
        "good-without-a-lane",
        "good-late-by-50-ms",
        "good-of-another-boot",
        "damaged-check",
        "verdict-damaged-into-good",
    ],
)
def test_part_without_an_intact_good_in_time_is_rejected(make_line, changes, counted):
    line = make_line()
    line.answer(1, **changes)

    line.conveyor.feed()
    line.run_until_empty()

    assert line.lanes == {1: 0}
    assert line.counted == counted


def test_silent_station_rejects_by_the_window(make_line):
    line = make_line()
    line.ignore(1, 2)

    line.conveyor.feed(2)
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 0}
    assert line.counted == {"reject": 2, "timeout": 2}


@pytest.mark.parametrize(("after_scans", "lane"), [(21, 1), (22, 0)], ids=["last-scan-of-the-window", "one-scan-late"])
def test_window_of_200_ms_ends_after_20_scans(make_line, after_scans, lane):
    """Counted from the scan after the trigger's: what is written behind the 20th is still read by the 21st."""
    line = make_line()
    line.answer(1, after_scans=after_scans)

    line.conveyor.feed()
    line.run_until_empty()

    assert line.lanes == {1: lane}


def test_late_good_does_not_serve_the_next_part(make_line):
    line = make_line()
    line.answer(1, after_scans=64)
    line.ignore(2)

    line.conveyor.feed(2)
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 0}


def test_second_result_for_the_same_part_changes_nothing_and_counts_as_late(make_line):
    line = make_line()
    line.reject(1)
    line.conveyor.feed()
    line.run(12)

    line.write(boot=7, sequence=1)
    line.run_until_empty()

    assert line.lanes == {1: 0}
    assert line.counted == {"reject": 1, "late": 1}


# ---- sequence and start ----


def test_sequence_wraps_from_65535_to_1_and_every_part_keeps_its_verdict(make_line):
    line = make_line(sequence=65532)
    line.reject(65534, 1, 3)

    line.conveyor.feed(6)
    line.run_until_empty()

    assert [part.sequence for part in line.conveyor.outcomes] == [65533, 65534, 65535, 1, 2, 3]
    assert [part.lane for part in line.conveyor.outcomes] == [1, 0, 1, 0, 1, 0]


def test_overrun_rejects_the_unanswered_part_and_keeps_the_second_ones_verdict(make_line):
    line = make_line()
    line.ignore(1)

    line.conveyor.feed()
    line.conveyor.feed(gap_ms=80)
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 1}
    assert line.counted == {"good": 1, "reject": 1, "overrun": 1}


def test_answer_to_the_first_of_two_that_overran_is_not_taken_for_the_second(make_line):
    line = make_line()
    line.answer(1, after_scans=10)
    line.ignore(2)

    line.conveyor.feed()
    line.conveyor.feed(gap_ms=80)
    line.run_until_empty()

    assert line.lanes == {1: 0, 2: 0}
    assert line.counted == {"reject": 2, "overrun": 1, "late": 1, "timeout": 1}


def test_restart_forgets_the_parts_on_their_way(make_line):
    line = make_line()
    line.conveyor.feed()
    line.run(30)

    line.restart()
    line.run_until_empty()

    assert line.lanes == {1: 0}
    assert line.counted == {"stray": 1, "late": 1}


@pytest.mark.parametrize("keep_memory", [True, False], ids=["memory-kept", "memory-cleared"])
def test_old_good_replayed_after_a_restart_opens_nothing_for_the_same_sequence(make_line, keep_memory):
    line = make_line()
    line.conveyor.feed()
    line.run_until_empty()

    line.restart(keep_memory=keep_memory)
    line.ignore(1)
    line.conveyor.feed()
    line.run(20)
    line.write(boot=7, sequence=1)
    line.run_until_empty()

    assert line.lanes == {1: 1, 2: 0}
    assert line.gate.memory[Word.PLC_BOOT] == 8


def test_start_clears_counters_and_keeps_the_window_that_was_set():
    memory = [9] * BLOCK_WORDS
    memory[Word.WINDOW_MS] = 150

    gate = Gate(boot=2, memory=memory)

    assert not any(gate.counters.values())
    assert [gate.memory[word] for word in (Word.TRIG_SEQ, Word.ACK_SEQ, Word.LANE_OUT)] == [0, 0, 0]
    assert gate.memory[Word.PLC_BOOT] == 2
    assert gate.memory[Word.WINDOW_MS] == 150
    assert gate.watchdog_fault


def test_controller_counts_its_heartbeat_every_100_ms_and_shows_enable():
    gate = Gate(boot=1)
    gate.memory[Word.PLC_HB] = 65535
    for _ in range(10):
        gate.scan()
    enabled = gate.memory[Word.CMD]
    gate.commands = Command(0)
    for _ in range(10):
        gate.scan()

    assert gate.memory[Word.PLC_HB] == 1
    assert enabled == 1
    assert gate.memory[Word.CMD] == 0


@pytest.mark.parametrize("boot", [0, 65536])
def test_boot_outside_its_range_is_refused(boot):
    with pytest.raises(ValueError, match=rf"boot must be 1\.\.65535, got {boot}"):
        Gate(boot)


def test_memory_of_another_size_is_refused():
    with pytest.raises(ValueError, match="memory must hold 64 words, got 3"):
        Gate(1, memory=[0, 0, 0])


def test_default_limits_are_those_of_the_sample_program():
    assert GateSettings() == GateSettings(10, 30, 47, 60, 20, 8, 200)


@pytest.mark.parametrize(("text", "reason"), [("ä", "ASCII"), ("12345", "at most 4")], ids=["not-ascii", "too-long"])
def test_text_that_does_not_fit_the_words_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        pack_text(text, 2)


@given(st.integers(0, 65535))
def test_next_number_never_is_0(number):
    assert 1 <= next_number(number) <= 65535
