"""Where heat maps point, on magnetic tiles whose defects were outlined by hand.

Measured: a model is trained (``quick``, flips as for the accuracy benchmark); on the defect pictures of its test side,
which it has never seen, the map of the report is compared with the mask. ``heat inside``: share of the heat that speaks
for a defect inside the dilated mask, beside the share of the area that the mask takes, which is what a blind map would
get. ``pointing``: in how many pictures the hottest pixel lies inside the dilated mask, with the exact one-sided 95 %
lower bound, beside the middle of the picture and a random pixel as blind answers. Masks are dilated by 3 % of the
longer side, the tolerance of the pointing game (Zhang et al. 2018, "Top-down neural attention by excitation backprop":
15 px in pictures of about 500 px). Both kinds of map are measured: class activation, and occlusion for graphs without.

Pictures of one tile under several exposures are not independent: the bounds are narrower than the truth.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from figures import count_of, format_table, write_result
from numpy.typing import NDArray
from real_sets import read_set

from partgate.data.folder import Picture
from partgate.evaluation.judge import select_pictures
from partgate.evaluation.rates import lower_bound
from partgate.imaging import read_picture
from partgate.inference.bundle import read_bundle
from partgate.inference.engine import LOGITS, PROBABILITIES, OnnxEngine
from partgate.inference.heat import HeatKind, explain_part
from partgate.inference.inspector import Inspector
from partgate.parts import Image
from partgate.training.loop import train

DATA = Path(os.environ.get("PARTGATE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RESULT = Path(__file__).parent / "results" / "heat.json"
SET, MASKS = "magnetic_tile", "magnetic_tile_masks"
_DILATED_BY = 0.03  # of the longer side
ALL = "all"


@dataclass(frozen=True, slots=True)
class Pointed:
    """What one map says about one outlined defect."""

    label: str
    area: float  # share of the picture inside the dilated mask
    inside: float | None  # share of the heat there; None where nothing speaks for a defect
    hottest: bool  # the hottest pixel lies there
    middle: bool  # the middle of the picture lies there
    caught: bool  # the likeliest class is a defect


class WithoutHeat:
    """An engine that hides its heat outputs, as a graph of somebody else has none."""

    outputs = (PROBABILITIES, LOGITS)

    def __init__(self, engine: OnnxEngine) -> None:
        self._engine = engine

    def run(self, picture: Image, names: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the named outputs for one picture."""
        return self._engine.run(picture, names)


def read_mask(path: Path, height_px: int, width_px: int) -> NDArray[np.bool_] | None:
    """Return where the defect is, dilated, shape (height_px, width_px); ``None`` where the mask outlines nothing.

    Raises:
        ValueError: If there is no such mask, or it is of another size.
    """
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None or mask.shape != (height_px, width_px):
        raise ValueError(f"{path.name}: must be a mask of {width_px} x {height_px} px")
    if not (mask > 127).any():
        return None
    reach = max(1, round(_DILATED_BY * max(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate((mask > 127).astype(np.uint8), disc) > 0)


def point(values: NDArray[np.float32], mask: NDArray[np.bool_], label: str, caught: bool) -> Pointed:
    """Return how a map and a dilated mask, both (H, W), agree."""
    heat = np.maximum(values, 0).astype(float)
    total = float(heat.sum())
    hottest = np.unravel_index(int(values.argmax()), values.shape)
    middle = mask.shape[0] // 2, mask.shape[1] // 2
    inside = float(heat[mask].sum()) / total if total > 0 else None
    return Pointed(label, float(mask.mean()), inside, bool(mask[hottest]), bool(mask[middle]), caught)


def measure(pictures: Sequence[Picture], masks: Path, inspector: Inspector, kind: HeatKind) -> list[Pointed]:
    """Return what the maps of one kind say about the defect pictures; those whose mask is empty are left out."""
    manifest = inspector.bundle.manifest
    whole = OnnxEngine(read_bundle(inspector.bundle.path).model)
    engine = whole if kind is HeatKind.CLASS_ACTIVATION else WithoutHeat(whole)
    found = []
    for picture in pictures:
        image = read_picture(picture.path)
        mask = read_mask(masks / Path(picture.file).with_suffix(".png"), *image.shape[:2])
        if mask is None:
            continue
        heat = explain_part(engine, manifest.geometry, image, manifest.classes, manifest.good_class)
        assert heat.kind is kind
        caught = inspector.predict(image).predicted_class != manifest.good_class
        found.append(point(heat.values, mask, picture.label, caught))
    return found


def summarise(found: Sequence[Pointed]) -> dict[str, Any]:
    """Return the figures of some pictures; means over pictures, each counting alike."""
    shares = [one.inside if one.inside is not None else 0.0 for one in found]
    hits, n = sum(one.hottest for one in found), len(found)
    return {
        "pictures": n,
        "area_share": round(float(np.mean([one.area for one in found])), 4),
        "heat_inside": round(float(np.mean(shares)), 4),
        "more_heat_than_area": sum(share > one.area for share, one in zip(shares, found, strict=True)),
        "without_heat": sum(one.inside is None for one in found),
        "pointing_hits": hits,
        "pointing_at_least": round(lower_bound(hits, n), 4),
        "middle_hits": sum(one.middle for one in found),
        "random_hits": round(float(sum(one.area for one in found)), 2),
    }


def by_class(found: Sequence[Pointed]) -> dict[str, Any]:
    """Return the figures of each class, of all, and of those whose likeliest class is a defect."""
    labels = sorted({one.label for one in found})
    rows = {label: summarise([one for one in found if one.label == label]) for label in labels}
    caught = [one for one in found if one.caught]
    return rows | {ALL: summarise(found)} | ({"likeliest class is a defect": summarise(caught)} if caught else {})


def results_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a row per class."""
    head = ["class", "pictures", "area of mask", "heat inside", "more than area", "pointing", "at least", "middle",
            "random"]  # fmt: skip
    cells = []
    for name, row in rows.items():
        n = row["pictures"]
        cells.append([
            name, str(n), f"{row['area_share']:.1%}", f"{row['heat_inside']:.1%}",
            count_of(row["more_heat_than_area"], n), count_of(row["pointing_hits"], n),
            f"{row['pointing_at_least']:.0%}", count_of(row["middle_hits"], n), count_of(row["random_hits"], n),
        ])  # fmt: skip
    return format_table(head, cells)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets; by default PARTGATE_DATA")
    parser.add_argument("--preset", default="quick", help="of the training (default: quick)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of training and split (default: 0)")
    parser.add_argument("--out", type=Path, default=RESULT, help="result as JSON; a .md beside it holds the tables")
    settings = parser.parse_args(arguments)
    for name in (SET, MASKS):
        if not (settings.data / name).is_dir():
            parser.error(f"{settings.data}: holds no {name}; name the folder of the sets with --data")
    return settings


def main() -> None:
    """Measure, and write the tables."""
    settings = parse()
    data = read_set(SET, settings.data / SET)
    found: dict[HeatKind, list[Pointed]] = {kind: [] for kind in HeatKind}
    pictures = 0
    for seed in settings.seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            train(data.config(settings.preset, seed), run, lambda step, done, total: None)
            inspector = Inspector.open(run)
            test = select_pictures(data.folder, inspector).pictures
            defects = [picture for picture in test if picture.label != data.folder.good_class]
            pictures += len(defects)
            for kind, rows in found.items():
                rows += measure(defects, settings.data / MASKS, inspector, kind)
    tables = {kind.value: by_class(rows) for kind, rows in found.items()}
    empty = pictures - len(found[HeatKind.CLASS_ACTIVATION])
    facts = {"preset": settings.preset, "seeds": settings.seeds, "left_out_empty_mask": empty}
    write_result(settings.out, "heat", facts | tables)
    seeds = ", ".join(map(str, settings.seeds))
    parts = [f"# Heat maps against masks\n\nWritten by `python benchmarks/heat.py`; {SET}, preset {settings.preset}, "
             f"seed {seeds}, defect pictures of the test side; {empty} left out, whose mask is empty. "
             "Pictures of one tile are not independent: the bounds are narrower than the truth."]  # fmt: skip
    parts += [f"## {kind.capitalize().replace('_', ' ')}\n\n{results_table(rows)}" for kind, rows in tables.items()]
    text = "\n\n".join(parts) + "\n"
    settings.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
