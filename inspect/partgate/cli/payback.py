"""``partgate payback``: months until the gate has paid for itself."""

from pathlib import Path
from typing import Annotated

import typer

from partgate.cli.options import PageLanguage


def payback(
    file: Annotated[Path | None, typer.Argument(help="YAML file of one case; begin with --example.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for payback.html and payback.json.")] = None,
    lang: PageLanguage = "en",
    example: Annotated[
        Path | None, typer.Option("--example", help="Write an example case with comments to this file and stop.")
    ] = None,
) -> None:
    """Work out the months to pay back as a range from the bounds of measured rates, and what moves it most."""
    if (file is None) == (example is None):
        raise typer.BadParameter("give a case FILE, or --example FILE to write one")
    from partgate.payback.case import load_case, write_example
    from partgate.payback.payback import measured_of, work_out

    if example is not None:
        write_example(example)
        print(f"written: {example}; put in your numbers, then: partgate payback {example} --out FOLDER")
        return
    assert file is not None  # one of the two is given
    from partgate.payback.page import PAGE_FILE, write_payback
    from partgate.payback.words import summarise

    case = load_case(file)
    found = work_out(case, measured_of(case, str(file)))
    if out is not None:
        write_payback(found, out, lang)
    for line in summarise(found):
        print(line)
    if out is not None:
        print(f"page: {out / PAGE_FILE}")
