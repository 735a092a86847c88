"""What is needed to inspect one product: the pinned bundle, the decision rule, lanes, class numbers, picture limits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from partgate.configfile import RelativePath, Settings, dump_yaml, load_hashed, write_atomically
from partgate.decision import DecisionRule
from partgate.errors import ConfigError
from partgate.imaging import Region
from partgate.parts import Prediction, Verdict
from partgate.picture_check import PictureLimits
from partgate.wishes import Wishes

VERDICT_LANES: Mapping[str, int] = {"GOOD": 1, "REJECT": 0, "RECHECK": 0}
NO_GOOD_CLASS = "none"
"""What a user writes where parts are sorted by class and no class is the good one."""


def _none_means_none(value: object) -> object:
    return None if value == NO_GOOD_CLASS else value


GoodClass = Annotated[str | None, BeforeValidator(_none_means_none)]
WireNumber = Annotated[int, Field(ge=0, le=65535, strict=True)]  # strict: YAML's yes is no lane 1
ClassNumber = Annotated[int, Field(ge=1, le=65534, strict=True)]


class BundlePin(Settings):
    """The bundle a recipe was released with."""

    file: RelativePath = Field(description="bundle file, from the recipe's folder")
    id: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bundle's fp32 model; another bundle is refused"
    )


HASH_DIGITS = 16
"""Of a picture's hash, as a recipe keeps it: enough to know a picture again among all that a plant can take."""


class ChosenOn(Settings):
    """The parts that limits rest on: nobody can prove anything on these parts any more."""

    parts: int = Field(ge=0, description="different parts, or pictures where it is not known which show the same part")
    counted: Literal["part", "picture"] = Field(default="part", description="which of the two")
    pictures: int = Field(ge=0, description="pictures of them")
    picture_sha256: tuple[str, ...] = Field(
        default=(), description="first 16 digits of the hash of each picture; empty: those that the bundle names"
    )
    groups: tuple[str, ...] = Field(
        default=(), description="their parts and groups, where named: other pictures of these are known too"
    )
    how: str = Field(default="", description="where their scores come from, in words")

    def holds(self, sha256: str) -> bool:
        """Tell whether a picture, by its hash, is one of them."""
        return sha256[:HASH_DIGITS] in self.picture_sha256


class EarlierLimits(Settings):
    """Limits that were in force before; nothing about a rule is lost."""

    recheck_from: float
    reject_from: float
    chosen: str = ""
    chosen_de: str = ""
    chosen_on: ChosenOn | None = None
    set_by: str | None = None
    set_at: datetime | None = None
    why: str | None = None


class Limits(Wishes):
    """The decision rule, in defect scores between 0 (surely good) and 1 (surely defect), and what it is to achieve.

    The limits alone decide; costs and wishes are what ``partgate decide`` finds limits by.
    """

    recheck_from: float = Field(ge=0, le=1, description="score from which a person decides")
    reject_from: float = Field(ge=0, le=1, description="score from which the part is rejected; equal: no recheck band")
    chosen: str = Field(default="", description="how, on what and when the limits were chosen, in words")
    chosen_de: str = Field(default="", description="the same in German")
    chosen_on: ChosenOn | None = Field(default=None, description="the parts that the limits rest on")
    set_by: str | None = Field(default=None, description="who set the limits; null: training did")
    set_at: datetime | None = Field(default=None, description="when, UTC")
    why: str | None = Field(default=None, description="for what reason")
    earlier: tuple[EarlierLimits, ...] = Field(default=(), description="limits that were in force before, oldest first")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        DecisionRule(self.recheck_from, self.reject_from)
        return self

    def rests_on(self, sha256: str) -> bool:
        """Tell whether these limits, or those before them, were chosen on a picture, by its hash."""
        return any(one.holds(sha256) for one in self._ever_chosen_on)

    @property
    def groups_rested_on(self) -> frozenset[str]:
        """Return the named parts and groups that these limits, or those before them, were chosen on."""
        return frozenset(group for one in self._ever_chosen_on for group in one.groups)

    @property
    def _ever_chosen_on(self) -> list[ChosenOn]:
        return [one for one in (self.chosen_on, *(one.chosen_on for one in self.earlier)) if one is not None]

    def rule(self) -> DecisionRule:
        """Return the rule these limits mean."""
        return DecisionRule(self.recheck_from, self.reject_from)


class Recipe(Settings):
    """Everything needed to inspect one product; one home per fact, so the geometry stands in the bundle."""

    name: str = Field(min_length=1, description="product or recipe name, as people say it")
    number: WireNumber = Field(default=1, description="number by which the controller asks for this recipe")
    bundle: BundlePin
    good_class: GoodClass = Field(description="the class whose parts may pass; 'none' sorts by class")
    classes: tuple[str, ...] = Field(min_length=2, description="classes of the bundle, for people who read this file")
    decision: Limits
    lanes: Mapping[str, WireNumber] = Field(
        description="lane number per verdict (GOOD, RECHECK) or, in sorting, per class"
    )
    class_numbers: Mapping[str, ClassNumber] = Field(
        description="number of each class on the wire; kept when a class is added"
    )
    region: Region | None = Field(default=None, description="x_min, y_min, x_max, y_max in px; must be the trained one")
    picture: PictureLimits | None = Field(default=None, description="what a picture must be to be judged")

    @model_validator(mode="after")
    def _lanes_and_numbers_fit(self) -> Self:
        problems = list(_lane_problems(self.classes, self.good_class, self.lanes))
        numbered = [name for name in self.classes if name != self.good_class]
        problems += [
            f"class_numbers: class '{name}' has no number" for name in numbered if name not in self.class_numbers
        ]
        numbers = list(self.class_numbers.values())
        if len(set(numbers)) < len(numbers):
            problems.append(f"class_numbers: each class needs a number of its own, got {dict(self.class_numbers)}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def lane_for(self, verdict: Verdict, prediction: Prediction | None) -> int:
        """Return the lane of a part: GOOD names one from 1 up, RECHECK may, REJECT is lane 0."""
        if verdict is Verdict.REJECT:
            return 0
        if verdict is Verdict.GOOD and self.good_class is None and prediction is not None:
            return self.lanes[prediction.predicted_class]
        return self.lanes.get(verdict.name, VERDICT_LANES[verdict.name])

    def class_number_for(self, verdict: Verdict, prediction: Prediction | None) -> int:
        """Return the number of the class to name on the wire; 0 where there is none to name."""
        if prediction is None or (verdict is Verdict.GOOD and self.good_class is not None):
            return 0
        return self.class_numbers.get(prediction.defect_class or "", 0)


def _lane_problems(classes: Sequence[str], good_class: str | None, lanes: Mapping[str, int]) -> list[str]:
    known = {*VERDICT_LANES, *classes}
    problems = [f"lanes: '{name}' is neither a verdict nor a class; known: {', '.join(sorted(known))}"
                for name in lanes if name not in known]  # fmt: skip
    if lanes.get("REJECT", 0) != 0:
        problems.append(f"lanes: REJECT is lane 0 on every controller, got {lanes['REJECT']}")
    if good_class is None:
        problems += [f"lanes: class '{name}' needs a lane from 1 up, got {lanes.get(name)}"
                     for name in classes if lanes.get(name, 0) < 1]  # fmt: skip
        recheck = lanes.get("RECHECK", 0)
        shared = [name for name in classes if lanes.get(name) == recheck and recheck]
        problems += [f"lanes: RECHECK must not share lane {recheck} with class '{name}'" for name in shared]
        return problems
    good_lane = lanes.get("GOOD", VERDICT_LANES["GOOD"])
    if good_lane and lanes.get("RECHECK", 0) == good_lane:
        problems.append(f"lanes: RECHECK must not share lane {good_lane} with GOOD")
    if good_class not in classes:
        problems.append(f"good_class '{good_class}' is not a class; known: {', '.join(classes)}")
    if lanes.get("GOOD", 1) < 1:
        problems.append("lanes: GOOD needs a lane from 1 up, got 0")
    problems += [f"lanes: class '{name}' has a lane, but this recipe tells good from defect: use GOOD, RECHECK or "
                 "good_class: none" for name in lanes if name in classes and name not in VERDICT_LANES]  # fmt: skip
    return problems


def number_classes(
    classes: Sequence[str], good_class: str | None, kept: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return a wire number for each class that is not the good one; numbers already given stay.

    Args:
        classes: All classes of the bundle.
        good_class: Gets no number: 0 on the wire means no defect.
        kept: Numbers of an older recipe.

    Example:
        >>> number_classes(["dent", "good", "scratch"], "good", kept={"scratch": 1})
        {'scratch': 1, 'dent': 2}
    """
    numbers = dict(kept or {})
    for name in classes:
        if name != good_class and name not in numbers:
            numbers[name] = max(numbers.values(), default=0) + 1
    return numbers


def default_lanes(
    classes: Sequence[str], good_class: str | None, kept: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return lane 1 for good parts and 0 for the rest; in sorting a lane per class and 0 for the unsure.

    Args:
        classes: All classes of the bundle.
        good_class: ``None`` sorts by class.
        kept: Lanes of an older recipe; they stay, new classes get the next ones.

    Example:
        >>> default_lanes(["nut", "screw"], None, kept={"screw": 1, "RECHECK": 9})
        {'nut': 2, 'screw': 1, 'RECHECK': 9}
    """
    older = dict(kept or {})
    if good_class is not None:
        return {name: older.get(name, lane) for name, lane in VERDICT_LANES.items()}
    lanes = {name: older[name] for name in classes if name in older}
    for name in classes:
        if name not in lanes:
            lanes[name] = max(lanes.values(), default=0) + 1
    return {name: lanes[name] for name in classes} | {"RECHECK": older.get("RECHECK", 0)}


def save_recipe(recipe: Recipe, path: Path, bundle_file: str) -> None:
    """Write a recipe that pins the bundle by a path relative to the recipe's folder.

    Raises:
        OSError: If the place is not writable; nothing is left behind.
    """
    data = recipe.model_dump(mode="json")
    data["decision"] = recipe.decision.model_dump(mode="json", exclude_defaults=True)
    data["bundle"]["file"] = bundle_file
    data["good_class"] = recipe.good_class or NO_GOOD_CLASS
    comment = "Recipe: what partgate needs to inspect one product. Keys: docs/reference/files.md"
    write_atomically(path, dump_yaml(data, comment=comment))


def recipe_path(run_or_recipe: Path) -> Path:
    """Return the recipe file that a user means by a run folder or by the file itself.

    Raises:
        ConfigError: If there is none.
    """
    path = run_or_recipe / "recipe.yaml" if run_or_recipe.is_dir() else run_or_recipe
    if not path.is_file():
        raise ConfigError([f"{run_or_recipe}: no recipe there; name a run folder of 'partgate train' or a recipe file"])
    return path


def load_recipe(run_or_recipe: Path) -> Recipe:
    """Return the recipe of a run folder or of a file.

    Raises:
        ConfigError: If there is none or it is wrong; every problem at once.
    """
    return load_hashed_recipe(run_or_recipe)[0]


def load_hashed_recipe(run_or_recipe: Path) -> tuple[Recipe, str]:
    """Return the recipe of a run folder or of a file, and the SHA-256 of the very bytes it was read from.

    Raises:
        ConfigError: If there is none or it is wrong; every problem at once.
    """
    return load_hashed(recipe_path(run_or_recipe), Recipe)
