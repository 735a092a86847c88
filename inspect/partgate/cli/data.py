"""``partgate data``: labelled folders."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partgate.cli.options import GoodClass, PageLanguage
from partgate.cli.progress import Progress, shown_progress
from partgate.errors import DataError, TrainingError

if TYPE_CHECKING:
    from partgate.data.folder import LabelledFolder
    from partgate.data.look_alikes import LookAlikes
    from partgate.training.config import TrainingConfig

app = typer.Typer(help="Labelled folders: get a set to try partgate with, check your own.", no_args_is_help=True)


class PublicSet(StrEnum):
    """Sets that an installed package carries."""

    SOLAR_CELLS = "solar-cells"


@app.callback()
def _topic() -> None:
    """Labelled folders: get a set to try partgate with, check your own."""


@app.command()
def get(
    name: Annotated[PublicSet, typer.Argument(help="Which set.")],
    destination: Annotated[Path, typer.Argument(help="Folder to make.")],
    with_unsure: Annotated[
        bool, typer.Option("--with-unsure", help="Also cells that the rater was not sure of, with weights 1/3 and 2/3.")
    ] = False,
) -> None:
    r"""Lay a public set out as a labelled folder; nothing is downloaded, the pictures come with partgate\[demo]."""
    from partgate.data.solar_cells import SOLAR_CELLS_LICENCE, lay_out_solar_cells

    count = lay_out_solar_cells(destination, with_unsure)
    print(f"{count} pictures in {destination}")
    print(f"licence: {SOLAR_CELLS_LICENCE}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Labelled folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for check.html, check.json and findings.yaml; FOLDER-check.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder of a training on it: also shows labels that look wrong.")
    ] = None,
    good_class: GoodClass = None,
    image_size: Annotated[
        int | None, typer.Option(min=64, max=1024, help="Input size of the training to come; the preset's.")
    ] = None,
    lang: PageLanguage = "en",
) -> None:
    """Look for copies, look-alikes, wrong labels, bad pictures and whatever else spoils a training; deletes nothing."""
    from partgate.data.check import check_folder
    from partgate.data.check_page import PAGE_FILE, write_check
    from partgate.data.check_words import summarise
    from partgate.data.doubts import read_out_of_fold
    from partgate.data.folder import read_folder
    from partgate.recipe import NO_GOOD_CLASS
    from partgate.training.config import load_training

    found = read_folder(folder, good_class, for_check=True)
    scores = read_out_of_fold(run) if run else None
    config = load_training(folder, good_class=good_class, image_size_px=image_size)
    out = out or folder.parent / f"{folder.resolve().name}-check"
    with shown_progress() as progress:
        result = check_folder(
            found,
            image_size_px=config.image_size_px,
            progress=progress,
            is_sorting=good_class == NO_GOOD_CLASS,
            alike=_look_alikes(found, config, progress),
            scores=scores,
            threads=config.threads,
        )
    write_check(result, found, out, lang)
    for line in summarise(result):
        print(line)
    print(f"page: {out / PAGE_FILE}")


def _look_alikes(folder: "LabelledFolder", config: "TrainingConfig", progress: Progress) -> "LookAlikes | None":
    """Return which pictures seem to show one part; ``None`` where the backbone is not there or nothing can be read."""
    from partgate.data.look_alikes import find_look_alikes

    try:
        from partgate.training.look import look, open_backbone

        seen = look(folder.pictures, open_backbone(folder.pictures, config), config.threads, progress)
    except (ImportError, TrainingError, DataError):
        return None
    return find_look_alikes(
        seen.pictures,
        seen.features.reshape(len(seen.pictures), -1),
        joined=folder.same_part,
        separated=folder.different_parts,
        threads=config.threads,
        progress=progress,
    )
