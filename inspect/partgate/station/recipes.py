"""A station's recipes by number: one is in force, another is opened meanwhile and put in force between two parts."""

import logging
import threading
from collections.abc import Callable, Sequence

from partgate.errors import PartgateError
from partgate.station.views import Views

logger = logging.getLogger(__name__)

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
        self._thread: threading.Thread | None = None
        self._done: Views | PartgateError | Exception | None = None

    @property
    def number(self) -> int:
        """Return the number of the recipe in force."""
        return self.in_force.number

    @property
    def is_opening(self) -> bool:
        """Tell whether a recipe is being opened."""
        return self._thread is not None

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
            self._thread = threading.Thread(target=self._open_one, args=(number,), name="recipe", daemon=True)
            self._thread.start()

    def settle(self) -> Views | None:
        """Put a wanted recipe in force if it is open by now; called between two parts.

        Returns:
            The recipe that was in force before, where it changed.
        """
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread = None
            self._take(self._done)
        if self._wanted == self.in_force.number:
            return None
        before, self.in_force = self.in_force, self._open[self._wanted]
        self._open = dict([(before.number, before), (self._wanted, self.in_force)][-_MOST_OPEN:])
        return before

    def _take(self, done: Views | Exception | None) -> None:
        if isinstance(done, Views):
            self._open[done.number] = done
            return
        self._refused = (self._wanted, f"recipe {self._wanted} cannot be opened: {done}")
        logger.error("%s", self._refused[1])
        self._wanted = self.in_force.number

    def _open_one(self, number: int) -> None:
        assert self._open_views is not None
        self._done = None
        try:
            self._done = self._open_views(number)
        except PartgateError as error:
            self._done = error
        except Exception as error:  # a bug must leave the recipe in force, not a station that waits for ever
            logger.exception("recipe %d failed", number)
            self._done = error
