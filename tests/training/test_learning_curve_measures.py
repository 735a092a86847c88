"""What one draw amounts to: counted by hand, within folds, with a limit that has not seen the tested part."""

from itertools import pairwise

import numpy as np
import pytest

from partgate.training.examples import Examples, Fold
from partgate.training.learning_curve_draws import Bench
from partgate.training.learning_curve_measures import Trial, measure
from partgate.wishes import Wishes

DEFECT, GOOD = 0, 1


def trial_of(
    labels: list[int], groups: list[int], *, good: int | None = GOOD, counted: np.ndarray | None = None
) -> Trial:
    """Return a trial of one picture per row."""
    truth, member, n = np.array(labels), np.array(groups), len(labels)
    classes = max(labels) + 1
    names = np.array([f"group {group}" for group in groups])
    examples = Examples(np.eye(n, dtype=np.float32), truth, names, np.ones(n), np.arange(n), classes)
    times = np.ones((1, member.max() + 1)) if counted is None else counted
    return Trial(examples, truth, np.ones(n), good, Wishes(defect_share=0.5), times, member, is_balanced=True)


def halves(n: int) -> list[Fold]:
    rows = np.arange(n)
    return [Fold(rows[rows % 2 != side], rows[rows % 2 == side]) for side in (0, 1)]


def logits_of(scores: list[float]) -> np.ndarray:
    """Return logits whose margin of defect over good is the score."""
    return np.stack([np.array(scores), np.zeros(len(scores))], 1)


# Rows 0, 2, 4, 6 are tested by the first fold, rows 1, 3, 5, 7 by the second.
LABELS = [DEFECT, DEFECT, DEFECT, DEFECT, GOOD, GOOD, GOOD, GOOD]


def test_auroc_compares_good_and_defect_under_one_model_only():
    scores = [2.0, 12.0, 1.0, 11.0, 1.5, 10.0, 0.0, 9.0]  # the second fold's model says 10 more of everything
    trial = trial_of(LABELS, list(range(8)))

    errors = measure(logits_of(scores), np.ones(8, bool), halves(8), trial)

    # First fold: 2 beats 1.5 and 0, 1 beats 0 alone: 3 of 4 pairs. Second fold: 4 of 4.
    assert errors["auroc"].tolist() == pytest.approx([1 - 7 / 8])


def test_equal_scores_count_half():
    errors = measure(logits_of([1.0] * 8), np.ones(8, bool), halves(8), trial_of(LABELS, list(range(8))))

    assert errors["auroc"].tolist() == pytest.approx([0.5])


def test_escapes_and_false_rejects_are_counted_at_a_limit_from_the_other_folds():
    # Seen by the first fold's parts, the second's limit lies between -3 and 3, and the other way round.
    scores = [3.0, 3.0, 3.0, -3.0, -3.0, -3.0, -3.0, 3.0]
    trial = trial_of(LABELS, list(range(8)))

    errors = measure(logits_of(scores), np.ones(8, bool), halves(8), trial)

    # Fold one (clean) gives the second its limit: of rows 1 and 3 one escapes, of 5 and 7 one is rejected.
    assert errors["escape_rate"][0] >= 0.25
    assert errors["false_reject_rate"][0] >= 0.25


def test_bootstrap_draws_count_whole_groups():
    groups = [0, 0, 1, 1, 2, 2, 3, 3]
    counted = np.array([[1, 1, 1, 1], [2, 0, 1, 1]], float)
    scores = [2.0, 2.0, -2.0, 2.0, 0.0, 0.0, 0.0, 0.0]  # group 1 holds the one defect picture that is not told apart

    errors = measure(logits_of(scores), np.ones(8, bool), halves(8), trial_of(LABELS, groups, counted=counted))

    assert errors["auroc"].tolist() == pytest.approx([2 / 8, 0.0])


def test_fold_that_could_learn_from_one_class_only_is_neither_right_nor_wrong():
    drawn = np.array([True, False, True, False, True, False, True, False])  # the first fold's parts alone

    errors = measure(logits_of([3.0, 3.0, 3.0, 3.0, 0, 0, 0, 0]), drawn, halves(8), trial_of(LABELS, list(range(8))))

    assert errors["auroc"].tolist() == [0.0]  # of the second fold; the first one has nothing to learn from


def test_nothing_learned_at_all_is_no_number():
    errors = measure(logits_of([0.0] * 8), np.zeros(8, bool), halves(8), trial_of(LABELS, list(range(8))))

    assert all(np.isnan(values).all() for values in errors.values())


def test_sorting_counts_the_mean_recall_of_the_classes():
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    scores = [5.0, 5.0, 5.0, 5.0, -5.0, -5.0, 5.0, -5.0]  # one of class 1 is taken for class 0

    errors = measure(logits_of(scores), np.ones(8, bool), halves(8), trial_of(labels, list(range(8)), good=None))

    assert errors == {"balanced_accuracy": pytest.approx(np.array([1 - (1 + 3 / 4) / 2]))}


@pytest.fixture
def bench() -> Bench:
    from pathlib import Path

    from partgate.training.config import load_training

    labels = [DEFECT] * 24 + [GOOD] * 40
    groups = [i // 2 for i in range(64)]  # two pictures each: 12 defect groups, 20 good ones
    return Bench(load_training(Path(), "quick"), trial_of(labels, groups), 4)


def test_smaller_share_lies_within_the_larger_one_and_takes_whole_groups(bench: Bench):
    taken = [bench.take(0, [share, share]) for share in (0.25, 0.5, 0.75, 1.0)]

    for smaller, larger in pairwise(taken):
        assert not (smaller & ~larger).any()
        assert smaller.sum() < larger.sum()
    assert taken[-1].all()
    for one in taken:
        assert (one[0::2] == one[1::2]).all()  # neighbours share a group


def test_share_is_of_the_groups_of_each_class(bench: Bench):
    taken = bench.take(0, [0.5, 1.0])

    assert (taken[:24].sum(), taken[24:].sum()) == (12, 40)


def test_smallest_share_leaves_two_groups_of_each_class_to_learn_from_in_every_fold(bench: Bench):
    for draw in range(5):
        taken = bench.take(draw, [0.0, 0.0])
        for fold in bench.cut(draw)[0]:
            left = fold.learned[taken[fold.learned]]
            for label in (DEFECT, GOOD):
                groups = {int(bench.trial.member[row]) for row in left if bench.trial.of_picture[row] == label}
                assert len(groups) >= 2


def test_what_was_not_drawn_is_not_learned_from(bench: Bench):
    taken = bench.take(0, [0.25, 0.25])
    poisoned = bench.examples(taken)
    poisoned.features[~taken] = np.nan

    logits, _ = bench.head(0, taken, "a")

    assert np.isfinite(logits[taken]).all()


def test_other_draws_take_other_groups_and_the_same_seed_the_same(bench: Bench):
    first, other = bench.take(0, [0.25, 0.25]), bench.take(1, [0.25, 0.25])

    assert (first != other).any()
    assert (first == Bench(bench.config, bench.trial, 4).take(0, [0.25, 0.25])).all()
