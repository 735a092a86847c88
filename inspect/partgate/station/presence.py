"""Parts found in the pictures of a free-running camera: each comes in, is judged once, leaves. No camera, no clock.

A part counts when it lies wholly in the view. All parts that lie in it are followed together, as what carries them
moves them together; the way it moves is learned, so that a part may move further from picture to picture than it is
long. Its picture is the one nearest to the middle, the sharpest of those that are alike, and it is handed out once the
part has passed the middle or lies still near it. What cannot be one part alone, wholly seen, is not decidable: parts
that touch cover more than one usually does.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from partgate.parts import Frame, Image
from partgate.station.presence_rows import PassingRow
from partgate.station.presence_settings import Event, PresenceSettings, What
from partgate.station.scene import Blob, Scene
from partgate.station.tracks import STILL_WITHIN, Part, apart, match, should_be_in_view

_PATIENCE = 2  # pictures in which a part may be missed without being gone
_PASSED_BY = 0.01  # beyond its nearest to the middle
_AT_EDGE = 0.01  # of the view
_BUCKET = 0.02  # places that are alike
_FIRST_PARTS = 3  # from which the usual size is learned


class Presence:
    """Follows parts through the view; fed with every picture of one stream, in order.

    Args:
        settings: See there.
    """

    def __init__(self, settings: PresenceSettings) -> None:
        self._settings, self._scene = settings, Scene(settings)
        self._parts: list[Part] = []
        self._count = self._pictures = 0
        self._way = (0.0, 0.0)  # from picture to picture, as last seen
        self._way_known = False
        self._usual, self._first_shares = settings.part_share, list[float]()
        self._middle_whole_in = -9  # picture in which a whole part last lay in the middle
        self._is_cut_open = False  # something that reaches out of the view lies in the middle, and nobody counted it
        self._is_cut = False
        self._row = PassingRow()
        self._in_view_before: int | None = 0  # parts when the stream began; None once its first picture was seen
        self._events: list[Event] = []
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Return why no part can be seen now."""
        return self._problem

    @property
    def usual_share(self) -> float | None:
        """Return the share of the view that a part usually covers, once it is known."""
        return self._usual

    def see(self, frame: Frame, at: float) -> Sequence[Event]:
        """Return what a picture changes.

        Args:
            frame: The next picture of the stream.
            at: Monotonic seconds when it came.
        """
        self._events = []
        was_learned = self._scene.is_learned
        blobs = self._scene.look(frame.image, at)
        self._tell_sight(at)
        if not self._scene.is_learned or self._problem is not None:
            return self._events
        if not was_learned:
            self._tell(What.LEARNED, at, detail="the empty place")
        self._pictures += 1
        if self._scene.is_strange:  # parts move on unseen; what is not found again afterwards is nobody's to decide
            for part in self._parts:
                part.missed += 1
            self._in_view_before = 0
            return self._events
        self._follow(blobs, frame, at)
        self._watch_the_middle(blobs, at)
        for part in self._parts:
            self._announce_if_due(part, at)
        return self._events

    def lose(self, at: float) -> Sequence[Event]:
        """Return what becomes of the parts in view when the stream breaks off."""
        self._events = []
        self._drop_parts(at, "the camera was lost while it was in view")
        return self._events

    def _tell_sight(self, at: float) -> None:
        before, self._problem = self._problem, self._scene.blind
        if before is None and self._problem is not None:
            self._drop_parts(at, "the view was lost while it was in there")
            self._tell(What.BLIND, at, detail=self._problem)
        elif before is not None and self._problem is None:
            self._tell(What.SEES, at)

    def _drop_parts(self, at: float, why: str) -> None:
        for part in self._parts:
            if not part.is_done:
                self._refuse(part, at, why)
        self._in_view_before, self._parts = len(self._parts), []
        self._is_cut = self._is_cut_open = False

    # ---- which area is which part ----

    def _follow(self, blobs: Sequence[Blob], frame: Frame, at: float) -> None:
        whole = [blob for blob in blobs if not blob.is_cut]
        pairs = match(self._parts, whole, self._way, is_way_known=self._way_known)
        for part in list(self._parts):
            if part.number in pairs:
                self._see_again(part, whole[pairs[part.number]], frame, at)
            else:
                part.missed += 1
                if part.missed > _PATIENCE or not should_be_in_view(part, self._way):
                    self._parts.remove(part)
                    self._leave(part, at, blobs)
        known = set(pairs.values())
        for index, blob in enumerate(whole):
            if index not in known:
                self._enter(blob, frame, at)
        self._in_view_before = None

    def _enter(self, blob: Blob, frame: Frame, at: float) -> None:
        self._count += 1
        part = Part(self._count, blob, blob, blob, at)
        self._parts.append(part)
        self._tell(What.ENTERED, at, part, f"covers {100 * blob.share:.1f} % of the view")
        if self._in_view_before is not None and self._pictures > 1:  # it may be one that was counted before
            part.is_done = True
            if len(self._parts) > self._in_view_before:
                self._refuse(part, at, "it was in view when the camera came back")
        self._see_again(part, blob, frame, at)

    def _see_again(self, part: Part, blob: Blob, frame: Frame, at: float) -> None:
        if part.sightings:
            steps = part.missed + 1
            self._way = ((blob.x - part.last.x) / steps, (blob.y - part.last.y) / steps)
            self._way_known = True
        part.last, part.missed, part.sightings = blob, 0, part.sightings + 1
        if apart(part.still_at, blob) > STILL_WITHIN:
            part.still_at, part.still_since = blob, at
        distance = self._from_middle(blob)
        if distance < part.nearest:
            part.nearest, part.nearest_share = distance, blob.share
        if not part.is_done and distance <= self._settings.zone:
            key = (round(distance / _BUCKET), -_sharpness(frame.image, blob))
            if key < part.best_key:
                part.best, part.best_key, part.nearest_share = frame, key, blob.share

    def _leave(self, part: Part, at: float, blobs: Sequence[Blob]) -> None:
        if not part.is_done:
            if part.best is None and any(_holds(blob, part) for blob in blobs):
                part.is_done = True
                self._tell(What.IGNORED, at, part, "it ran together with another, which is counted for both")
            elif self._went_back(part):
                part.is_done = True
                self._tell(What.IGNORED, at, part, "it went back where it came from")
            else:
                self._decide(part, at)
        self._tell(What.LEFT, at, part)

    def _went_back(self, part: Part) -> bool:
        """Tell whether a part left by the side it came from and was never near the middle: a hand, not a part."""
        is_same_side = part.first.x * part.last.x + part.first.y * part.last.y > 0
        return part.best is None and part.sightings > 1 and is_same_side and not should_be_in_view(part, self._way)

    def _from_middle(self, blob: Blob) -> float:
        """Return the distance to the middle along the way; whatever lies beside the way stays there."""
        speed = math.hypot(*self._way)
        if speed < STILL_WITHIN:
            return math.hypot(blob.x, blob.y)
        return abs(blob.x * self._way[0] + blob.y * self._way[1]) / speed

    # ---- when it is judged ----

    def _announce_if_due(self, part: Part, at: float) -> None:
        if part.is_done or part.best is None or part.missed:
            return
        has_passed = self._from_middle(part.last) > part.nearest + _PASSED_BY
        is_still = at - part.still_since >= self._settings.still_s and part.sightings > 1
        if has_passed or (is_still and math.hypot(part.last.x, part.last.y) <= self._settings.zone):
            self._decide(part, at)

    def _decide(self, part: Part, at: float) -> None:
        """Hand out the picture of one part, or say why there is none."""
        if part.best is None:
            nearest, zone = 100 * part.nearest, 100 * self._settings.zone
            self._refuse(part, at, f"seen no nearer to the middle than {nearest:.0f} %, zone allows {zone:.0f} %")
            return
        share, usual = part.nearest_share, self._usual
        if usual is None:
            self._learn_size(part, at)
            return
        ratio, most = share / usual, 1 + self._settings.size_tolerance
        if ratio > most:
            parts = max(2, round(ratio))
            for _ in range(parts):
                self._refuse(part, at, f"covers {ratio:.2f} times the usual area, so about {parts} parts touch")
        elif ratio < 1 - self._settings.size_tolerance:
            self._refuse(part, at, f"covers {ratio:.2f} times the usual area, so it is not seen whole")
        else:
            part.is_done = True
            detail = f"{100 * part.nearest:.0f} % from the middle, covers {100 * share:.1f} % of the view"
            self._tell(What.JUDGED, at, part, detail, part.best)
        part.best = None

    def _learn_size(self, part: Part, at: float) -> None:
        self._first_shares = [*self._first_shares, part.nearest_share][-_FIRST_PARTS:]
        known = len(self._first_shares)
        self._refuse(part, at, f"the usual size is not known yet ({known} of {_FIRST_PARTS} parts): give part_share")
        part.best = None
        usual = float(np.median(self._first_shares))
        if (
            known == _FIRST_PARTS
            and max(abs(s / usual - 1) for s in self._first_shares) < self._settings.size_tolerance
        ):
            self._usual = usual
            self._tell(What.SIZED, at, detail=f"a part covers {100 * usual:.1f} % of the view: part_share: {usual:.3f}")

    def _watch_the_middle(self, blobs: Sequence[Blob], at: float) -> None:
        """Count what lay in the middle without ever being wholly in view."""
        middle = next((blob for blob in blobs if blob.covers_middle), None)
        if middle is not None and not middle.is_cut:
            self._middle_whole_in, self._is_cut, self._is_cut_open = self._pictures, False, False
        elif middle is not None:
            if not self._is_cut:
                self._is_cut, self._row = True, PassingRow()
                was_whole = self._pictures - self._middle_whole_in <= _PATIENCE
                self._is_cut_open = not was_whole or self._comes_in(middle)
            if self._is_cut_open:
                self._row.see(middle, self._way, moved=self._scene.has_moved(self._way))
        elif self._is_cut:
            if self._is_cut_open:
                self._tell_row(at)
            self._is_cut = self._is_cut_open = False

    def _comes_in(self, blob: Blob) -> bool:
        """Tell whether an area reaches the edge of the view where parts come in."""
        x, y = self._way
        left, top, right, bottom = blob.box
        if max(abs(x), abs(y)) < STILL_WITHIN:
            return False
        if abs(x) >= abs(y):
            return left < _AT_EDGE if x > 0 else right > 1 - _AT_EDGE
        return top < _AT_EDGE if y > 0 else bottom > 1 - _AT_EDGE

    def _tell_row(self, at: float) -> None:
        """Declare as many parts as the area tells that has passed the middle; one where nothing is known of it."""
        parts = max(1, round(self._row.share / self._usual)) if self._usual else 1
        detail = "was never wholly in view: too large, too fast, or parts touch"
        for _ in range(parts):
            self._count += 1
            row = f"; about {parts} parts by the area that passed" if parts > 1 else ""
            self._events.append(Event(What.NOT_DECIDABLE, at, self._count, detail + row))

    def _refuse(self, part: Part, at: float, detail: str) -> None:
        part.is_done = True
        self._tell(What.NOT_DECIDABLE, at, part, detail)

    def _tell(
        self, what: What, at: float, part: Part | None = None, detail: str = "", frame: Frame | None = None
    ) -> None:
        self._events.append(Event(what, at, part.number if part else 0, detail, frame))


def _holds(blob: Blob, part: Part) -> bool:
    """Tell whether a larger area lies where a part was."""
    left, top, right, bottom = blob.box
    x, y = (part.last.box[0] + part.last.box[2]) / 2, (part.last.box[1] + part.last.box[3]) / 2
    return blob.share > part.last.share and left <= x <= right and top <= y <= bottom


def _sharpness(image: Image, blob: Blob) -> float:
    """Return the variance of the Laplacian over a part, told on at most some 300 pixels a side."""
    height, width = image.shape[:2]
    left, top, right, bottom = blob.box
    cut = image[int(top * height) : int(bottom * height) + 1, int(left * width) : int(right * width) + 1]
    step = max(1, max(cut.shape[:2]) // 300)
    grey = cv2.cvtColor(np.ascontiguousarray(cut[::step, ::step]), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
