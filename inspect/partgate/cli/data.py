"""``partgate data``: labelled folders."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Labelled folders: get a set to try partgate with.", no_args_is_help=True)


class PublicSet(StrEnum):
    """Sets that an installed package carries."""

    SOLAR_CELLS = "solar-cells"


@app.callback()
def _topic() -> None:
    """Labelled folders: get a set to try partgate with."""


@app.command()
def get(
    name: Annotated[PublicSet, typer.Argument(help="Which set.")],
    destination: Annotated[Path, typer.Argument(help="Folder to make.")],
    with_unsure: Annotated[
        bool, typer.Option("--with-unsure", help="Also cells that the rater was not sure of, with weights 1/3 and 2/3.")
    ] = False,
) -> None:
    """Lay a public set out as a labelled folder; nothing is downloaded, the pictures come with partgate[demo]."""
    from partgate.data.solar_cells import SOLAR_CELLS_LICENCE, lay_out_solar_cells

    count = lay_out_solar_cells(destination, with_unsure)
    print(f"{count} pictures in {destination}")
    print(f"licence: {SOLAR_CELLS_LICENCE}")
