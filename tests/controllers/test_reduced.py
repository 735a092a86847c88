"""The rules of the reduced profile on a clock of the test's own: edges, debouncing, window, pulse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from partgate.controllers.reduced import Inputs, PartRules, ReducedConfig
from partgate.controllers.wired import Wiring

CONFIG = ReducedConfig(kind="x", window_ms=200, good_ms=50)


def see(rules: PartRules, levels: str, every_s: float = 0.01, start: float = 0.0) -> float:
    """Let it read levels ('-' off, '#' on) one after the other; return when the last one was asked for."""
    for step, level in enumerate(levels):
        rules.see(Inputs(enable=True, trigger=level == "#"), start + step * every_s)
    return start + (len(levels) - 1) * every_s


@pytest.mark.parametrize(
    ("levels", "parts"),
    [("----", 0), ("####", 0), ("#-#", 1), ("-#", 1), ("-##", 1), ("-#-#", 2), ("-####-", 1)],
    ids=["never", "on-from-the-start", "on-off-on", "edge", "held", "two", "one-long"],
)
def test_a_part_is_a_rising_edge(levels: str, parts: int):
    rules = PartRules(CONFIG, boot=1, now=0.0)

    see(rules, levels)

    assert rules.sequence == parts


@pytest.mark.parametrize(
    ("levels", "parts"),
    [("--#--", 0), ("--##", 1), ("--#-##", 1), ("--##-##", 1), ("--##--##", 2), ("#--#", 0), ("-##", 0)],
    ids=["spike", "edge", "bouncing-edge", "bouncing-level", "two", "spike-after-start", "never-seen-off-for-sure"],
)
def test_debounced_level_counts_when_two_reads_agree(levels: str, parts: int):
    rules = PartRules(CONFIG, boot=1, now=0.0, debounce=True)

    see(rules, levels)

    assert rules.sequence == parts


@pytest.mark.parametrize("debounce", [False, True])
def test_window_begins_at_the_last_read_that_saw_no_part(debounce: bool):
    rules = PartRules(CONFIG, boot=1, now=0.0, debounce=debounce)

    see(rules, "--#-##" if debounce else "--##")  # off for sure at 10 ms; the edge may have come right after

    assert rules.why_not_good(now=0.159) is None
    assert rules.why_not_good(now=0.161) is not None


def test_window_of_an_announced_part_begins_at_the_read_before():
    rules = PartRules(CONFIG, boot=1, now=0.0)

    rules.see(Inputs(enable=True, triggers=0), 1.0)
    rules.see(Inputs(enable=True, triggers=1), 1.1)

    assert rules.why_not_good(now=1.149) is None
    assert rules.why_not_good(now=1.151) is not None


def test_pulse_ends_with_its_time_or_with_the_window():
    rules = PartRules(CONFIG, boot=1, now=0.0)
    see(rules, "-#")

    rules.hold(0.1)
    assert (rules.is_over(0.149), rules.is_over(0.151)) == (False, True)
    rules.hold(0.18)  # the device took long to switch it on
    assert (rules.is_over(0.199), rules.is_over(0.201)) == (False, True)


@pytest.mark.parametrize("inputs", [Inputs(enable=True, triggers=1), Inputs(enable=False, triggers=0)])
def test_next_part_and_enable_off_end_a_pulse(inputs: Inputs):
    rules = PartRules(CONFIG, boot=1, now=0.0)
    rules.see(Inputs(enable=True, triggers=1), 0.0)
    rules.hold(0.01)

    rules.see(inputs, 0.02)

    assert rules.is_over(0.02)


def test_sequence_skips_zero_when_it_wraps():
    rules = PartRules(CONFIG, boot=1, now=0.0)

    rules.see(Inputs(enable=True, triggers=65534), 0.0)
    rules.see(Inputs(enable=True, triggers=3), 0.0)

    assert rules.sequence == 2


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40), st.integers(0, 5), st.integers(0, 2))
def test_good_is_never_due_for_another_part_than_the_last_one(reads, sequence: int, boot: int):
    rules = PartRules(CONFIG, boot=1, now=0.0)

    for step, (trigger, enable) in enumerate(reads):
        rules.see(Inputs(enable=enable, trigger=trigger), step * 0.005)

    if rules.why_stale(boot, sequence) is None:
        assert (boot, sequence) == (1, rules.sequence)
        assert sequence > 0


def test_pulse_longer_than_the_window_is_refused():
    with pytest.raises(ValidationError, match="good_ms must be shorter than window_ms 100, got 100"):
        ReducedConfig(kind="x", window_ms=100, good_ms=100)


@pytest.mark.parametrize(
    ("wiring", "problem"),
    [
        ({"trigger": 0, "good": 1, "ready": 1}, "each of the outputs needs a line of its own, got 1, 1"),
        ({"trigger": 0, "enable": 0, "good": 0}, "each of the inputs needs a line of its own, got 0, 0"),
        ({"trigger": True, "good": 0}, "must not be yes, no, on, off"),
        ({"trigger": 0}, "Field required"),
    ],
    ids=["two-outputs", "two-inputs", "yes", "no-good"],
)
def test_wiring_mistake_is_named(wiring: dict, problem: str):
    with pytest.raises(ValidationError, match=problem):
        Wiring(**wiring)
