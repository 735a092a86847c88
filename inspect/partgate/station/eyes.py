"""The cameras of one station: all are asked for the same part at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from partgate.errors import CameraError
from partgate.parts import Frame
from partgate.station.watch import CameraThread, WatchedCamera

CameraT = TypeVar("CameraT", bound=CameraThread)


class OpenCameras(Generic[CameraT]):
    """Cameras that are opened, closed and lost together.

    Args:
        cameras: By name, at least one.
    """

    def __init__(self, cameras: Mapping[str, CameraT]) -> None:
        self._cameras = dict(cameras)

    @property
    def is_lost(self) -> bool:
        """Tell whether any camera is gone: no part can be good without it."""
        return any(camera.is_lost for camera in self._cameras.values())

    @property
    def problem(self) -> str | None:
        """Return what is wrong with the first camera that is gone."""
        return next((camera.problem for camera in self._cameras.values() if camera.is_lost), None)

    @property
    def differences(self) -> Sequence[str]:
        """Return settings that are not as asked for, or not as when the station started, one sentence each."""
        return [difference for camera in self._cameras.values() for difference in camera.differences]

    def open(self, grace_s: float) -> None:
        """Open all cameras; those that were opened are closed again where one does not.

        Args:
            grace_s: Added to each camera's own time, in seconds.

        Raises:
            CameraLostError: If one cannot be opened in time.
        """
        try:
            for camera in self._cameras.values():
                camera.start()
            for camera in self._cameras.values():
                camera.wait_until_open(camera.open_within_s + grace_s)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all of them; a driver that hangs is left behind."""
        for camera in self._cameras.values():
            camera.close()


class Cameras(OpenCameras[WatchedCamera]):
    """Watched cameras that give one picture each of every part, exposed after they were asked."""

    def grab(
        self, timeout_s: float, while_waiting: Callable[[], None], not_after: float | None = None
    ) -> dict[str, Frame | CameraError]:
        """Return a picture per camera that was exposed after this call, or why there is none.

        Args:
            timeout_s: Longest wait for all of them together.
            while_waiting: Called every few hundredths of a second: the loop keeps its heartbeat.
            not_after: Monotonic seconds; what would be exposed later is refused.
        """
        tickets = {name: camera.ask(timeout_s, not_after) for name, camera in self._cameras.items()}
        return {name: self._cameras[name].collect(ticket, while_waiting) for name, ticket in tickets.items()}
