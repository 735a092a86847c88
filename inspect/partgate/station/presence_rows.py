"""Rows of parts that touch and are longer than the view: the area that passes the middle tells how many they are."""

from partgate.station.scene import Blob
from partgate.station.tracks import STILL_WITHIN, Way


class PassingRow:
    """Adds up the area of one row from when it reaches the middle of the view until it has left it.

    What lies beyond the middle when the row is first seen there has passed; then each picture adds the strip that moved
    across; what has not crossed when the row is last seen there will do so.

    Example:
        >>> import numpy as np
        >>> bar = Blob(0, 0, 1.0, True, True, (0, 0, 1, 1), np.ones(320) / 320, np.ones(240) / 240)
        >>> row = PassingRow()
        >>> row.see(bar, (0.1, 0.0), moved=True)
        >>> row.see(bar, (0.1, 0.0), moved=True)
        >>> round(row.share, 3)
        1.1
    """

    def __init__(self) -> None:
        self._crossed = self._ahead = 0.0
        self._strip: float | None = None  # share of the view per pixel that lies on the middle

    @property
    def share(self) -> float:
        """Return the area of the whole row, as a share of the view."""
        return self._crossed + self._ahead

    def see(self, blob: Blob, way: Way, *, moved: bool) -> None:
        """Take the area that lies in the middle in the next picture.

        Args:
            blob: That area.
            way: From picture to picture, in longer sides of the view.
            moved: It went that way since the picture before; else it stood still.
        """
        is_across = abs(way[0]) >= abs(way[1])
        profile = blob.columns if is_across else blob.rows
        step = way[0] if is_across else way[1]
        if abs(step) < STILL_WITHIN:
            return
        middle = len(profile) // 2
        before, behind = float(profile[:middle].sum()), float(profile[middle:].sum())
        strip = float(profile[middle - 2 : middle + 3].mean())
        if self._strip is None:
            self._crossed = behind if step > 0 else before
        elif moved:
            step_px = abs(step) * max(len(blob.columns), len(blob.rows))
            self._crossed += step_px * (self._strip + strip) / 2
        self._strip, self._ahead = strip, before if step > 0 else behind
