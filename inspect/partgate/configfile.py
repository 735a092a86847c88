"""YAML file → checked settings: every problem at once, with file, key, value and the nearest known key."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic import ValidationInfo as Info
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from partgate.errors import ConfigError, DataError

_KNOWN_ERROR_TYPES = frozenset(get_args(ErrorType))
SECRET = "secret"
"""Type of a problem whose value is not repeated: it may be a password."""
# Where pydantic names Python classes.
_PLAIN_WORDS = {
    "path_type": "must be a path",
    "string_type": "must be text",
    "model_type": "must hold keys and values",
    "tuple_type": "must be a list (lines that begin with -)",
}


class Settings(BaseModel):
    """Base of everything that stands in a YAML file: frozen, no unknown keys, the nearest known key is named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_key(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # Not a validator of each field: pydantic allows none on the key by which a union is told apart.
        lines = _yes_as_a_number(cls, data)
        try:
            made = handler(data)
        except ValidationError as error:
            told = {line["loc"] for line in lines}
            lines += [
                _line(cls, problem) for problem in error.errors(include_url=False) if problem["loc"][:1] not in told
            ]
        if lines:
            order = [*cls.model_fields]
            lines.sort(key=lambda line: order.index(str(line["loc"][0])) if line["loc"] and line["loc"][0] in order
                       else len(order))  # fmt: skip
            raise ValidationError.from_exception_data(cls.__name__, lines) from None
        return made


def _yes_as_a_number(model: type[BaseModel], data: Any) -> list[InitErrorDetails]:
    """YAML reads yes, no, on and off as true and false, and pydantic would take those as 1 and 0."""
    text = "must not be yes, no, on, off, true or false without quotation marks"
    return [
        InitErrorDetails(type=PydanticCustomError("yes_or_no", "{text}", {"text": text}), loc=(name,), input=value)
        for name, value in (data.items() if isinstance(data, dict) else ())
        if isinstance(value, bool)
        and name in model.model_fields
        and not _mentions(model.model_fields[name].annotation, bool)
    ]


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation in (wanted, Any) or any(_mentions(inner, wanted) for inner in get_args(annotation))


def _line(model: type[BaseModel], problem: Mapping[str, Any]) -> InitErrorDetails:
    kind, location = problem["type"], problem["loc"]
    if kind == "extra_forbidden" and len(location) == 1:
        near = get_close_matches(str(location[0]), list(model.model_fields), n=1, cutoff=0.5)
        known = ", ".join(model.model_fields)
        text = f"is not a known key; did you mean '{near[0]}'?" if near else f"is not a known key; known keys: {known}"
        return InitErrorDetails(
            type=PydanticCustomError("unknown_key", "{text}", {"text": text}), loc=location, input=None
        )
    if kind in _KNOWN_ERROR_TYPES:
        details = InitErrorDetails(type=kind, loc=location, input=problem["input"])
        if "ctx" in problem:
            details["ctx"] = problem["ctx"]
        return details
    return InitErrorDetails(
        type=PydanticCustomError(kind, "{text}", {"text": problem["msg"]}), loc=location, input=problem["input"]
    )


def beside_the_file(path: Path, info: Info) -> Path:
    """Return a path as it is meant from the folder of the file it stands in; ``~`` is the home folder.

    Raises:
        ValueError: If that home folder is nobody's.
    """
    folder = (info.context or {}).get("folder")
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path.parts[0]} is no user of this PC; write the whole path") from None
    return path if folder is None or path.is_absolute() else Path(folder) / path


RelativePath = Annotated[Path, AfterValidator(beside_the_file)]
"""A path that is meant from the folder of the file it stands in; ``~`` is the home folder."""


def _plain_host(host: str) -> str:
    if any(sign in host for sign in "/@") or host.split() != [host] or (host.count(":") == 1):  # two: IPv6
        # Not repeated: a password may stand in it.
        raise PydanticCustomError(SECRET, "must be a name or address alone; port, user and tls are keys of their own")
    return host


Host = Annotated[str, AfterValidator(_plain_host)]
"""A name or address of the network, without scheme, port, user or blanks."""

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class _EachKeyOnce(yaml.SafeLoader):
    """Refuses a key that stands twice (YAML would take the last one and say nothing), and names the line of a date."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"key '{key.value}' stands twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_date(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:
            problem = f"{node.value} is no date; put it in quotation marks where it is text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


_EachKeyOnce.add_constructor("tag:yaml.org,2002:timestamp", _EachKeyOnce.construct_date)


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, as plain lists, dictionaries and values.

    Raises:
        ConfigError: If the file is missing, is no text, or is no YAML; the line is named.
    """
    return _parse(_read(path), path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a folder, must be a YAML file; name the file in it"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error


def _parse(content: bytes, path: Path) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [f"{path}: line {line} holds byte {content[error.start]:02X}, which is no UTF-8; save the file as UTF-8"]
        ) from error
    try:
        return yaml.load(text, _EachKeyOnce)  # a safe loader, with one rule more
    except yaml.reader.ReaderError as error:
        line, sign = text.count("\n", 0, error.position) + 1, f"U+{ord(text[error.position]):04X}"
        raise ConfigError([f"{path}: line {line} holds the character {sign}, which no YAML file may hold"]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError([f"{path}:{where} is not YAML: {getattr(error, 'problem', None) or error}"]) from error


def load_config(path: Path, model: type[SettingsT]) -> SettingsT:
    """Return the settings of a YAML file.

    Args:
        path: File to read; paths in it are meant from its folder.
        model: What it must be.

    Raises:
        ConfigError: If anything is wrong; all problems at once, one line each.
    """
    return load_hashed(path, model)[0]


def load_hashed(path: Path, model: type[SettingsT]) -> tuple[SettingsT, str]:
    """Return the settings of a YAML file and the SHA-256 of the very bytes they were read from.

    Args:
        path: File to read; paths in it are meant from its folder.
        model: What it must be.

    Raises:
        ConfigError: If anything is wrong; all problems at once, one line each.
    """
    content = _read(path)
    settings = check_settings(_parse(content, path), model, source=str(path), folder=path.parent)
    return settings, hashlib.sha256(content).hexdigest()


def check_settings(data: Any, model: type[SettingsT], *, source: str, folder: Path) -> SettingsT:
    """Return settings from plain values, or every problem in one ``ConfigError``.

    Args:
        data: What the file or the command line gave.
        model: What it must be.
        source: How the user knows it, for the messages.
        folder: What relative paths are meant from.

    Raises:
        ConfigError: If anything is wrong.
    """
    if not isinstance(data, dict):
        found = {"NoneType": "nothing", "list": "a list", "str": "text"}.get(type(data).__name__, repr(data))
        raise ConfigError([f"{source}: must hold keys and values, got {found}"])
    try:
        return model.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError([_sentence(source, problem) for problem in error.errors(include_url=False)]) from None


def _sentence(source: str, problem: Mapping[str, Any]) -> str:
    key = ".".join(str(step) for step in problem["loc"])
    where = f"{source}: {key}" if key else source
    if problem["type"] == "unknown_key":
        return f"{where} {problem['msg']}"
    if problem["type"] == "missing":
        return f"{where}: is missing"
    if problem["type"] == "invalid_key":
        key = ".".join(map(str, (*problem["loc"][:-1], problem["input"])))
        return f"{source}: {key} is not a known key: a key is a word, not a number, a date, yes or no"
    message = _PLAIN_WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    message = message[:1].lower() + message[1:]
    value = problem["input"]
    if isinstance(value, date):  # or a date with a time
        return f"{where}: {message}, got the date {value}; put text in quotation marks"
    if isinstance(value, dict) or ", got " in message or problem["type"] == SECRET:
        return f"{where}: {message}"
    return f"{where}: {message}, got {'nothing' if value is None else repr(value)}"


def make_folder(path: Path) -> None:
    """Make a folder for results where it does not exist, before the long part begins.

    Raises:
        DataError: If it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be made: {error.strerror}; name a writable folder") from error
    if not os.access(path, os.W_OK):
        raise DataError(f"{path}: is not writable; name another folder")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all: beside its place, flushed, renamed.

    Args:
        path: Where it goes; an older file there is replaced.
        content: All of it.

    Raises:
        OSError: If the disk is full or the folder is not writable; nothing is left behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def dump_yaml(data: Any, *, comment: str = "") -> bytes:
    """Return plain values as YAML text (UTF-8, keys in the order given), under a comment where one is wanted."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return (head + yaml.safe_dump(data, allow_unicode=True, sort_keys=False)).encode()
