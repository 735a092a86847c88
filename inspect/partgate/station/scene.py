"""The empty place as a free-running camera sees it, and what stands out from it: no camera, no clock.

The empty view is learned as the median of the first pictures. Each picture is first brought to its brightness (a lamp
that flickers or ages is no part). What then differs is kept by hysteresis: an area counts where part of it differs
strongly, and reaches as far as it differs at all. The empty view follows slow changes wherever nothing stands, so that
a part is never taken into it, however long it stands. A dark place is not learned, and a view that stands out as a
whole for a while, or is far brighter or darker than learned, tells nothing of parts: the scene is blind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from partgate.configfile import RelativePath, Settings
from partgate.imaging import read_picture
from partgate.parts import Image

_LONG_SIDE_PX = 320  # averages noise away, and still shows a gap of 1.5 % of the view between two parts
_READ_SIDE_PX = 640  # far larger pictures are thinned out to this first
_FEWEST_PICTURES, _MOST_PICTURES = 10, 60
_MOVING_SHARE = 0.3  # of the pictures learned from
_STRONG_SHARE = 0.15  # of an area, in strongly differing pixels
_GAIN = (0.7, 1.4)
_DARKEST = 16.0  # below this a ratio of grey values says nothing
_LEAST_FREE = 0.05  # of the view, for its brightness to be told
_LEAST_LIT = 0.01  # of the view, above ``_DARKEST``, for an empty place to be learned
_BLIND_AFTER_S = 2.0
_EVERY_PX = 4  # each way: brightness is told on so many of the pixels
_ALIKE = 0.9  # so much better one picture must fit the other moved on than as it is
_AROUND_PX = 17  # what surrounds a part (its shadow, its edge) is no sample of the empty place

Small = NDArray[np.float32]
"""Thinned-out picture, shape (h, w, 3), grey values 0-255, RGB; its longer side has 320 pixels."""


class SceneSettings(Settings):
    """When something stands out from the empty place."""

    background: RelativePath | None = Field(
        default=None, description="picture of the empty place, by this camera; null learns it when the station starts"
    )
    learn_s: float = Field(
        default=2, ge=0.1, le=60, description="time to learn the empty place at the start, in seconds; no part then"
    )
    difference: float = Field(
        default=24, ge=6, le=200,
        description="grey values of 255 by which a part differs from the empty place; smaller where parts are missed, "
        "larger where shadows count",
    )  # fmt: skip
    smallest_share: float = Field(
        default=0.01, gt=0, lt=0.5, description="share of the view below which something is no part (0.01 = 1 %)"
    )
    adapt_s: float = Field(
        default=30, ge=1, description="time in which the empty place follows a change of light, in seconds"
    )


@dataclass(frozen=True, slots=True)
class Blob:
    """One connected area that stands out.

    Attributes:
        x: Its centre, from the middle of the view to the right, in longer sides of the view: -0.5..0.5.
        y: The same, downwards.
        share: Of the view's area that it covers.
        is_cut: It reaches the edge of the view: more of it may be outside.
        covers_middle: It lies in the middle of the view.
        box: x_min, y_min, x_max, y_max as shares of width and height.
        columns: Share of the view that it covers in each column of the thinned-out picture, shape (w,).
        rows: The same for each row, shape (h,).
    """

    x: float
    y: float
    share: float
    is_cut: bool
    covers_middle: bool
    box: tuple[float, float, float, float]
    columns: NDArray[np.float64] = field(compare=False, repr=False)
    rows: NDArray[np.float64] = field(compare=False, repr=False)


class Scene:
    """Tells what stands in the view.

    Args:
        settings: How much must differ.

    Raises:
        DataError: If a given picture of the empty place cannot be read.

    Source:
        Own; median background and hysteresis thresholds as in Piccardi (2004), "Background subtraction techniques: a
        review", IEEE SMC, and Canny (1986).
    """

    def __init__(self, settings: SceneSettings) -> None:
        self._settings = settings
        self._pictures: list[Small] = []
        self._since: float | None = None
        self._seen_at = 0.0
        self._first_at: float | None = None
        self._empty: Small | None = None
        self._taken: NDArray[np.uint8] | None = None  # (h, w) where something stood in the picture before, widened
        self._gain = np.ones(3, np.float32)
        self._ratio = np.ones(3, np.float32)  # as told, before it is cut to what may be corrected
        self._strange_since: float | None = None
        self.blind: str | None = None  # why nothing can be told of parts, for a while already
        self._before: Small | None = None  # the last two pictures at the brightness of the empty place
        self._now: Small | None = None
        if settings.background is not None:
            self._empty = _shrink(read_picture(Path(settings.background)))

    @property
    def is_learned(self) -> bool:
        """Tell whether the empty place is known."""
        return self._empty is not None

    @property
    def is_strange(self) -> bool:
        """Tell whether the newest picture is no view of the place as it was learned; ``blind`` where this lasts."""
        return self._strange_since is not None

    def look(self, image: Image, at: float) -> Sequence[Blob]:
        """Return what stands in the view, the largest first; nothing while the empty place is learned.

        Args:
            image: Picture, shape (H, W, 3), uint8, RGB.
            at: Monotonic seconds.
        """
        small = _shrink(image)
        if self._empty is None or self._empty.shape != small.shape:
            self._first_at = at if self._first_at is None else self._first_at
            if self._is_lit(small, at):
                self._learn(small, at)
                if self._empty is None and at - self._first_at > 2 * self._settings.learn_s + _BLIND_AFTER_S:
                    self.blind = "the empty place is not learned yet: something moves in it; stop the parts until it is"
            return ()
        blobs, mask = self._find(small)
        self._judge_sight(self._why_strange(mask), at)
        self._before, self._now = self._now, small / self._gain
        self._follow(mask, at)
        return blobs

    def has_moved(self, way: tuple[float, float]) -> bool:
        """Tell whether what stands in the view moved on since the picture before, or stood still.

        What looks the same in either case counts as standing.

        Args:
            way: As it would have moved, in longer sides of the view.
        """
        if self._now is None or self._before is None or self._taken is None:
            return False
        height, width = self._now.shape[:2]
        across, down = (round(part * max(height, width)) for part in way)
        there = np.s_[max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)]
        here = np.s_[max(0, -down) : height + min(0, -down), max(0, -across) : width + min(0, -across)]
        inside = self._taken[there] > 0
        stood = np.square(self._now[there] - self._before[there])[inside]  # squared: print counts for more than noise
        moved = np.square(self._now[there] - self._before[here])[inside]
        return bool(inside.any()) and float(moved.mean()) < _ALIKE * float(stood.mean())

    def _is_lit(self, small: Small, at: float) -> bool:
        """Tell whether a place can be learned from a picture; in the dark learning begins again."""
        is_lit = float((small.max(axis=2) > _DARKEST).mean()) >= _LEAST_LIT
        if not is_lit:
            self._pictures, self._since = [], None
        dark = f"the empty place is dark: no more than {small.max():.0f} of 255 grey values; is the light on?"
        self._judge_sight(None if is_lit else dark, at)
        return is_lit

    def _why_strange(self, mask: NDArray[np.uint8]) -> str | None:
        if float((self._widen(mask) == 0).mean()) < _LEAST_FREE:
            return f"{100 * (mask > 0).mean():.0f} % of the view stand out from the empty place; is the light on?"
        least, most = _GAIN
        ratio = float(self._ratio[np.argmax(np.abs(np.log(np.maximum(self._ratio, 1e-3))))])
        if least <= ratio <= most:
            return None
        return f"the view is {ratio:.2f} times as bright as when it was learned ({least:g} to {most:g}); mend the light"

    def _judge_sight(self, why: str | None, at: float) -> None:
        if why is None:
            self._strange_since = self.blind = None
            return
        self._strange_since = at if self._strange_since is None else self._strange_since
        if self.blind is None and at - self._strange_since > _BLIND_AFTER_S:
            self.blind = why

    def _learn(self, small: Small, at: float) -> None:
        """Collect pictures; where something moves through most of them, begin again with the later ones."""
        if self._empty is not None or (self._pictures and self._pictures[0].shape != small.shape):
            self._empty, self._taken, self._pictures, self._since = None, None, [], None  # another picture size
        self._since = at if self._since is None else self._since
        spacing = self._settings.learn_s / _MOST_PICTURES
        if not self._pictures or at - self._seen_at >= spacing:
            self._pictures.append(small)
            self._seen_at = at
        if len(self._pictures) < _FEWEST_PICTURES or at - self._since < self._settings.learn_s:
            return
        self._empty = np.median(np.stack(self._pictures), axis=0).astype(np.float32)
        moving = sum(bool(self._find(picture)[0]) for picture in self._pictures)
        if moving > _MOVING_SHARE * len(self._pictures):
            self._pictures, self._empty = self._pictures[len(self._pictures) // 2 :], None
            self._since = at - self._settings.learn_s / 2
        else:
            self._pictures = []
        self._taken = None

    def _find(self, small: Small) -> tuple[list[Blob], NDArray[np.uint8]]:
        """Return the areas and their mask, shape (h, w), 0 or 255."""
        assert self._empty is not None
        self._gain = self._brightness(small)
        red, green, blue = cv2.split(cv2.absdiff(small, np.minimum(self._empty * self._gain, 255)))
        differs = np.asarray(cv2.max(cv2.max(red, green), blue), np.float32)
        weak = (differs > self._settings.difference / 2).astype(np.uint8)
        weak = np.asarray(cv2.morphologyEx(weak, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), np.uint8)
        weak = np.asarray(cv2.morphologyEx(weak, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
        count, labels, stats, centres = cv2.connectedComponentsWithStats(weak, connectivity=8)
        strong = np.bincount(labels[differs > self._settings.difference], minlength=count)
        blobs, mask = [], np.zeros(weak.shape, np.uint8)
        for number in range(1, count):
            area = int(stats[number, cv2.CC_STAT_AREA])
            if area >= self._settings.smallest_share * weak.size and strong[number] >= _STRONG_SHARE * area:
                blobs.append(_as_blob(labels == number, stats[number], centres[number]))
                mask[labels == number] = 255
        return sorted(blobs, key=lambda blob: -blob.share), mask

    def _brightness(self, small: Small) -> NDArray[np.float32]:
        """Return the factor per channel by which the view is brighter than learned, told where it is free."""
        assert self._empty is not None
        some = np.s_[::_EVERY_PX, ::_EVERY_PX]
        free = np.ones(small[some].shape[:2], bool) if self._taken is None else self._taken[some] == 0
        self._ratio = np.ones(3, np.float32)
        if free.mean() < _LEAST_FREE:  # what it was then may be what masks the view
            return self._ratio
        then, now = np.median(self._empty[some][free], axis=0), np.median(small[some][free], axis=0)
        self._ratio = np.where(then < _DARKEST, 1.0, now / np.maximum(then, 1.0)).astype(np.float32)
        return np.clip(self._ratio, *_GAIN).astype(np.float32)

    def _follow(self, mask: NDArray[np.uint8], at: float) -> None:
        """Let the empty view follow slow changes where nothing stands."""
        assert self._empty is not None
        assert self._now is not None
        self._taken = self._widen(mask)
        step = 1 - np.exp(-max(0.0, min(1.0, at - self._seen_at)) / self._settings.adapt_s)
        self._seen_at = at
        if not self.is_strange:
            cv2.accumulateWeighted(self._now, self._empty, float(step), mask=cv2.bitwise_not(self._taken))

    def _widen(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.dilate(mask, np.ones((_AROUND_PX, _AROUND_PX), np.uint8)), np.uint8)


def _shrink(image: Image) -> Small:
    height, width = image.shape[:2]
    step = max(1, max(height, width) // _READ_SIDE_PX)
    scale = _LONG_SIDE_PX / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    thin = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(thin, size, interpolation=cv2.INTER_AREA), np.float32)


def _as_blob(area: NDArray[np.bool_], stats: NDArray[np.int32], centre: NDArray[np.float64]) -> Blob:
    height, width = area.shape
    left, top = int(stats[cv2.CC_STAT_LEFT]), int(stats[cv2.CC_STAT_TOP])
    right, bottom = left + int(stats[cv2.CC_STAT_WIDTH]), top + int(stats[cv2.CC_STAT_HEIGHT])
    side = max(height, width)
    middle = area[height // 2 - 2 : height // 2 + 3, width // 2 - 2 : width // 2 + 3]
    return Blob(
        (float(centre[0]) + 0.5 - width / 2) / side, (float(centre[1]) + 0.5 - height / 2) / side,
        float(area.mean()), left < 2 or top < 2 or right > width - 2 or bottom > height - 2, bool(middle.any()),
        (left / width, top / height, right / width, bottom / height),
        area.sum(axis=0) / area.size, area.sum(axis=1) / area.size,
    )  # fmt: skip
