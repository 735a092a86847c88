"""Which triggers are accounted for: none twice, none left out, a restart told from a long gap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.controllers.block import LAST_SEQUENCE, Command, ControllerWords, sequences_between
from partgate.station.accounted import Accounted


def says(sequence: int, boot: int = 1) -> ControllerWords:
    return ControllerWords(1, sequence, 0, Command.ENABLE, 0, 200, boot)


def reading(sequence: int, boot: int = 1) -> Accounted:
    """Give the account of a station that has just read a controller."""
    account = Accounted(None)
    account.go_on_from(says(sequence, boot), was_off=True)
    return account


@pytest.mark.parametrize(
    ("newest", "now", "was_off", "unseen"),
    [
        (None, says(9), True, None),
        ((1, 4), says(4), True, None),
        ((1, 4), says(7), True, (5, 7)),
        ((1, 65535), says(2), True, (1, 2)),
        ((1, 4), says(0, boot=2), True, None),
        ((1, 4), says(2, boot=2), True, (1, 2)),
        ((1, 4), says(2), True, (5, 2)),
        ((1, 4), says(2), False, (1, 2)),
        ((1, 4), says(0), False, None),
    ],
    ids=[
        "no-record", "nothing-since", "gap", "wrap", "restarted-without-a-part", "restarted",
        "a-round-further-at-night", "restart-that-is-not-counted", "zeroed-without-a-part",
    ],
)  # fmt: skip
def test_what_nobody_saw_is_the_range_behind_the_newest_record(
    newest: tuple[int, int] | None, now: ControllerWords, was_off: bool, unseen: tuple[int, int] | None
):
    account = Accounted(newest)

    assert account.go_on_from(now, was_off=was_off) == unseen
    assert account.go_on_from(now, was_off=False) is None, "what was returned once is accounted for"
    assert not account.is_new(now)


def test_sequence_zero_is_no_part_and_no_restart():
    account = reading(60_000)

    assert not account.is_new(says(0))
    assert not account.is_restarted(says(0))


def test_other_boot_is_a_restart_even_with_the_same_sequence():
    assert reading(4).is_restarted(says(4, boot=2))
    assert reading(4).boot == 1


def test_sequence_that_went_back_is_a_restart_and_one_that_wrapped_is_none():
    assert reading(5000).is_restarted(says(2))
    assert not reading(65535).is_restarted(says(2))


@given(st.integers(1, LAST_SEQUENCE), st.integers(1, 300))
def test_every_trigger_behind_the_last_is_always_taken_exactly_once(before: int, count: int):
    now = says((before + count - 1) % LAST_SEQUENCE + 1)
    one, other = reading(before), reading(before)

    passed = one.take(now)
    rest = other.take_rest(now)

    assert [*passed, now.trigger_sequence] == rest
    assert len(rest) == count
    assert passed == sequences_between(before, now.trigger_sequence)
    assert not one.is_new(now)
    assert other.take_rest(now) == []


def test_rest_of_a_controller_that_was_started_again_is_left_to_the_next_connection():
    account = reading(5)

    assert account.take_rest(says(7, boot=2)) == []
    assert account.take_rest(says(7)) == [6, 7], "and nothing was taken"
