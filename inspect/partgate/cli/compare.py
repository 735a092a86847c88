"""``partgate compare``: the same parts through two gates."""

from pathlib import Path
from typing import Annotated

import typer

from partgate.cli.options import PageLanguage
from partgate.cli.progress import shown_progress


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Run folder of 'partgate train', or a recipe file.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one; of the same purpose and good class.")],
    data: Annotated[Path, typer.Argument(help="Labelled folder; pictures that had a say in A or B are left out.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for compare.html, compare.json and changed.csv.")],
    lang: PageLanguage = "en",
) -> None:
    """Put the same parts through two gates: what changes, and whether it is more than chance."""
    from partgate.compare.compare import compare as put_through_both
    from partgate.evaluation.comparison_words import describe_comparison

    with shown_progress() as progress:
        result = put_through_both(first, second, data, out, language=lang, progress=progress)
    for note in result.facts["notes"]:
        print(f"note: {note}")
    print("\n".join(describe_comparison(result.facts)))
    print(f"page: {result.page}")
