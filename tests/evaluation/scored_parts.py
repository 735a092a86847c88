"""Parts with scores, and limits chosen for them."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from partgate.evaluation.threshold import choose_limits
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.wishes import Cost, Wishes

rate_wish = st.sampled_from([0.0, 1.0]) | st.floats(1e-6, 1)
score = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])
parts = st.lists(st.tuples(score, st.booleans()), min_size=1, max_size=40)


def choose(
    goods: Sequence[float], defects: Sequence[float], avoid: Sequence[float] = (), cost_ratio: float = 10,
    recheck: float | None = None, **wishes: object,
) -> ChosenLimits:  # fmt: skip
    """Return limits for scores of good and of defect parts; costs in false rejects."""
    cost = Cost(escape=cost_ratio, recheck=recheck)
    is_defect = np.array([False] * len(goods) + [True] * len(defects))
    return choose_limits(np.array([*goods, *defects], float), is_defect, Wishes(cost=cost, **wishes), avoid)


def split(made: Sequence[tuple[float, bool]]) -> tuple[list[float], list[float]]:
    """Return scores of good and of defect parts."""
    return [one for one, is_defect in made if not is_defect], [one for one, is_defect in made if is_defect]
