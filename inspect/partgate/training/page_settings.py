"""The settings of a training as the run page shows them, beside those of its preset."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from partgate.configfile import read_yaml
from partgate.training.config import PRESET_FOLDER, TrainingConfig


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the training file."""

    key: str
    value: str
    preset: str
    meaning: str

    @property
    def is_changed(self) -> bool:
        """Tell whether it differs from the preset."""
        return self.value != self.preset


def list_settings(config: TrainingConfig) -> Iterator[Setting]:
    """Return every key with its value, that of the preset and what it means; the data stand elsewhere on the page."""
    given = read_yaml(PRESET_FOLDER / f"{config.preset}.yaml") | {"data": config.data}
    yield from _compared(config, TrainingConfig.model_validate(given), "")


def _compared(here: BaseModel, preset: BaseModel, prefix: str) -> Iterator[Setting]:
    for key, field in type(here).model_fields.items():
        values = getattr(here, key), getattr(preset, key)
        if isinstance(values[0], BaseModel):
            yield from _compared(*values, f"{prefix}{key}.")
        elif prefix or key not in ("data", "preset"):
            yield Setting(f"{prefix}{key}", _plain(values[0]), _plain(values[1]), field.description or "")


def _plain(value: Any) -> str:
    """Return a value as it stands in a file; of a path only the name, which means the same on another machine."""
    if isinstance(value, Path):
        return value.name

    def simple(one: Any) -> Any:
        return one.model_dump(mode="json") if isinstance(one, BaseModel) else dict(one)

    return json.dumps(value, ensure_ascii=False, default=simple)
