"""``partgate recipe``: carry a released recipe with its bundle to another PC as one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from partgate.cli.options import RunOrRecipe

if TYPE_CHECKING:
    from partgate.recipe import Limits

app = typer.Typer(help="Carry a recipe with its bundle to another PC: pack, install, show.", no_args_is_help=True)


@app.command()
def pack(
    run_or_recipe: RunOrRecipe,
    out: Annotated[Path, typer.Argument(help="File to write; it ends with .partgate-recipe.")],
    with_: Annotated[
        list[Path] | None, typer.Option("--with", help="Paper to carry along, as report.html; may stand repeatedly.")
    ] = None,
    who: Annotated[str, typer.Option(help="Who packs it.")] = "",
    note: Annotated[str, typer.Option(help="What for, in one line.")] = "",
) -> None:
    """Put recipe, bundle and papers into one file; every byte of it is checked where it is installed."""
    from partgate.inference.pack import pack_recipe

    packed = pack_recipe(run_or_recipe, out, with_ or (), packed_by=who, note=note)
    size = out.stat().st_size / 1e6
    print(f"packed: {out}, {size:.1f} MB: {', '.join(packed.files)}")
    print(f"recipe '{packed.facts.recipe}' number {packed.facts.number}, bundle {packed.facts.bundle_id[:12]}")
    print(f"SHA-256 of the file: {packed.sha256}")
    print(f"on the other PC: partgate recipe install {out.name} FOLDER")


@app.command()
def install(
    file: Annotated[Path, typer.Argument(help="What 'partgate recipe pack' wrote.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the recipe; a new or empty one.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of another recipe; it is kept as FOLDER.before-DATE.")
    ] = False,
) -> None:
    """Check a packed recipe, run it once, and put it into a folder: whole, or not at all."""
    from partgate.inference.install import install_recipe

    done = install_recipe(file, folder, replace=replace)
    recipe = done.recipe
    state = "was there already, nothing was changed" if done.was_there else "installed"
    print(f"{state}: recipe '{recipe.name}' number {recipe.number}, bundle {recipe.bundle.id[:12]}; it runs on this PC")
    if done.before is not None:
        print(f"the one before is kept: {done.before}")
    line = yaml.safe_dump({"recipe": str(done.folder)}, allow_unicode=True, width=10_000).strip()
    print(f"in the station file: {line}")
    print("a station takes it when it starts again")


@app.command()
def show(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|RUN", help="Packed recipe, run folder, folder of a recipe, or recipe file.")
    ],
) -> None:
    """Say what a recipe is: name, classes, limits, who set them, hashes. Nothing is changed."""
    from partgate.inference.bundle import open_pinned
    from partgate.inference.pack import BUNDLE_PART, RECIPE_PART, is_pack, read_pack
    from partgate.recipe import load_hashed_recipe

    if is_pack(source):
        packed = read_pack(source)
        recipe, facts = packed.load_recipe(), packed.facts
        recipe_sha256, bundle_sha256 = facts.parts[RECIPE_PART], facts.parts[BUNDLE_PART]
        by = f" by {facts.packed_by}" if facts.packed_by else ""
        _say("packed", f"{facts.packed_at:%Y-%m-%d %H:%M} UTC{by}, partgate {facts.partgate}")
        _say("note", facts.note or "-")
        _say("holds", ", ".join(packed.files))
        _say("file", packed.sha256)
    else:
        recipe, recipe_sha256 = load_hashed_recipe(source)
        bundle_sha256 = open_pinned(recipe).sha256
    _say("recipe", f"{recipe.name}, number {recipe.number}")
    _say("classes", f"{', '.join(recipe.classes)}; good class: {recipe.good_class or 'none (sorts by class)'}")
    _say_limits(recipe.decision)
    _say("bundle id", recipe.bundle.id)
    _say("bundle file", bundle_sha256)
    _say("recipe file", recipe_sha256)


def _say_limits(limits: "Limits") -> None:
    set_at = f", {limits.set_at:%Y-%m-%d %H:%M} UTC" if limits.set_at else ""
    _say("limits", f"recheck from {limits.recheck_from}, reject from {limits.reject_from}")
    _say("set by", f"{limits.set_by or 'training'}{set_at}{': ' + limits.why if limits.why else ''}")
    _say("chosen", limits.chosen or "-")
    if limits.chosen_on is not None:
        basis = limits.chosen_on
        _say("rests on", f"{basis.parts} {basis.counted}s on {basis.pictures} pictures")
    _say("rules before", str(len(limits.earlier)))


def _say(what: str, value: str) -> None:
    """Print one fact; a foreign file must not steer the terminal."""
    print(f"{what:<13} {''.join(char if char.isprintable() else ' ' for char in value)}")
