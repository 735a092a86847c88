"""The steps of the handshake, one function each, in the order in which they are tried.

A step says what it found by the id of a text and its values; what is expected and what to do next stands in
``texts/check.yaml``. A wrong ``CHECK`` is not among them: no driver can send one. The simulator's own tests show it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from partgate.controllers.block import LAST_SEQUENCE, Command
from partgate.glossary import text
from partgate.parts import Trigger
from partgate.station.check_line import Answer, Line

LOST_AFTER_S = 0.3
_HEARTBEAT_WATCHED_S = 2.0
_SILENT_S = 1.0  # well over the watchdog's 0.3 s
_TWO_SCANS_S = 0.02
_LATE_S = 0.1  # behind the window


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SHOWN = "not_shown"  # nobody looked, or this controller cannot show it


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step found: an id below ``check.`` with its values."""

    outcome: Outcome
    got: str
    values: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(slots=True)
class Visit:
    """What goes from step to step."""

    line: Line
    own_recipes: Sequence[int]  # numbers; none where the station's recipe is not there yet
    good: bool  # GOOD may be sent
    part: Trigger | None = None  # seen by the step before, still without an answer


_SEEN = {
    Answer.YES: Finding(Outcome.PASSED, "asked.yes"),
    Answer.NO: Finding(Outcome.FAILED, "asked.no"),
    Answer.NOBODY: Finding(Outcome.NOT_SHOWN, "asked.nobody"),
}


def alone(visit: Visit) -> Finding:
    """No other station counts a heartbeat up in this controller."""
    line = visit.line
    first = line.station_heartbeat()
    if first is None:
        return Finding(Outcome.NOT_SHOWN, "alone.one")
    line.wait(_SILENT_S)
    last = line.station_heartbeat()
    return Finding(
        Outcome.PASSED if last == first else Outcome.FAILED, "alone.got", {"first": first, "last": last or 0}
    )


def heartbeat(visit: Visit) -> Finding:
    """PLC_HB changes, and never stands still for as long as the station's watchdog waits."""
    line = visit.line
    began = changed_at = time.monotonic()
    value, changes, longest_s = line.words.heartbeat, 0, 0.0
    while (now := time.monotonic()) - began < _HEARTBEAT_WATCHED_S:
        longest_s = max(longest_s, now - changed_at)
        if line.turn().heartbeat != value:
            value, changes, changed_at = line.words.heartbeat, changes + 1, time.monotonic()
    values = {"changes": changes, "gap": round(1000 * longest_s), "value": value}
    if changes and longest_s <= LOST_AFTER_S:
        return Finding(Outcome.PASSED, "heartbeat.passed", values)
    return Finding(Outcome.FAILED, "heartbeat.slow" if changes else "heartbeat.frozen", values)


def boot(visit: Visit) -> Finding:
    """PLC_BOOT is a number of a start."""
    number = visit.line.words.boot
    return Finding(Outcome.PASSED if number else Outcome.FAILED, "boot.got", {"boot": number})


def command(visit: Visit) -> Finding:
    """The controller asks for parts."""
    words = visit.line.words
    values: dict[str, int | str] = {"command": int(words.command), "window": words.window_ms}
    if Command.ENABLE not in words.command:
        return Finding(Outcome.FAILED, "command.off", values)
    return Finding(Outcome.PASSED, "command.passed", values)


def recipe(visit: Visit) -> Finding:
    """The controller wants a recipe that the station has, or none in particular."""
    wanted = visit.line.words.recipe
    if not visit.own_recipes:
        return Finding(Outcome.NOT_SHOWN, "number.none", {"wanted": wanted})
    fits = wanted in (0, *visit.own_recipes)
    return Finding(
        Outcome.PASSED if fits else Outcome.FAILED,
        "number.got",
        {"wanted": wanted, "own": ", ".join(map(str, visit.own_recipes))},
    )


def alive(visit: Visit) -> Finding:
    """The controller takes the station's block and hears its heartbeat."""
    visit.line.begin()
    visit.line.wait(_SILENT_S)
    return _ask(visit, "alive")


def trigger(visit: Visit) -> Finding:
    """A part at the camera counts TRIG_SEQ up by one."""
    found = _next_part(visit)
    if isinstance(found, Finding):
        return found
    visit.part = found
    return Finding(Outcome.PASSED, "trigger.passed", {"sequence": found.sequence, "window": found.window_ms})


def acknowledge(visit: Visit) -> Finding:
    """A reject for the part is acknowledged within the window and two scans."""
    assert visit.part is not None
    return _send_and_wait(visit, visit.part, good=False)


def silence(visit: Visit) -> Finding:
    """A part that gets no answer is rejected."""
    found = _next_part(visit)
    if isinstance(found, Finding):
        return found
    visit.line.wait(found.window_ms / 1000 + _TWO_SCANS_S)
    if visit.line.words.acknowledged == found.sequence:
        return Finding(Outcome.FAILED, "silence.acknowledged", {"sequence": found.sequence})
    return _ask(visit, "silence")


def stale(visit: Visit) -> Finding:
    """The result of the part before, which got none, is neither taken nor acknowledged for the part that waits."""
    found = _next_part(visit)
    if isinstance(found, Finding):
        return found
    before = (found.sequence - 2) % LAST_SEQUENCE + 1
    visit.line.send(replace(found, sequence=before), good=visit.good)
    took = visit.line.wait_until(
        lambda words: words.acknowledged == found.sequence, found.window_ms / 1000 + _TWO_SCANS_S
    )
    if took:
        return Finding(Outcome.FAILED, "stale.taken", {"sequence": found.sequence, "sent": before})
    return _ask(visit, "stale")


def late(visit: Visit) -> Finding:
    """A result after the window changes nothing."""
    found = _next_part(visit)
    if isinstance(found, Finding):
        return found
    visit.line.wait(found.deadline + _LATE_S - time.monotonic())
    return _send_wrong(visit, found, "late")


def other_boot(visit: Visit) -> Finding:
    """A result that belongs to another start of the controller is discarded."""
    found = _next_part(visit)
    if isinstance(found, Finding):
        return found
    return _send_wrong(visit, replace(found, boot=found.boot % LAST_SEQUENCE + 1), "other_boot")


def good(visit: Visit) -> Finding:
    """A GOOD in time opens lane 1 for its part."""
    if not visit.good:
        return Finding(Outcome.NOT_SHOWN, "good.without")
    found = _next_part(visit)
    if isinstance(found, Finding):
        return found
    sent = _send_and_wait(visit, found, good=True)
    return sent if sent.outcome is Outcome.FAILED else _ask(visit, "good")


def watchdog(visit: Visit) -> Finding:
    """Without the station's heartbeat the controller's watchdog trips."""
    visit.line.is_beating = False
    visit.line.wait(_SILENT_S)
    return _ask(visit, "watchdog")


def back(visit: Visit) -> Finding:
    """With the heartbeat the controller goes on, and lets nothing pass that was on its way."""
    visit.line.is_beating = True
    visit.line.wait(_SILENT_S)
    return _ask(visit, "back")


STEPS: Mapping[str, Callable[[Visit], Finding]] = {
    step.__name__: step
    for step in (
        alone, heartbeat, boot, command, recipe, alive, trigger, acknowledge, silence, stale, late, other_boot, good,
        watchdog, back,
    )
}  # fmt: skip
NEEDS_THE_BLOCK = frozenset(
    {"alone", "heartbeat", "boot", "command", "recipe", "acknowledge", "late", "stale", "other_boot"}
)
"""Steps about words that a controller of the reduced profile does not have."""


def _next_part(visit: Visit) -> Trigger | Finding:
    line = visit.line
    line.person.tell(text("check.do.trigger", "en"))
    part, before = line.next_part()
    if part is None:
        return Finding(Outcome.FAILED, "trigger.none", {"sequence": before, "seconds": round(line.wait_s)})
    if part.sequence != before % LAST_SEQUENCE + 1:
        return Finding(Outcome.FAILED, "trigger.jumped", {"before": before, "sequence": part.sequence})
    return part


def _send_and_wait(visit: Visit, part: Trigger, *, good: bool) -> Finding:
    if visit.line.words.acknowledged == part.sequence:
        return Finding(Outcome.FAILED, "acknowledge.early", {"sequence": part.sequence})
    visit.line.send(part, good=good)
    left_s = part.seen_at + part.window_ms / 1000 + _TWO_SCANS_S - time.monotonic()
    came = visit.line.wait_until(lambda words: words.acknowledged == part.sequence, left_s)
    values = {
        "sequence": part.sequence, "window": part.window_ms, "acknowledged": visit.line.words.acknowledged,
        "took": round(1000 * (time.monotonic() - part.seen_at)),
    }  # fmt: skip
    return (
        Finding(Outcome.PASSED, "acknowledge.passed", values)
        if came
        else Finding(Outcome.FAILED, "acknowledge.none", values)
    )


def _send_wrong(visit: Visit, wrong: Trigger, step: str) -> Finding:
    """Send a result that must not count; whether it did only the controller's counters and its gate show."""
    visit.line.send(wrong, good=visit.good)
    visit.line.wait(_TWO_SCANS_S)
    return _ask(visit, step)


def _ask(visit: Visit, step: str) -> Finding:
    answer = visit.line.ask(text(f"check.ask.{step}", "en"))
    return _SEEN[answer]
