"""What stands in a training file; a preset fills in what it does not say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import RelativePath, Settings, check_settings, read_yaml
from partgate.data.split import DEFAULT_SHARES
from partgate.errors import ConfigError
from partgate.evaluation.threshold import Wishes
from partgate.imaging import Region

DEFAULT_PRESET = "quick"
_INSIDE_PACKAGE = Path(__file__).parents[1] / "configs" / "training"
_INSIDE_CHECKOUT = Path(__file__).parents[3] / "configs" / "training"
PRESET_FOLDER = _INSIDE_PACKAGE if _INSIDE_PACKAGE.is_dir() else _INSIDE_CHECKOUT


class SplitShares(Settings):
    """Which share of the pictures goes where; they sum to 1."""

    train: float = Field(default=DEFAULT_SHARES["train"], gt=0, lt=1, description="learned from")
    validation: float = Field(
        default=DEFAULT_SHARES["validation"], gt=0, lt=1, description="proof, and limits with train"
    )
    test: float = Field(default=DEFAULT_SHARES["test"], gt=0, lt=1, description="never seen before the report")

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test must sum to 1, got {total:g}")
        return self


class HeadSettings(Settings):
    """The regularised linear head on frozen features."""

    regularisation: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.001, 0.003, 0.01, 0.03),
        min_length=1,
        description="inverse strengths C to choose from, by the log loss of out-of-fold scores; smaller is smoother",
    )
    folds: int = Field(
        default=5, ge=2, le=20, description="folds for out-of-fold scores, by group; fewer where groups lack"
    )
    class_balance: bool = Field(default=True, description="rare classes weigh as much as frequent ones while learning")


class TrainingConfig(Settings):
    """One training: data, backbone, head, limits."""

    preset: str = Field(
        default=DEFAULT_PRESET, description="file of configs/training/ that fills in what is not said here"
    )
    data: RelativePath = Field(description="the labelled folder, from this file's folder")
    name: str | None = Field(default=None, description="product name in the recipe; by default the folder's name")
    good_class: str | None = Field(
        default=None, description="the good class; 'none' sorts by class; null finds good, ok, io, gut"
    )
    groups: Literal["given", "ignore"] = Field(
        default="given",
        description="'ignore' splits by picture although groups are given: figures say nothing about new parts",
    )
    stratify_by: tuple[str, ...] = Field(
        default=(), description="further columns of labels.csv to mix alike on all sides"
    )
    split: SplitShares = Field(default=SplitShares())
    seed: int = Field(default=0, ge=0, description="same seed and machine, same model")
    region: Region | None = Field(
        default=None, description="x_min, y_min, x_max, y_max in px to look at; null looks at all"
    )
    backbone: str = Field(description="name from 'partgate doctor'")
    weights: RelativePath | None = Field(
        default=None, description="file with the backbone's weights; null takes the package's"
    )
    weights_sha256: str | None = Field(default=None, description="SHA-256 of that file, 64 hex digits")
    image_size_px: int = Field(
        ge=64, le=1024, description="side of a square with as many pixels as the network sees; larger for small defects"
    )
    keep: RelativePath | None = Field(
        default=None,
        description="older recipe whose name, number, lanes and class numbers are kept; new classes get new ones",
    )
    threads: int = Field(default=2, ge=1, le=64, description="pictures worked on at once")
    head: HeadSettings = Field(default=HeadSettings())
    decision: Wishes = Field(default=Wishes())


def preset_names() -> tuple[str, ...]:
    """Return the presets that this version has."""
    return tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.yaml") if "data" not in (read_yaml(path) or {})))


def load_training(source: Path, preset: str | None = None, **overrides: Any) -> TrainingConfig:
    """Return the settings of a training.

    Args:
        source: A labelled folder, or a YAML file.
        preset: Stands above the one that the file names.
        overrides: Further keys from the command line; ``None`` says nothing.

    Raises:
        ConfigError: If the preset does not exist or anything in the file is wrong; every problem at once.
    """
    if source.is_dir():
        given: dict[str, Any] = {"data": str(source.absolute())}
    else:
        found = read_yaml(source)
        if not isinstance(found, dict):
            raise ConfigError([f"{source}: must hold keys and values; see configs/training/"])
        given = found
    given |= {key: value for key, value in overrides.items() if value is not None}
    if preset is not None:
        given["preset"] = preset
    name = given.get("preset", DEFAULT_PRESET)
    names = preset_names()
    if name not in names:
        raise ConfigError([f"{source}: preset '{name}' does not exist; this version has: {', '.join(names)}"])
    return check_settings(
        _merge(read_yaml(PRESET_FOLDER / f"{name}.yaml"), given),
        TrainingConfig,
        source=str(source),
        folder=source.parent,
    )


def _merge(base: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in above.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
