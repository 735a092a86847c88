"""What stands in a station file: recipes, cameras, controller, records, alarms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationInfo,
    model_validator,
)

from partgate.cameras.base import CameraConfig
from partgate.configfile import RelativePath, Settings
from partgate.controllers.base import ControllerConfig
from partgate.controllers.lamps import StackLightConfig
from partgate.drivers import driver_config_class, driver_kinds
from partgate.errors import ConfigError
from partgate.publish.base import PublisherConfig
from partgate.recipe import WireNumber
from partgate.records.config import RecordsConfig
from partgate.station.series import AlarmsConfig
from partgate.station.triggers import AnyTrigger, ControllerTrigger, why_camera_refused, why_refused


def _driver(family: str) -> BeforeValidator:
    def choose(value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must hold kind and its settings; known kinds: {', '.join(driver_kinds(family))}")
        try:
            model = driver_config_class(family, value.get("kind"))
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return model.model_validate(value, context=info.context)

    return BeforeValidator(choose)


AnyPublisher = Annotated[SerializeAsAny[PublisherConfig], _driver("publisher")]
AnyCamera = Annotated[SerializeAsAny[CameraConfig], _driver("camera")]
RecipeNumber = Annotated[WireNumber, Field(ge=1)]


EVERY_CAMERA = "*"


def _one_for_all(value: Any) -> Any:
    return value if isinstance(value, dict) else {EVERY_CAMERA: value}


def _as_written(files: Mapping[str, Path]) -> Path | dict[str, Path]:
    return files[EVERY_CAMERA] if set(files) == {EVERY_CAMERA} else dict(files)


RecipeFiles = Annotated[Mapping[str, RelativePath], BeforeValidator(_one_for_all), PlainSerializer(_as_written)]
"""A recipe file or run folder for all cameras, or one per camera by its name."""


def _one_line(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must be one line of printing characters")
    return name


class StationConfig(Settings):
    """One place with cameras, light, computer and sort signal."""

    name: Annotated[str, AfterValidator(_one_line)] = Field(
        min_length=1, max_length=80, description="how records call it"
    )
    recipe: RecipeFiles | None = Field(
        default=None, description="recipe file or run folder, from this file's folder; with several cameras one each"
    )
    recipes: Mapping[RecipeNumber, RecipeFiles] | None = Field(
        default=None,
        description="instead of recipe: several by the number that the controller asks for; the first one at start",
    )
    camera: AnyCamera | None = Field(default=None, description="the camera: kind and its settings")
    cameras: tuple[AnyCamera, ...] = Field(
        default=(), description="instead of camera: several that see the same part; it is good where all say so"
    )
    controller: Annotated[SerializeAsAny[ControllerConfig], _driver("controller")]
    trigger: AnyTrigger = Field(
        default=ControllerTrigger(),
        description="which event makes a part: kind controller, camera_line, timer or presence, and its settings",
    )
    records: RecordsConfig
    alarms: AlarmsConfig = Field(default=AlarmsConfig(), description="what is a fault of the line, and what stops it")
    publish: tuple[AnyPublisher, ...] = Field(
        default=(), description="who is told results and state, never the sort signal: kind and its settings"
    )
    stack_light: StackLightConfig | None = Field(default=None, description="lamps that show what the station is")
    threads: int = Field(default=1, ge=1, le=64, description="processor threads for one picture; one is steadiest")
    shadow: bool = Field(
        default=False, description="judge and record, but write no result: the old gate goes on deciding"
    )
    trigger_age_ms: float = Field(
        default=50,
        gt=0,
        description="a trigger that may be older when it is first seen is an overrun: its part has moved on; "
        "no camera is triggered later either",
    )
    queue_depth: int = Field(
        default=1,
        ge=1,
        le=16,
        description="results that may wait for the controller's acknowledge at once; a part behind them is an overrun",
    )

    @model_validator(mode="after")
    def _trigger_goes_with_the_controller(self) -> Self:
        if refusal := why_refused(self.trigger, self.controller, len(self.all_cameras)):
            raise ValueError(refusal)
        for camera in self.all_cameras:
            if refusal := why_camera_refused(self.trigger, camera):
                raise ValueError(refusal)
        return self

    @model_validator(mode="after")
    def _cameras_and_recipes_fit(self) -> Self:
        if (self.camera is None) == (not self.cameras):
            raise ValueError("camera: give one camera under camera, or several under cameras")
        self._refuse_wrong_recipes()
        names = self.camera_names
        if len(set(names)) < len(names):
            raise ValueError(f"cameras: each needs a name of its own, got {', '.join(names)}")
        for files in self._all_files:
            lacking = [name for name in names if name not in files and EVERY_CAMERA not in files]
            unknown = [name for name in files if name not in (*names, EVERY_CAMERA)]
            if lacking or unknown:
                raise ValueError(f"recipe: must name the cameras {', '.join(names)}, got {', '.join(files)}")
        return self

    def _refuse_wrong_recipes(self) -> None:
        if (self.recipe is None) == (not self.recipes):
            raise ValueError("recipe: give one under recipe, or several by number under recipes")

    @property
    def all_cameras(self) -> tuple[CameraConfig, ...]:
        """Return the settings of every camera."""
        return (self.camera,) if self.camera is not None else self.cameras

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Return the names of all cameras."""
        return tuple(camera.name for camera in self.all_cameras)

    @property
    def recipe_numbers(self) -> tuple[int, ...]:
        """Return the numbers of all recipes, the first in force first; none where the recipe's own number counts."""
        return tuple(self.recipes or ())

    def recipe_files(self, number: int | None) -> dict[str, Path]:
        """Return the recipe of each camera.

        Args:
            number: Of the recipe; ``None`` for the only one.
        """
        files = self.recipe if number is None else (self.recipes or {})[number]
        assert files is not None
        return {name: files.get(name, files.get(EVERY_CAMERA, Path())) for name in self.camera_names}

    @property
    def _all_files(self) -> list[Mapping[str, Path]]:
        return [self.recipe] if self.recipe is not None else list((self.recipes or {}).values())
