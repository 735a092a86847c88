"""A packed recipe becomes a folder that a station can name: proven first, then put there in one step."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from partgate.errors import BundleError, ConfigError, EngineError
from partgate.inference.inspector import Inspector
from partgate.inference.pack import BUNDLE_PART, FACTS_PART, RECIPE_PART, Pack, read_pack
from partgate.recipe import Recipe, load_recipe


@dataclass(frozen=True, slots=True)
class Installed:
    """A recipe that is in its place and has run here once."""

    folder: Path
    recipe: Recipe
    was_there: bool  # every file of it, byte by byte: nothing was changed
    before: Path | None  # where the recipe lies now that was there


def install_recipe(file: Path, folder: Path, *, replace: bool = False) -> Installed:
    """Unpack a recipe beside its place, run it once on an empty picture, then put it there.

    Args:
        file: What ``partgate recipe pack`` wrote.
        folder: Does not exist, is empty, or holds a recipe; the folder above exists.
        replace: Take the place of another recipe, which is kept as ``FOLDER.before-DATE``. The change is two renames:
            after a power cut between them the folder is missing, and both recipes lie whole beside its place.

    Raises:
        BundleError: If the file is refused, bundle and recipe do not fit, the engine cannot run it, the folder holds
            something else, or nothing can be written. Nothing is left behind then.
    """
    pack = read_pack(file)
    folder = folder.resolve()
    was_there = _holds(folder, pack.files)
    try:
        if not was_there:
            _check_place(folder, replace)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    except OSError as error:
        raise BundleError(f"{folder}: cannot be made: {error.strerror}; name a place that can be written to") from error
    try:
        _unpack(pack, beside)
        recipe = _prove(pack, beside)
        before = None if was_there else _move_in(beside, folder)
    except OSError as error:
        needed = sum(map(len, pack.files.values())) / 1e6
        raise BundleError(
            f"{folder}: cannot be written: {error.strerror}; name a place that can be written to with "
            f"{needed:.0f} MB free"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # gone already where it was moved in
    return Installed(folder, recipe, was_there, before)


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return all((folder / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def _check_place(folder: Path, replace: bool) -> None:
    if not folder.parent.is_dir():
        raise BundleError(f"{folder}: the folder above it is not there; make {folder.parent} first")
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise BundleError(f"{folder}: is a file; name a folder for the recipe")
    if not any(folder.iterdir()):
        return
    if not (folder / RECIPE_PART).is_file():
        raise BundleError(f"{folder}: holds other things than a recipe; name a folder of its own")
    if not replace:
        try:
            there = load_recipe(folder)
            found = f"recipe '{there.name}' number {there.number}, bundle {there.bundle.id[:12]}"
        except ConfigError:
            found = "a recipe that cannot be read"
        raise BundleError(
            f"{folder}: holds {found}, which differs; --replace takes its place and keeps it beside, "
            "or name another folder"
        )


def _unpack(pack: Pack, folder: Path) -> None:
    """Write every file through to the disk; a power cut later finds them whole."""
    facts = pack.facts.model_dump_json(indent=1).encode()
    for name, content in {FACTS_PART: facts, **pack.files}.items():
        with (folder / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    folder.chmod(0o755)
    _sync(folder)


def _prove(pack: Pack, folder: Path) -> Recipe:
    try:
        inspector = Inspector.open(folder)  # runs the engine on empty pictures
    except (BundleError, ConfigError, EngineError) as error:
        raise BundleError(f"{pack.path}: cannot be installed: {pack.blame(error, folder)}") from error
    recipe, facts = inspector.recipe, pack.facts
    if recipe.bundle.file != folder / BUNDLE_PART:
        raise BundleError(f"{pack.path}: its recipe takes its bundle from elsewhere ({recipe.bundle.file}); pack again")
    if (recipe.name, recipe.number, recipe.bundle.id) != (facts.recipe, facts.number, facts.bundle_id):
        raise BundleError(
            f"{pack.path}: says it holds '{facts.recipe}' number {facts.number}, but its recipe is '{recipe.name}' "
            f"number {recipe.number}; pack again"
        )
    return recipe


def _move_in(beside: Path, folder: Path) -> Path | None:
    """Rename the new folder into its place; what was there is kept, or is there again where that fails."""
    before = None
    if folder.exists():
        before = _free_name(folder)
        folder.rename(before)
    try:
        beside.rename(folder)
    except BaseException:
        if before is not None:
            before.rename(folder)
        raise
    _sync(folder.parent)
    if before is not None and not any(before.iterdir()):
        before.rmdir()
        return None
    return before


def _free_name(folder: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    name, count = folder.with_name(f"{folder.name}.before-{stamp}"), 1
    while os.path.lexists(name):
        count += 1
        name = folder.with_name(f"{folder.name}.before-{stamp}-{count}")
    return name


def _sync(folder: Path) -> None:
    """Write the names in a folder through to the disk, where the system lets a folder be opened (Windows does not)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
