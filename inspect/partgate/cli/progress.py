"""What a long command is doing and how long it still takes: bars on a terminal, a few lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]

_STEPS = {
    "features": "looking at pictures",
    "head": "learning",
    "views": "looking at varied pictures",
    "pictures": "keeping pictures",
    "fine-tuning": "fine-tuning",
    "look-alikes": "looking for the same part",
    "measures": "measuring pictures",
    "learning curve": "tracing the learning curve",
    "export": "exporting",
    "proof": "proving exported = trained",
    "judge": "judging pictures",
    "straighten": "straightening pictures",
}
_ENDED_EARLY = ", ended early"
_WIDEST = max(map(len, _STEPS.values()))
_QUIET_S = 10.0  # a step's next line comes no sooner
_QUARTERS = 4
_LATE = 64  # numbers of several threads may overtake one another; no step runs in more of them
_RATE_OVER_S = 180.0  # the remaining time must not jump where a round of fine-tuning stops to judge


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Give a function that shows how far a step is; it may be called from several threads, also out of order."""
    from rich.console import Console  # here, because every command would wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    lock = threading.Lock()
    if not console.is_terminal:
        lines = StepLines(lambda line: print(line, file=sys.stderr, flush=True))

        def tell(step: str, done: int, total: int) -> None:
            with lock:
                lines(step, done, total)

        yield tell
        return
    # What is printed meanwhile stands above the bars; where it goes into a file, it is left alone.
    with Bars(
        TextColumn(f"{{task.description:<{_WIDEST}}}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True), console=console, speed_estimate_period=_RATE_OVER_S,
        redirect_stdout=sys.stdout.isatty(),
    ) as shown:  # fmt: skip
        bars = StepBars(shown)

        def show(step: str, done: int, total: int) -> None:
            with lock:
                bars(step, done, total)

        yield show


@dataclass(slots=True)
class _Step:
    """How far a step is."""

    name: str
    done: int
    total: int

    def is_begun_anew(self, name: str, done: int, total: int) -> bool:
        """Tell whether a number belongs to another step, or to the same one done again; a late number does not."""
        is_again = done < self.done - _LATE or (self.done >= self.total and done <= 1 and done < self.done)
        return (name, total) != (self.name, self.total) or is_again

    @property
    def words(self) -> str:
        return _STEPS.get(self.name, self.name)


class StepLines:
    """A line when a step begins; where it takes long, one at each quarter with the time that remains."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._step: _Step | None = None
        self._first = 0  # done when it began: a training that is gone on from begins in the middle
        self._began_s = self._told_s = 0.0
        self._quarter = 0

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take the next number."""
        now = self._clock()
        if self._step is None or self._step.is_begun_anew(step, done, total):
            self._step = _Step(step, done, total)
            self._first, self._began_s, self._told_s = done, now, now
            self._quarter = _quarter(done, total)
            self._write(f"{self._step.words} ({total}) ...")
            return
        self._step.done = max(done, self._step.done)
        quarter = _quarter(self._step.done, total)
        if self._quarter < quarter < _QUARTERS and now - self._told_s >= _QUIET_S:
            self._quarter, self._told_s = quarter, now
            remaining_s = (now - self._began_s) / (self._step.done - self._first) * (total - self._step.done)
            self._write(f"{self._step.words}: {self._step.done} of {total}, about {say_seconds(remaining_s)} left")


class StepBars:
    """A bar per step, with the time that remains; one that ends before its last number is closed and says so."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._step: _Step | None = None
        self._task: TaskID

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take the next number."""
        if self._step is None or self._step.is_begun_anew(step, done, total):
            self._close()
            self._step = _Step(step, done, total)
            self._task = self._bars.add_task(self._step.words, total=total)
        self._step.done = max(done, self._step.done)
        self._bars.update(self._task, completed=self._step.done)

    def _close(self) -> None:
        if self._step is not None and self._step.done < self._step.total:
            words = self._step.words + _ENDED_EARLY
            self._bars.update(self._task, description=words, total=self._step.done)


def say_seconds(seconds: float) -> str:
    """Return a length of time as people say it.

    Example:
        >>> say_seconds(42.4), say_seconds(125), say_seconds(4000)
        ('42 s', '2 min', '1 h 7 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _quarter(done: int, total: int) -> int:
    return _QUARTERS * done // max(1, total)
