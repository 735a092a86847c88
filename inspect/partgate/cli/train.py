"""``partgate train``: labelled folder in, bundle and recipe out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from partgate.cli.needed import require
from partgate.cli.options import GoodClass
from partgate.cli.progress import shown_progress

if TYPE_CHECKING:
    from partgate.training.config import TrainingConfig
    from partgate.training.loop import TrainingResult

_NEEDED = ("torch", "torchvision", "timm", "sklearn", "albumentations", "onnx", "onnxscript")


def train(
    source: Annotated[Path, typer.Argument(help="Labelled folder, or a YAML file like those in configs/training/.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make; it must not exist.")],
    preset: Annotated[
        str | None, typer.Option(help="quick, standard (default) or thorough; names a file of configs/training/.")
    ] = None,
    good_class: GoodClass = None,
    keep: Annotated[
        Path | None, typer.Option(help="Older recipe whose name, number, lanes and class numbers are kept.")
    ] = None,
    from_run: Annotated[
        Path | None,
        typer.Option("--from", help="Older run: its pictures keep their sides, and it is compared with the new one."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed and machine, same model.")] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(help="Fine-tuning takes what fits into so many minutes, and says so.")
    ] = None,
) -> None:
    """Learn from a labelled folder: writes the bundle, the recipe, the split and the facts into a run folder."""
    require("training", *_NEEDED)
    given = {
        "good_class": good_class, "seed": seed, "budget_minutes": budget_minutes,
        "keep": str(keep.absolute()) if keep else None, "from_run": str(from_run.absolute()) if from_run else None,
    }  # fmt: skip
    config = _load(source, preset, from_run, {key: value for key, value in given.items() if value is not None})
    from partgate.training.loop import train as train_on  # torch takes seconds; a wrong file is told before

    with shown_progress() as progress:
        result = train_on(config, out, progress, say=lambda text: print(text, flush=True))
    if result is None:  # a further process of torchrun
        return
    _tell(result, out)
    if config.from_run:
        _compare(config.from_run, out, config.data)
    print(f"next:     partgate evaluate {out} {source if source.is_dir() else config.data} --out {out}-report")


def _load(source: Path, preset: str | None, from_run: Path | None, said: Mapping[str, Any]) -> "TrainingConfig":
    """Return the settings: as said now, else as in the older run, else as in the file or preset."""
    from partgate.training.config import load_training
    from partgate.training.continuation import settings_of

    # A folder says nothing about regions, good class or wishes; a training file says it itself.
    known = settings_of(from_run) if from_run and source.is_dir() else {}
    earlier_preset = known.pop("preset", None)
    return load_training(source, preset or earlier_preset, **{**known, **said})


def _tell(result: "TrainingResult", out: Path) -> None:
    from partgate.training.judged import describe_limits

    for note in result.notes:
        print(f"note: {note}")
    limits, sides = result.limits, result.sides
    print(f"pictures: {sides['train']} train, {sides['validation']} validation, {sides['test']} test")
    print(f"limits:   recheck from {limits.recheck_from:.4f}, reject from {limits.reject_from:.4f} ({limits.how})")
    print(f"          out of fold: {describe_limits(limits, result.recipe.good_class is not None)}")
    print(f"model:    {result.kind}, the best by out-of-fold scores")
    proof = result.bundle.manifest.proof
    print(
        f"proof:    exported = trained on {proof.pictures} pictures, largest difference {proof.largest_difference:.1e}"
    )
    print(f"bundle:   {result.bundle.id[:12]}  {out / 'model.partgate'}")


def _compare(old: Path, new: Path, data: Path) -> None:
    from partgate.evaluation.comparison import compare_gates, write_comparison
    from partgate.evaluation.comparison_words import describe_comparison

    with shown_progress() as progress:
        facts = compare_gates(old, new, data, keys=("old", "new"), progress=progress)
    path = write_comparison(facts, new)
    print("\n".join(describe_comparison(facts)))
    print(f"compared: {path}")
