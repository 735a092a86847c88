"""A progress bar with the remaining time, on a terminal; a line per step elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]

_STEPS = {
    "features": "looking at pictures",
    "head": "learning",
    "views": "looking at augmented pictures",
    "pictures": "keeping pictures",
    "fine-tuning": "fine-tuning",
    "look-alikes": "looking for the same part",
    "export": "exporting",
    "proof": "proving exported = trained",
    "judge": "judging pictures",
}


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Give a function that shows how far a step is; it may be called from several threads."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    lock = threading.Lock()
    if not console.is_terminal:
        told: set[str] = set()

        def tell(step: str, done: int, total: int) -> None:
            with lock:
                if step not in told:
                    told.add(step)
                    print(f"{_STEPS.get(step, step)} ({total}) ...", file=sys.stderr, flush=True)

        yield tell
        return
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            with lock:
                if step not in tasks:
                    tasks[step] = bars.add_task(_STEPS.get(step, step), total=total)
                bars.update(tasks[step], completed=done, total=total)

        yield show
