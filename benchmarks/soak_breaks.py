"""Safety rules of the station, each to be broken once on purpose, in the station's process alone: the soak must notice.

A rule is broken by replacing the method that keeps it, where it stands in the package.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from partgate.controllers.block import Command
from partgate.controllers.modbus import ModbusController
from partgate.errors import ControllerError
from partgate.inference.inspector import Inspection, Inspector
from partgate.parts import Decision, Frame, Reason, Record, Result, Trigger, Verdict
from partgate.records.store import RecordStore
from partgate.station import judge as judging
from partgate.station.bookkeeping import Books
from partgate.station.judge import Judge
from partgate.station.loop import Station
from partgate.station.recipes import RecipeShelf
from partgate.station.series import Alarms
from partgate.station.signals import Signals
from partgate.station.views import Judged
from partgate.station.watch import WatchedCamera

_EVERY = 25  # parts, where a rule is broken for some parts alone
_BEAT_S = 0.02


@dataclass(frozen=True, slots=True)
class Break:
    """A rule to break.

    Attributes:
        rule: What the station does wrong, in words.
        make: Replaces the method that keeps the rule.
        figures: What the soak must count then; at least one of them must not be 0. None where nothing is broken.
        plc_faults: Of the controller, instead of every kind.
        driver_faults: Of the driver, instead of every kind; ``()`` makes none.
    """

    rule: str
    make: Callable[[], None]
    figures: tuple[str, ...]
    plc_faults: tuple[str, ...] = ("cut", "damage", "double", "slow")
    driver_faults: tuple[str, ...] = ()


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a method: ``around`` is called with the old one first."""
    old = getattr(owner, name)

    def new(*arguments: Any, **named: Any) -> Any:
        return around(old, *arguments, **named)

    setattr(owner, name, new)


def _replay() -> None:
    last: list[Result] = []

    def send(old: Any, self: ModbusController, result: Result, words: Any) -> None:
        last[:] = [result]
        old(self, result, words)

    def connect(old: Any, self: Station) -> None:
        old(self)
        if last:
            self._controller.send(last[0], self._signals.words())

    _wrap(ModbusController, "send", send)
    _wrap(Station, "_connect", connect)


def _good_after_the_window() -> None:
    Judge._in_time = staticmethod(lambda judged, trigger: judged)  # type: ignore[method-assign]


def _old_picture() -> None:
    before: list[Frame] = []

    def collect(old: Any, self: WatchedCamera, *arguments: Any) -> Any:
        found = old(self, *arguments)
        if not isinstance(found, Frame):
            return found
        before.append(found)
        return before.pop(0) if len(before) > 1 else found

    _wrap(WatchedCamera, "collect", collect)


def _good_where(is_so: Callable[[Inspection], bool]) -> None:
    def inspect(old: Any, self: Inspector, image: Any) -> Inspection:
        found: Inspection = old(self, image)
        if not is_so(found):
            return found
        return replace(found, decision=Decision(Verdict.GOOD, Reason.MODEL), lane=self.recipe.lanes["GOOD"])

    _wrap(Inspector, "inspect", inspect)


def _nan_is_good() -> None:
    _good_where(lambda it: it.decision.reason is Reason.ENGINE_FAILED and it.prediction is not None)


def _exception_is_good() -> None:
    _good_where(lambda it: it.decision.reason is Reason.ENGINE_FAILED and it.prediction is None)


def _torn_is_good() -> None:
    def undecidable(old: Any, reason: Reason, detail: str) -> Inspection:
        found: Inspection = old(reason, detail)
        is_torn = reason is Reason.NO_WHOLE_PICTURE
        return replace(found, decision=Decision(Verdict.GOOD, Reason.MODEL), lane=1) if is_torn else found

    _wrap(judging, "undecidable", undecidable)


def _newest_boot() -> None:
    def answer(old: Any, self: Station, trigger: Trigger, judged: Judged) -> None:
        old(self, replace(trigger, boot=self._controller.read().boot), judged)

    _wrap(Station, "_answer", answer)


def _next_sequence() -> None:
    def send(old: Any, self: ModbusController, result: Result, words: Any) -> None:
        if result.trigger.sequence % _EVERY == 0:
            result = replace(result, trigger=replace(result.trigger, sequence=result.trigger.sequence + 1))
        old(self, result, words)

    _wrap(ModbusController, "send", send)


def _own_heartbeat() -> None:
    """Count the heartbeat in a thread of its own; a lock keeps its requests apart from the loop's."""
    lock, beat, begun = threading.RLock(), Signals.beat, threading.Event()

    def call(old: Any, self: ModbusController, *arguments: Any, **named: Any) -> Any:
        with lock:
            return old(self, *arguments, **named)

    def beat_for_ever(signals: Signals, controller: ModbusController) -> None:
        while True:
            with suppress(ControllerError):
                beat(signals, controller, check_engine=False)
            time.sleep(_BEAT_S)

    def beat_elsewhere(self: Signals, controller: Any, **_: Any) -> bool:
        if not begun.is_set():
            begun.set()
            threading.Thread(target=beat_for_ever, args=(self, controller), daemon=True).start()
        return False

    _wrap(ModbusController, "_call", call)
    Signals.beat = beat_elsewhere  # type: ignore[method-assign]


def _add(around: Callable[[Callable[[Record], None], Record], None]) -> None:
    def add(old: Any, self: RecordStore, record: Record) -> None:
        if record.sequence % _EVERY or record.missed:
            old(self, record)
        else:
            around(lambda changed: old(self, changed), record)

    _wrap(RecordStore, "add", add)


def _dropped_record() -> None:
    _add(lambda keep, record: None)


def _record_twice() -> None:
    _add(lambda keep, record: (keep(record), keep(record))[0])


def _other_verdict_on_record() -> None:
    _add(lambda keep, record: keep(replace(record, verdict=Verdict.REJECT, lane=0)))


def _undeclared_misses() -> None:
    _wrap(Books, "missed", lambda old, self, view, boot, first, last, reason, detail: 0)


def _lock_ignored() -> None:
    RecordStore.locks = property(lambda self: False)  # type: ignore[method-assign,assignment]


def _recipe_ignored() -> None:
    Signals._recipe_differs = property(lambda self: False)  # type: ignore[method-assign,assignment]
    RecipeShelf.want = lambda self, number: None  # type: ignore[method-assign,assignment]


def _enable_ignored() -> None:
    def read(old: Any, self: ModbusController) -> Any:
        words = old(self)
        return replace(words, command=words.command | Command.ENABLE)

    _wrap(ModbusController, "read", read)


def _halt_ignored() -> None:
    Alarms.halted_by = property(lambda self: None)  # type: ignore[method-assign,assignment]


def _silence_ignored() -> None:
    def listen(old: Any, self: Signals, words: Any, who: Any) -> None:
        old(self, words, who)
        self.is_heard = True

    _wrap(Signals, "listen", listen)


ENGINE_WRONG, PICTURE_WRONG = "good_of_failed_engine", "good_lane_not_good"
REPEATED, NEVER_CAME, LATE = "blocks_repeated", "blocks_of_no_part", "good_decided_late"
LOST, DOUBLED, DIFFER = "records_lost", "records_doubled", "records_differ"
HANG_UNSEEN, UNRECORDED_GOOD, OTHER_RECIPE = "hangs_unseen", "good_while_locked", "good_by_other_recipe"
PHANTOM, NOT_ASKED = "records_of_no_trigger", "good_while_not_asked"

BREAKS = {
    "none": Break("none: the station as it is", lambda: None, ()),
    "replay": Break("the last result is sent again after each reconnect", _replay, (REPEATED,), ("cut", "slow")),
    "late-good": Break("a GOOD found after the window is sent", _good_after_the_window, (LATE,)),
    "old-picture": Break("the picture of the part before is judged", _old_picture, (PICTURE_WRONG,)),
    "nan-good": Break("a score that is no number is GOOD", _nan_is_good, (ENGINE_WRONG,)),
    "exception-good": Break("a part at which the engine failed is GOOD", _exception_is_good, (ENGINE_WRONG,)),
    "torn-good": Break("a part without a whole picture is GOOD", _torn_is_good, (PICTURE_WRONG,)),
    "newest-boot": Break(
        "the result carries the boot read last, not its trigger's", _newest_boot, (NEVER_CAME, PHANTOM), ("restart",)),
    "next-sequence": Break("the verdict carries the next part's number", _next_sequence, (NEVER_CAME,)),
    "own-heartbeat": Break("the heartbeat is counted by a thread of its own", _own_heartbeat, (HANG_UNSEEN,),
                           ("damage", "double")),
    "record-dropped": Break("one record in 25 is dropped", _dropped_record, (LOST,)),
    "record-twice": Break("one record in 25 is written twice", _record_twice, (DOUBLED,)),
    "record-differs": Break("one record in 25 names another verdict", _other_verdict_on_record, (DIFFER,)),
    "misses-undeclared": Break("missed triggers are not declared", _undeclared_misses, (LOST,),
                               driver_faults=("kill",)),
    "lock-ignored": Break(
        "GOOD goes on while records cannot be written, in spite of lock", _lock_ignored, (UNRECORDED_GOOD,),
        driver_faults=("disk-full",),
    ),
    "recipe-ignored": Break("the recipe that is asked for is ignored", _recipe_ignored, (OTHER_RECIPE,),
                            ("recipe-held",)),
    "enable-ignored": Break("a part is judged though the controller did not enable", _enable_ignored, (NOT_ASKED,),
                            ("enable-off",)),
    "halt-ignored": Break("parts are judged on while the bin is full (stop_on)", _halt_ignored, (NOT_ASKED,),
                          ("bin-full",)),
    "silence-ignored": Break("parts are judged on while the controller's heartbeat stands", _silence_ignored,
                             (NOT_ASKED,), ("unheard",)),
}  # fmt: skip
