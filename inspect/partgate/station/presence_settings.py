"""How parts are found in the pictures of a free-running camera, and what is told of them."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from partgate.parts import Frame
from partgate.station.scene import SceneSettings


class PresenceSettings(SceneSettings):
    """When something in the pictures is a part, and when it is judged."""

    zone: float = Field(
        default=0.2, gt=0, le=0.5,
        description="how far from the middle a part may be judged, in longer sides of the view; a fast part needs more",
    )  # fmt: skip
    still_s: float = Field(
        default=0.4, gt=0, le=10, description="a part that lies still near the middle for so long is judged, in seconds"
    )
    part_share: float | None = Field(
        default=None, gt=0, lt=1,
        description="share of the view that one part covers, as 'partgate trigger watch' tells it; null learns it from "
        "the first three parts, which are not decidable then",
    )  # fmt: skip
    size_tolerance: float = Field(
        default=0.3, gt=0, lt=0.9,
        description="how much larger or smaller than usual a part may be (0.3 = 30 %); beyond, parts touch or one is "
        "not whole",
    )  # fmt: skip


class What(StrEnum):
    """What was noticed."""

    LEARNED = "learned"  # the empty place
    SIZED = "sized"  # the usual size of a part
    ENTERED = "entered"
    JUDGED = "judged"  # the picture is handed out
    NOT_DECIDABLE = "not decidable"  # a part without a picture of its own
    LEFT = "left"
    BLIND = "blind"  # the light is off or another one, or the view is covered: no part is seen
    SEES = "sees again"
    IGNORED = "ignored"  # it went back where it came from


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was noticed.

    Attributes:
        what: The kind of it.
        at: Monotonic seconds.
        part: Number of the part since the start; 0 where it is about none.
        detail: In words.
        frame: The picture to judge; nowhere but with ``JUDGED``.
    """

    what: What
    at: float
    part: int = 0
    detail: str = ""
    frame: Frame | None = None
