"""Settings that all machine-vision cameras share; written by the names of GenICam's SFNC, read back, compared.

A driver derives its config from :class:`MachineVisionConfig`, gives ``apply.apply_settings`` its camera's features as a
``nodes.NodeMap``, and keeps the answer as its property ``applied``. What the camera cannot do is refused when it is
opened, with the range, the step or the choices that it has; what it rounds is a difference.
Both spellings of a feature are known: SFNC's (``ExposureTime``) and that of older cameras (``ExposureTimeAbs``,
``ExposureTimeRaw`` in counts of ``ExposureTimeBaseAbs``, or of 1 µs where the camera does not tell).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self, runtime_checkable

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from partgate.cameras.base import CameraConfig
from partgate.configfile import Settings


def _not_one(value: int) -> int:
    if value == 1:
        raise ValueError("must be 0 (off) or at least 2, got 1: a picture alone repeats nothing")
    return value


FrozenAfter = Annotated[
    int,
    Field(
        ge=0,
        description="so many pictures in a row equal to the last bit are a frozen camera, refused from there on; 2 "
        "refuses the first repetition; 0 never, for sources without noise (test cameras, drawn pictures)",
    ),
    AfterValidator(_not_one),
]
"""Setting of every driver that follows its pictures by ``sequence.FrameSequence``; 2 unless given."""


def _digits_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


SerialNumber = Annotated[str, BeforeValidator(_digits_as_text), Field(min_length=1)]
"""As it stands on the camera; one of digits alone needs no quotation marks, unless it begins with a zero."""


class RegionSettings(Settings):
    """Which part of the sensor is read out, in pixels."""

    offset_x_px: int = Field(default=0, ge=0, description="left edge, pixels from the sensor's left")
    offset_y_px: int = Field(default=0, ge=0, description="upper edge, pixels from the sensor's top")
    width_px: int = Field(gt=0, description="width of the picture; fewer pixels make it faster")
    height_px: int = Field(gt=0, description="height of the picture")


class CameraTriggerSettings(Settings):
    """What makes the camera take a picture."""

    mode: Literal["software", "line", "free"] = Field(
        default="software",
        description="software: the station asks for each picture; line: an edge at the camera's input; free: always",
    )
    source: str | None = Field(
        default=None, min_length=1, description="input of the camera for mode line, such as Line1"
    )
    activation: Literal["rising", "falling", "any", "high", "low"] = Field(
        default="rising", description="edge or level of the input that takes the picture"
    )

    @model_validator(mode="after")
    def _line_has_a_source(self) -> Self:
        if (self.mode == "line") != (self.source not in (None, "Software")):
            got = f"mode {self.mode} and source {self.source or 'nothing'}"
            raise ValueError(f"source must name the camera's input for mode line, and for it only, got {got}")
        return self


class MachineVisionConfig(CameraConfig):
    """Settings of cameras with GenICam features; what is not given is left as the camera has it."""

    exposure_us: float | None = Field(
        default=None, gt=0, description="exposure time in microseconds; switches automatic exposure off"
    )
    gain_db: float | None = Field(default=None, description="gain in dB; switches automatic gain off")
    gain_raw: int | None = Field(
        default=None, description="gain in the camera's own unit, for older cameras that know no dB"
    )
    frame_rate: float | None = Field(default=None, gt=0, description="pictures per second in trigger mode free")
    region: RegionSettings | None = Field(default=None, description="part of the sensor that is read out")
    pixel_format: str | None = Field(
        default=None, min_length=1, description="GenICam's name, such as Mono8, BayerRG8, RGB8; must be as at training"
    )
    trigger: CameraTriggerSettings = Field(
        default_factory=CameraTriggerSettings, description="what makes the camera take a picture"
    )
    packet_size_bytes: int | None = Field(
        default=None, ge=576, le=16384, description="largest network packet; 9000 with jumbo frames, else 1500"
    )
    packet_delay_us: float | None = Field(
        default=None, ge=0, description="pause between packets, where several cameras share one cable"
    )
    nodes: dict[str, float | str | bool] = Field(
        default_factory=dict, description="further features by their GenICam name, written first, in this order"
    )


@dataclass(frozen=True, slots=True)
class AppliedSettings:
    """What a camera made of its settings."""

    found: Mapping[str, float | str]  # as read back, by the names of the config; also those that were not asked for
    differences: tuple[str, ...]  # one sentence each: asked for, got


@runtime_checkable
class MachineVisionCamera(Protocol):
    """A camera that tells its settings."""

    @property
    def applied(self) -> AppliedSettings:
        """Return what the open camera made of its settings."""
        ...


def found_settings(camera: object) -> Mapping[str, float | str]:
    """Return what an open camera's settings were read back as; nothing for one that does not tell them."""
    applied = getattr(camera, "applied", None)
    return applied.found if isinstance(applied, AppliedSettings) else {}


def wanted_settings(config: CameraConfig) -> dict[str, float | str]:
    """Return what a config asks of the camera itself, by the names under which it is found again."""
    model = MachineVisionConfig if isinstance(config, MachineVisionConfig) else type(config)
    of_the_camera = set(model.model_fields) - set(CameraConfig.model_fields)
    wanted: dict[str, float | str] = {}
    for key, value in config:
        if key not in of_the_camera or value is None:
            continue
        if isinstance(value, RegionSettings):
            wanted |= value.model_dump()
        elif isinstance(value, CameraTriggerSettings):
            wanted["trigger"] = "Off" if value.mode == "free" else "On"
            if value.mode != "free":
                wanted["trigger_source"] = value.source or "Software"
        elif isinstance(value, dict):
            wanted |= value
        else:
            wanted[key] = value if isinstance(value, int | float) else str(value)
    return wanted
