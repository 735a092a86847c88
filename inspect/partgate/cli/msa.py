"""``partgate msa``: how well the station and people agree with themselves, each other and the reference."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from partgate.cli.progress import shown_progress

if TYPE_CHECKING:
    from partgate.msa.study import Study


def msa(
    study: Annotated[
        list[Path] | None,
        typer.Argument(help="Sheets (CSV: part, appraiser, run, verdict, reference), or their folder."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="CSV (part, reference) where the sheets do not tell it.")
    ] = None,
    station: Annotated[
        Path | None, typer.Option("--station", help="Run folder or recipe: the gate takes part; needs --pictures.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", help="Folder for --station: RUN/PART.png, or a labels.csv with file, label, part."),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            "--predictions", help="predictions.csv of 'partgate evaluate', once per run, in place of --station."
        ),
    ] = None,
    recheck_as: Annotated[
        Literal["defect", "good", "own"], typer.Option(help="What counts where the verdict is RECHECK.")
    ] = "defect",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for msa.html, msa.json and decisions.csv; STUDY-msa.")
    ] = None,
    lang: Annotated[
        Literal["en", "de"], typer.Option(help="What the page shows first; for --template, whose CSV.")
    ] = "en",
    template: Annotated[
        Path | None, typer.Option("--template", help="Write empty sheets for a blind study into this folder and stop.")
    ] = None,
    parts: Annotated[int, typer.Option(help="For --template: how many parts.")] = 50,
    runs: Annotated[int, typer.Option(help="For --template: how often everybody judges each part.")] = 3,
    appraiser: Annotated[
        list[str] | None, typer.Option("--appraiser", help="For --template: a person's name; once for each.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For --template: same seed, same random orders.")] = 0,
) -> None:
    """Analyse how well the station and people agree: with themselves, each other and the reference."""
    if template is not None:
        _prepare(template, parts, runs, appraiser or [], seed, lang)
        return
    from partgate.msa.input import read_study

    with shown_progress() as progress:
        found = read_study(
            study or [], reference=reference, station=station, pictures=pictures, predictions=predictions or [],
            recheck_as=recheck_as, progress=progress,
        )  # fmt: skip
    named = [*(study or []), *([pictures] if pictures else []), *(predictions or [])][0]
    _analyse(found, named, out, lang)


def _analyse(found: "Study", named: Path, out: Path | None, language: str) -> None:
    """Write and print what a study shows; it is called, and by default lies, as what the user named first."""
    from partgate.msa.msa import analyse
    from partgate.msa.page import PAGE_FILE, write_msa
    from partgate.msa.summary import summarise

    title = named.resolve().name if named.is_dir() else named.stem
    out = out or named.resolve().parent / f"{title}-msa"
    figures = analyse(found)
    write_msa(figures, found, out, title, language)
    for note in found.notes:
        print(f"note: {note}")
    for line in summarise(figures):
        print(line)
    print(f"page: {out / PAGE_FILE}")


def _prepare(folder: Path, parts: int, runs: int, appraisers: list[str], seed: int, language: str) -> None:
    from partgate.msa.sheets import REFERENCE_FILE, write_template

    sheets = write_template(folder, parts, runs, appraisers, seed, language)
    print(f"{sheets} sheets in {folder}: one for each appraiser and run, each in an order of its own")
    print(f"write what each part truly is into {folder / REFERENCE_FILE}; the appraisers must not see it")
    print(f"then: partgate msa {folder}")
