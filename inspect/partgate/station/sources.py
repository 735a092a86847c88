"""Who announces a part, and who gives its picture, as the station file says it."""

from partgate.controllers.base import Controller
from partgate.station.config import StationConfig
from partgate.station.eyes import Cameras
from partgate.station.frames import StreamedCamera
from partgate.station.line_trigger import CountingController, FrameQueue, LineCameras
from partgate.station.own_triggers import FoundParts, OwnTriggers, PresenceCameras, Timer
from partgate.station.triggers import CameraLineTrigger, PresenceTrigger, TimerTrigger
from partgate.station.watch import WatchedCamera

AnyCameras = Cameras | LineCameras | PresenceCameras


def open_sources(config: StationConfig, controller: Controller) -> tuple[Controller, AnyCameras]:
    """Return the controller as the loop sees it, and the cameras, not opened yet.

    Args:
        config: The station file.
        controller: As its driver gives it.

    Raises:
        DataError: If a given picture of the empty place cannot be read.
    """
    trigger = config.trigger
    if isinstance(trigger, CameraLineTrigger):
        queues = {camera.name: FrameQueue() for camera in config.all_cameras}
        streams = {c.name: (StreamedCamera(c, queues[c.name]), queues[c.name]) for c in config.all_cameras}
        line = LineCameras(streams, trigger.limits)
        return CountingController(controller, line), line
    if isinstance(trigger, PresenceTrigger):
        camera = config.all_cameras[0]
        parts = FoundParts(camera.name, trigger, trigger.WAITING)
        return OwnTriggers(controller, parts, trigger.window_ms), PresenceCameras(camera, parts)
    watched = Cameras({camera.name: WatchedCamera(camera) for camera in config.all_cameras})
    if isinstance(trigger, TimerTrigger):
        return OwnTriggers(controller, Timer(trigger.interval_ms / 1000), trigger.window_ms), watched
    return controller, watched
