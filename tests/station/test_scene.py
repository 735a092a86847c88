"""Light that fails, jumps or was off from the start: told while it lasts, over with it, and no part invented."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from partgate.parts import Frame, Image
from partgate.station.presence import Presence
from partgate.station.presence_settings import Event, PresenceSettings, What
from partgate.station.scene import Scene, SceneSettings

PERIOD_S = 0.04
SHARE = 61 * 61 / (240 * 320)
Light = Callable[[float], float]


def picture(x: float | None, light: float, level: int, noise: np.random.Generator) -> Image:
    small = np.random.default_rng(0).integers(level - 20, level + 20, (24, 32, 3)).astype(np.uint8)
    image = cv2.resize(small, (320, 240)).astype(np.float32)
    if x is not None:
        grey = 30 if level > 120 else 230
        cv2.rectangle(image, (round(x) - 30, 90), (round(x) + 30, 150), (grey,) * 3, -1)
    return np.clip(image * light + noise.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8)


def passing(at: float) -> float | None:
    """A part every three seconds from the third on, 220 px a second."""
    phase = (at - 3) % 3
    return -60 + 220 * phase if at > 3 and phase < 2 else None


def lying(at: float) -> float | None:
    return min(160.0, -40 + 150 * (at - 3)) if at > 3 else None


def watch(
    light: Light, seconds: float, level: int = 180, where: Callable[[float], float | None] = passing
) -> Sequence[Event]:
    presence, noise = Presence(PresenceSettings(part_share=SHARE)), np.random.default_rng(1)
    events: list[Event] = []
    for number in range(round(seconds / PERIOD_S)):
        at = number * PERIOD_S
        frame = Frame(picture(where(at), light(at), level, noise), datetime.now(UTC), "top")
        events += presence.see(frame, at)
        is_blind = [event.what for event in events if event.what in (What.BLIND, What.SEES)][-1:] == [What.BLIND]
        assert (presence.problem is not None) == is_blind
    return events


def of(events: Sequence[Event], *kinds: What) -> list[tuple[str, float]]:
    return [(event.what.value, round(event.at, 1)) for event in events if event.what in kinds]


@pytest.mark.parametrize("level", [40, 85, 220])
@pytest.mark.parametrize("dark_s", [0.04, 1.0], ids=["one-picture", "one-second"])
def test_light_that_was_off_for_a_moment_leaves_the_place_visible_and_invents_no_row(level: int, dark_s: float):
    events = watch(lambda at: 0.02 if 5.5 < at < 5.5 + dark_s else 1, 14, level)

    judged, refused = len(of(events, What.JUDGED)), len(of(events, What.NOT_DECIDABLE))
    assert judged + refused == 4  # at 6 s one came in the dark
    assert refused == (dark_s > 0.5)
    assert of(events, What.BLIND, What.SEES) == []


def test_part_that_lies_still_while_the_light_flickers_off_is_one_part():
    events = watch(lambda at: 0.02 if at > 6 and at % 2 < 0.3 else 1, 12, level=85, where=lying)

    assert len(of(events, What.JUDGED)) == 1
    assert of(events, What.NOT_DECIDABLE) == []


def test_dark_place_is_not_learned_and_told_until_the_light_is_on():
    events = watch(lambda at: 0.02 if at < 2.6 else 1, 12, where=lambda at: passing(at - 3))

    assert of(events, What.BLIND, What.SEES, What.LEARNED) == [("blind", 2.0), ("sees again", 2.6), ("learned", 4.6)]
    assert "the empty place is dark: no more than" in next(e.detail for e in events if e.what is What.BLIND)
    assert of(events, What.JUDGED)


def test_place_that_cannot_be_learned_since_parts_pass_is_told():
    events = watch(lambda at: 0.02 if at < 2.6 else 1, 9)

    assert of(events, What.JUDGED, What.LEARNED) == []
    assert "something moves in it; stop the parts" in [e.detail for e in events if e.what is What.BLIND][-1]


@pytest.mark.parametrize("light", [0.02, 0.55, 1.7], ids=["off", "half", "brighter"])
def test_light_that_stays_another_one_is_told_and_over_when_it_is_over(light: float):
    events = watch(lambda at: light if 8.5 < at < 16 else 1, 24, level=85)

    (began, began_at), (ended, ended_at) = of(events, What.BLIND, What.SEES)
    assert (began, ended) == ("blind", "sees again")
    assert began_at == pytest.approx(10.5, abs=0.6)
    assert ended_at == pytest.approx(16, abs=0.1)
    assert len([at for _, at in of(events, What.JUDGED) if at < 8.5]) == 2
    assert len([at for _, at in of(events, What.JUDGED) if at > 17]) >= 2
    assert not [at for _, at in of(events, What.JUDGED) if began_at < at < ended_at]


def test_place_in_another_light_is_never_learned():
    scene, noise = Scene(SceneSettings(adapt_s=1)), np.random.default_rng(1)
    for number in range(100):
        scene.look(picture(None, 1, 25, noise), number * PERIOD_S)
    assert scene._empty is not None
    before = scene._empty.copy()

    for number in range(100, 200):
        scene.look(picture(None, 1.7, 25, noise), number * PERIOD_S)

    assert scene.blind is not None
    assert np.array_equal(scene._empty, before)


def test_part_in_view_when_the_light_goes_off_for_good_is_declared():
    events = watch(lambda at: 0.02 if at > 3.8 else 1, 8)

    assert [event.detail for event in events if event.what is What.NOT_DECIDABLE] == [
        "the view was lost while it was in there"
    ]
