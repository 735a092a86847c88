"""``partgate evaluate``: the report that a quality manager reads and signs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from partgate.cli.options import PdfLanguage, RunOrRecipe
from partgate.cli.progress import shown_progress

if TYPE_CHECKING:
    from partgate.report.report import Appendix


def evaluate(
    run_or_recipe: RunOrRecipe,
    data: Annotated[Path, typer.Argument(help="Labelled folder; of the run's own folder only the test side is used.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.html, report.json and predictions.csv.")],
    lang: PdfLanguage = "en",
    limits: Annotated[Path | None, typer.Option(help="What was agreed: a file like those in configs/limits/.")] = None,
    payback: Annotated[
        Path | None, typer.Option(help="Case of 'partgate payback'; its rates are those of this evaluation.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf (needs partgate\\[pdf]).")] = False,
) -> None:
    """Judge labelled pictures that the bundle has not seen, and write the report."""
    from partgate.report.report import evaluate as judge
    from partgate.report.summary import summarise

    appendix = None if payback is None else _payback_section(payback)
    with shown_progress() as progress:
        result = judge(
            run_or_recipe, data, out, language=lang, limits=limits, appendix=appendix, pdf=pdf, progress=progress
        )
    for note in result.notes:
        print(f"note: {note}")
    for line in summarise(result.report):
        print(line)
    for path in result.files:
        print(f"report: {path}")
    if result.appendix_error is not None:
        raise result.appendix_error


def _payback_section(file: Path) -> "Appendix":
    """Return what writes the payback into the report; a wrong case is refused before any picture is judged."""
    from markupsafe import Markup

    from partgate.payback.case import load_case
    from partgate.payback.page import render_section
    from partgate.payback.payback import as_facts, work_out
    from partgate.payback.rates import rates_from_report

    case = load_case(file)

    def section(report: Mapping[str, Any]) -> tuple[Markup, dict[str, Any]]:
        payback = work_out(case, rates_from_report(report))
        return render_section(payback), as_facts(payback)

    return section
