"""The words on the wire: golden vectors, edges, and blocks that may never be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.controllers.block import (
    Command,
    State,
    StationWords,
    check_word,
    decode_controller_block,
    encode_station_block,
    sequences_between,
)
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

OWN = StationWords(5, State.ONLINE | State.RECIPE_READY, Fault.NO_ACKNOWLEDGE, 3)


def make_result(sequence=1, verdict=Verdict.GOOD, lane=1, boot=1, class_number=0, reason=Reason.MODEL) -> Result:
    trigger = Trigger(boot, sequence, 200, 0.0, 0.2)
    return Result(trigger, Decision(verdict, reason), class_number, lane)


@pytest.mark.parametrize(
    ("words", "check"),
    [((1, 1, 0, 1, 1, 0), 42358), ((4711, 2, 7, 0, 3, 2), 47169), ((65535, 3, 65535, 2, 65535, 10), 42510)],
)
def test_check_word_equals_the_golden_vectors_of_the_handshake(words, check):
    assert check_word(*words) == check


def test_block_of_a_result_has_each_word_at_its_offset():
    block = encode_station_block(make_result(4711, Verdict.REJECT, 0, 3, 7, Reason.UNKNOWN_PATTERN), OWN)

    assert block == [5, 4711, 2, 7, 0, 3, 2, 47169, 0b1000001, 5, 3]


def test_block_without_a_result_names_no_sequence_and_no_verdict():
    assert encode_station_block(None, OWN)[1:7] == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("verdict", "lane"), [(Verdict.GOOD, 0), (Verdict.REJECT, 1)])
def test_good_without_a_lane_and_reject_with_one_are_never_encoded(verdict, lane):
    with pytest.raises(ValueError, match=f"a {verdict.name} cannot go to lane {lane}"):
        encode_station_block(make_result(verdict=verdict, lane=lane), OWN)


def test_bits_10_to_12_of_the_state_word_name_the_state_of_opc_40100():
    words = StationWords(1, State.ONLINE | State.WARNING, Fault.NONE, 1, StationState.CONTINUOUS_EXECUTION)

    assert encode_station_block(None, words)[8] == 0b1 + 0b10_0000_0000 + (6 << 10)


def test_controller_block_is_read_with_part_id_and_lot():
    words = [9, 17, 16, 0b1001, 2, 200, 4] + [0] * 9 + [0x4142, 0x3100] + [0] * 14 + [0x4C37] + [0] * 7

    found = decode_controller_block(words)

    assert (found.heartbeat, found.trigger_sequence, found.acknowledged) == (9, 17, 16)
    assert found.command == Command.ENABLE | Command.REJECT_NOT_CONFIRMED
    assert (found.recipe, found.window_ms, found.boot) == (2, 200, 4)
    assert (found.part_id, found.lot) == ("AB1", "L7")


def test_controller_without_part_id_says_none():
    assert decode_controller_block([0] * 40).part_id is None


def test_controller_block_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="at least 7 words, got 6"):
        decode_controller_block([0] * 6)


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [(0, 1, []), (1, 2, []), (1, 4, [2, 3]), (65534, 1, [65535]), (65535, 1, []), (65535, 3, [1, 2])],
)
def test_sequences_between_two_triggers_skip_zero(before, after, between):
    assert sequences_between(before, after) == between


@given(st.integers(1, 65535), st.integers(0, 400))
def test_sequences_between_are_as_many_as_triggers_came_in_between(before, steps):
    after = before
    for _ in range(steps + 1):
        after = after % 65535 + 1

    assert len(sequences_between(before, after)) == steps
