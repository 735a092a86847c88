"""A bundle: one file with the model and everything it was trained with, each part under its checksum.

The file is a zip archive without compression: ``manifest.json`` and ``model.onnx``. Its archive comment is the SHA-256
of all bytes before the comment, so one flipped byte anywhere is noticed. Its id is the SHA-256 of ``model.onnx``, the
fp32 model: faster variants of the same model keep the id.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from partgate.configfile import Settings, write_atomically
from partgate.errors import BundleError
from partgate.imaging import Region
from partgate.recipe import Recipe

BUNDLE_FORMAT = 1
MODEL_PART = "model.onnx"
_MANIFEST = "manifest.json"
_DIGEST_CHARS = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal content, equal bytes


class Geometry(Settings):
    """Where the model looks and at which size; what a picture goes through before the graph."""

    region: Region | None = Field(
        description="x_min, y_min, x_max, y_max in px of the camera picture; null = all of it"
    )
    height_px: int = Field(ge=1)
    width_px: int = Field(ge=1)


class BackboneFacts(Settings):
    """Where the pretrained weights came from."""

    name: str
    weights_sha256: str
    licence: str
    source: str


class TrainingFacts(Settings):
    """What the model learned from."""

    folder: str = Field(description="name of the labelled folder, without its path")
    pictures: int
    groups: int
    groups_ignored: bool = Field(description="split by picture although groups were given: not independent")
    seed: int
    preset: str
    picture_sha256: tuple[str, ...] = Field(description="hash of every picture of training and validation")


class ProofFacts(Settings):
    """Exported model against trained model, over the validation pictures."""

    pictures: int
    largest_difference: float
    changed_verdicts: int


class Manifest(Settings):
    """Everything about a bundle that is not the graph itself."""

    format: int
    created_at: datetime
    partgate: str
    versions: Mapping[str, str]
    classes: tuple[str, ...]
    good_class: str | None
    geometry: Geometry
    backbone: BackboneFacts
    training: TrainingFacts
    proof: ProofFacts
    parts: Mapping[str, str] = Field(description="SHA-256 of each part")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and checked."""

    path: Path
    sha256: str  # of the whole file
    manifest: Manifest
    model: bytes

    @property
    def id(self) -> str:
        """Return the SHA-256 of the fp32 model."""
        return self.manifest.parts[MODEL_PART]


def write_bundle(path: Path, manifest: Manifest, model: bytes) -> None:
    """Write a bundle: whole, or not at all.

    Args:
        path: Where it goes.
        manifest: Its ``parts`` are filled in here.
        model: The ONNX graph.

    Raises:
        OSError: If the place is not writable or full.
    """
    complete = manifest.model_copy(update={"parts": {MODEL_PART: hashlib.sha256(model).hexdigest()}})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _EPOCH), complete.model_dump_json(indent=1))
        archive.writestr(zipfile.ZipInfo(MODEL_PART, _EPOCH), model)
        archive.comment = b"0" * _DIGEST_CHARS
    body = buffer.getvalue()[:-_DIGEST_CHARS]
    write_atomically(path, body + hashlib.sha256(body).hexdigest().encode())


def read_bundle(path: Path) -> Bundle:
    """Return a bundle after checking every byte of it.

    Raises:
        BundleError: If it is missing, damaged, no bundle, or of a newer format than this version reads.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"bundle {path}: cannot be read: {error.strerror}") from error
    body, digest = memoryview(data)[:-_DIGEST_CHARS], data[-_DIGEST_CHARS:]  # a view: no second copy of the model
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise BundleError(
            f"bundle {path}: is damaged or no bundle (its checksum does not fit); copy it again from its source"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            manifest = _read_manifest(path, archive.read(_MANIFEST))
            model = archive.read(MODEL_PART)
    except (zipfile.BadZipFile, KeyError) as error:
        raise BundleError(f"bundle {path}: lacks a part: {error}; train again or copy it again") from error
    if hashlib.sha256(model).hexdigest() != manifest.parts.get(MODEL_PART):
        raise BundleError(f"bundle {path}: {MODEL_PART} is not the one its manifest names; train again")
    return Bundle(path, hashlib.sha256(data).hexdigest(), manifest, model)


def _read_manifest(path: Path, text: bytes) -> Manifest:
    try:
        raw: Any = json.loads(text)
    except ValueError as error:
        raise BundleError(f"bundle {path}: its manifest is not JSON: {error}; train again") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if isinstance(found, int) and found > BUNDLE_FORMAT:
        raise BundleError(
            f"bundle {path}: format {found} was written by a newer partgate ({raw.get('partgate')}); "
            f"this version reads up to format {BUNDLE_FORMAT}: update partgate on this PC"
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"])
        raise BundleError(f"bundle {path}: its manifest is not one: {key}: {first['msg']}; train again") from error


def open_pinned(recipe: Recipe) -> Bundle:
    """Return the bundle of a recipe after checking that it is the released one.

    Raises:
        BundleError: If the file is damaged, is another bundle, or classes or region differ from the recipe's.
    """
    bundle = read_bundle(recipe.bundle.file)
    manifest = bundle.manifest
    who = f"recipe '{recipe.name}'"
    if bundle.id != recipe.bundle.id:
        raise BundleError(
            f"{who}: is pinned to bundle {recipe.bundle.id[:12]}, but {bundle.path} is {bundle.id[:12]}; "
            "put the released bundle back or release a new recipe"
        )
    if recipe.region != manifest.geometry.region:
        raise BundleError(
            f"{who}: region {_shown(recipe.region)} differs from {_shown(manifest.geometry.region)}, which the bundle "
            "was trained with; set region to that or train again"
        )
    if recipe.classes != manifest.classes or recipe.good_class != manifest.good_class:
        raise BundleError(
            f"{who}: classes {', '.join(recipe.classes)} with good class {recipe.good_class} differ from the bundle's "
            f"{', '.join(manifest.classes)} with {manifest.good_class}; take them from the run's recipe.yaml"
        )
    return bundle


def _shown(region: Region | None) -> str:
    return "none" if region is None else str(list(region))
