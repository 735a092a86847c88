"""Views: the picture first, then its mirror pictures, then augmented ones that take them in turn."""

import numpy as np
import torch

from partgate.training.augment import DEFAULT_TRANSFORMS, Augmenter
from partgate.training.views import augmented_views, clean_views

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_part_without_symmetry_is_shown_as_it_is_alone():
    (only,) = clean_views(())

    assert only.show(PICTURE, "x") is PICTURE
    assert (only.name, only.axes, only.is_kept) == ("", (), True)


def test_first_view_is_the_picture_itself_and_no_two_have_one_name():
    views = clean_views(("left_right", "up_down"))

    assert np.array_equal(views[0].show(PICTURE, "x"), PICTURE)
    assert len({view.name for view in views}) == len(views) == 4


def test_network_mirrors_along_the_axes_that_the_view_mirrors():
    """What learning showed and what the exported graph does must be the same picture."""
    batch = torch.from_numpy(PICTURE[None])

    for view in clean_views(("up_down", "left_right")):
        assert np.array_equal(batch.flip(view.axes)[0].numpy(), view.show(PICTURE, "x"))


def test_augmented_views_take_the_mirror_pictures_in_turn_and_are_not_kept():
    augmenter = Augmenter((), 0)  # changes nothing

    views = augmented_views(("left_right",), augmenter, 3)

    expected = [PICTURE, PICTURE[:, ::-1], PICTURE]
    assert all(np.array_equal(view.show(PICTURE, "x"), one) for view, one in zip(views, expected, strict=True))
    assert not any(view.is_kept for view in views)
    assert len({view.name for view in views}) == 3


def test_augmented_view_hangs_on_the_picture_and_its_number():
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    first, second = augmented_views((), Augmenter(DEFAULT_TRANSFORMS, 0), 2)

    shown = first.show(picture, "a")

    assert np.array_equal(shown, first.show(picture, "a"))
    assert not np.array_equal(shown, second.show(picture, "a"))
    assert not np.array_equal(shown, first.show(picture, "b"))
