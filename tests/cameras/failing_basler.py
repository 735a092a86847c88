"""The basler driver's session with Basler's own library and emulated cameras, failing on purpose.

A fault lasts as long as a file of its name lies in the folder FAULTY_PRODUCER: hang (keeps Python's lock), crash,
hang_at_opening (once), chatty, damaged, busy, used, gone. Each opening adds a letter to the file ``openings`` there.
"""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partgate.cameras.aside import serve
from partgate.cameras.aside_session import Answer
from partgate.cameras.basler_session import BaslerSession


def is_on(fault: str) -> bool:
    return Path(os.environ["FAULTY_PRODUCER"], fault).exists()


def hang() -> None:
    ctypes.PyDLL(None).sleep(600)


class FailingSession(BaslerSession):
    def answer(self, do: str, question: Mapping[str, Any]) -> Answer:
        if do == "open":
            with Path(os.environ["FAULTY_PRODUCER"], "openings").open("a", encoding="utf-8") as file:
                file.write("o")
        if do == "open" and is_on("hang_at_opening"):
            Path(os.environ["FAULTY_PRODUCER"], "hang_at_opening").unlink()
            hang()
        if is_on("hang"):
            hang()
        if is_on("crash"):
            os.abort()
        if is_on("chatty"):
            print("a library's own words", flush=True)
        if do == "grab" and is_on("damaged"):
            self._camera.ForceFailedBufferCount.Value = 1
            self._camera.ForceFailedBuffer.Execute()
        return super().answer(do, question)


def spoil_library() -> None:
    """Let the library open faulty cameras; imported here: it shares no process with other GenTL libraries."""
    from pypylon import pylon

    class FaultyCamera(pylon.InstantCamera):
        def Open(self) -> None:  # noqa: N802
            if is_on("used"):
                raise pylon.RuntimeException(
                    "The device is controlled by another application. : RuntimeException thrown"
                )
            super().Open()

        def IsCameraDeviceRemoved(self) -> bool:  # noqa: N802
            return is_on("gone")

        def WaitForFrameTriggerReady(self, *wait: object) -> bool:  # noqa: N802
            return not is_on("busy") and super().WaitForFrameTriggerReady(*wait)

        def ExecuteSoftwareTrigger(self) -> None:  # noqa: N802
            if is_on("gone"):
                raise pylon.RuntimeException("The device has been removed. : RuntimeException thrown")
            super().ExecuteSoftwareTrigger()

    pylon.InstantCamera = FaultyCamera


if __name__ == "__main__":
    spoil_library()
    serve(FailingSession())
