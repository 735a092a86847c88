"""Views of one picture: as it is, mirrored where the part allows it, augmented; what learning and judging average."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from partgate.models.classifier import Axes
from partgate.parts import Image
from partgate.training.augment import Augmenter, Flip, flip_picture, flip_ways

_AXIS_OF_BATCH = {"up_down": 1, "left_right": 2}  # (N, H, W, 3)


class View(Protocol):
    """One way to show a picture to the network."""

    @property
    def name(self) -> str:
        """Return what tells this view from others; part of the key under which its features are kept."""
        ...

    @property
    def is_kept(self) -> bool:
        """Tell whether features of this view are worth a place in the cache."""
        ...

    def show(self, image: Image, key: str) -> Image:
        """Return the view of a picture, (H, W, 3) uint8 RGB; ``key`` names the picture."""
        ...


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The picture itself (no sides) or its mirror picture."""

    sides: tuple[Flip, ...] = ()
    is_kept: bool = True

    @property
    def name(self) -> str:
        """Return the sides."""
        return " ".join(self.sides)

    @property
    def axes(self) -> Axes:
        """Return the axes to mirror of a batch (N, H, W, 3)."""
        return tuple(sorted(_AXIS_OF_BATCH[side] for side in self.sides))

    def show(self, image: Image, key: str) -> Image:  # noqa: D102
        return flip_picture(image, self.sides) if self.sides else image


@dataclass(frozen=True, slots=True)
class Augmented:
    """A mirrored view with the small changes that a line produces."""

    mirrored: Mirrored
    augmenter: Augmenter
    number: int
    is_kept: bool = False

    @property
    def name(self) -> str:
        """Return the number."""
        return f"augmented {self.number}"

    def show(self, image: Image, key: str) -> Image:  # noqa: D102
        return self.mirrored.show(self.augmenter.view(image, key, self.number), key)


def clean_views(flips: Sequence[Flip]) -> tuple[Mirrored, ...]:
    """Return the picture itself and its allowed mirror pictures."""
    return tuple(Mirrored(way) for way in flip_ways(flips))


def augmented_views(flips: Sequence[Flip], augmenter: Augmenter, count: int) -> tuple[Augmented, ...]:
    """Return so many augmented views, which take the allowed mirror pictures in turn."""
    mirrored = clean_views(flips)
    return tuple(Augmented(mirrored[number % len(mirrored)], augmenter, number) for number in range(count))
