"""The tree of all errors that partgate raises on purpose.

    PartgateError                 something a user, a file or a device did; printed without a traceback, exit code 1
    ├── ConfigError               a YAML file is wrong: every problem at once
    ├── DataError                 a labelled folder, a picture or a label is wrong
    ├── TrainingError             nothing sound can be learned from this data, or a proof failed
    ├── BundleError               a model file is damaged, too new, or not the one a recipe asks for
    ├── EngineError               the model did not run on this picture
    ├── CameraError               no picture in time, or one that is not whole
    │   ├── DamagedPictureError   a picture came, but it is not whole or cannot be trusted
    │   └── CameraLostError       the device is gone and must be opened again
    │       └── CameraEndedError  the source has come to its end; opening it again would repeat it
    ├── ControllerError           no PLC, no answer, an answer that refuses
    │   ├── ControllerPausedError it failed a moment ago and is not tried again yet
    │   └── SecondStationError    another station writes where this one would
    ├── RecordError               records cannot be written or do not hold together
    └── PublishError              results or state did not reach whoever looks on; sorting goes on

Anything else is a bug and keeps its traceback.
"""

from collections.abc import Sequence


class PartgateError(Exception):
    """Base of all errors with a message for the user: who, which value, what next."""


class ConfigError(PartgateError):
    """A configuration file that cannot be used.

    Attributes:
        problems: One line each: file, key, what must be, what was found.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class DataError(PartgateError):
    """A labelled folder, picture or label that cannot be used."""


class TrainingError(PartgateError):
    """Training cannot give a model that may be trusted."""


class BundleError(PartgateError):
    """A bundle that is damaged, too new, or not the one asked for."""


class EngineError(PartgateError):
    """The model did not run."""


class CameraError(PartgateError):
    """No picture in time, or one that is not whole; the next one may be."""


class DamagedPictureError(CameraError):
    """A picture came, but it is not whole or cannot be trusted: the camera itself sends."""


class CameraLostError(CameraError):
    """The camera is not there (any more); it must be opened again."""


class CameraEndedError(CameraLostError):
    """A played source has shown everything."""


class ControllerError(PartgateError):
    """The controller is not there, does not answer, or refuses."""


class ControllerPausedError(ControllerError):
    """The controller failed a moment ago and is not tried again yet; why it failed was said then."""


class SecondStationError(ControllerError):
    """Another station writes where this one would."""


class RecordError(PartgateError):
    """Records cannot be written, read or trusted."""


class PublishError(PartgateError):
    """A message did not reach whoever looks on; sorting goes on.

    Attributes:
        is_refused: Nothing changes until a person does something (password, certificate): a next attempt can wait.
        drops_message: The receiver will never take this message; it is not to be repeated.
    """

    def __init__(self, problem: str, *, is_refused: bool = False, drops_message: bool = False) -> None:
        super().__init__(problem)
        self.is_refused, self.drops_message = is_refused, drops_message
