"""``partgate seal`` and ``partgate accept``: the list of parts, and the record that both sides sign."""

from pathlib import Path
from typing import Annotated

import typer

from partgate.cli.options import PdfLanguage, RunOrRecipe
from partgate.cli.progress import shown_progress

_EXIT_CODES = {"passed": 0, "failed": 3, "not_shown": 4}


def seal(
    data: Annotated[Path, typer.Argument(help="Labelled folder with the parts that will be judged.")],
    out: Annotated[Path, typer.Option("--out", help="JSON file to write; it must not exist.")],
) -> None:
    """Write down which parts an acceptance will judge, before anyone judges them."""
    from partgate.acceptance.seal import read_test_folder, seal_now, write_seal

    folder = read_test_folder(data)
    sealed = seal_now(folder.pictures)
    write_seal(sealed, data.resolve().name, out)
    for note in folder.notes:
        print(f"note: {note}")
    parts = {picture.part or picture.file for picture in sealed.pictures}
    unit = "parts" if any(picture.part for picture in sealed.pictures) else "pictures"
    print(f"sealed:   {len(sealed.pictures)} pictures, counted as {len(parts)} {unit}")
    print(f"time:     {sealed.sealed_at.isoformat()}")
    print(f"hash:     {sealed.sha256}")
    print(f"file:     {out}")
    print("tell the other side the hash now: it shows later that nothing was exchanged")


def accept(
    run_or_recipe: RunOrRecipe,
    data: Annotated[Path, typer.Argument(help="Labelled folder with parts that had no say in the gate.")],
    limits: Annotated[Path, typer.Option(help="What was agreed: a file like those in configs/limits/.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the record; a record in it is never overwritten.")],
    seal: Annotated[Path | None, typer.Option(help="File of 'partgate seal', written before.")] = None,
    lang: PdfLanguage = "en",
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write acceptance.pdf (needs partgate\\[pdf]).")] = False,
    signed_by: Annotated[
        list[str] | None, typer.Option(help="Name for the signature fields: supplier, then customer, then others.")
    ] = None,
) -> None:
    """Judge sealed parts against agreed limits; exit code 0 passed, 3 failed, 4 not shown."""
    from partgate.acceptance.acceptance import accept as judge
    from partgate.acceptance.page import say_results

    with shown_progress() as progress:
        done = judge(
            run_or_recipe, data, limits, out, seal_file=seal, language=lang, pdf=pdf, signed_by=signed_by or (),
            progress=progress,
        )  # fmt: skip
    print("\n".join(say_results(done.record, "en")))
    for path in done.files:
        print(f"record: {path}")
    raise typer.Exit(_EXIT_CODES[done.verdict.value])
