"""``partgate records``: what a station remembers."""

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from partgate.errors import RecordError

_MOST_SHOWN = 20

app = typer.Typer(help="What a station remembers: list, export, verify, audit, reconcile.", no_args_is_help=True)

_Folder = Annotated[Path, typer.Argument(help="Records folder of a station file.")]


@app.command("list")
def list_(
    folder: _Folder,
    last: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 20,
    station: Annotated[str | None, typer.Option(help="Only of this station.")] = None,
) -> None:
    """Show the newest records, oldest first."""
    from partgate.glossary import text
    from partgate.parts import Reason
    from partgate.records.store import read_records

    for row in read_records(folder, station, last):
        score = "  -   " if row["defect_score"] is None else f"{row['defect_score']:.4f}"
        kind = "MISSED" if row["missed"] else row["verdict"]
        trigger = f"{row['boot']}/{row['sequence']}"
        why = text(f"reason.{row['reason']}", "en") if row["reason"] else ""
        where = row["detail"] if row["reason"] in (Reason.MODEL, Reason.RECHECK_BAND) else ""
        facts = f"{row['id']:>7} {row['at'][:23]} {trigger:>10} {kind:<8} lane {row['lane']} {score}"
        print(" ".join(filter(None, [facts, row["source"], why, where])))


@app.command()
def export(
    folder: _Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write (.csv or .json); without, CSV on the screen.")
    ] = None,
    station: Annotated[str | None, typer.Option(help="Only of this station.")] = None,
) -> None:
    """Write all records as CSV or JSON; pictures stay where they are."""
    from partgate.configfile import write_atomically
    from partgate.records.schema import COLUMNS
    from partgate.records.store import read_records

    rows = read_records(folder, station)
    if out is not None and out.suffix == ".json":
        content = json.dumps([dict(row) for row in rows], indent=1, ensure_ascii=False).encode()
    else:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        content = text.getvalue().encode()
    if out is None:
        sys.stdout.write(content.decode())
        return
    try:
        write_atomically(out, content)
    except OSError as error:
        raise RecordError(f"{out}: cannot be written: {error.strerror}; name a folder with free space") from error
    print(f"{len(rows)} records in {out}")


@app.command()
def verify(
    folder: _Folder,
    until: Annotated[
        list[str] | None, typer.Option(help="A hash noted earlier; it must still be there. May be given twice.")
    ] = None,
) -> None:
    """Prove that records are whole: no row changed or gone, every trigger accounted for, every picture there."""
    from partgate.records.verify import verify_records

    noted = until or []
    for digest in noted:
        if not re.fullmatch("[0-9a-fA-F]{64}", digest):
            raise RecordError(f"--until: must be the 64 digits that 'records verify' printed, got '{digest}'")
    found = verify_records(folder, noted)
    print(
        f"{found.records} records: {found.results} results, {found.misses} declared misses, {found.pictures} pictures; "
        f"{found.audit_rows} rows in the audit log"
    )
    if found.problems:
        more = [f"... and {len(found.problems) - _MOST_SHOWN} more"] if len(found.problems) > _MOST_SHOWN else []
        raise RecordError("\n".join([*found.problems[:_MOST_SHOWN], *more]))
    print("whole: no record was changed or removed, every trigger is accounted for")
    print(f"last record    {found.last_record}\nlast audit row {found.last_audit}")
    print("note these two elsewhere: given back by --until, they show an end that was cut off or a file replaced")


@app.command()
def audit(
    folder: _Folder,
    station: Annotated[str | None, typer.Option(help="Only of this station.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show when stations ran, with which recipe, rule and model, and what was changed in between."""
    from partgate.records.audit import audit_line, content_of
    from partgate.records.store import read_audit

    rows = read_audit(folder, station)
    if as_json:
        print(json.dumps([{**row, "content": content_of(row)} for row in rows], indent=1, ensure_ascii=False))
        return
    for row in rows:
        print(audit_line(row))
    if not rows:
        print("no start of a station is on record")


@app.command()
def reconcile(
    folder: _Folder,
    shift_start: Annotated[str, typer.Option(help="When a shift begins, on the wall.")] = "06:00",
    shift_hours: Annotated[int, typer.Option(help="Length of a shift; must divide the day.")] = 8,
    begins: Annotated[str | None, typer.Option("--from", help="One span instead, like '2026-11-23 06:00'.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="End of the span, not included.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the wall, like Europe/Berlin.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Prove per shift that triggers = results + declared misses; exit code 1 where it does not add up."""
    from partgate.records.reconcile import choose_bounds, read_zone, reconcile, shift_lines
    from partgate.records.store import read_records

    wall = read_zone(zone)
    rows = read_records(folder)
    shifts = reconcile(rows, choose_bounds(rows, wall, (shift_start, shift_hours), (begins, ends)))
    if as_json:
        print(json.dumps({"zone": zone, "shifts": [shift.as_dict() for shift in shifts]}, indent=1, ensure_ascii=False))
    else:
        print("\n".join(shift_lines(shifts, wall)) if shifts else "no records in this time")
    problems = [problem for shift in shifts for problem in shift.problems]
    if problems:
        more = [f"... and {len(problems) - _MOST_SHOWN} more"] if len(problems) > _MOST_SHOWN else []
        raise RecordError("\n".join(["triggers and records do not add up:", *problems[:_MOST_SHOWN], *more]))
