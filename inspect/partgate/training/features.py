"""Features of all pictures, computed once and kept: the same picture, backbone and geometry never run twice."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partgate.configfile import write_atomically
from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import MIN_SIDE_PX, crop_region, fit_picture, read_picture
from partgate.inference.bundle import Geometry
from partgate.inference.engine import FEATURES, OnnxEngine
from partgate.parts import Image
from partgate.picture_check import measure_picture

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

_MEASURES = 4  # brightness, contrast, height, width: kept in front of the features


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features of the readable pictures, in the order they were given."""

    pictures: tuple[Picture, ...]
    features: NDArray[np.float32]  # (N, D)
    measures: tuple[tuple[float, float, int, int], ...]  # brightness, contrast, height, width of each region
    unreadable: tuple[str, ...]  # one sentence for each picture that could not be read


def cache_folder() -> Path:
    """Return where features and exported backbones are kept: ``PARTGATE_CACHE``, else the user's cache folder."""
    if named := os.environ.get("PARTGATE_CACHE"):
        return Path(named)
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "partgate"


def cached_bytes(name: str, make: Callable[[], bytes]) -> bytes:
    """Return a file of the cache, made once; a cache that cannot be written is no reason to stop."""
    path = cache_folder() / name
    if path.is_file():
        return path.read_bytes()
    content = make()
    _keep(path, content)
    return content


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError:  # full or read-only: slower next time, nothing else
        return


def read_part(picture: Picture, geometry: Geometry) -> tuple[Image, tuple[float, float, int, int]]:
    """Return a picture as the network sees it, and its measures.

    Raises:
        DataError: If it is unreadable, too small, or the region does not lie inside.
    """
    image = read_picture(picture.path)
    if min(image.shape[:2]) < MIN_SIDE_PX:
        raise DataError(
            f"{picture.path}: {image.shape[1]} x {image.shape[0]} px is too small; at least {MIN_SIDE_PX} px"
        )
    try:
        measures = measure_picture(crop_region(image, geometry.region))
        return fit_picture(image, geometry.region, geometry.height_px, geometry.width_px), measures
    except DataError as error:
        raise DataError(f"{picture.path}: {error}") from None


def compute_features(
    pictures: Sequence[Picture], engine: OnnxEngine, geometry: Geometry, key: str, threads: int, progress: Progress
) -> FeatureSet:
    """Return the features of pictures, from the cache where they are known.

    Args:
        pictures: What to look at.
        engine: Runs the feature graph.
        geometry: Region and size.
        key: Names backbone, weights and geometry; another key, another cache.
        threads: Pictures worked on at once.
        progress: Is told about each picture.
    """
    done = 0
    lock = threading.Lock()

    def compute(picture: Picture) -> NDArray[np.float32] | str:
        nonlocal done
        row = _row(picture, engine, geometry, key)
        with lock:
            done += 1
            progress("features", done, len(pictures))
        return row

    pool = ThreadPoolExecutor(threads)
    try:
        rows = list(pool.map(compute, pictures))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C: what is queued is not worth waiting for
    whole = [(picture, row) for picture, row in zip(pictures, rows, strict=True) if not isinstance(row, str)]
    values = np.stack([row for _, row in whole]) if whole else np.zeros((0, _MEASURES), np.float32)
    return FeatureSet(
        tuple(picture for picture, _ in whole),
        values[:, _MEASURES:],
        tuple((float(b), float(c), int(h), int(w)) for b, c, h, w in values[:, :_MEASURES]),
        tuple(row for row in rows if isinstance(row, str)),
    )


def _row(picture: Picture, engine: OnnxEngine, geometry: Geometry, key: str) -> NDArray[np.float32] | str:
    name = hashlib.sha256(f"{key} {picture.sha256}".encode()).hexdigest()
    path = cache_folder() / "features" / name[:2] / f"{name}.f32"
    if path.is_file() and (known := np.frombuffer(path.read_bytes(), np.float32)).size > _MEASURES:
        return known
    try:
        image, measures = read_part(picture, geometry)
    except DataError as error:
        return str(error)
    (features,) = engine.run(image, (FEATURES,))
    row = np.concatenate([np.asarray(measures, np.float32), features])
    _keep(path, row.tobytes())
    return row
