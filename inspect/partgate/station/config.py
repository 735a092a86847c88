"""What stands in a station file: recipe, camera, controller, records."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationInfo

from partgate.cameras.base import CameraConfig
from partgate.configfile import RelativePath, Settings
from partgate.controllers.base import ControllerConfig
from partgate.drivers import driver_config_class, driver_kinds
from partgate.errors import ConfigError


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


class RecordsConfig(Settings):
    """Where records go."""

    folder: RelativePath = Field(description="folder for records.sqlite and pictures, from this file's folder")
    keep_pictures: Literal["all", "not_good", "none"] = Field(default="all", description="which pictures are kept")


class StationConfig(Settings):
    """One place with camera, light, computer and sort signal."""

    name: str = Field(min_length=1, max_length=80, description="how records call it")
    recipe: RelativePath = Field(description="recipe file or run folder, from this file's folder")
    camera: Annotated[SerializeAsAny[CameraConfig], _driver("camera")]
    controller: Annotated[SerializeAsAny[ControllerConfig], _driver("controller")]
    records: RecordsConfig
    threads: int = Field(default=1, ge=1, le=64, description="processor threads for one picture; one is steadiest")
    shadow: bool = Field(
        default=False, description="judge and record, but write no result: the old gate goes on deciding"
    )
    trigger_age_ms: float = Field(
        default=50,
        gt=0,
        description="a trigger that may be older when it is first seen is an overrun: its part has moved on",
    )
