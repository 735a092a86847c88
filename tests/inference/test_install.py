"""Installing a packed recipe: proven before it is in place, whole or not at all, and nothing is lost."""

import errno
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from partgate.errors import BundleError
from partgate.inference.inspector import Inspector
from partgate.inference.install import install_recipe
from partgate.inference.pack import pack_recipe, seal_pack


@pytest.fixture
def packed(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """A packed recipe in an otherwise empty folder."""
    run = make_run(tmp_path / "home" / "run")
    return pack_recipe(run, tmp_path / "home" / "a.partgate-recipe").path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pc").mkdir()
    return tmp_path / "pc" / "line3"


def other_pack(packed: Path, make_run: Callable[..., Path], name: str = "other part") -> Path:
    run = make_run(packed.parent / "other", recipe={"name": name})
    return pack_recipe(run, packed.parent / "other.partgate-recipe").path


def with_recipe(packed: Path, old: str, new: str) -> Path:
    """Change the recipe inside and fit every checksum to it."""
    with zipfile.ZipFile(io.BytesIO(packed.read_bytes())) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    facts = json.loads(files.pop("pack.json"))
    assert old.encode() in files["recipe.yaml"]
    files["recipe.yaml"] = files["recipe.yaml"].replace(old.encode(), new.encode())
    facts["parts"]["recipe.yaml"] = sha256(files["recipe.yaml"]).hexdigest()
    packed.write_bytes(seal_pack(json.dumps(facts).encode(), files))
    return packed


def refused(packed: Path, place: Path, *, replace: bool = False) -> str:
    """Return the one sentence; what lies in and beside the place is as before."""
    before = sorted(place.parent.rglob("*"))
    with pytest.raises(BundleError) as caught:
        install_recipe(packed, place, replace=replace)
    assert sorted(place.parent.rglob("*")) == before
    assert "\n" not in str(caught.value)
    assert ".part/" not in str(caught.value)
    return str(caught.value)


def test_installed_recipe_judges_from_its_new_folder(packed: Path, place: Path):
    done = install_recipe(packed, place)

    assert (done.folder, done.was_there, done.before) == (place, False, None)
    assert sorted(path.name for path in place.iterdir()) == ["model.partgate", "pack.json", "recipe.yaml"]
    assert [path.name for path in place.parent.iterdir()] == ["line3"]
    assert Inspector.open(place).recipe.bundle.file == place / "model.partgate"


def test_installing_again_changes_nothing(packed: Path, place: Path):
    install_recipe(packed, place)
    before = (place / "recipe.yaml").stat()

    done = install_recipe(packed, place)

    assert done.was_there
    assert (place / "recipe.yaml").stat() == before
    assert [path.name for path in place.parent.iterdir()] == ["line3"]


def test_empty_folder_is_taken(packed: Path, place: Path):
    place.mkdir()

    assert install_recipe(packed, place).before is None
    assert [path.name for path in place.parent.iterdir()] == ["line3"]


def test_another_recipe_is_not_overwritten(packed: Path, place: Path, make_run: Callable[..., Path]):
    install_recipe(packed, place)

    message = refused(other_pack(packed, make_run), place)

    assert "holds recipe 'made part' number 1" in message
    assert "--replace" in message


def test_replaced_recipe_is_kept_with_everything_beside_it(packed: Path, place: Path, make_run: Callable[..., Path]):
    install_recipe(packed, place)
    (place / "notes.txt").write_text("mine")

    done = install_recipe(other_pack(packed, make_run), place, replace=True)

    assert done.before is not None
    assert done.before.name.startswith("line3.before-")
    assert (done.before / "notes.txt").read_text() == "mine"
    assert Inspector.open(done.before).recipe.name == "made part"
    assert Inspector.open(place).recipe.name == "other part"


def test_damaged_recipe_in_place_is_no_reason_to_lose_it(packed: Path, place: Path):
    install_recipe(packed, place)
    (place / "recipe.yaml").write_text("name: [")

    assert "holds a recipe that cannot be read" in refused(packed, place)
    assert install_recipe(packed, place, replace=True).before is not None


@pytest.mark.parametrize("replace", [False, True])
def test_folder_of_other_things_is_never_touched(packed: Path, place: Path, replace: bool):
    place.mkdir()
    (place / "holiday.txt").write_text("x")

    assert "holds other things than a recipe" in refused(packed, place, replace=replace)


def test_place_that_is_no_place_is_told(packed: Path, place: Path):
    assert "folder above it is not there" in refused(packed, place / "deeper")
    place.write_text("x")
    assert "is a file" in refused(packed, place)


def test_bundle_that_does_not_fit_the_recipe_is_not_installed(packed: Path, place: Path):
    message = refused(with_recipe(packed, "\n  id: ", "\n  id: '" + "0" * 64 + "' #"), place)

    assert f"{packed}: cannot be installed: recipe 'made part': is pinned to bundle 000000000000" in message


def test_recipe_that_takes_its_bundle_from_elsewhere_is_refused(packed: Path, place: Path):
    outside = packed.parent / "run" / "model.partgate"

    message = refused(with_recipe(packed, "file: model.partgate", f"file: {outside}"), place)

    assert "takes its bundle from elsewhere" in message


def test_recipe_that_is_another_than_the_file_says_is_refused(packed: Path, place: Path):
    assert "says it holds 'made part'" in refused(with_recipe(packed, "made part", "other part"), place)


def test_recipe_with_several_faults_is_refused_in_one_sentence(packed: Path, place: Path):
    message = refused(with_recipe(packed, "number: 1", "number: -1\nunheard: 2"), place)

    assert f"{packed}/recipe.yaml: unheard is not a known key" in message


def test_model_that_the_engine_cannot_run_is_not_installed(tmp_path: Path, place: Path, make_run: Callable[..., Path]):
    (tmp_path / "home").mkdir()
    packed = pack_recipe(make_run(tmp_path / "home/run", model=b"no graph"), tmp_path / "home/a.partgate-recipe")

    assert "cannot be installed" in refused(packed.path, place)


@pytest.mark.parametrize(("call", "error"), [("fsync", errno.ENOSPC), ("rename", errno.EACCES)])
def test_full_or_closed_disk_leaves_nothing_behind(
    packed: Path, place: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
):
    def fail(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, call, fail)

    message = refused(packed, place)

    assert f"cannot be written: {os.strerror(error)}" in message


def test_folder_that_takes_no_new_one_is_told(packed: Path, place: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkdtemp", fail)

    assert f"{place}: cannot be made: Read-only file system" in refused(packed, place)


def test_failed_change_puts_the_earlier_recipe_back(
    packed: Path, place: Path, make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    install_recipe(packed, place)
    rename = os.rename

    def fail_on_the_new_one(source: Path, target: Path) -> None:
        if str(source).endswith(".part"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_on_the_new_one)

    assert "cannot be written" in refused(other_pack(packed, make_run), place, replace=True)
    assert Inspector.open(place).recipe.name == "made part"
