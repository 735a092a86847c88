"""Sheets of an agreement study: CSV as people fill it in, words in German and English, and empty ones to begin with."""

import csv
import hashlib
import io
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from partgate.configfile import write_atomically
from partgate.errors import DataError
from partgate.glossary import printable
from partgate.msa.study import Call, shorten, sort_naturally
from partgate.parts import Verdict

REFERENCE_FILE = "reference.csv"
"""In a folder of sheets: what each part truly is; the appraisers do not see it."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "part": ("part", "teil", "teilenummer"),
    "appraiser": ("appraiser", "prüfer", "pruefer", "prüferin"),
    "run": ("run", "durchgang", "lauf"),
    "verdict": ("verdict", "urteil", "entscheidung"),
    "reference": ("reference", "referenz", "referenzwert"),
}
_SAYS_GOOD = ("good", "gut", "ok", "io", "1")
_SAYS_DEFECT = ("defect", "defekt", "schlecht", "reject", "nok", "nio", "notok", "0")
_SAYS_RECHECK = ("recheck", "nachprüfung", "unklar")
_KNOWN_WORDS = "good, gut, ok, i.O., 1; defect, schlecht, reject, nok, n.i.O., 0; recheck, unklar"
_MOST_PARTS = 10_000


def read_word(word: str) -> Verdict | None:
    """Return what a word of a sheet means, ``None`` if it is not known; dots, spaces and capitals do not count.

    Source:
        0 = not acceptable and 1 = acceptable as in the AIAG manual's study sheets (through secondary sources).

    Example:
        >>> [read_word(word).name for word in ("i.O.", "n. i. O.", "Unklar")], read_word("maybe")
        (['GOOD', 'REJECT', 'RECHECK'], None)
    """
    bare = re.sub(r"[\s._-]", "", word).casefold()
    meanings = ((_SAYS_GOOD, Verdict.GOOD), (_SAYS_DEFECT, Verdict.REJECT), (_SAYS_RECHECK, Verdict.RECHECK))
    return next((verdict for words, verdict in meanings if bare in words), None)


def find_sheets(paths: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """Return the sheets that the user means, and the references that lie beside them in a folder.

    Raises:
        DataError: If a file is missing or a folder holds no sheet.
    """
    sheets: list[Path] = []
    reference = None
    for path in paths:
        if not path.is_dir():
            sheets.append(path)
            continue
        found = [path / name for name in sort_naturally({one.name for one in path.glob("*.csv")})]
        inside = [one for one in found if one.name != REFERENCE_FILE]
        if not inside:
            raise DataError(f"{path}: holds no sheet (.csv); prepare some with 'partgate msa --template {path}'")
        sheets += inside
        reference = path / REFERENCE_FILE if len(inside) < len(found) else reference
    return sheets, reference


def read_sheet(path: Path, notes: list[str]) -> list[Call]:
    """Return the decisions of one sheet.

    Args:
        path: CSV with the columns part, appraiser, run, verdict and perhaps reference, in any order, apart by commas or
            semicolons, UTF-8 with or without byte order mark; German column names are known too.
        notes: Gets what the user should know.

    Raises:
        DataError: If it cannot be read or a row is wrong; up to ten problems are named.
    """
    header, rows = _read_table(path, ("part", "appraiser", "run", "verdict"))
    calls: list[Call] = []
    problems: list[str] = []
    numbers = False
    for line, values in rows:
        where = f"{path}: row {line}"
        empty = [name for name in ("part", "appraiser", "run", "verdict") if not values[name]]
        if empty:
            problems.append(f"{where}: {', '.join(empty)} is empty")
            continue
        verdict = read_word(values["verdict"])
        reference = read_word(values["reference"]) if values.get("reference") else None
        problems += _word_problems(where, values, verdict, reference)
        numbers = numbers or values["verdict"] in ("0", "1")
        if verdict is not None:
            calls.append(Call(where, values["part"], values["appraiser"], values["run"], verdict, reference))
    if problems:
        raise DataError(shorten(problems))
    if not calls:
        raise DataError(f"{path}: holds no decision under its first row ({', '.join(header)})")
    if numbers:
        notes.append(f"{path.name}: numbers are read as in the AIAG manual: 1 = good, 0 = defect")
    return calls


def _word_problems(
    where: str, values: Mapping[str, str], verdict: Verdict | None, reference: Verdict | None
) -> list[str]:
    problems = []
    if verdict is None:
        problems.append(f"{where}: unknown verdict '{printable(values['verdict'])}'; known words: {_KNOWN_WORDS}")
    if values.get("reference") and reference not in (Verdict.GOOD, Verdict.REJECT):
        problems.append(f"{where}: the reference must be good or defect, got '{values['reference']}'")
    return problems


def read_references(path: Path) -> dict[str, Verdict]:
    """Return what each part truly is.

    Args:
        path: CSV with the columns part and reference, as ``read_sheet``.

    Raises:
        DataError: If it cannot be read, a word is unknown or a part has two references.
    """
    _, rows = _read_table(path, ("part", "reference"))
    found: dict[str, Verdict] = {}
    problems: list[str] = []
    for line, values in rows:
        verdict = read_word(values["reference"])
        if not values["part"]:
            problems.append(f"{path}: row {line}: part is empty")
        elif verdict not in (Verdict.GOOD, Verdict.REJECT):
            problems.append(f"{path}: row {line}: the reference must be good or defect, got '{values['reference']}'")
        elif found.setdefault(values["part"], verdict) is not verdict:
            problems.append(f"{path}: row {line}: part '{values['part']}' has two references")
    if problems:
        raise DataError(shorten(problems))
    return found


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file that was read before."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_table(path: Path, needed: Sequence[str]) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the first row and the others with their line numbers, by the English names of the columns."""
    text = _read_text(path)
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{path}: is no CSV: {error}; is a quotation mark open?") from error
    if not records:
        raise DataError(f"{path}: is empty; the first row must name the columns {', '.join(needed)}")
    header = [name.strip() for name in records[0]]
    english = {alias: name for name, aliases in _COLUMNS.items() for alias in aliases}
    names = [english.get(name.casefold(), name.casefold()) for name in header]
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(
            f"{path}: the first row must name the columns {', '.join(needed)}; missing: {', '.join(missing)}; "
            f"got {', '.join(header)}"
        )
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path}: the first row names the column {', '.join(twice)} more than once")
    rows = []
    for line, record in enumerate(records[1:], start=2):
        if not any(value.strip() for value in record):  # an empty line, which spreadsheets like to leave
            continue
        if len(record) != len(names):
            raise DataError(f"{path}: row {line}: has {len(record)} columns, the first row has {len(names)}")
        rows.append((line, dict(zip(names, (value.strip() for value in record), strict=True))))
    return header, rows


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {error.start}); save it as 'CSV UTF-8'") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def write_template(folder: Path, parts: int, runs: int, appraisers: Sequence[str], seed: int, language: str) -> int:
    """Write empty sheets for a blind study: one per appraiser and run, each in an order of its own.

    Args:
        folder: Made where it does not exist; must hold no CSV yet.
        parts: How many; they are called 1, 2, 3 ...
        runs: How often everybody judges each part.
        appraisers: Names of the people; the station needs no sheet.
        seed: Same seed, same orders.
        language: ``de`` writes semicolons and a byte order mark, as German spreadsheets want them.

    Returns:
        How many sheets there are.

    Raises:
        DataError: If the numbers make no study, names would share a file, or the folder holds CSV files or cannot be
            written to.
    """
    _check_template(folder, parts, runs, appraisers)
    names = [str(number) for number in range(1, parts + 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for appraiser in appraisers:
            for run in range(1, runs + 1):
                order = names.copy()
                random.Random(f"{seed}/{appraiser}/{run}").shuffle(order)
                rows: list[list[object]] = [["part", "appraiser", "run", "verdict"]]
                rows += ([part, appraiser, run, ""] for part in order)
                write_atomically(folder / _sheet_name(appraiser, run), _as_csv(rows, language))
        reference = [["part", "reference"], *([part, ""] for part in names)]
        write_atomically(folder / REFERENCE_FILE, _as_csv(reference, language))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}; name a folder with free space") from error
    return runs * len(appraisers)


def _check_template(folder: Path, parts: int, runs: int, appraisers: Sequence[str]) -> None:
    if not 2 <= parts <= _MOST_PARTS or runs < 1:
        raise DataError(f"a study needs 2 to {_MOST_PARTS} parts and at least 1 run, got {parts} and {runs}")
    files = Counter(_sheet_name(name, 1).casefold() for name in appraisers)
    if not appraisers or max(files.values()) > 1 or not all(name.strip() for name in appraisers):
        raise DataError(f"every appraiser needs a name of his own, got {', '.join(appraisers) or 'none'} (--appraiser)")
    if folder.exists() and (not folder.is_dir() or any(folder.glob("*.csv"))):
        raise DataError(f"{folder}: is there already and may hold decisions; name a new folder")


def _sheet_name(appraiser: str, run: int) -> str:
    return re.sub(r"[^\w-]+", "_", appraiser.strip()) + f"-run-{run}.csv"


def _as_csv(rows: Sequence[Sequence[object]], language: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";" if language == "de" else ",", lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8-sig")
