"""``partgate learning-curve``: what twice the pictures would bring."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from partgate.cli.needed import require
from partgate.cli.options import GoodClass, PageLanguage
from partgate.cli.progress import shown_progress

_NEEDED = ("torch", "torchvision", "timm", "sklearn", "onnx", "onnxscript")


def learning_curve(
    source: Annotated[Path, typer.Argument(help="Labelled folder, or a YAML file like those in configs/training/.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for learning-curve.html and learning-curve.json; FOLDER-learning-curve."),
    ] = None,
    preset: Annotated[
        Literal["quick", "standard"],
        typer.Option(help="quick: frozen features, seconds to minutes; standard: fine-tunes each share, takes long."),
    ] = "quick",
    draws: Annotated[
        int | None, typer.Option(min=1, max=100, help="How often each share is drawn; 12, with standard 2.")
    ] = None,
    good_class: GoodClass = None,
    seed: Annotated[int | None, typer.Option(help="Same seed and machine, same curve.")] = None,
    lang: PageLanguage = "en",
) -> None:
    """Train on growing shares of the parts and say what twice the pictures would bring, as a band; no run is made."""
    require("training", *_NEEDED)
    from partgate.training.config import load_training

    frozen: dict[str, Any] = {} if preset == "standard" else {"fine_tune": {"part": "none"}}
    config = load_training(source, preset, good_class=good_class, seed=seed, **frozen)
    from partgate.training.learning_curve import trace_learning_curve
    from partgate.training.learning_curve_page import PAGE_FILE, write_learning_curve
    from partgate.training.learning_curve_words import summarise

    out = out or config.data.parent / f"{config.data.resolve().name}-learning-curve"
    with shown_progress() as progress:
        found = trace_learning_curve(config, progress, draws, say=lambda text: print(text, flush=True))
    write_learning_curve(found, out, lang)
    for note in found.notes:
        print(f"note: {note}")
    for line in summarise(found):
        print(line)
    print(f"page: {out / PAGE_FILE}")
