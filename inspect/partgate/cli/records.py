"""``partgate records``: what a station remembers."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from partgate.errors import RecordError

_MOST_SHOWN = 20

app = typer.Typer(help="What a station remembers: list, export, verify.", no_args_is_help=True)

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
def verify(folder: _Folder) -> None:
    """Prove that records are whole: no row changed or gone, every trigger accounted for, every picture there."""
    from partgate.records.verify import verify_records

    found = verify_records(folder)
    print(
        f"{found.records} records: {found.results} results, {found.misses} declared misses, {found.pictures} pictures"
    )
    if found.problems:
        more = [f"... and {len(found.problems) - _MOST_SHOWN} more"] if len(found.problems) > _MOST_SHOWN else []
        raise RecordError("\n".join([*found.problems[:_MOST_SHOWN], *more]))
    print("whole: no record was changed or removed, every trigger is accounted for")
