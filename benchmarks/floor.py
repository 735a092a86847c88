"""The floor: what a frozen network and a plain logistic regression give, fixed so that it never moves.

300 px, aspect kept, padded with grey; features of the frozen EfficientNet-Lite0 (mean of the last maps, mean and
maximum of three earlier stages); standardised; logistic regression with C = 0.01 and balanced class weights; the most
likely class decides. Do not tune it: it is what training must beat.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from partgate.cache import cache_folder, cached_bytes
from partgate.data.folder import Picture
from partgate.imaging import read_picture
from partgate.inference.engine import OnnxEngine
from partgate.models.backbones import load_backbone
from partgate.models.classifier import FeatureNetwork
from partgate.models.export import export_onnx
from partgate.models.registry import find_backbone

SIZE_PX = 300
_GREY = 127
_MAPS = ("maps_0", "maps_1", "maps_2", "maps_3")
_REGULARISATION = 0.01
_MOST_ITERATIONS = 300


def letterbox(picture: NDArray[np.uint8], size_px: int = SIZE_PX) -> NDArray[np.uint8]:
    """Return a picture inside a grey square, its aspect kept.

    Args:
        picture: Shape (H, W, 3), uint8.
        size_px: Side of the square.

    Returns:
        Shape (size_px, size_px, 3), uint8.

    Example:
        >>> letterbox(np.zeros((2, 4, 3), np.uint8), 4)[:, 0, 0]
        array([127,   0,   0, 127], dtype=uint8)
    """
    height, width = picture.shape[:2]
    scale = size_px / max(height, width)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    square = np.full((size_px, size_px, 3), _GREY, np.uint8)
    top, left = (size_px - inner[1]) // 2, (size_px - inner[0]) // 2
    square[top : top + inner[1], left : left + inner[0]] = small
    return square


def frozen_graph(size_px: int) -> bytes:
    """Return the frozen EfficientNet-Lite0 for square pictures, exported."""
    spec = find_backbone("efficientnet_lite0")
    backbone, sha256 = load_backbone(spec)

    def export() -> bytes:
        network = FeatureNetwork(spec, backbone, size_px, size_px).eval()
        return export_onnx(network, size_px, size_px, ("features", *network.map_names))

    return cached_bytes(f"graphs/floor-{sha256[:16]}-{size_px}.onnx", export)


def floor_features(pictures: Sequence[Picture], graph: bytes, threads: int) -> NDArray[np.float32]:
    """Return features of pictures, (N, D), kept in the cache for the next run.

    Args:
        pictures: What to look at.
        graph: The frozen network for 300 x 300 px, exported.
        threads: Pictures worked on at once.
    """
    names = " ".join([hashlib.sha256(graph).hexdigest(), *(picture.sha256 for picture in pictures)])
    kept = cache_folder() / "benchmarks" / f"floor-{hashlib.sha256(names.encode()).hexdigest()}.npy"
    if kept.is_file():
        return np.asarray(np.load(kept), np.float32)
    engine = OnnxEngine(graph)

    def features(picture: Picture) -> NDArray[np.float32]:
        *stages, last = engine.run(letterbox(read_picture(picture.path)), _MAPS)
        pooled = [last.mean((1, 2))]
        for maps in stages:
            pooled += [maps.mean((1, 2)), maps.max((1, 2))]
        return np.concatenate(pooled)

    with ThreadPoolExecutor(threads) as pool:
        found = np.stack(list(pool.map(features, pictures)))
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, found)
    return found


def floor_probabilities(
    features: NDArray[np.float32], labels: NDArray[np.int64], learned: NDArray[np.int64], held_out: NDArray[np.int64],
    classes: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Return the floor's class probabilities of the pictures held out, (len(held_out), classes)."""
    head = LogisticRegression(C=_REGULARISATION, max_iter=_MOST_ITERATIONS, class_weight="balanced")
    with threadpool_limits(1):
        model = make_pipeline(StandardScaler(), head).fit(features[learned], labels[learned])
        found = model.predict_proba(features[held_out])
    probabilities = np.zeros((len(held_out), classes))
    probabilities[:, model.classes_] = found
    return probabilities
