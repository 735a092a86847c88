"""``partgate records``: what a station remembers."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from partgate.errors import RecordError

if TYPE_CHECKING:
    from partgate.records.config import RecordsConfig
    from partgate.records.read import Wanted

_MOST_SHOWN = 20

app = typer.Typer(
    help="What a station remembers: list, show, export, verify, audit, reconcile, review, prune.", no_args_is_help=True
)

_Place = Annotated[Path, typer.Argument(metavar="PLACE", help="Records folder of a station file, or the station file.")]
_Station = Annotated[str | None, typer.Option(help="Only of this station.")]
_From = Annotated[str | None, typer.Option("--from", help="First moment, like '2026-11-23 06:00'.")]
_To = Annotated[str | None, typer.Option("--to", help="End, not included.")]
_Zone = Annotated[str, typer.Option(help="Time zone of --from and --to, like Europe/Berlin.")]
_Verdict = Annotated[str | None, typer.Option(help="Only good, reject or recheck; none: declared gaps.")]
_Lot = Annotated[str | None, typer.Option(help="Only of this lot.")]
_PartId = Annotated[str | None, typer.Option(help="Only of this part.")]
_Reason = Annotated[str | None, typer.Option(help="Only with this reason: its number, or a name like overrun.")]


def _open(place: Path) -> "tuple[RecordsConfig, str | None]":
    """Return where records are, and whose station file it was, if it was one."""
    from partgate.configfile import load_config
    from partgate.records.config import RecordsConfig
    from partgate.station.config import StationConfig

    if place.suffix == ".sqlite" and place.is_file():
        raise RecordError(f"{place}: is the database itself; name its folder {place.parent}, or the station file")
    if place.suffix in (".yaml", ".yml"):
        config = load_config(place, StationConfig)
        return config.records, config.name
    return RecordsConfig(folder=place), None


def _wanted(
    station: str | None, begins: str | None, ends: str | None, zone: str, verdict: str | None, lot: str | None,
    part_id: str | None, reason: str | None,
) -> "Wanted":  # fmt: skip
    from partgate.parts import Reason
    from partgate.records.read import Wanted
    from partgate.records.reconcile import read_span, read_zone

    verdicts = ("GOOD", "REJECT", "RECHECK", "NONE")
    if verdict is not None and verdict.upper() not in verdicts:
        raise RecordError(f"--verdict: must be one of {', '.join(verdicts).lower()}, got '{verdict}'")
    names = {known.name.lower(): int(known) for known in Reason} | {str(int(known)): int(known) for known in Reason}
    if reason is not None and reason.lower() not in names:
        raise RecordError(f"--reason: must be one of {', '.join(sorted(names))}, got '{reason}'")
    first, last = read_span(begins, ends, read_zone(zone))
    number = None if reason is None else names[reason.lower()]
    return Wanted(station, first, last, verdict.upper() if verdict else None, lot, part_id, number)


@app.command("list")
def list_(
    place: _Place,
    last: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 20,
    station: _Station = None,
    begins: _From = None,
    ends: _To = None,
    zone: _Zone = "UTC",
    verdict: _Verdict = None,
    lot: _Lot = None,
    part_id: _PartId = None,
    reason: _Reason = None,
) -> None:
    """Show the newest records, oldest first."""
    from partgate.records.read import read_records

    wanted = _wanted(station, begins, ends, zone, verdict, lot, part_id, reason)
    found = read_records(_open(place)[0], last=last + 1, wanted=wanted)
    for row in found[-last:]:
        print(_line(row))
    if len(found) > last:
        print(f"only the newest {last}; there are older ones: --last {5 * last}", file=sys.stderr)


def _line(row: dict[str, Any]) -> str:
    from partgate.glossary import text
    from partgate.parts import Reason

    score = "  -   " if row["defect_score"] is None else f"{row['defect_score']:.4f}"
    kind = "GAP" if row["gap"] else "MISSED" if row["missed"] else row["verdict"]
    first = f"{row['first_sequence']}-" if row["first_sequence"] != row["sequence"] else ""
    trigger = f"{row['boot']}/{first}{row['sequence']}"
    why = text(f"reason.{row['reason']}", "en") if row["reason"] and not (row["gap"] or row["missed"]) else ""
    tells = row["gap"] or row["missed"] or row["reason"] in (Reason.MODEL, Reason.RECHECK_BAND)
    where = row["detail"] if tells else ""
    facts = f"{row['id']:>7} {row['at'][:23]} {trigger:>10} {kind:<8} lane {row['lane']} {score}"
    return " ".join(" ".join(filter(None, [facts, row["source"], why, where])).splitlines())  # one record, one line


@app.command()
def show(place: _Place, record: Annotated[int, typer.Option(help="Number of the record, as list shows it.")]) -> None:
    """Show all that is on record about one part, and what persons said about it."""
    from partgate.records.audit_words import audit_line
    from partgate.records.read import show_record

    row, log = show_record(_open(place)[0], record)
    print("\n".join(f"{name:<16} {value}" for name, value in row.items() if value is not None))
    print("\n".join(audit_line(event) for event in log))


@app.command()
def export(
    place: _Place,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write (.csv, .json, .parquet); without, CSV on the screen.")
    ] = None,
    station: _Station = None,
    begins: _From = None,
    ends: _To = None,
    zone: _Zone = "UTC",
    verdict: _Verdict = None,
    lot: _Lot = None,
    part_id: _PartId = None,
    reason: _Reason = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="CSV for a German Excel: semicolons, decimal commas, UTF-8 marked.")
    ] = False,
) -> None:
    """Write records as CSV, JSON or Parquet; pictures stay where they are."""
    from partgate.records.export import stream_export, write_csv, write_export

    wanted = _wanted(station, begins, ends, zone, verdict, lot, part_id, reason)
    rows = stream_export(_open(place)[0], wanted)
    if out is None:
        write_csv(rows, sys.stdout, excel=excel)
    else:
        print(f"{write_export(rows, out, excel=excel)} records in {out}")


@app.command()
def verify(
    place: _Place,
    until: Annotated[
        list[str] | None, typer.Option(help="A hash noted earlier; it must still be there. May be given twice.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Read every picture; without, only the rows are checked.")] = True,
) -> None:
    """Prove that records are whole: no row changed or gone, every trigger accounted for, every picture there."""
    from partgate.records.verify import verify_records

    noted = until or []
    for digest in noted:
        if not re.fullmatch("[0-9a-fA-F]{64}", digest):
            raise RecordError(f"--until: must be the 64 digits that 'records verify' printed, got '{digest}'")
    config, station = _open(place)
    found = verify_records(config, noted, of_station=station if config.database else None, pictures=pictures)
    print(
        f"{found.records} records: {found.results} results, {found.misses} declared misses, {found.pictures} pictures"
        + (f" ({found.pruned} deleted by retention)" if found.pruned else "")
        + f"; {found.audit_rows} rows in the audit log"
    )
    if found.unrecorded:
        print(f"{found.unrecorded} triggers stand in declared gaps: they were taken, but records could not be written")
        print("\n".join(found.gaps[:_MOST_SHOWN]))
    if found.problems:
        _fail("", found.problems, found.problem_count)
    gaps = "" if not found.unrecorded else "; declared gaps are told above"
    print(f"whole: no record was changed or removed, every trigger is accounted for{gaps}")
    print(f"last record    {found.last_record}\nlast audit row {found.last_audit}")
    print("note these two elsewhere: given back by --until, they show an end that was cut off or a file replaced")


def _fail(head: str, problems: "tuple[str, ...] | list[str]", count: int) -> None:
    more = [f"... and {count - _MOST_SHOWN} more"] if count > _MOST_SHOWN else []
    raise RecordError("\n".join(filter(None, [head, *problems[:_MOST_SHOWN], *more])))


@app.command()
def audit(
    place: _Place,
    station: _Station = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show when stations ran, with which recipe, rule and model, and what was changed in between."""
    from partgate.records.audit import content_of
    from partgate.records.audit_words import audit_line
    from partgate.records.read import read_audit

    rows = read_audit(_open(place)[0], station)
    if as_json:
        print(json.dumps([{**row, "content": content_of(row)} for row in rows], indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(audit_line(row))
    if not rows:
        print("no start of a station is on record")


@app.command()
def reconcile(
    place: _Place,
    shift_start: Annotated[str, typer.Option(help="When a shift begins, on the wall.")] = "06:00",
    shift_hours: Annotated[int, typer.Option(help="Length of a shift; must divide the day.")] = 8,
    begins: Annotated[str | None, typer.Option("--from", help="One span instead, like '2026-11-23 06:00'.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="End of the span, not included.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the wall, like Europe/Berlin.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Prove per shift that triggers = results + declared misses; exit code 1 where it does not add up."""
    from partgate.records.read import stream_records
    from partgate.records.reconcile import choose_bounds, read_zone, reconcile, shift_lines, span_of

    wall, config = read_zone(zone), _open(place)[0]
    bounds = choose_bounds(span_of(config), wall, (shift_start, shift_hours), (begins, ends))
    shifts = reconcile(stream_records(config), bounds)
    if as_json:
        print(json.dumps({"zone": zone, "shifts": [shift.as_dict() for shift in shifts]}, indent=1, ensure_ascii=False))
    else:
        print("\n".join(shift_lines(shifts, wall)) if shifts else "no records in this time")
    problems = [problem for shift in shifts for problem in shift.problems]
    if problems:
        _fail("triggers and records do not add up:", problems, len(problems))


@app.command()
def review(
    place: _Place,
    record: Annotated[int, typer.Option(help="Number of the record, as list shows it.")],
    by: Annotated[str, typer.Option(help="Who says it.")],
    verdict: Annotated[Literal["good", "defect", "unsure"] | None, typer.Option(help="What the part is.")] = None,
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
    hold: Annotated[
        bool | None, typer.Option("--hold/--release", help="Keep its pictures from being deleted, or no longer.")
    ] = None,
) -> None:
    """Put on the audit log what a person says about a record; the record itself stays as it is."""
    from partgate.records.review import add_review

    said = add_review(_open(place)[0], record, by, verdict, note, hold=hold)
    print(f"record {record}: {said.verdict or 'not judged'}{', held' if said.on_hold else ''}, by {said.by}")


@app.command()
def prune(
    place: _Place,
    days: Annotated[int | None, typer.Option(min=1, help="Delete pictures that are older.")] = None,
    gigabytes: Annotated[float | None, typer.Option(help="Delete the oldest while they take more.")] = None,
    station: _Station = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted.")] = False,
) -> None:
    """Delete old pictures, never records, nor pictures under review; limits of the station file unless given here."""
    from partgate.configfile import check_settings
    from partgate.records.config import RetentionConfig
    from partgate.records.retention import GIGABYTE, prune

    config, own = _open(place)
    given = {name: value for name, value in (("days", days), ("gigabytes", gigabytes)) if value is not None}
    limits = check_settings(given, RetentionConfig, source="prune", folder=Path()) if given else config.retention
    if limits is None:
        raise RecordError(f"{place}: names no records.retention; give --days, --gigabytes or both")
    for found in prune(config, limits, station or (own if config.database else None), dry_run=dry_run):
        deleted = "would be deleted" if dry_run else "deleted"
        print(
            f"station '{found.station}': pictures of {found.pictures} records {deleted}, {found.size / GIGABYTE:.3f} GB"
        )
