"""Which triggers are accounted for, and which the controller's words show that are not."""

from partgate.controllers.block import LAST_SEQUENCE, ControllerWords, sequences_between


class Accounted:
    """Boot and sequence of the newest trigger that is accounted for, as a result or as a declared miss.

    ``go_on_from`` comes first: the others speak of a controller that was read before.

    Args:
        newest: Boot and sequence of the newest record; ``None`` where there is none, so that nothing is missing.
    """

    def __init__(self, newest: tuple[int, int] | None) -> None:
        self._newest = newest

    def go_on_from(self, words: ControllerWords, *, was_off: bool) -> tuple[int, int] | None:
        """Account for all that was triggered, and return the first and the last sequence that nobody saw.

        A station that was off for a night may find the sequence nearly a round further; one that has just read it may
        not, so there a sequence that went back is a controller that restarted without counting its start.

        Args:
            words: What the controller says now.
            was_off: The station did not read this controller until now.
        """
        known, self._newest = self._newest, (words.boot, words.trigger_sequence)
        if known is None:
            return None
        restarted = known[0] != words.boot or (not was_off and _went_back(known[1], words.trigger_sequence))
        before = 0 if restarted else known[1]
        if words.trigger_sequence in (0, before):
            return None
        return before % LAST_SEQUENCE + 1, words.trigger_sequence

    @property
    def boot(self) -> int:
        """Return the controller's boot number as last read."""
        return self._at[0]

    def is_new(self, words: ControllerWords) -> bool:
        """Tell whether a trigger came; sequence 0 is none."""
        return words.trigger_sequence not in (0, self._at[1])

    def is_restarted(self, words: ControllerWords) -> bool:
        """Tell whether the controller was started again, be it without counting its start."""
        boot, sequence = self._at
        return words.boot != boot or (self.is_new(words) and _went_back(sequence, words.trigger_sequence))

    def take(self, words: ControllerWords) -> list[int]:
        """Account for a new trigger and return the sequences that passed unseen before it."""
        (_, before), self._newest = self._at, (words.boot, words.trigger_sequence)
        return sequences_between(before, words.trigger_sequence)

    def take_rest(self, words: ControllerWords) -> list[int]:
        """Account for every new trigger and return them all; none of a controller that was started again."""
        if self.is_restarted(words) or not self.is_new(words):
            return []
        return [*self.take(words), words.trigger_sequence]

    @property
    def _at(self) -> tuple[int, int]:
        assert self._newest is not None, "go_on_from comes first"
        return self._newest


def _went_back(before: int, after: int) -> bool:
    """Tell whether a sequence is behind another: a controller that restarted without changing its boot number."""
    return (after - before) % LAST_SEQUENCE > LAST_SEQUENCE // 2
