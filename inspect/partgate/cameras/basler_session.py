"""The ``basler`` driver's process: pypylon and one camera; see ``basler.py``."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from partgate.cameras.aside import serve
from partgate.cameras.aside_session import NOTHING, Answer, CameraSession
from partgate.cameras.basler import BaslerCameraConfig
from partgate.cameras.basler_nodes import BaslerNodes, in_our_words, words_of
from partgate.errors import CameraError, CameraLostError

_NO_BLOCK_ID = 2**64 - 1


class BaslerSession(CameraSession):
    """One camera from opening to closing, or a look at those that are there."""

    def __init__(self) -> None:
        super().__init__()
        self._camera: Any = None

    def answer(self, do: str, question: Mapping[str, Any]) -> Answer:
        """Do what every session does, or list the cameras."""
        if do != "list":
            return super().answer(do, question)
        with self._in_our_words():
            return {"cameras": [_facts_of(info) for info in _find_devices()]}, NOTHING

    def close(self) -> None:
        """Give the camera back."""
        if self._camera is not None:
            for step in (self._camera.Close, self._camera.DestroyDevice):
                with contextlib.suppress(CameraError), self._in_our_words():
                    step()

    def _in_our_words(self) -> contextlib.AbstractContextManager[None]:
        return in_our_words(self.who)

    def _open(self, config: str) -> Mapping[str, Any]:
        settings = BaslerCameraConfig.model_validate_json(config)
        self._take_up(settings, str(settings.open()))
        found = _find_devices()
        number = self._choose([_facts_of(info) for info in found], {"serial": settings.serial}, "pylon")
        self._camera = self._open_device(found[number])
        facts = self._apply(BaslerNodes(self._camera))
        self._start()
        return facts

    def _open_device(self, info: Any) -> Any:
        from pypylon import pylon

        try:
            camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateDevice(info))
            camera.Open()
        except pylon.GenericException as error:
            raise CameraLostError(
                f"{self.who}: {self._device} does not open ({words_of(error)}); is it used by another program?"
            ) from error
        return camera

    def _start(self) -> None:
        from pypylon import pylon

        newest_only = self._config.trigger.mode == "free" and self._config.skip_frames > 0
        kinds = (pylon.GrabStrategy_OneByOne, pylon.GrabStrategy_LatestImageOnly)
        self._camera.StartGrabbing(kinds[newest_only])

    def _look(self) -> None:
        if self._camera.IsCameraDeviceRemoved():
            raise CameraLostError(f"{self.who}: was removed; is the cable in?")
        self._camera.Width.ToString(False, True)  # past the cache

    def _begin_anew(self) -> None:
        self._camera.StopGrabbing()
        self._start()

    def _wait_until_ready(self, deadline: float) -> bool:
        from pypylon import pylon

        camera, wait = self._camera, pylon.TimeoutHandling_Return
        return not camera.CanWaitForFrameTriggerReady() or bool(
            camera.WaitForFrameTriggerReady(_left_ms(deadline), wait)
        )

    def _trigger(self) -> None:
        self._camera.ExecuteSoftwareTrigger()

    def _throw_away(self, deadline: float) -> None:
        with self._fetched(time.monotonic()):
            pass
        for _ in range(self._config.skip_frames):
            with self._fetched(deadline):
                pass

    @contextlib.contextmanager
    def _fetched(self, deadline: float) -> Iterator[Any]:
        from pypylon import pylon

        result = self._camera.RetrieveResult(_left_ms(deadline), pylon.TimeoutHandling_Return)
        try:
            yield result if result.IsValid() else None
        finally:
            result.Release()

    def _picture(self, result: Any) -> Answer:
        if not result.GrabSucceeded():
            words = result.GetErrorDescription().strip().rstrip(".")
            raise CameraError(f"{self.who}: the picture came damaged and is not judged ({words})")
        number = int(result.GetBlockID())
        data = np.frombuffer(result.GetMemoryView(), np.uint8)
        block_id = None if number == _NO_BLOCK_ID else number
        return self._give(data, result.GetHeight(), result.GetWidth(), result.GetPaddingX(), block_id)


def _find_devices() -> Sequence[Any]:
    from pypylon import pylon

    return list(pylon.TlFactory.GetInstance().EnumerateDevices())


def _facts_of(info: Any) -> dict[str, str]:
    return {"vendor": info.GetVendorName(), "model": info.GetModelName(), "serial": info.GetSerialNumber()}


def _left_ms(deadline: float) -> int:
    return max(0, round(1000 * (deadline - time.monotonic())))


if __name__ == "__main__":
    serve(BaslerSession())
