"""``partgate predict``: the verdict on single pictures."""

import json
from pathlib import Path
from typing import Annotated

import typer

from partgate.errors import DataError


def predict(
    run_or_recipe: Annotated[Path, typer.Argument(help="Run folder or recipe file.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures to judge.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list on standard output.")] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of 'partgate camera calibrate': the pictures are as its camera took them."),
    ] = None,
    straightened: Annotated[
        bool, typer.Option("--straightened", help="The pictures are straightened already, as those of the records are.")
    ] = False,
) -> None:
    """Judge single pictures; a picture that cannot be read is told, the others are judged, exit code 1."""
    from partgate.calibration.single import choose_straightening
    from partgate.imaging import read_picture
    from partgate.inference.inspector import Inspector

    inspector = Inspector.open(run_or_recipe)
    straighten = choose_straightening(
        f"recipe '{inspector.recipe.name}'", inspector.bundle.manifest.geometry.straightened, calibration,
        is_straight=straightened,
    )  # fmt: skip
    rows, unreadable = [], []
    for path in images:
        try:
            inspection = inspector.inspect(straighten(read_picture(path)))
        except DataError as error:
            told = str(error)
            unreadable.append(told if told.startswith(str(path)) else f"{path}: {told}")
            continue
        decision, prediction = inspection.decision, inspection.prediction
        found = prediction.defect_score if prediction else None
        rows.append({
            "file": str(path), "verdict": decision.verdict.name, "reason": int(decision.reason),
            "detail": decision.detail, "lane": inspection.lane, "defect_score": found if found == found else None,
            "predicted_class": prediction.predicted_class if prediction else None,
            "region": prediction.region if prediction else None,
            "probabilities": dict(prediction.probabilities) if prediction else None,
        })  # fmt: skip
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        for row in rows:
            score = "  -  " if row["defect_score"] is None else f"{row['defect_score']:.4f}"
            line = f"{row['verdict']:<8} {score}  {row['predicted_class'] or '-':<16} {row['file']}  {row['detail']}"
            print(line.rstrip())
    if unreadable:
        raise DataError("\n".join(unreadable))
