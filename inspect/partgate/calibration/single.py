"""Single pictures that a person names: straightened as those that a recipe learned from, or refused."""

from collections.abc import Callable
from pathlib import Path

from partgate.calibration.file import load_calibration
from partgate.calibration.straighten import Straightener
from partgate.errors import ConfigError
from partgate.parts import Image


def choose_straightening(
    who: str, trained_with: str | None, calibration: Path | None, *, is_straight: bool
) -> Callable[[Image], Image]:
    """Return what is to be done with pictures that say nothing of themselves.

    Args:
        who: What they are judged by, for messages.
        trained_with: How its training pictures were straightened, in the calibration's words; ``None`` = not at all.
        calibration: Folder of the calibration, where the pictures are as the camera took them.
        is_straight: The person says that they are straightened already.

    Raises:
        ConfigError: If the pictures are of another kind than those learned from, or nobody says of which; or if there
            is no such calibration.
    """
    if calibration is not None and is_straight:
        raise ConfigError(["--calibration and --straightened: give one; a picture is straightened once"])
    if calibration is not None:
        straightener = Straightener(load_calibration(calibration))
        if straightener.description != trained_with:
            raise ConfigError([
                f"{who}: learned from pictures {_told(trained_with)}, {calibration} gives them "
                f"{_told(straightener.description)}; "
                + ("name the calibration that it was trained with" if trained_with else "leave out --calibration")
            ])  # fmt: skip
        return straightener.straighten
    if trained_with is None and is_straight:
        raise ConfigError([f"{who}: learned from pictures {_told(None)}; straightened ones it cannot judge"])
    if trained_with is not None and not is_straight:
        raise ConfigError([
            f"{who}: learned from pictures {_told(trained_with)}; add --calibration FOLDER for pictures as the camera "
            "took them, or --straightened for those of the records and of 'partgate camera straighten'"
        ])  # fmt: skip
    return lambda image: image


def _told(way: str | None) -> str:
    return "as the camera took them" if way is None else f"straightened ({way})"
