"""``partgate evaluate``: the confusion-matrix report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from partgate.cli.progress import shown_progress


def evaluate(
    run_or_recipe: Annotated[Path, typer.Argument(help="Run folder of 'partgate train', or a recipe file.")],
    data: Annotated[Path, typer.Argument(help="Labelled folder; of the run's own folder only the test side is used.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html, report.json and predictions.csv.")],
    lang: Annotated[Literal["en", "de"], typer.Option(help="What the page shows first; both are in it.")] = "en",
) -> None:
    """Judge labelled pictures that the bundle has not seen, and write the report."""
    from partgate.evaluation.report import evaluate as judge
    from partgate.evaluation.summary import summarise

    with shown_progress() as progress:
        result = judge(run_or_recipe, data, out, language=lang, progress=progress)
    for note in result.notes:
        print(f"note: {note}")
    for line in summarise(result.report):
        print(line)
    print(f"report: {out / 'report.html'}")
