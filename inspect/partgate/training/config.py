"""What stands in a training file; a preset fills in what it does not say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from partgate.configfile import RelativePath, Settings, check_settings, read_yaml
from partgate.data.split import DEFAULT_SHARES
from partgate.errors import ConfigError
from partgate.imaging import Region
from partgate.inference.bundle import TileCount
from partgate.training.augment import DEFAULT_TRANSFORMS, Flip, Transform
from partgate.wishes import Wishes

DEFAULT_PRESET = "standard"
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
    by: Literal["group", "picture"] = Field(
        default="group",
        description="'picture' splits although groups are known: figures are not independent and say so everywhere",
    )

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test must sum to 1, got {total:g}")
        return self


class HeadSettings(Settings):
    """The regularised linear head on frozen features."""

    regularisation: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03),
        min_length=1,
        description="inverse strengths C to choose from, by the log loss of out-of-fold scores; smaller is smoother",
    )
    folds: int = Field(
        default=5, ge=2, le=20, description="folds for out-of-fold scores, by group; fewer where groups lack"
    )
    class_balance: bool = Field(default=True, description="rare classes weigh as much as frequent ones while learning")


class FineTuneSettings(Settings):
    """What of the backbone learns, and how; kept only where out-of-fold scores are better with it."""

    part: Literal["none", "last_stages", "whole"] = Field(
        default="none",
        description="none: features stay frozen; last_stages: on kept maps, a few minutes; whole: hours without a GPU",
    )
    folds: int = Field(
        default=3, ge=2, le=10, description="each learns without one share, by group; the model is their mean"
    )
    epochs: int = Field(default=3, ge=1, le=1000, description="rounds over the training pictures, at most")
    least_steps: int = Field(
        default=40, ge=1, le=100_000, description="few pictures go round more often, until each fold has so many steps"
    )
    patience: int = Field(
        default=2, ge=1, description="rounds without a better loss, then it stops; grows with least_steps"
    )
    augmented_views: int = Field(
        default=2, ge=0, le=100, description="augmented pictures made of each, beside itself and its mirror pictures"
    )
    learning_rate: float = Field(default=3e-4, gt=0, le=1, description="AdamW's largest step, of the backbone")
    head_learning_rate: float = Field(default=3e-4, gt=0, le=1, description="the same, of the linear head")
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="AdamW's pull towards zero")
    warm_up: float = Field(default=0.2, ge=0, lt=1, description="share of all steps in which the step size grows")
    batch_size: int = Field(default=32, ge=1, le=4096, description="pictures per step; smaller where memory is short")
    label_smoothing: float = Field(default=0.02, ge=0, lt=0.5, description="share of doubt in every label")


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
    groups: Literal["auto", "given", "look_alikes"] = Field(
        default="auto",
        description="pictures of one part stay on one side: given by labels.csv, else found by group_pattern or looks; "
        "'given' never looks for them",
    )
    group_pattern: str | None = Field(
        default=None, description="regular expression on file names whose part (?P<group>...) names the group"
    )
    stratify_by: tuple[str, ...] = Field(
        default=(), description="further columns of labels.csv to mix alike on all sides"
    )
    split: SplitShares = Field(default=SplitShares())
    seed: int = Field(default=0, ge=0, description="same seed and machine, same model")
    region: Region | None = Field(
        default=None, description="x_min, y_min, x_max, y_max in px to look at; null looks at all"
    )
    regions: Mapping[Annotated[str, Field(min_length=1)], Region] = Field(
        default={}, description="several places of a part by name, each as a region; the worst one is the part's"
    )
    tiles: tuple[TileCount, TileCount] | None = Field(
        default=None, description="rows and columns that cut the region, for defects too small to be seen in it whole"
    )
    tile_overlap: float = Field(
        default=0.1, ge=0, lt=0.5, description="share of a tile's side that its neighbour shows"
    )
    flips: tuple[Flip, ...] = Field(
        default=(), max_length=2, description="left_right, up_down: where mirrored parts are good parts"
    )
    average_flips: bool = Field(
        default=True, description="judge the mean over the flips; each one costs the time of a picture on the line"
    )
    augment: tuple[Transform, ...] = Field(
        default=DEFAULT_TRANSFORMS, description="albumentations transforms by name and parameters; see 'data preview'"
    )
    backbone: str = Field(description="name from 'partgate backbones', or timm/NAME")
    weights: RelativePath | None = Field(
        default=None, description="file with the backbone's weights; null takes the package's"
    )
    weights_sha256: str | None = Field(default=None, description="SHA-256 of that file, 64 hex digits")
    download: bool = Field(default=False, description="let torchvision fetch its published weights from the internet")
    image_size_px: int = Field(
        ge=64, le=1024, description="side of a square with as many pixels as the network sees; larger for small defects"
    )
    keep: RelativePath | None = Field(
        default=None,
        description="older recipe whose name, number, lanes and class numbers are kept; new classes get new ones",
    )
    from_run: RelativePath | None = Field(
        default=None,
        description="older run: its pictures keep their sides, its recipe is kept as by keep, and it is compared with",
    )
    threads: int = Field(default=2, ge=1, le=64, description="pictures worked on at once")
    head: HeadSettings = Field(default=HeadSettings())
    fine_tune: FineTuneSettings = Field(default=FineTuneSettings())
    budget_minutes: float | None = Field(
        default=None, gt=0, description="fine-tuning takes what fits and says so; null takes all epochs"
    )
    mixed_precision: bool = Field(default=True, description="half precision on a GPU; never on a processor")
    tensorboard: bool = Field(default=False, description="write curves for TensorBoard beside training.json")
    decision: Wishes = Field(default=Wishes())

    @model_validator(mode="before")
    @classmethod
    def _keep_the_recipe_of_the_older_run(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("from_run") and not given.get("keep"):
            return given | {"keep": given["from_run"]}
        return given

    @model_validator(mode="after")
    def _one_way_to_look(self) -> Self:
        others = [name for name in ("region", "tiles") if getattr(self, name) is not None]
        if self.regions and others:
            raise ValueError(
                f"regions ({', '.join(self.regions)}) cannot stand beside {' and '.join(others)}: "
                "name all places under regions, or cut one region into tiles"
            )
        return self


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
