"""Records as CSV, JSON or Parquet, a page in memory at once, each with the newest that a person said about it."""

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Boolean, Float, Integer

from partgate.errors import RecordError
from partgate.records.config import RecordsConfig
from partgate.records.read import ALL, Wanted, pages, reading
from partgate.records.review import Review, reviews_of
from partgate.records.schema import COLUMNS, records

REVIEW_COLUMNS = ("review_verdict", "review_by", "review_at", "review_note", "on_hold")
EXPORT_COLUMNS = (*COLUMNS, *REVIEW_COLUMNS)
SUFFIXES = (".csv", ".json", ".parquet")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_TIMES = ("at", "result_at", "captured_at", "review_at")
_GROUP = 10_000  # rows of Parquet written together


def stream_export(where: Path | RecordsConfig, wanted: Wanted = ALL) -> Iterator[dict[str, Any]]:
    """Yield records, oldest first, with the columns of ``EXPORT_COLUMNS``.

    Raises:
        RecordError: If they cannot be read.
    """
    with reading(where) as connection:
        for page in pages(connection, records, wanted):
            reviews = reviews_of(connection, [row["id"] for row in page])
            for row in page:
                yield row | _reviewed(reviews.get(row["id"]))


def _reviewed(review: Review | None) -> dict[str, Any]:
    if review is None:
        return dict.fromkeys(REVIEW_COLUMNS) | {"on_hold": False}
    said = (review.verdict, review.by, review.at, review.note or None, review.on_hold)
    return dict(zip(REVIEW_COLUMNS, said, strict=True))


def write_export(rows: Iterable[Mapping[str, Any]], out: Path, *, excel: bool = False) -> int:
    """Write records to a file that is there whole or not at all; return how many.

    Args:
        rows: As ``stream_export`` gives them.
        out: ``.csv``, ``.json`` or ``.parquet``.
        excel: CSV as a German Excel opens it: semicolons, decimal commas, a mark of UTF-8.

    Raises:
        RecordError: If the file cannot be written or pyarrow is missing.
    """
    if out.suffix not in SUFFIXES:
        raise RecordError(f"--out {out}: must end in one of {', '.join(SUFFIXES)}")
    try:
        with _whole_file(out) as part:
            if out.suffix == ".parquet":
                return _write_parquet(rows, part)
            with part.open("w", encoding="utf-8-sig" if excel else "utf-8", newline="") as file:
                return write_csv(rows, file, excel=excel) if out.suffix == ".csv" else _write_json(rows, file)
    except OSError as error:
        raise RecordError(f"{out}: cannot be written: {error.strerror}; name a folder with free space") from error


@contextmanager
def _whole_file(out: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def write_csv(rows: Iterable[Mapping[str, Any]], file: IO[str], *, excel: bool = False) -> int:
    """Write records as CSV; text that a spreadsheet would run as a formula begins with an apostrophe."""
    table = csv.writer(file, delimiter=";" if excel else ",", lineterminator="\r\n" if excel else "\n")
    table.writerow(EXPORT_COLUMNS)
    count = 0
    for row in rows:
        table.writerow([_cell(row[name], excel=excel) for name in EXPORT_COLUMNS])
        count += 1
    return count


def _cell(value: Any, *, excel: bool) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return repr(value).replace(".", ",") if excel and isinstance(value, float) else value


def _write_json(rows: Iterable[Mapping[str, Any]], file: IO[str]) -> int:
    count = 0
    for row in rows:
        file.write(",\n " if count else "[\n ")
        file.write(json.dumps(dict(row), ensure_ascii=False))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def _write_parquet(rows: Iterable[Mapping[str, Any]], part: Path) -> int:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError:
        raise RecordError('Parquet needs pyarrow; install it with: pip install "partgate[parquet]"') from None
    kinds = {Boolean: pa.bool_(), Integer: pa.int64(), Float: pa.float64()}

    def kind_of(name: str) -> Any:
        if name in _TIMES:
            return pa.timestamp("ms", tz="UTC")
        if name not in COLUMNS:
            return pa.bool_() if name == "on_hold" else pa.string()
        return next((found for kind, found in kinds.items() if isinstance(records.c[name].type, kind)), pa.string())

    schema = pa.schema([(name, kind_of(name)) for name in EXPORT_COLUMNS])
    count = 0
    with parquet.ParquetWriter(part, schema) as writer:
        every = iter(rows)
        while group := list(islice(every, _GROUP)):
            try:
                plain = [{**row, **{name: _time(row[name]) for name in _TIMES}} for row in group]
                writer.write_table(pa.Table.from_pylist(plain, schema))
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise RecordError(
                    f"records {group[0]['id']} to {group[-1]['id']}: one was changed after it was written "
                    f"({error}); run 'partgate records verify'"
                ) from error
            count += len(group)
    return count


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
