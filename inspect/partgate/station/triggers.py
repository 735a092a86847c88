"""Which event makes a part, as the station file says it, and which controllers can go with it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from partgate.configfile import Settings
from partgate.controllers.base import ControllerConfig
from partgate.controllers.memory import MemoryControllerConfig
from partgate.controllers.none import NoneControllerConfig
from partgate.controllers.reduced import ReducedConfig
from partgate.station.presence_settings import PresenceSettings


class ControllerTrigger(Settings):
    """The controller counts a part; the picture is taken then."""

    kind: Literal["controller"] = "controller"


class CameraLineTrigger(Settings):
    """The part sensor exposes the camera by its own line input; the controller counts the same edge."""

    kind: Literal["camera_line"]
    apart_ms: float = Field(
        default=80,
        gt=0,
        le=5000,
        description="a picture and its trigger reach the station at most so long after one another, in milliseconds; "
        "parts must come more than twice as far apart",
    )


class _OwnTrigger(Settings):
    """The station itself announces a part."""

    window_ms: int = Field(
        default=1000, ge=20, le=65535, description="time allowed for the verdict on a part, in milliseconds"
    )


class TimerTrigger(_OwnTrigger):
    """A part comes at a fixed interval."""

    kind: Literal["timer"]
    interval_ms: float = Field(ge=10, description="time between two parts, in milliseconds")


class PresenceTrigger(_OwnTrigger, PresenceSettings):
    """A part is found in the pictures of a camera that runs freely."""

    kind: Literal["presence"]
    WAITING: ClassVar[int] = 8  # parts found while another one is judged; pictures are large


_KINDS: dict[str, type[Settings]] = {
    "controller": ControllerTrigger, "camera_line": CameraLineTrigger, "timer": TimerTrigger,
    "presence": PresenceTrigger,
}  # fmt: skip


def _choose(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Settings):
        return value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"must hold kind and its settings; known kinds: {', '.join(sorted(_KINDS))}")
    return _KINDS[kind].model_validate(value, context=info.context)


AnyTrigger = Annotated[ControllerTrigger | CameraLineTrigger | TimerTrigger | PresenceTrigger, BeforeValidator(_choose)]


def why_refused(trigger: AnyTrigger, controller: ControllerConfig, cameras: int) -> str | None:
    """Return why a trigger cannot go with a controller, or ``None``; the table stands in ``docs/handshake.md``.

    Args:
        trigger: Which event makes a part.
        controller: Who gets the verdicts.
        cameras: How many the station has.
    """
    kind, records_only = controller.kind, isinstance(controller, NoneControllerConfig)
    if isinstance(trigger, TimerTrigger | PresenceTrigger):
        if not records_only:
            return (
                f"trigger '{trigger.kind}' works with drivers that keep results only (controller kind: none), got "
                f"'{kind}': the controller would not know which part a verdict is for; use trigger 'controller' or "
                "'camera_line'"
            )
        if isinstance(trigger, PresenceTrigger) and cameras > 1:
            return f"trigger 'presence' watches one camera, got {cameras}: give one under camera"
        return None
    if records_only:
        return f"controller 'none' announces no parts, so trigger must be timer or presence, got '{trigger.kind}'"
    if isinstance(trigger, CameraLineTrigger) and isinstance(controller, ReducedConfig | MemoryControllerConfig):
        return (
            f"trigger 'camera_line' needs a controller that counts the parts (TRIG_SEQ), '{kind}' carries no count: "
            "use trigger 'controller'"
        )
    return None
