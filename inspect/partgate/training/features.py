"""Features of all pictures, computed once and kept: the same picture, backbone, geometry and view never run twice."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partgate.cache import cache_folder, keep
from partgate.data.folder import Picture
from partgate.errors import DataError
from partgate.imaging import MIN_SIDE_PX, crop_region, decode_picture
from partgate.inference.bundle import Geometry
from partgate.inference.engine import FEATURES, OnnxEngine
from partgate.parts import Image
from partgate.picture_check import Measures, measure
from partgate.training.map_store import MapStore
from partgate.training.views import View

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

_MEASURES = len(Measures._fields)  # kept in front of the features


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features of the readable pictures, in the order they were given; a row per picture and look."""

    pictures: tuple[Picture, ...]  # P readable ones
    looks: tuple[str | None, ...]  # L names of the places that each picture is looked at
    features: NDArray[np.float32]  # (P x L, V, D): all looks of the first picture, then of the second
    measures: tuple[Measures, ...]  # P
    unreadable: tuple[str, ...]  # one sentence for each picture that could not be read
    places: NDArray[np.int64]  # (P,) where each stood among the given ones


def read_part(picture: Picture, geometry: Geometry) -> tuple[list[Image], Measures]:
    """Return what the network sees of a picture, look by look, and the measures of the whole.

    Raises:
        DataError: If it is unreadable, too small, changed since its folder was read, or a region does not lie inside.
    """
    try:
        data = picture.path.read_bytes()
        image = decode_picture(data)
    except OSError as error:
        raise DataError(f"{picture.file}: cannot be read: {error.strerror}") from error
    except DataError as error:
        raise DataError(f"{picture.file}: {error}") from None
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise DataError(f"{picture.file}: changed while training; let nothing write into the folder, and train again")
    if min(image.shape[:2]) < MIN_SIDE_PX:
        raise DataError(
            f"{picture.file}: {image.shape[1]} x {image.shape[0]} px is too small; at least {MIN_SIDE_PX} px"
        )
    try:
        seen = [one for _, one in geometry.fit(image)]
        return seen, measure(crop_region(image, geometry.measured_region))
    except DataError as error:
        raise DataError(f"{picture.file}: {error}") from None


def compute_features(
    pictures: Sequence[Picture], engine: OnnxEngine, geometry: Geometry, key: str, threads: int, progress: Progress,
    views: Sequence[View], store: MapStore | None = None,
) -> FeatureSet:  # fmt: skip
    """Return the features of pictures in several views, from the cache where they are known.

    Args:
        pictures: What to look at.
        engine: Runs the feature graph.
        geometry: Region and size.
        key: Names backbone, weights and geometry; another key, another cache.
        threads: Pictures worked on at once.
        progress: Is told about each picture.
        views: How each picture is turned before it is looked at, V of them.
        store: Gets the trunk's maps of each view; what the cache knows is then computed again, for its maps.
    """
    looks = geometry.look_names or (None,)
    done = 0
    lock = threading.Lock()

    def compute(place: int) -> tuple[Measures, NDArray[np.float32]] | str:
        nonlocal done
        try:
            found: tuple[Measures, NDArray[np.float32]] | str = _look_at(
                pictures[place], place, engine, geometry, key, views, store
            )
        except DataError as error:
            found = str(error)
        with lock:
            done += 1
            progress("features" if store is None or store.first_view == 0 else "views", done, len(pictures))
        return found

    pool = ThreadPoolExecutor(threads)
    try:
        found = list(pool.map(compute, range(len(pictures))))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C: what is queued is not worth waiting for
    whole = [(place, row) for place, row in enumerate(found) if not isinstance(row, str)]
    features = [row[1] for _, row in whole]
    return FeatureSet(
        tuple(pictures[place] for place, _ in whole),
        looks,
        np.concatenate(features) if features else np.zeros((0, len(views), 0), np.float32),
        tuple(row[0] for _, row in whole),
        tuple(row for row in found if isinstance(row, str)),
        np.array([place for place, _ in whole], np.int64),
    )


def _look_at(
    picture: Picture, place: int, engine: OnnxEngine, geometry: Geometry, key: str, views: Sequence[View],
    store: MapStore | None,
) -> tuple[Measures, NDArray[np.float32]]:  # fmt: skip
    """Return measures and features (L, V, D) of one picture; its maps go into the store."""
    known = [_Cached(picture, key, view) for view in views]
    if store is None and all(one.row is not None for one in known):
        rows = [one.row for one in known if one.row is not None]
    else:
        seen, measures = read_part(picture, geometry)
        rows = []
        for number, (view, cached) in enumerate(zip(views, known, strict=True)):
            features = []
            for look, image in enumerate(seen):
                turned = view.show(image, f"{picture.sha256} {look}")
                if store is None:
                    features += engine.run(turned, (FEATURES,))
                else:
                    features.append(store.put(engine, turned, place, look, number))
            row = np.concatenate([np.asarray(measures, np.float32), *features])
            cached.keep(row)
            rows.append(row)
    measures = Measures(*(float(value) for value in rows[0][:_MEASURES]))
    looks = len(geometry.look_names) or 1
    features_ = np.stack([row[_MEASURES:].reshape(looks, -1) for row in rows], 1)
    return measures, features_


class _Cached:
    """One row of the cache: a picture in one view; random views are not kept."""

    def __init__(self, picture: Picture, key: str, view: View) -> None:
        fields = ",".join(Measures._fields)  # a row of an older version holds fewer measures
        name = hashlib.sha256(f"{key} {picture.sha256} {view.name} {fields}".encode()).hexdigest()
        self._path = cache_folder() / "features" / name[:2] / f"{name}.f32" if view.is_kept else None
        self.row: NDArray[np.float32] | None = None
        if self._path is not None and self._path.is_file():
            content = self._path.read_bytes()
            is_whole = len(content) > 4 * _MEASURES and len(content) % 4 == 0  # bytes of a float32
            self.row = np.frombuffer(content, np.float32) if is_whole else None

    def keep(self, row: NDArray[np.float32]) -> None:
        """Write the row where it is not known yet."""
        if self._path is not None and self.row is None:
            keep(self._path, row.tobytes())
