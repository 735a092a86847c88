"""The driver that all kinds of the reduced profile share: the rules of ``controllers/reduced.py`` over a terminal."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

from partgate.controllers.block import LAST_SEQUENCE, Command, ControllerWords, State, StationWords
from partgate.controllers.pause import Pause
from partgate.controllers.reduced import PartRules, ReducedConfig, Terminal
from partgate.errors import ControllerError
from partgate.parts import Result, Verdict

logger = logging.getLogger(__name__)

GOOD_LANE = 1
_LONGEST_WAIT_S = 1.0  # for the watching thread to end


class ReducedController:
    """Keeps the rules of the reduced profile over a terminal; one station owns it.

    A thread of its own reads the inputs between the station's calls, so that an edge is seen while a part is judged,
    and ends a pulse where the station is late: it can switch GOOD off, never on, and it moves no heartbeat. Each
    opening has a new boot number and begins at sequence 0, so that nothing of an earlier connection fits.

    Args:
        config: Name, window, pulse.
        terminal: The device.
        where: How messages call it: kind and address.
        debounce: A level counts when two reads in a row agree.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        config: ReducedConfig,
        terminal: Terminal,
        where: str,
        *,
        debounce: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.terminal = config, terminal
        self._where, self._debounce, self._clock = where, debounce, clock
        self._lock, self._stop = threading.RLock(), threading.Event()
        self._watcher: threading.Thread | None = None
        self._pause = Pause(clock)
        self._boot, self._polled_at = 0, 0.0
        self._rules = PartRules(config, 0, 0.0)
        self._problem: str | None = "is not connected"

    def __str__(self) -> str:
        return f"controller '{self.config.name}' ({self._where})"

    def __enter__(self) -> Self:
        with self._lock:
            self._pause.refuse_early(self)
            drawn = int(time.time() * 10) % LAST_SEQUENCE + 1
            self._boot = drawn if drawn != self._boot else drawn % LAST_SEQUENCE + 1
            self._rules = PartRules(self.config, self._boot, self._clock(), debounce=self._debounce)
            try:
                self.terminal.open()
                self._problem = None
                self.terminal.switch_off()
                self._poll()
            except OSError as error:
                raise self._lost(error) from error
        self._stop.clear()
        self._watcher = threading.Thread(target=self._watch, name=str(self), daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join(_LONGEST_WAIT_S)
        self._watcher = None
        with self._lock:
            if self._problem is None:
                if told := self._switch_off():
                    logger.error("%s: %s", self, told)
                self._problem = "is not connected"

    @property
    def poll_period_s(self) -> float:
        """Return the configured period in seconds."""
        return self.config.poll_ms / 1000

    @property
    def is_open(self) -> bool:
        """Tell whether the device is there, as far as is known."""
        return self._problem is None

    def read(self) -> ControllerWords:
        """Read the inputs and return them as the handshake's words."""
        self._call(self._poll)
        rules = self._rules
        return ControllerWords(
            heartbeat=(int(10 * self._polled_at) if rules.beats is None else rules.beats) % 65536,
            trigger_sequence=rules.sequence,
            acknowledged=rules.acknowledged,
            command=Command.ENABLE if rules.is_enabled else Command(0),
            recipe=0,
            window_ms=int(self.config.window_ms - self.config.reserve_ms),
            boot=rules.boot,
        )

    def station_heartbeat(self) -> int | None:
        """Return nothing: the device is opened for one station alone, and an output cannot be read back."""
        return None

    def write_state(self, words: StationWords) -> None:
        """Put out READY, BUSY and the heartbeat; a pulse that is due ends."""
        self._call(lambda: self._show(words))

    def clear(self, words: StationWords) -> None:
        """Switch GOOD off and put out the state."""
        self._call(self._withdraw)
        self._call(lambda: self._show(words))

    def send(self, result: Result, words: StationWords) -> None:
        """Put out a verdict once: GOOD as a pulse for the last part alone, every other verdict as its absence.

        A GOOD that comes too late, twice, or for another part is withheld, told in the log, and not acknowledged.
        """
        self._call(lambda: self._send(result, words))

    def switch(self, outputs: Mapping[int | str, bool]) -> None:
        """Switch outputs of the device that are not the handshake's, from any thread.

        A lamp must not stop the line: the connection stays as it is, whatever happens.

        Raises:
            ControllerError: If the device does not answer or refuses.
            ValueError: If an output belongs to the handshake.
        """
        with self._lock:
            self._refuse_if_lost()
            try:
                self.terminal.switch(outputs)
            except OSError as error:
                raise ControllerError(f"{self}: {error}") from error

    def _send(self, result: Result, words: StationWords) -> None:
        self._poll()  # by now another part may be at the camera
        sequence, verdict = result.trigger.sequence, result.decision.verdict
        stale = self._rules.why_stale(result.trigger.boot, sequence)
        withheld = stale or (self._why_not_good(result) if verdict is Verdict.GOOD else None)
        if not stale:
            self._rules.answer(sequence)  # first: whatever happens now, nothing is put out for it again
        if withheld:
            logger.warning("%s: %s for part %d was withheld: %s", self, verdict.name, sequence, withheld)
        else:
            if verdict is Verdict.GOOD:
                self._rules.hold(self._clock())  # first: where the answer gets lost, GOOD may be on all the same
            self.terminal.announce(verdict, sequence)
            if verdict is Verdict.GOOD:
                self._rules.hold(self._clock())
            self._rules.acknowledged = sequence
        self._show(words)

    def _why_not_good(self, result: Result) -> str | None:
        if result.lane != GOOD_LANE:
            return f"lane {result.lane} has no output here, GOOD opens lane {GOOD_LANE}"
        return self._rules.why_not_good(self._clock())

    def _poll(self) -> None:
        self._polled_at = asked_at = self._clock()
        self._rules.see(self.terminal.read(), asked_at)
        self._end_pulse()

    def _end_pulse(self) -> None:
        if self._rules.is_over(self._clock()):
            self._withdraw()

    def _withdraw(self) -> None:
        self.terminal.withdraw()
        self._rules.ended()

    def _show(self, words: StationWords) -> None:
        self._end_pulse()
        self.terminal.show(
            ready=State.TRIGGER_READY in words.state,
            busy=State.BUSY in words.state,
            beat=bool(words.heartbeat % 2),
            holds_good=self._rules.holds_good,
        )

    def _call(self, action: Callable[[], object]) -> None:
        with self._lock:
            self._refuse_if_lost()
            try:
                action()
            except OSError as error:
                raise self._lost(error) from error
            self._pause.shorten()

    def _refuse_if_lost(self) -> None:
        if self._problem is not None:
            raise ControllerError(f"{self}: {self._problem}")

    def _watch(self) -> None:
        while not self._stop.wait(self.poll_period_s):
            with self._lock:
                if self._problem is not None:
                    return
                try:
                    if self._clock() - self._polled_at >= self.poll_period_s:
                        self._poll()
                except Exception as error:  # whatever it is, the outputs go off; the station's next call tells it
                    self._lost(error)
                    return

    def _lost(self, error: Exception) -> ControllerError:
        """Switch off what can be switched off, let the device go, and return the error to raise."""
        told = self._switch_off()
        self._problem = f"{error}; {told}" if told else str(error) or type(error).__name__
        if not isinstance(error, TimeoutError):  # a terminal that nobody has connected to listens again at once
            self._pause.lengthen()
        return ControllerError(f"{self}: {self._problem}")

    def _switch_off(self) -> str | None:
        """Switch all outputs off as well as can be, let the device go; return what the wiring engineer must know."""
        held_good, told = self._rules.holds_good, None
        try:
            if self._problem is None:
                self.terminal.switch_off()
        except OSError:
            told = "its outputs could not be switched off" + (", GOOD may still be on" if held_good else "")
        self._rules.ended()
        with suppress(OSError):
            self.terminal.close()
        return told
