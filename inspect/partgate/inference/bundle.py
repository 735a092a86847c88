"""A bundle: one file with the model and everything it was trained with, each part under its checksum.

The file is a zip archive without compression: ``manifest.json`` and ``model.onnx``. Its archive comment is the SHA-256
of all bytes before the comment, so one flipped byte anywhere is noticed. Its id is the SHA-256 of ``model.onnx``, the
fp32 model: faster variants of the same model keep the id.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from partgate.configfile import Settings, write_atomically
from partgate.errors import BundleError
from partgate.imaging import Region, check_region, cut_tiles, fit_picture
from partgate.parts import Image
from partgate.recipe import Recipe

BUNDLE_FORMAT = 3
"""Newest format that is read; 2 is written for what 1 knows not: several looks, pictures without grey borders; 3 for
straightened pictures."""

MODEL_PART = "model.onnx"
_MANIFEST = "manifest.json"
_DIGEST_CHARS = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal content, equal bytes


TileCount = Annotated[int, Field(ge=1, le=32, strict=True)]


@dataclass(frozen=True, slots=True)
class Look:
    """One place of a picture that the model is shown."""

    name: str | None  # None where it is the only one
    region: Region | None  # in px of the camera picture; None = all of it


class Geometry(Settings):
    """Where the model looks and at which size; what a picture goes through before the graph.

    One region, several named ones, or tiles that cut the region: the same network judges each of these looks, and the
    worst of them is the part's.
    """

    region: Region | None = Field(
        description="x_min, y_min, x_max, y_max in px of the camera picture; null = all of it"
    )
    height_px: int = Field(ge=1, description="height of the network's input, of each look")
    width_px: int = Field(ge=1, description="width of the network's input, of each look")
    regions: Mapping[Annotated[str, Field(min_length=1)], Region] = Field(
        default={}, description="several places by name, in px of the camera picture; in place of region"
    )
    tiles: tuple[TileCount, TileCount] | None = Field(
        default=None, description="rows and columns that cut the region, for defects too small to be seen in it whole"
    )
    tile_overlap: float = Field(
        default=0.1, ge=0, lt=0.5, description="share of a tile's side that its neighbour also shows"
    )
    keeps_aspect: bool = Field(
        default=True, description="what is looked at is scaled alike in height and width, and the rest filled with grey"
    )
    straightened: str | None = Field(
        default=None, description="how the pictures were straightened, in the calibration's words; null = not at all"
    )

    @model_validator(mode="after")
    def _one_way_to_look(self) -> Self:
        others = [name for name in ("region", "tiles") if getattr(self, name) is not None]
        if self.regions and others:
            raise ValueError(
                f"regions ({', '.join(self.regions)}) cannot stand beside {' and '.join(others)}: "
                "name all places under regions, or cut one region into tiles"
            )
        return self

    def __hash__(self) -> int:
        return hash((self.region, self.height_px, self.width_px, frozenset(self.regions.items()), self.tiles))

    @property
    def look_names(self) -> tuple[str, ...]:
        """Return the names of regions or tiles in the order of :meth:`looks`; empty where there is but one look."""
        if self.tiles is None:
            return tuple(self.regions)
        rows, columns = self.tiles
        return tuple(f"row {row + 1}, column {column + 1}" for row in range(rows) for column in range(columns))

    @property
    def measured_region(self) -> Region | None:
        """Return the area whose brightness, contrast and size the picture check measures; ``None`` = all of it.

        The region, cut into tiles or not; around several regions the smallest box that holds them all. Training learns
        the limits on this area, the line checks it.
        """
        if not self.regions:
            return self.region
        x_min, y_min, x_max, y_max = zip(*self.regions.values(), strict=True)
        return min(x_min), min(y_min), max(x_max), max(y_max)

    def looks(self, height_px: int, width_px: int) -> tuple[Look, ...]:
        """Return where a picture of this size is looked at; at least one place.

        Raises:
            DataError: If a region does not lie inside the picture; it is named.

        Example:
            >>> Geometry(region=None, height_px=32, width_px=32, tiles=(1, 2), tile_overlap=0).looks(10, 20)[1]
            Look(name='row 1, column 2', region=(10, 0, 20, 10))
        """
        for name, box in self.regions.items():
            check_region(box, height_px, width_px, name)
        if self.regions:
            return tuple(Look(name, box) for name, box in self.regions.items())
        if self.tiles is None:
            return (Look(None, self.region),)
        whole = self.region or (0, 0, width_px, height_px)
        check_region(whole, height_px, width_px)
        boxes = cut_tiles(whole, *self.tiles, self.tile_overlap)
        return tuple(Look(name, box) for name, box in zip(self.look_names, boxes, strict=True))

    def fit(self, image: Image) -> Iterator[tuple[Look, Image]]:
        """Give each look and what the network sees of it, shape (height_px, width_px, 3), uint8, RGB.

        Raises:
            DataError: As :meth:`looks`.
        """
        for look in self.looks(*image.shape[:2]):
            yield look, fit_picture(image, look.region, self.height_px, self.width_px, keeps_aspect=self.keeps_aspect)


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
        manifest: Its ``parts`` and ``format`` are filled in here.
        model: The ONNX graph.

    Raises:
        OSError: If the place is not writable or full.
    """
    parts = {MODEL_PART: hashlib.sha256(model).hexdigest()}
    version = 2 if manifest.geometry.look_names or not manifest.geometry.keeps_aspect else 1
    if manifest.geometry.straightened is not None:
        version = BUNDLE_FORMAT
    complete = manifest.model_copy(update={"parts": parts, "format": version})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        # Without defaults: a key that says nothing must not keep an older version from reading the bundle.
        text = complete.model_dump_json(indent=1, exclude_defaults=True)
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _EPOCH), text)
        archive.writestr(zipfile.ZipInfo(MODEL_PART, _EPOCH), model)
        archive.comment = b"0" * _DIGEST_CHARS
    body = buffer.getvalue()[:-_DIGEST_CHARS]
    write_atomically(path, body + hashlib.sha256(body).hexdigest().encode())


def read_bundle(path: Path) -> Bundle:
    """Return a bundle after checking every byte of it.

    Raises:
        BundleError: If it is missing, damaged, no bundle, of a newer format than this version reads, or sorts by class
            in several places at once.
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
    places = len(manifest.geometry.look_names)
    if manifest.good_class is None and places > 1:
        raise BundleError(
            f"bundle {path}: sorts by class, but looks at {places} places of a part, which may show different classes; "
            "train with a good_class, or with one region and without tiles"
        )
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
