"""Which event makes a part, as the station file says it, and which controllers can go with it."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from partgate.cameras.base import CameraConfig
from partgate.cameras.settings import MachineVisionConfig
from partgate.configfile import Settings
from partgate.controllers.base import ControllerConfig
from partgate.controllers.memory import MemoryControllerConfig
from partgate.controllers.none import NoneControllerConfig
from partgate.controllers.reduced import ReducedConfig
from partgate.station.pairing import PairingLimits
from partgate.station.presence_settings import PresenceSettings


class ControllerTrigger(Settings):
    """The controller counts a part; the picture is taken then."""

    kind: Literal["controller"] = "controller"


class CameraLineTrigger(Settings):
    """The part sensor exposes the camera by its own line input; the controller counts the same edge."""

    kind: Literal["camera_line"]
    early_ms: float = Field(
        default=30,
        ge=0,
        le=1000,
        description="a picture may reach the station so long before its trigger, in milliseconds: the "
        "controller's scan",
    )
    late_ms: float = Field(
        default=80,
        gt=0,
        le=5000,
        description="a picture reaches the station at most so long after its trigger, in milliseconds: exposure, "
        "read-out and transfer; parts must come further apart than early_ms and late_ms together",
    )
    quiet_ms: float = Field(
        default=1000,
        gt=0,
        le=60_000,
        description="after so long without a part and a picture nothing is on its way, in milliseconds: the next part "
        "pairs the counts of camera and controller; longer than any picture can take",
    )

    @model_validator(mode="after")
    def _pause_is_longer_than_a_picture_takes(self) -> Self:
        if self.quiet_ms <= self.early_ms + self.late_ms:
            raise ValueError(
                f"quiet_ms {self.quiet_ms:g} must be more than early_ms and late_ms together "
                f"({self.early_ms + self.late_ms:g}): a picture could still be on its way"
            )
        return self

    @property
    def limits(self) -> PairingLimits:
        """Return how far a picture and its trigger may be apart."""
        return PairingLimits(self.early_ms / 1000, self.late_ms / 1000, self.quiet_ms / 1000)


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
        got = "" if kind is None else f", got '{kind}'"
        raise ValueError(f"must hold kind and its settings; known kinds: {', '.join(sorted(_KINDS))}{got}")
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


def why_camera_refused(trigger: AnyTrigger, camera: CameraConfig) -> str | None:
    """Return why a camera's own trigger cannot go with the station's, or ``None``; the table stands with the other one.

    A camera that waits for an edge gives the picture of the edge before, or of the next one, where the station asks for
    it; one that does not wait gives a picture that no edge belongs to.

    Args:
        trigger: Which event makes a part.
        camera: Whose pictures are judged.
    """
    mode = camera.trigger.mode if isinstance(camera, MachineVisionConfig) else None
    if isinstance(trigger, CameraLineTrigger):
        if mode is None:
            return (
                f"trigger 'camera_line' needs a camera with an input of its own, '{camera.name}' (kind {camera.kind}) "
                "has none: take kind gige, genicam or basler, or trigger 'controller'"
            )
        if mode != "line":
            return (
                f"trigger 'camera_line' needs a camera that waits for the part sensor's edge, '{camera.name}' has "
                f"trigger mode '{mode}': write trigger: {{mode: line, source: Line1}} under the camera, or use "
                "trigger 'controller'"
            )
    elif mode == "line":
        remedy = "free" if isinstance(trigger, PresenceTrigger) else "software"
        return (
            f"trigger '{trigger.kind}' does not go with camera '{camera.name}', which has trigger mode 'line': its "
            f"pictures would be those of other parts; write trigger: {{kind: camera_line}} in the station file, or "
            f"trigger: {{mode: {remedy}}} under the camera"
        )
    return None
