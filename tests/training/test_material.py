"""What a branch learns from: the maps of the rows asked for, in a view that is drawn or named."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from partgate.training.augment import DEFAULT_TRANSFORMS, Augmenter
from partgate.training.material import KeptPictures
from partgate.training.views import clean_views


def test_rows_are_found_wherever_their_maps_are_stored(small_task: Any):
    """Pictures that cannot be read leave gaps among the stored rows."""
    material = small_task().material
    gaps = replace(material, maps=np.repeat(material.maps, 2, 0), stored=2 * material.stored + 1)
    rows = np.array([5, 0, 5])

    found, expected = gaps.judge(rows, 1), material.judge(rows, 1)

    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    assert found[0][1] == pytest.approx(material.maps[0, 1].astype(np.float32))


def test_learning_draws_from_all_views_and_judging_takes_the_one_asked_for(small_task: Any):
    material = small_task().material
    material.pooled[:] = np.array([[0.0, 0.0], [1.0, 1.0]])  # says which view was taken

    _, drawn = material.learn(np.arange(24), np.random.default_rng(0))

    assert set(drawn[:, 0].tolist()) == {0.0, 1.0}
    assert material.judge(np.arange(24), 0)[1].max() == 0
    assert material.judge(np.arange(24), 1)[1].min() == 1


def pictures(augmenter: Augmenter | None = None) -> KeptPictures:
    """Return four pictures of noise, whose network takes them as they are, and their mirror pictures."""

    class Plain(nn.Module):
        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            return picture.permute(0, 3, 1, 2).float()

    made = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), np.uint8)
    names = [f"{number} 0" for number in range(4)]
    return KeptPictures(made, names, Plain(), augmenter or Augmenter((), 0), clean_views(("left_right",)), 2)  # type: ignore[arg-type]


def test_picture_is_judged_as_it_is_and_mirrored():
    material = pictures()

    plain, mirrored = (material.judge(np.array([2]), view)[0][0].permute(1, 2, 0).numpy() for view in (0, 1))

    assert np.array_equal(plain, material.pictures[2])
    assert np.array_equal(mirrored, material.pictures[2][:, ::-1])


def test_picture_is_augmented_anew_each_time_and_the_same_for_the_same_draws():
    material = pictures(Augmenter(DEFAULT_TRANSFORMS, 0))
    rows = np.array([0, 0, 1])

    first, again = (material.learn(rows, np.random.default_rng(3))[0] for _ in range(2))

    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])


def test_pictures_carry_no_features_of_a_trunk():
    assert pictures().judge(np.arange(3), 0)[1].shape == (3, 0)
