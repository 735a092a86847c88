"""``partgate data preview``: a contact sheet of pictures and their augmented views."""

from pathlib import Path
from typing import Annotated

import typer

from partgate.cli.needed import require
from partgate.cli.options import GoodClass

_NEEDED = ("torch", "torchvision", "timm", "onnx", "onnxscript", "albumentations")


def preview(
    config: Annotated[
        Path, typer.Argument(help="Training file like those in configs/training/, or a labelled folder.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Sheet to write, .png or .jpg.")] = Path("preview.png"),
    pictures: Annotated[
        int, typer.Option(min=1, max=100, help="Pictures to sample; each class is shown at least once.")
    ] = 6,
    views: Annotated[int, typer.Option(min=1, max=50, help="Augmented views of each.")] = 5,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another sample and other views; by default the training's seed.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Names a file of configs/training/.")] = None,
    good_class: GoodClass = None,
) -> None:
    """Draw sampled pictures beside their augmented views, as the network sees them while it learns."""
    require("the preview", *_NEEDED)
    from partgate.training.config import load_training

    loaded = load_training(config, preset, good_class=good_class)
    from partgate.training.preview import write_preview  # torch takes seconds; a wrong file is told before

    shown = write_preview(loaded, str(config), out, pictures, views, loaded.seed if seed is None else seed)
    for note in shown.notes:
        print(f"note: {note}")
    size = f"{shown.geometry.width_px} x {shown.geometry.height_px} px"
    print(f"sheet:    {out}: {len(shown.files)} pictures, {views} views of each, at {size} as the network sees them")
    print(f"augment:  {', '.join(shown.transforms) or 'nothing'}; {shown.view_cpu_ms:.1f} ms a view on one core")
    print(f"flips:    {', '.join(shown.flips) or 'none'}")
    print("look:     every view must still be a picture that the line could produce, and a defect must still show;")
    print("          else lower the values under augment, or take out the line")
