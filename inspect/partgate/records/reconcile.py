"""The proof per shift: triggers = results + declared misses + declared gaps, by the controller's own numbers."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from partgate.errors import RecordError
from partgate.records.config import RecordsConfig
from partgate.records.read import end_rows
from partgate.records.rows import LAST_SEQUENCE, triggers_of

_HOURS_OF_A_DAY = 24


@dataclass(slots=True)
class Shift:
    """One span of time of one station, and what the records say about it."""

    station: str
    begins: datetime  # UTC, included
    ends: datetime  # UTC, not included
    results: int = 0
    misses: int = 0  # triggers, not rows
    unrecorded: int = 0  # triggers in declared gaps: taken, but records could not be written
    undeclared: int = 0  # numbers that the controller gave and no row names
    repeated: int = 0  # numbers that a row names again
    boots: list[int] = field(default_factory=list)  # starts of the controller; more than one is a restart
    numbers: list[str] = field(default_factory=list)  # first to last trigger of each boot
    gaps: list[dict[str, Any]] = field(default_factory=list)  # declared: boot, first, last, detail
    verdicts: Counter[str] = field(default_factory=Counter)
    lots: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def triggers(self) -> int:
        """Return how many numbers the controller gave."""
        return self.results + self.misses + self.unrecorded + self.undeclared - self.repeated

    @property
    def adds_up(self) -> bool:
        """Tell whether each trigger is a result, a declared miss or part of a declared gap, once."""
        return not self.problems and self.triggers == self.results + self.misses + self.unrecorded

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {item.name: getattr(self, item.name) for item in fields(self)} | {
            "begins": self.begins.isoformat(),
            "ends": self.ends.isoformat(),
            "triggers": self.triggers,
            "adds_up": self.adds_up,
        }


def shift_bounds(first: datetime, last: datetime, start: time, hours: int, zone: ZoneInfo) -> list[datetime]:
    """Return where shifts begin and end, in UTC, from the one that holds ``first`` to the one that holds ``last``.

    Shifts follow the clock on the wall: on the day when summer time begins or ends, one is an hour shorter or longer.

    Args:
        first: Earliest moment, UTC.
        last: Latest moment, UTC.
        start: When a shift begins, on the wall.
        hours: Length of a shift on the wall; must divide the day.
        zone: Where the wall is.

    Raises:
        RecordError: If the hours do not divide the day.

    Example:
        >>> noon = datetime(2026, 3, 29, 12, tzinfo=UTC)  # summer time begins: 23 hours from midnight to midnight
        >>> begins, ends = shift_bounds(noon, noon, time(0), 24, ZoneInfo("Europe/Berlin"))
        >>> str(ends - begins)
        '23:00:00'
    """
    if hours < 1 or _HOURS_OF_A_DAY % hours:
        raise RecordError(f"shift hours: {hours} do not divide a day; use 1, 2, 3, 4, 6, 8, 12 or 24")
    day, end = first.astimezone(zone).date() - timedelta(days=1), last.astimezone(zone).date() + timedelta(days=2)
    bounds: list[datetime] = []
    while day <= end:
        bounds += _bounds_of_day(day, start, hours, zone)
        day += timedelta(days=1)
    first_at = max(index for index, bound in enumerate(bounds) if bound <= first)
    last_at = min(index for index, bound in enumerate(bounds) if bound > last)
    return bounds[first_at : last_at + 1]


def _bounds_of_day(day: date, start: time, hours: int, zone: ZoneInfo) -> list[datetime]:
    begin = datetime.combine(day, start)  # without zone: hours are added as the clock on the wall counts them
    steps = range(0, _HOURS_OF_A_DAY, hours)
    return [(begin + timedelta(hours=step)).replace(tzinfo=zone).astimezone(UTC) for step in steps]


def read_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        RecordError: If there is no such zone on this PC.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "use a name like Europe/Berlin; on Windows install the package tzdata"
        raise RecordError(f"--zone: '{name}' is not known on this PC; {hint}") from None


def span_of(where: Path | RecordsConfig) -> tuple[datetime, datetime] | None:
    """Return when the earliest and the latest record were written; ``None`` where there are none.

    Raises:
        RecordError: If they cannot be read, or one was damaged.
    """
    ends = [moment(row) for row in end_rows(where)]
    return (ends[0], ends[-1]) if ends else None


def choose_bounds(
    ends: tuple[datetime, datetime] | None,
    zone: ZoneInfo,
    shifts: tuple[str, int],
    span: tuple[str | None, str | None],
) -> list[datetime]:
    """Return the bounds that a user asks for: one span, or the shifts from the first record to the last.

    Args:
        ends: When the earliest and the latest record were written; ``None`` where there are none.
        zone: Where times are meant.
        shifts: Begin of a shift on the wall, and its hours.
        span: From and to; both or none.

    Raises:
        RecordError: If a time cannot be read, or only one end of the span is given.
    """
    if span != (None, None):
        for name, given in zip(("--from", "--to"), span, strict=True):
            if given is None:
                raise RecordError(f"{name}: is missing; a span needs both --from and --to")
        return [at for at in read_span(*span, zone) if at is not None]
    try:
        start = time.fromisoformat(shifts[0])
    except ValueError:
        raise RecordError(f"--shift-start: must be a time like 06:00, got '{shifts[0]}'") from None
    first, last = ends or (datetime.now(UTC), datetime.now(UTC))
    return shift_bounds(first, last, start.replace(tzinfo=None), shifts[1], zone)


def read_span(begins: str | None, ends: str | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Return the moments that a user gives for --from and --to, in UTC.

    Raises:
        RecordError: If one is no time, or they are not in order.
    """
    first, last = _moment_of("--from", begins, zone), _moment_of("--to", ends, zone)
    if first is not None and last is not None and first >= last:
        raise RecordError(f"--from {begins} is not before --to {ends}")
    return first, last


def _moment_of(name: str, given: str | None, zone: ZoneInfo) -> datetime | None:
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise RecordError(f"{name}: must be a time like '2026-11-23 06:00', got '{given}'") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def reconcile(rows: Iterable[Mapping[str, Any]], bounds: Sequence[datetime]) -> list[Shift]:
    """Return the account of each shift and station that has records, in order of time.

    A row belongs to the shift in which it was written down; triggers missed while the station was off stand in the
    shift in which it came back. What the controller gave between the last row and its own restart cannot be known.

    Args:
        rows: All records, oldest first: the row before a shift tells with which number the shift must begin.
        bounds: Where shifts begin and end, UTC, at least two; rows outside are counted in none.

    Raises:
        RecordError: If a row was damaged.
    """
    shifts: dict[tuple[datetime, str], Shift] = {}
    before: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        at, last = moment(row), before.get(row["station"])
        before[row["station"]] = row
        place = bisect_right(bounds, at)
        if 0 < place < len(bounds):
            begins, ends = bounds[place - 1 : place + 1]
            shift = shifts.setdefault((begins, row["station"]), Shift(row["station"], begins, ends))
            _count(shift, row, last)
    return [shifts[key] for key in sorted(shifts)]


def moment(row: Mapping[str, Any]) -> datetime:
    """Return when a record was written, UTC.

    Raises:
        RecordError: If it was damaged.
    """
    try:
        return datetime.fromisoformat(row["at"]).astimezone(UTC)
    except (TypeError, ValueError):
        raise RecordError(
            f"record {row['id']}: its time {row['at']!r} is no time; run 'partgate records verify'"
        ) from None


def _count(shift: Shift, row: Mapping[str, Any], last: Mapping[str, Any] | None) -> None:
    covers = triggers_of(row)
    undeclared = _skipped(row, last)
    where = f"record {row['id']}: trigger {row['first_sequence']} of boot {row['boot']}"
    if undeclared is None:
        shift.repeated += covers
        shift.problems.append(f"{where} comes again, or the controller restarted without counting its start")
    elif undeclared:
        shift.undeclared += undeclared
        shift.problems.append(f"{where}: {undeclared} before it are neither results nor declared misses")
    if row["missed"]:
        gap = {"boot": row["boot"], "first": row["first_sequence"], "last": row["sequence"], "detail": row["detail"]}
        shift.gaps.append(gap)
        is_unrecorded = row.get("gap") is not None
        shift.unrecorded += covers * is_unrecorded
        shift.misses += covers * (not is_unrecorded)
    else:
        shift.results += 1
        shift.verdicts[row["verdict"]] += 1
    shift.lots[row["lot"] or "-"] += covers
    _name_numbers(shift, row)


def _skipped(row: Mapping[str, Any], last: Mapping[str, Any] | None) -> int | None:
    """Return how many numbers lie between two rows without a row of their own; ``None`` where it went back."""
    if last is None:
        return 0  # the station's very first record: it began with the number that it found
    if row["boot"] != last["boot"]:
        return int(row["first_sequence"]) - 1  # a controller that was started counts from 1
    ahead = (row["first_sequence"] - last["sequence"] % LAST_SEQUENCE - 1) % LAST_SEQUENCE
    return int(ahead) if ahead <= LAST_SEQUENCE // 2 else None


def _name_numbers(shift: Shift, row: Mapping[str, Any]) -> None:
    if not shift.boots or shift.boots[-1] != row["boot"]:
        shift.boots.append(row["boot"])
        shift.numbers.append(f"{row['boot']}/{row['first_sequence']}-{row['sequence']}")
        return
    begun = shift.numbers[-1].rsplit("-", 1)[0]
    shift.numbers[-1] = f"{begun}-{row['sequence']}"


def shift_lines(shifts: Iterable[Shift], zone: ZoneInfo) -> list[str]:
    """Return the account as lines of a table, times as on the wall."""
    lines = ["shift                              station      triggers = results + misses  verdicts"]
    for shift in shifts:
        begins, ends = (moment.astimezone(zone).strftime("%Y-%m-%d %H:%M%z") for moment in (shift.begins, shift.ends))
        sign = "= " if shift.adds_up else "!="
        verdicts = ", ".join(f"{n} {name}" for name, n in sorted(shift.verdicts.items())) or "none"
        lines.append(
            f"{begins} to {ends[11:]}  {shift.station:<12} {shift.triggers:>8} {sign}{shift.results:>8} + "
            f"{shift.misses:<6}  {verdicts}"
            + (f"; and {shift.unrecorded} in declared gaps" if shift.unrecorded else "")
        )
        lots = ", ".join(f"{name}: {n}" for name, n in sorted(shift.lots.items()) if name != "-")
        lines.append(f"    numbers {', '.join(shift.numbers)}" + (f"; lots {lots}" if lots else ""))
        if len(shift.boots) > 1:
            lines.append(f"    the controller was restarted {len(shift.boots) - 1} times in this shift")
        lines += [f"    missed {gap['boot']}/{gap['first']}-{gap['last']}: {gap['detail']}" for gap in shift.gaps]
    return lines
