"""A packed recipe: recipe, bundle and papers in one file, to be carried to a PC without a network.

The file is a zip archive without compression: ``pack.json``, ``recipe.yaml``, ``model.partgate``, then papers such as
the report, all without folders. Like a bundle it ends with the SHA-256 of all bytes before. That finds damage, not
forgery: who can write the file can also seal it, so nothing in it is trusted before it was looked at.
"""

import contextlib
import hashlib
import io
import json
import re
import struct
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from partgate import __version__
from partgate.configfile import Settings, read_yaml, write_atomically
from partgate.errors import BundleError, ConfigError
from partgate.inference.bundle import open_pinned
from partgate.recipe import Recipe, load_recipe, recipe_path, save_recipe

PACK_FORMAT = 1
"""Newest format that is read."""

PACK_SUFFIX = ".partgate-recipe"
FACTS_PART = "pack.json"
RECIPE_PART = "recipe.yaml"
BUNDLE_PART = "model.partgate"
PAPER_SUFFIXES = (".html", ".json", ".csv", ".pdf", ".txt", ".md", ".png", ".jpg")
"""What may be carried beside recipe and bundle: papers, nothing that runs."""

_DIGEST_CHARS = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal content, equal bytes
_UNIX = 3  # the same bytes on Windows, where zipfile would write another system
_LARGEST_PACK = 2**30
_LARGEST_FACTS = 2**20
_PAPER_NAME = re.compile(r"\w[\w ().+,-]{0,119}")
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\b.*", re.IGNORECASE)  # no files on Windows

_Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$", max_length=500)]  # shown on terminals: no escapes
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PackFacts(Settings):
    """What a packed recipe says about itself."""

    format: int
    partgate: _Line = Field(description="version that packed it")
    recipe: _Line = Field(description="name of the recipe")
    number: int = Field(description="number by which the controller asks for it")
    bundle_id: _Sha256
    packed_at: datetime
    packed_by: _Line = ""
    note: _Line = ""
    parts: Mapping[str, _Sha256] = Field(max_length=32, description="SHA-256 of each part, in the file's order")


@dataclass(frozen=True, slots=True)
class Pack:
    """A packed recipe that was read, each byte checked; whether bundle and recipe fit was not."""

    path: Path
    sha256: str  # of the whole file
    facts: PackFacts
    files: Mapping[str, bytes]  # by name, as they are to lie in a folder

    def load_recipe(self) -> Recipe:
        """Return the recipe inside; its bundle path leads nowhere before the pack is installed.

        Raises:
            BundleError: If it is no recipe; every problem is named.
        """
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / RECIPE_PART
                path.write_bytes(self.files[RECIPE_PART])
                return load_recipe(path)
        except ConfigError as error:
            raise BundleError(self.blame(error, path.parent)) from error
        except OSError as error:
            raise BundleError(f"{self.path}: cannot be looked into: {error.strerror}; free some space") from error

    def blame(self, error: Exception, folder: Path) -> str:
        """Return one sentence on what is wrong inside, with the pack's name in place of the folder it lies in."""
        text = "; ".join(" ".join(line.split()) for line in str(error).splitlines())
        made_by = f" (packed by partgate {self.facts.partgate}, this is {__version__})"
        return text.replace(str(folder), str(self.path)) + (made_by if self.facts.partgate != __version__ else "")


def pack_recipe(
    run_or_recipe: Path,
    out: Path,
    papers: Sequence[Path] = (),
    *,
    packed_by: str = "",
    note: str = "",
    packed_at: datetime | None = None,
) -> Pack:
    """Write recipe, bundle and papers as one file: whole, or not at all.

    Args:
        run_or_recipe: What to carry. A recipe that names its bundle ``model.partgate`` travels byte by byte; any other
            is written again with that path.
        out: Ends with ``.partgate-recipe``; an older file there is replaced.
        papers: Files to carry along.
        packed_by: Who.
        note: What for.
        packed_at: ``None`` = now. The same content and time give the same bytes.

    Raises:
        ConfigError: If the recipe is wrong, ``out`` is named otherwise, or note or name hold control characters.
        BundleError: If the bundle does not fit the recipe, a paper cannot be carried, or ``out`` cannot be written.
    """
    if out.suffix != PACK_SUFFIX:
        raise ConfigError([f"{out}: a packed recipe ends with {PACK_SUFFIX}; name it {out.name}{PACK_SUFFIX}"])
    source = recipe_path(run_or_recipe)
    recipe = load_recipe(source)
    bundle = open_pinned(recipe)
    files = {RECIPE_PART: _travelling_recipe(source, recipe), BUNDLE_PART: _read_part(recipe.bundle.file)}
    if hashlib.sha256(files[BUNDLE_PART]).hexdigest() != bundle.sha256:
        raise BundleError(f"{recipe.bundle.file}: was changed while it was packed; pack again")
    for paper in papers:
        check_paper_name(paper.name, files)
        files[paper.name] = _read_part(paper)
    try:
        facts = PackFacts(
            format=PACK_FORMAT, partgate=__version__, recipe=recipe.name, number=recipe.number, bundle_id=bundle.id,
            packed_at=(packed_at or datetime.now(UTC)).replace(microsecond=0), packed_by=packed_by, note=note,
            parts={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        )  # fmt: skip
    except ValidationError as error:
        raise ConfigError([f"{source}: {_first_problem(error)}; use one short line"]) from None
    data = seal_pack(facts.model_dump_json(indent=1).encode(), files)
    try:
        write_atomically(out, data)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written: {error.strerror}; name a place with free space") from error
    return read_pack(out)


def seal_pack(facts: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a packed recipe: facts first, then the files in their order, then the checksum.

    Example:
        >>> seal_pack(b"{}", {"note.txt": b"x"}) == seal_pack(b"{}", {"note.txt": b"x"})
        True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {FACTS_PART: facts, **files}.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            archive.writestr(entry, content)
        archive.comment = b"0" * _DIGEST_CHARS
    body = buffer.getvalue()[:-_DIGEST_CHARS]
    return body + hashlib.sha256(body).hexdigest().encode()


def check_paper_name(name: str, taken: Mapping[str, Any]) -> None:
    """Refuse a name that is more than a file's, that another system reads otherwise, or that stands twice.

    Raises:
        BundleError: If it is one of these; the message says what is carried.

    Example:
        >>> check_paper_name("../report.html", {})
        Traceback (most recent call last):
        partgate.errors.BundleError: '../report.html': cannot be carried by this name; ...
    """
    if not _PAPER_NAME.fullmatch(name) or _DEVICE_NAME.fullmatch(name) or Path(name).suffix not in PAPER_SUFFIXES:
        raise BundleError(
            f"{name!r}: cannot be carried by this name; letters, digits, spaces and ().+,- are, "
            f"ending with {', '.join(PAPER_SUFFIXES)}"
        )
    if name.casefold() in {other.casefold() for other in (FACTS_PART, *taken)}:
        raise BundleError(f"{name!r}: stands twice in the packed recipe; give it another name")


def is_pack(path: Path) -> bool:
    """Tell whether a file is meant to be a packed recipe, by its name or its first bytes."""
    if path.suffix == PACK_SUFFIX or not path.is_file():
        return path.suffix == PACK_SUFFIX and not path.is_dir()
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(2) == b"PK"
    return False


def read_pack(path: Path) -> Pack:
    """Return a packed recipe after checking every byte of it; nothing is written anywhere.

    Raises:
        BundleError: If it cannot be read, is damaged, is something else, comes from a newer partgate, or holds
            anything but what its own list names.
    """
    data = _read_part(path)
    if data[:2] != b"PK":
        raise BundleError(f"{path}: is no packed recipe; name a file that 'partgate recipe pack' wrote")
    body, digest = memoryview(data)[:-_DIGEST_CHARS], data[-_DIGEST_CHARS:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise BundleError(
            f"{path}: is damaged or no packed recipe (its checksum does not fit); copy it again from its source"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            facts = _read_facts(path, archive)
            files = _read_files(path, archive, facts)
    except (zipfile.BadZipFile, struct.error, OSError, ValueError, EOFError, RuntimeError) as error:
        raise BundleError(f"{path}: is no whole archive ({error}); pack it again at its source") from error
    return Pack(path, hashlib.sha256(data).hexdigest(), facts, files)


def _read_facts(path: Path, archive: zipfile.ZipFile) -> PackFacts:
    entries = archive.infolist()
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise BundleError(f"{path}: {entry.filename!r} is compressed or encrypted, which no packed recipe is")
    names = [entry.filename for entry in entries]
    if names[:1] != [FACTS_PART]:
        what = "a bundle: pack the run folder it lies in" if "model.onnx" in names else "another archive"
        raise BundleError(f"{path}: is no packed recipe but {what}")
    if entries[0].file_size > _LARGEST_FACTS:
        raise BundleError(f"{path}: {FACTS_PART} has {entries[0].file_size} bytes, at most {_LARGEST_FACTS} are read")
    try:
        raw: Any = json.loads(archive.read(entries[0]))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {FACTS_PART} is not JSON ({error}); pack it again") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if isinstance(found, int) and found > PACK_FORMAT:
        raise BundleError(
            f"{path}: format {found} was written by a newer partgate ({str(raw.get('partgate'))[:20]!r}); this version "
            f"reads up to format {PACK_FORMAT}: update partgate on this PC"
        )
    try:
        return PackFacts.model_validate(raw)
    except ValidationError as error:
        raise BundleError(f"{path}: {FACTS_PART}: {_first_problem(error)}; pack it again") from error


def _read_files(path: Path, archive: zipfile.ZipFile, facts: PackFacts) -> dict[str, bytes]:
    entries = archive.infolist()[1:]
    unlisted = [entry.filename for entry in entries if entry.filename not in facts.parts]
    if unlisted or [entry.filename for entry in entries] != list(facts.parts):
        what = f"holds {unlisted[0]!r}, which" if unlisted else "holds other parts than those that"
        raise BundleError(f"{path}: {what} its list does not name; pack it again")
    if list(facts.parts)[:2] != [RECIPE_PART, BUNDLE_PART]:
        raise BundleError(f"{path}: lacks {RECIPE_PART} or {BUNDLE_PART}; pack it again")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise BundleError(f"{path}: its parts are larger than the file (they overlap); pack it again")
    files: dict[str, bytes] = {}
    for entry in entries:
        name, kind = entry.filename, (entry.external_attr >> 16) & 0o170000
        if kind not in (0, 0o100000):
            raise BundleError(f"{path}: {name!r} is a link or a folder, which no packed recipe holds")
        if name not in (RECIPE_PART, BUNDLE_PART):
            try:
                check_paper_name(name, files)
            except BundleError as error:
                raise BundleError(f"{path}: {error}") from None
        files[name] = archive.read(entry)
        if hashlib.sha256(files[name]).hexdigest() != facts.parts[name]:
            raise BundleError(f"{path}: {name!r} is not the one that its list names; pack it again")
    return files


def _travelling_recipe(source: Path, recipe: Recipe) -> bytes:
    if read_yaml(source)["bundle"]["file"] == BUNDLE_PART:
        return _read_part(source)
    try:
        with tempfile.TemporaryDirectory() as folder:
            save_recipe(recipe, Path(folder) / RECIPE_PART, BUNDLE_PART)
            return (Path(folder) / RECIPE_PART).read_bytes()
    except OSError as error:
        raise BundleError(f"{source}: cannot be rewritten for the pack: {error.strerror}; free some space") from error


def _read_part(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _LARGEST_PACK:
            raise BundleError(f"{path}: has {size} bytes, at most {_LARGEST_PACK} are carried")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
