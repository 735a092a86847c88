"""What drivers share whose vendor's library runs in a process of its own: the station's end.

A driver says what runs there (a session, ``aside_session.py``) and how messages call the camera. One thread owns it. A
library that does not answer in time, or crashes, is a lost camera; its process is ended and the next opening begins
from scratch. An opening that hangs or crashes is tried once more, since a station does not start without its camera.
``grab`` blocks for ``timeout_s`` and at most 0.5 s more, ``check`` for 1 s, opening for ``open_within_s``, closing for
2 s. A network camera whose process was ended is free again after its own heartbeat time, usually 3 s.
"""

from datetime import datetime
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from partgate.cameras.aside import Aside
from partgate.cameras.settings import AppliedSettings, FrozenAfter, MachineVisionConfig
from partgate.drivers import DRIVERS
from partgate.errors import CameraLostError
from partgate.parts import Frame

_GRACE_S = 0.5  # beyond a question's own time: the last step of waiting, sending the picture
_CHECK_WITHIN_S = 1.0
_TRIES = 2
_SHARE = 0.9 / _TRIES  # of the time to open, for each try: the last one's words come before a station stops waiting


class AsideCameraConfig(MachineVisionConfig):
    """Settings that these drivers share."""

    serial: str | None = Field(default=None, min_length=1, description="serial number; null takes the only camera")
    skip_frames: int = Field(
        default=2, ge=0, le=30, description="trigger mode free: pictures under way at a trigger, thrown away"
    )
    frozen_after: FrozenAfter = 2
    open_within_s: float = Field(
        default=20.0,
        gt=0,
        le=120,
        description="longest wait for it when it is opened, both tries together",
    )

    @field_validator("serial", mode="before")
    @classmethod
    def _serial_is_text(cls, value: object) -> object:
        if isinstance(value, int):  # YAML's number: zeros in front are gone already, so it is not made text in silence
            raise ValueError(f'must be text in quotation marks, such as "40123456", got the number {value}')
        return value


class AsideCamera:
    """One camera behind a vendor's library; not thread-safe."""

    SESSION: ClassVar[str]  # module that runs in the process

    def __init__(self, config: AsideCameraConfig) -> None:
        self.config = config
        self._aside: Aside | None = None
        self._applied = AppliedSettings({}, ())

    def __enter__(self) -> Self:
        check_installed(self.config.kind, str(self))
        for left in reversed(range(_TRIES)):
            self._aside = Aside(self.SESSION, str(self))
            try:
                config = self.config.model_dump_json()
                facts, _ = self._aside.ask("open", _SHARE * self.config.open_within_s, config=config)
            except BaseException as error:
                is_worth_another = isinstance(error, CameraLostError) and self._aside.has_ended
                self.__exit__()
                if not left or not is_worth_another:
                    raise
            else:
                self._applied = AppliedSettings(facts["found"], tuple(facts["differences"]))
                break
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    @property
    def applied(self) -> AppliedSettings:
        """Return what the camera made of its settings."""
        return self._applied

    @property
    def differences(self) -> tuple[str, ...]:
        """Return settings that the camera did not take as asked for."""
        return self._applied.differences

    def check(self) -> None:
        """Ask the library and the camera whether it is there, past every cache."""
        self._opened().ask("check", _CHECK_WITHIN_S)

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return a picture by the trigger mode; see the driver's module.

        The processes of a machine share the monotonic clock, so ``not_after`` holds in the library's process, too.
        """
        facts, data = self._opened().ask("grab", timeout_s + _GRACE_S, timeout_s=timeout_s, not_after=not_after)
        return Frame(
            np.frombuffer(data, np.uint8).reshape(facts["height_px"], facts["width_px"], 3),
            datetime.fromisoformat(facts["captured_at"]),
            self.config.name,
            source=facts["device"],
            block_id=facts["block_id"],
            settings=self._applied.found,
        )

    def _opened(self) -> Aside:
        if self._aside is None:
            raise CameraLostError(f"{self}: is not open; it is used inside its with block")
        return self._aside


def check_installed(kind: str, who: str) -> None:
    """Refuse a driver whose libraries are not installed, before a process is started for nothing.

    Raises:
        CameraLostError: If one is missing, with what to type.
    """
    entry = next(entry for entry in DRIVERS if (entry.family, entry.kind) == ("camera", kind))
    if entry.missing:
        raise CameraLostError(f"{who}: {' and '.join(entry.missing)} missing; {entry.install}")
