"""Drawing shares of the parts, and learning from them with a linear head: what each point of a learning curve is."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from partgate.training.config import TrainingConfig
from partgate.training.examples import Array, Examples, Fold, Rows, cut_folds
from partgate.training.head import calibrated_loss, refit
from partgate.training.learning_curve_measures import Trial, measure

FEWEST_DRAWN = 3  # groups of a class, from as many folds: two remain to learn from


@dataclass(frozen=True, slots=True)
class Measured:
    """One share in one draw."""

    pictures: Array  # (C,) learned from, mean over the folds
    errors: dict[str, Array]  # per measure, (1 + B,)


class Bench:
    """Draws shares, learns from them with a linear head, and measures."""

    def __init__(self, config: TrainingConfig, trial: Trial, folds: int) -> None:
        self.config, self.trial, self._wanted = config, trial, folds
        self._strengths: dict[Hashable, float] = {}
        self._cuts: dict[int, tuple[list[Fold], list[Rows]]] = {}
        self.folds = len(self.cut(0)[0])

    def cut(self, draw: int) -> tuple[list[Fold], list[Rows]]:
        """Return the folds of a draw, and per class its groups in the order in which they are taken."""
        if draw not in self._cuts:
            folds = cut_folds(self.trial.examples, self._wanted, self.config.seed + draw)
            self._cuts[draw] = folds, self._order(folds, self.config.seed + draw)
        return self._cuts[draw]

    def _order(self, folds: Sequence[Fold], seed: int) -> list[Rows]:
        """Return per class the groups so that any first ones come from as many folds as they can."""
        trial, rng = self.trial, np.random.default_rng([seed, 1])
        fold_of = np.zeros(trial.member.max() + 1, int)
        for number, fold in enumerate(folds):
            fold_of[trial.member[trial.examples.picture[fold.held_out]]] = number
        shuffled, first = rng.permutation(len(fold_of)), rng.permutation(len(folds))
        order = []
        for label in range(trial.examples.classes):
            of_class = np.unique(trial.member[trial.of_picture == label])
            groups = shuffled[np.isin(shuffled, of_class)]
            rank = np.array([np.sum(fold_of[groups[:i]] == fold_of[group]) for i, group in enumerate(groups)])
            order.append(groups[np.lexsort((first[fold_of[groups]], rank))])
        return order

    def take(self, draw: int, shares: Sequence[float]) -> NDArray[np.bool_]:
        """Return which pictures are there to learn from, (P,), of each class a share of its groups."""
        trial = self.trial
        taken = np.zeros(len(trial.of_picture), bool)
        for label, (order, share) in enumerate(zip(self.cut(draw)[1], shares, strict=True)):
            count = max(min(FEWEST_DRAWN, len(order)), round(share * len(order)))
            taken |= (trial.of_picture == label) & np.isin(trial.member, order[:count])
        return taken

    def learned(self, draw: int, taken: NDArray[np.bool_]) -> Array:
        """Return how many pictures of each class a fold learns from, (C,), mean over the folds."""
        trial, folds = self.trial, self.cut(draw)[0]
        counts = [
            np.bincount(trial.of_picture[taken & ~np.isin(np.arange(len(taken)), trial.examples.picture[f.held_out])],
                        minlength=trial.examples.classes)
            for f in folds
        ]  # fmt: skip
        return np.asarray(np.mean(counts, 0), float)

    def examples(self, taken: NDArray[np.bool_]) -> Examples:
        """Return the rows, those that were not taken with a weight of nothing."""
        all_ = self.trial.examples
        return replace(all_, weights=np.where(taken[all_.picture], all_.weights, 0.0))

    def head(self, draw: int, taken: NDArray[np.bool_], key: Hashable) -> tuple[Array, float]:
        """Return out-of-fold logits (N, C) of a linear head, and its strength: the first draw of a share chooses it."""
        examples, folds, settings = self.examples(taken), self.cut(draw)[0], self.config.head
        folds = [fold for fold in folds if self._can_learn(examples, fold)]
        if key in self._strengths:
            return self._logits(examples, folds, self._strengths[key]), self._strengths[key]
        found = {strength: self._logits(examples, folds, strength) for strength in settings.regularisation}
        best = min(found, key=lambda one: calibrated_loss(found[one], examples, settings.class_balance))
        self._strengths[key] = best
        return found[best], best

    @staticmethod
    def _can_learn(examples: Examples, fold: Fold) -> bool:
        return len(np.unique(examples.labels[fold.learned[examples.weights[fold.learned] > 0]])) > 1

    def _logits(self, examples: Examples, folds: Sequence[Fold], strength: float) -> Array:
        logits = np.zeros((len(examples.labels), examples.classes))
        for fold, linear in zip(folds, refit(examples, folds, strength, self.config.head), strict=True):
            logits[fold.held_out] = linear.logits(examples.features[fold.held_out])
        return logits

    def measure(self, draw: int, taken: NDArray[np.bool_], logits: Array) -> Measured:
        """Return what out-of-fold logits (N, C) amount to."""
        return Measured(self.learned(draw, taken), measure(logits, taken, self.cut(draw)[0], self.trial))
