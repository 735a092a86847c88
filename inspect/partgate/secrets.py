"""Passwords: read from the environment or from a file that only its owner can read, never from a YAML file itself.

A station file names where a password lies. So it stands in no record, no audit log and no backup of the settings.
"""

import os
import stat
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from partgate.configfile import SECRET, RelativePath, Settings
from partgate.errors import ConfigError

_LONGEST_SECRET = 4096  # bytes


class SecretSource(Settings):
    """Where a password lies: in a variable of the environment, or alone in a file."""

    env: str | None = Field(default=None, min_length=1, description="variable of the environment that holds it")
    file: RelativePath | None = Field(
        default=None, description="file that holds it and nothing else; readable by its owner alone"
    )

    @model_validator(mode="before")
    @classmethod
    def _is_no_password(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise PydanticCustomError(SECRET, "must not stand in this file; write 'env: NAME' or 'file: PATH' below it")
        return value

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("must name one place, env or file")
        return self

    def read(self) -> SecretStr:
        """Return the secret.

        Raises:
            ConfigError: If it is not there, empty, or lies in a file that others can read.
        """
        return SecretStr(_from_environment(self.env) if self.env else _from_file(self.file or Path()))


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError([f"environment variable {name}: holds no password; set it for the user that runs partgate"])
    return value


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_SECRET + 1)
    except OSError as error:
        raise ConfigError([f"password file {path}: cannot be read: {error.strerror}"]) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO) and not _is_guarded_by_systemd(path):
        found = stat.S_IMODE(mode)
        raise ConfigError([f"password file {path}: must be readable by its owner alone, its mode is {found:04o}; "
                           f"run: chmod 600 {path}"])  # fmt: skip
    try:
        secret = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError([f"password file {path}: is no UTF-8 text"]) from None
    if not secret or len(content) > _LONGEST_SECRET or "\n" in secret:
        raise ConfigError([f"password file {path}: must hold one line of at most {_LONGEST_SECRET} bytes"])
    return secret


def _is_guarded_by_systemd(path: Path) -> bool:
    """Tell whether a file is one that systemd gives to this service alone; its access list looks like a wider mode.

    Source:
        systemd.exec(5), LoadCredential and CREDENTIALS_DIRECTORY.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.resolve().parent == Path(folder or "").resolve()
