"""Picture after picture of a camera that is looked through by a person: torn ones and a pulled cable are told."""

import time
from collections.abc import Iterator

from partgate.cameras.base import CameraConfig
from partgate.errors import CameraEndedError, CameraError, CameraLostError
from partgate.parts import Frame

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 1.0


def pictures_of(config: CameraConfig, timeout_s: float) -> Iterator[Frame | str]:
    """Give pictures for ever, and a sentence where there is none: a lost camera is opened again with growing pauses.

    What keeps it from being opened is told once, not with every try.

    Args:
        config: The camera; its pictures are given as it takes them, without its calibration.
        timeout_s: Longest wait for a picture.

    Raises:
        CameraError: If the camera cannot be opened for the first time, or a played source is over.
        ConfigError: If the camera cannot do what its settings ask for.
    """
    was_open, told, pause_s = False, "", _FIRST_PAUSE_S
    while True:
        try:
            with config.open() as camera:
                if was_open:
                    yield "the camera is back"
                was_open, told, pause_s = True, "", _FIRST_PAUSE_S
                while True:
                    try:
                        frame: Frame | str = camera.grab(timeout_s)
                    except CameraLostError:
                        raise
                    except CameraError as error:
                        frame = str(error)
                    yield frame
        except CameraEndedError:
            raise
        except CameraLostError as error:
            if not was_open:
                raise
            if str(error) != told:
                told = str(error)
                yield f"{told}; it is opened again when it is back (Ctrl-C ends)"
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
