"""The station's side of the cable while it is checked: heartbeat, triggers, answers of the person at the controller.

One thread owns the controller and counts the heartbeat, also while a person thinks; the person is asked in another one.
"""

import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from partgate.controllers.base import Controller
from partgate.controllers.block import ControllerWords, State, StationWords
from partgate.parts import Decision, Fault, Reason, Result, StationState, Trigger, Verdict

BEAT_S = 0.1
DEFAULT_WINDOW_MS = 200
_NO_PART = State.ONLINE | State.RECIPE_READY


class Answer(Enum):
    """What a person said."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"  # has looked


class Person(Protocol):
    """Whoever stands at the controller; both methods are called from threads of their own."""

    def tell(self, sentence: str) -> None:
        """Say what is to be done; the controller shows when it was."""
        ...

    def ask(self, question: str) -> Answer:
        """Return the answer; may take as long as it takes."""
        ...


class Line:
    """Beats, reads and writes on behalf of the check; it sends only what a step names, each result once.

    Args:
        controller: Open.
        person: At the controller.
        recipe: Number of the station's recipe, 0 where it has none yet.
        wait_s: Longest wait for a person to trigger a part, in seconds.
    """

    def __init__(self, controller: Controller, person: Person, recipe: int, wait_s: float) -> None:
        self.words: ControllerWords = controller.read()
        self.person, self.recipe, self.wait_s = person, recipe, wait_s
        self.is_beating = False
        self._controller = controller
        self._state, self._station_state = _NO_PART, StationState.INITIALIZED
        self._heartbeat, self._beat_at = 0, 0.0
        self._seen_before = time.monotonic()

    def station_heartbeat(self) -> int | None:
        """Return the station's heartbeat as the controller has it; nothing where it cannot be read back."""
        return self._controller.station_heartbeat()

    def begin(self) -> None:
        """Clear what an earlier connection left in the block, and let the heartbeat run."""
        self._controller.clear(self._own_words())
        self.is_beating = True

    def leave(self) -> None:
        """Clear the block, so that no result stays there, and say that nobody is online."""
        self.is_beating = False
        self._state, self._station_state = State(0), StationState.PREOPERATIONAL
        self._controller.clear(self._own_words())

    def turn(self) -> ControllerWords:
        """Read once, count the heartbeat up when it is due, and wait for one poll."""
        asked_at = time.monotonic()
        before, self.words = self.words, self._controller.read()
        if self.words.trigger_sequence == before.trigger_sequence:
            self._seen_before = asked_at
        if self.is_beating and asked_at >= self._beat_at:
            self._heartbeat = (self._heartbeat + 1) % 65536
            self._beat_at = asked_at + BEAT_S
            self._controller.write_state(self._own_words())
        time.sleep(self._controller.poll_period_s)
        return self.words

    def wait_until(self, condition: Callable[[ControllerWords], bool], within_s: float) -> bool:
        """Turn until the controller's words are as wanted; tell whether they became so in time."""
        deadline = time.monotonic() + within_s
        while not condition(self.turn()):
            if time.monotonic() >= deadline:
                return False
        return True

    def wait(self, seconds: float) -> None:
        """Turn for a time."""
        self.wait_until(lambda _: False, seconds)

    def ask(self, question: str) -> Answer:
        """Ask the person, and keep the heartbeat as it is until the answer comes."""
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(self.person.ask(question)), daemon=True)
        asking.start()
        while asking.is_alive():
            self.turn()
        return answers[0] if answers else Answer.NOBODY

    def next_part(self) -> tuple[Trigger | None, int]:
        """Wait for the next part; return it, or nothing where none came, and the sequence before it."""
        before = self.words.trigger_sequence
        self._state, self._station_state = _NO_PART | State.TRIGGER_READY, StationState.READY
        try:
            came = self.wait_until(lambda words: words.trigger_sequence not in (0, before), self.wait_s)
        finally:
            self._state, self._station_state = _NO_PART | State.BUSY, StationState.SINGLE_EXECUTION
        if not came:
            return None, before
        now, window_ms = time.monotonic(), self.words.window_ms or DEFAULT_WINDOW_MS
        deadline = self._seen_before + window_ms / 1000  # no later than the controller's own
        return Trigger(self.words.boot, self.words.trigger_sequence, window_ms, now, deadline), before

    def send(self, trigger: Trigger, *, good: bool) -> None:
        """Send a result for a part, once: a reject, or a GOOD for lane 1 where the person asked for one."""
        verdict = Verdict.GOOD if good else Verdict.REJECT
        result = Result(trigger, Decision(verdict, Reason.MODEL), 0, int(good))
        self._controller.send(result, self._own_words())

    def _own_words(self) -> StationWords:
        return StationWords(self._heartbeat, self._state, Fault.NONE, self.recipe, self._station_state)
