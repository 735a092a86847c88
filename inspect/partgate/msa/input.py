"""From sheets, pictures and earlier evaluations to one study."""

from collections.abc import Sequence
from pathlib import Path

from partgate.errors import DataError
from partgate.msa.sheets import find_sheets, hash_file, read_references, read_sheet
from partgate.msa.station import Progress, StationCalls, judge_station, read_predictions
from partgate.msa.study import STATION, Call, RecheckAs, Study, build_study


def read_study(
    sheets: Sequence[Path],
    *,
    reference: Path | None = None,
    station: Path | None = None,
    pictures: Path | None = None,
    predictions: Sequence[Path] = (),
    recheck_as: RecheckAs = "defect",
    progress: Progress,
) -> Study:
    """Return the study that all these together make.

    Args:
        sheets: Sheets or folders of sheets; none where the station is alone.
        reference: What each part truly is; a ``reference.csv`` in a folder of sheets is found by itself.
        station: Run folder or recipe; judges ``pictures``.
        pictures: Several pictures of each part, see ``msa_station.judge_station``.
        predictions: Earlier evaluations, each one run of the station.
        recheck_as: What counts where a verdict is recheck.
        progress: Is told about each picture.

    Raises:
        DataError: If anything is missing, double, unknown or contradicts another.
        ConfigError: If the recipe is wrong.
        BundleError: If the bundle is damaged or not the pinned one.
    """
    _check_choice(sheets, station, pictures, predictions)
    notes: list[str] = []
    files, beside = find_sheets(sheets)
    calls = [call for file in files for call in read_sheet(file, notes)]
    reference = reference or beside
    references = read_references(reference) if reference else {}
    sources = {file.as_posix(): hash_file(file) for file in [*files, *([reference] if reference else [])]}
    gate: StationCalls | None = None
    if station and pictures:
        gate = judge_station(station, pictures, progress)
    elif predictions:
        gate = read_predictions(predictions)
    if gate:
        _refuse_second_station(calls)
        calls += gate.calls
        sources |= gate.sources
    name = STATION if any(call.appraiser == STATION for call in calls) else None
    return build_study(calls, references, recheck_as=recheck_as, station=name, notes=_once(notes), sources=sources)


def _check_choice(
    sheets: Sequence[Path], station: Path | None, pictures: Path | None, predictions: Sequence[Path]
) -> None:
    """Refuse what names no study, or the station twice."""
    if (station is None) != (pictures is None):
        raise DataError("--station and --pictures belong together: the gate, and several pictures of each part")
    if station and predictions:
        raise DataError("name either --station with --pictures, or --predictions: each of them is the station")
    if not sheets and station is None and not predictions:
        raise DataError(
            "name the sheets of a study, their folder, or the station (--station RUN --pictures FOLDER); "
            "empty sheets: partgate msa --template FOLDER --appraiser NAME"
        )


def _refuse_second_station(calls: Sequence[Call]) -> None:
    taken = next((call for call in calls if call.appraiser == STATION), None)
    if taken:
        raise DataError(f"{taken.where}: an appraiser is called '{STATION}' already; give that column another name")


def _once(notes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(notes))
