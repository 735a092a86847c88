"""The log of a run with the simulated controller: one JSON file at its end, or JSON lines as it goes.

``.jsonl`` is written while the run goes on and needs the same memory for a million parts as for ten; each line has an
``event``: ``start``, ``fault``, ``part`` (one that has left, with its lane and the result that the gate acted on) and
``end`` with all counters. Any other ending is one document, written whole at the end.
"""

import json
import os
from collections import Counter, deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from partgate.errors import RecordError
from partgate.simulate.conveyor import OUTCOMES_KEPT, PartOutcome


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run with the simulated controller came to."""

    boot: int
    counters: dict[str, int]  # since the controller's last start
    parts: tuple[PartOutcome, ...]  # that have left, in that order; without a document as log only the last ones
    totals: dict[str, int]  # as counters, over all starts
    lanes: dict[int, int]  # parts by the lane they took, all of them

    def to_json(self) -> str:
        """Return the report as one JSON document."""
        content = {
            "boot": self.boot, "counters": self.counters, "totals": self.totals, "lanes": self.lanes,
            "parts": [asdict(part) for part in self.parts],
        }  # fmt: skip
        return json.dumps(content, indent=2) + "\n"


class Journal:
    """Takes each part as it leaves; use it in a ``with`` block.

    ``note`` may be called from the thread that scans and never waits; all else belongs to one thread.

    Args:
        path: The log; none where left out.

    Raises:
        RecordError: If its folder is missing, or on entering and writing, if it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None and not path.parent.is_dir():
            raise RecordError(f"log {path}: no folder {path.parent}: make it, or give another path")
        self._path = path
        self._is_streamed = path is not None and path.suffix == ".jsonl"
        self._file: TextIO | None = None
        self._noted: deque[PartOutcome] = deque()
        keeps_all = path is not None and not self._is_streamed
        self._parts: deque[PartOutcome] = deque(maxlen=None if keeps_all else OUTCOMES_KEPT)
        self._lanes: Counter[int] = Counter()

    def __enter__(self) -> Self:
        if self._path is not None and self._is_streamed:
            try:
                self._file = self._path.open("w", encoding="utf-8")
            except OSError as error:
                raise _unwritable(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written has been told when it was
                self._file.close()
        self._file = None

    def note(self, part: PartOutcome) -> None:
        """Take note of a part that has left."""
        self._noted.append(part)

    def tell(self, event: str, **facts: Any) -> None:
        """Write an event behind the parts noted so far."""
        self.write()
        self._write_lines([{"event": event, **facts}])

    def write(self) -> None:
        """Write the parts noted so far."""
        parts = [self._noted.popleft() for _ in range(len(self._noted))]
        self._parts.extend(parts)
        self._lanes.update(part.lane for part in parts)
        self._write_lines([{"event": "part", **asdict(part)} for part in parts])

    def finish(self, boot: int, counters: dict[str, int], totals: dict[str, int]) -> RunReport:
        """Write what is left and return the report."""
        self.tell("end", boot=boot, counters=counters, totals=totals)
        report = RunReport(boot, counters, tuple(self._parts), totals, dict(sorted(self._lanes.items())))
        if self._path is not None and not self._is_streamed:
            write_whole(self._path, report.to_json())
        return report

    def _write_lines(self, events: list[dict[str, Any]]) -> None:
        if self._file is None or self._path is None or not events:
            return
        try:
            self._file.writelines(json.dumps(event) + "\n" for event in events)
            self._file.flush()
        except OSError as error:
            raise _unwritable(self._path, error) from error


def write_whole(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never finds half a file."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> RecordError:
    return RecordError(f"log {path}: cannot be written: {error}; give another path")
