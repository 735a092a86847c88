"""Options and arguments that several commands share, each with its one text."""

from pathlib import Path
from typing import Annotated, Literal

import typer

RunOrRecipe = Annotated[Path, typer.Argument(help="Run folder of 'partgate train', or a recipe file.")]
GoodClass = Annotated[str | None, typer.Option(help="Name of the good class; 'none' sorts by class.")]
PageLanguage = Annotated[Literal["en", "de"], typer.Option(help="What the page shows first; both are in it.")]
PdfLanguage = Annotated[Literal["en", "de"], typer.Option(help="What the page shows first; the only one in the PDF.")]
