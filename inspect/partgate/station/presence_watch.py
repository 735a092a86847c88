"""What the trigger ``presence`` finds at a station's camera, told line by line: to tune it before the line runs."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from partgate.cameras.base import Camera
from partgate.errors import CameraEndedError, CameraError, CameraLostError, ConfigError
from partgate.imaging import encode_png
from partgate.station.config import StationConfig
from partgate.station.frames import every_picture
from partgate.station.presence import Presence
from partgate.station.presence_settings import Event, PresenceSettings, What
from partgate.station.triggers import PresenceTrigger

_SLICE_S = 0.5


@dataclass(slots=True)
class Counts:
    """What was found."""

    judged: int = 0
    not_decidable: int = 0
    ignored: int = 0
    pictures: int = 0
    rate: float = 0.0  # pictures per second
    usual_share: float | None = None


def watch_presence(
    config: StationConfig, out: Path, stop: threading.Event, say: Callable[[str], None], *,
    parts: int | None = None, seconds: float | None = None,
) -> Counts:  # fmt: skip
    """Follow the parts in front of a station's first camera; nothing is judged, recorded or sent.

    Args:
        config: The station file; where its trigger is another one, the defaults of ``presence`` hold.
        out: Folder for the pictures, one per part, by its number.
        stop: Ends it.
        say: Gets a line per event.
        parts: Ends it after so many.
        seconds: Ends it after so long.

    Raises:
        ConfigError: If the folder holds something already.
        CameraError: If the camera cannot be opened or is lost; one that plays files may come to its end.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError([f"{out}: must be a new or an empty folder; name another one with --out"])
    out.mkdir(parents=True, exist_ok=True)
    camera_config = config.all_cameras[0]
    settings: PresenceSettings = PresenceSettings()
    if isinstance(config.trigger, PresenceTrigger):
        settings = config.trigger
    else:
        say(f"the station's trigger is '{config.trigger.kind}': the defaults of presence are tried")
    presence, counts, began = Presence(settings), Counts(), time.monotonic()
    say(f"camera '{camera_config.name}': learning the empty place for {settings.learn_s:g} s, put no part there")
    with every_picture(camera_config).open() as camera:
        try:
            while not stop.is_set() and (seconds is None or time.monotonic() - began < seconds):
                if parts is not None and counts.judged + counts.not_decidable >= parts:
                    break
                for event in _look(camera, presence, counts):
                    _tell(event, event.at - began, out, say, counts)
        except CameraEndedError as error:
            say(str(error))
        except CameraLostError as error:
            if not counts.pictures:
                raise
            say(str(error))
    counts.rate = counts.pictures / max(1e-9, time.monotonic() - began)
    counts.usual_share = presence.usual_share
    return counts


def _look(camera: Camera, presence: Presence, counts: Counts) -> list[Event]:
    try:
        frame = camera.grab(_SLICE_S)
    except CameraLostError:
        raise
    except CameraError:  # as on the line: the next picture shows what this one did not
        camera.check()
        return []
    counts.pictures += 1
    return list(presence.see(frame, time.monotonic()))


def _tell(event: Event, at_s: float, out: Path, say: Callable[[str], None], counts: Counts) -> None:
    counts.judged += event.what is What.JUDGED
    counts.not_decidable += event.what is What.NOT_DECIDABLE
    counts.ignored += event.what is What.IGNORED
    part = f"part {event.part} " if event.part else ""
    saved = ""
    if event.frame is not None:
        path = out / f"{event.part:05d}.png"
        path.write_bytes(encode_png(event.frame.image))
        saved = f" -> {path.name}"
    say(f"{at_s:7.2f} s  {part}{event.what}{': ' if event.detail else ''}{event.detail}{saved}")
