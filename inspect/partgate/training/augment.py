"""Augmentation: a list in YAML of albumentations transforms; the same seed gives the same views.

albumentations takes three seconds to import (it imports torch), so it is imported when a list is checked or used.
"""

import hashlib
import random
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import ConfigDict, Field, JsonValue

from partgate.configfile import Settings
from partgate.errors import ConfigError, TrainingError
from partgate.parts import Image
from partgate.training.transforms import apply_transform, build_transform, first_line

Flip = Literal["left_right", "up_down"]
"""On which sides a part is alike, so that its mirror picture is one that the line could produce."""


class Transform(Settings):
    """One entry of ``augment``: an albumentations transform by name; every other key is one of its parameters.

    ``border_mode`` and ``interpolation`` take names (``reflect_101``, ``linear``) as well as OpenCV's numbers. Ranges
    are ``[low, high]``; what a single number means differs between transforms: in ``Affine`` it is a fixed value.

    Example:
        >>> Transform.model_validate({"transform": "Rotate", "limit": [-3, 3], "p": 0.8}).parameters
        {'limit': [-3, 3], 'p': 0.8}
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    transform: str = Field(description="name in albumentations; all other keys are its parameters, p its probability")

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Return what stands beside the name."""
        return self.__pydantic_extra__


# What fixture, lamp and camera of one line do between two parts; strengths in pixels are those of the picture that the
# network sees (288 px). Judged by eye on castings, magnetic tiles and fabric: faint cracks on dark parts stay visible.
DEFAULT_TRANSFORMS = (
    # Play of the part in its fixture. Borders are mirrored: black ones would tell which picture was augmented.
    Transform(transform="Affine", translate_percent=[-0.02, 0.02], rotate=[-2, 2], border_mode="reflect_101", p=0.8),
    # contrast_limit multiplies all levels: ageing lamp, exposure; brightness_limit adds, in shares of 255: stray light.
    Transform(transform="RandomBrightnessContrast", contrast_limit=[-0.1, 0.1], brightness_limit=[-0.03, 0.03], p=0.8),
    # Standard deviation in pixels: a height that varies within the depth of field.
    Transform(transform="GaussianBlur", sigma_limit=[0.2, 0.7], p=0.3),
    # Standard deviation in shares of 255, so 0.5 to 2 levels; one draw for all channels, which keeps grey grey.
    Transform(transform="GaussNoise", std_range=[0.002, 0.008], per_channel=False, p=0.5),
)


def check_transforms(transforms: Sequence[Transform], source: str) -> None:
    """Refuse a list with an unknown or unfit transform, or a wrong parameter.

    Args:
        transforms: What stands under ``augment``.
        source: How the user knows the file, for the messages.

    Raises:
        ConfigError: If anything is wrong: every wrong entry at once, unknown names with the nearest known one.
    """
    _build(transforms, source)


def flip_ways(flips: Sequence[Flip]) -> tuple[tuple[Flip, ...], ...]:
    """Return every way to mirror a part that is alike on these sides; the first way leaves it as it is.

    Example:
        >>> flip_ways(("left_right", "up_down"))
        ((), ('left_right',), ('up_down',), ('left_right', 'up_down'))
    """
    ways: tuple[tuple[Flip, ...], ...] = ((),)
    for flip in flips:
        ways += tuple((*way, flip) for way in ways)
    return ways


def flip_picture(image: Image, way: Sequence[Flip]) -> Image:
    """Return a picture, shape (H, W, 3), mirrored left to right, upside down, or both; contiguous."""
    rows, columns = (slice(None, None, -1 if flip in way else 1) for flip in ("up_down", "left_right"))
    return np.ascontiguousarray(image[rows, columns])


class Augmenter:
    """Makes views of pictures: the same seed, picture and number give the same view, in any order and thread.

    A grey picture (three equal channels) stays grey whatever a transform does to colours: a mono camera gives none.
    """

    def __init__(self, transforms: Sequence[Transform], seed: int) -> None:
        self._pristine = _build(transforms, "augment")
        self._seed = seed
        self._of_thread = threading.local()  # a transform keeps state while it works

    def view(self, image: Image, picture: str, number: int) -> Image:
        """Return one augmented view.

        Args:
            image: Picture at the network's size, shape (H, W, 3), uint8, RGB; it is left as it is.
            picture: What tells it from others, such as its SHA-256.
            number: Which view of it.

        Returns:
            View, shape (H, W, 3), uint8, RGB; an array of its own.

        Raises:
            TrainingError: If a transform does not work on this picture.
        """
        if not hasattr(self._of_thread, "transforms"):
            self._of_thread.transforms = deepcopy(self._pristine)
        key = hashlib.sha256(f"{self._seed} {number} {picture}".encode()).digest()
        # One pair of generators for the whole list: seeded one by one, all transforms would draw the same numbers.
        generators = np.random.default_rng(list(key)), random.Random(key)
        result = self._augment(image.copy(), picture, generators)
        return _as_grey(result) if _is_grey(image) else result

    def _augment(self, image: Image, picture: str, generators: tuple[np.random.Generator, random.Random]) -> Image:
        for transform in self._of_thread.transforms:
            transform.set_random_state(*generators)
            try:
                image = apply_transform(transform, image)
            except Exception as error:  # whatever albumentations raises
                name = type(transform).__name__
                raise TrainingError(
                    f"augment: {name} failed on picture {picture}: {first_line(error)}; leave it out"
                ) from error
        return image


def _build(transforms: Sequence[Transform], source: str) -> list[Any]:
    built, problems = [], []
    for place, entry in enumerate(transforms):
        transform, found = build_transform(entry.transform, entry.parameters)
        built.append(transform)
        problems += [f"{source}: augment.{place}{problem}" for problem in found]
    if problems:
        raise ConfigError(problems)
    return built


def _is_grey(image: Image) -> bool:
    return np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 1], image[..., 2])


def _as_grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
