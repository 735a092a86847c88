"""A station's recipes by number: one is in force, another is opened meanwhile and put in force between two parts."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from partgate.errors import PartgateError
from partgate.station.views import Views

logger = logging.getLogger(__name__)

_OPEN_WITHIN_S = 10.0  # twice what the handshake allows: a slow PC is told, one that hangs is given up
_MOST_OPEN = 2  # an opened recipe holds its model in memory: the one in force and the one before


class RecipeShelf:
    """Gives the recipe in force, and opens another one while the line runs on.

    Owned by the loop; only the opening itself runs in a thread. A recipe that cannot be opened is refused; the one in
    force stays.

    Args:
        in_force: The recipe that the station starts with.
        numbers: All that the station file names.
        open_views: Opens one by its number; may take seconds.
    """

    def __init__(
        self, in_force: Views, numbers: Sequence[int] = (), open_views: Callable[[int], Views] | None = None
    ) -> None:
        self.in_force = in_force
        self._numbers = frozenset(numbers) | {in_force.number}
        self._open_views = open_views
        self._open = {in_force.number: in_force}
        self._wanted = in_force.number
        self._refused: tuple[int, str] | None = None  # the last one that could not be opened, and why
        self._opening: _Opening | None = None

    @property
    def number(self) -> int:
        """Return the number of the recipe in force."""
        return self.in_force.number

    @property
    def is_opening(self) -> bool:
        """Tell whether a recipe is being opened."""
        return self._opening is not None

    @property
    def wanted(self) -> int:
        """Return the number of the recipe that is in force or being opened."""
        return self._wanted

    def why_refused(self, number: int) -> str | None:
        """Return why a recipe cannot be had; ``None`` where nothing speaks against it."""
        if number not in self._numbers:
            known = ", ".join(str(known) for known in sorted(self._numbers))
            return f"recipe {number} does not stand in the station file; it names {known}"
        return self._refused[1] if self._refused is not None and self._refused[0] == number else None

    def forget_refusal(self) -> None:
        """Let a recipe that could not be opened be tried again; its file may have been mended."""
        self._refused = None

    def want(self, number: int) -> None:
        """Ask for a recipe: an open one is put in force at the next :meth:`settle`, another is opened first."""
        if number == self._wanted or self.is_opening or self.why_refused(number) is not None:
            return
        self._wanted = number
        if number not in self._open:
            assert self._open_views is not None
            self._opening = _Opening(number, self._open_views)

    def settle(self) -> Views | None:
        """Put a wanted recipe in force if it is open by now; called between two parts.

        Returns:
            The recipe that was in force before, where it changed.
        """
        if self._opening is not None:
            done = self._opening.look()
            if done is None:
                return None
            self._opening = None
            self._take(done)
        if self._wanted == self.in_force.number:
            return None
        before, self.in_force = self.in_force, self._open[self._wanted]
        self._open = dict([(before.number, before), (self._wanted, self.in_force)][-_MOST_OPEN:])
        return before

    def _take(self, done: Views | Exception) -> None:
        if isinstance(done, Views):
            self._open[done.number] = done
            return
        self._refused = (self._wanted, f"recipe {self._wanted} cannot be opened: {done}")
        logger.error("%s", self._refused[1])
        self._wanted = self.in_force.number


class _Opening:
    """One recipe that is opened in a thread of its own; what comes too late is dropped with it."""

    def __init__(self, number: int, open_views: Callable[[int], Views]) -> None:
        self._number, self._open_views = number, open_views
        self._until = time.monotonic() + _OPEN_WITHIN_S
        self._done: Views | Exception | None = None
        self._thread = threading.Thread(target=self._open, name=f"recipe {number}", daemon=True)
        self._thread.start()

    def look(self) -> Views | Exception | None:
        """Return the recipe, or why there is none; ``None`` while neither is known."""
        if not self._thread.is_alive():
            return self._done
        if time.monotonic() > self._until:
            return TimeoutError(f"not open after {_OPEN_WITHIN_S:.0f} s; is its disk there?")
        return None

    def _open(self) -> None:
        try:
            self._done = self._open_views(self._number)
        except PartgateError as error:
            self._done = error
        except Exception as error:  # a bug must leave the recipe in force, not a station that waits for ever
            logger.exception("recipe %d failed", self._number)
            self._done = error
