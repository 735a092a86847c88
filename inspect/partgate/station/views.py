"""Who judges the pictures of each camera, and what is known about a part after it was judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from partgate.inference.inspector import Inspection
from partgate.parts import Frame
from partgate.picture_check import Measures
from partgate.records.audit import RecipeInForce
from partgate.station.account import JudgesPictures


@dataclass(frozen=True, slots=True)
class View:
    """The pictures of one camera and who judges them."""

    camera: str
    inspector: JudgesPictures
    bundle_id: str
    recipe_sha256: str = ""

    @property
    def in_force(self) -> RecipeInForce:
        """Return its recipe as the audit log tells it."""
        return RecipeInForce(self.inspector.recipe, self.recipe_sha256, self.bundle_id)


@dataclass(frozen=True, slots=True)
class Views:
    """One recipe of a station as it is in force: a view per camera.

    Attributes:
        number: By which the controller asks for it.
        views: At least one; all cameras of the station.
        engine_p99_s: Time that the engine needs for all pictures of a part at most, as the 99th percentile.
    """

    number: int
    views: tuple[View, ...]
    engine_p99_s: float

    @property
    def name(self) -> str:
        """Return the name of the recipe, of the first camera where they differ."""
        return self.views[0].inspector.recipe.name

    def check(self, turn: int) -> None:
        """Try the engine of one view, by turns; raises where it fails."""
        self.views[turn % len(self.views)].inspector.check()


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known about one part after it was judged.

    Attributes:
        inspection: The verdict on the part.
        view: The view that the verdict rests on.
        frame: Its picture; ``None`` where there is none.
        more_frames: Pictures of the other cameras.
        picture_at: Monotonic seconds when the pictures were in hand; ``None`` where there was none.
        judged_at: Monotonic seconds when the verdict was found; the same.
        measures: By camera, of the pictures that keep all limits.
    """

    inspection: Inspection
    view: View
    frame: Frame | None = None
    more_frames: tuple[Frame, ...] = ()
    picture_at: float | None = None
    judged_at: float | None = None
    measures: Mapping[str, Measures] = field(default_factory=dict)
