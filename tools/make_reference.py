"""Write docs/reference/: every command, every key of every file and every term, from the code itself.

Run: python tools/make_reference.py (a test fails where the files are out of date)
"""

import unicodedata
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from partgate.calibration.file import Calibration
from partgate.cli.main import app
from partgate.data.findings import Decisions
from partgate.drivers import driver_config_class, driver_kinds
from partgate.evaluation.agreed_limits import AgreedLimits
from partgate.glossary import load_entries
from partgate.payback.case import PaybackCase
from partgate.recipe import Recipe
from partgate.station.config import StationConfig
from partgate.training.config import TrainingConfig

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return file names and their text."""
    return {"commands.md": _commands(), "files.md": _files(), "glossary.md": _glossary()}


def _commands() -> str:
    lines = ["# Commands", "", "Written from the code by `tools/make_reference.py`.", ""]
    group = typer.main.get_command(app)
    lines += _command(group, "partgate")
    return "\n".join(lines).rstrip() + "\n"


def _as_shown(text: str | None) -> str:
    r"""Return a help text without the sign that keeps ``\[`` from being read as markup."""
    return (text or "").replace("\\[", "[")


def _command(command: Any, name: str) -> list[str]:
    lines = []
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        lines += [
            f"## `{name}`",
            "",
            _as_shown(command.help),
            "",
            "| argument or option | meaning | default |",
            "|---|---|---|",
        ]
        for parameter in command.params:
            if parameter.name == "help":
                continue
            spelled = parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)
            default = "" if parameter.default in (None, False) or parameter.required else f"`{parameter.default}`"
            annotation = parameter.type_descriptor.annotation
            choices = get_args(annotation) if get_origin(annotation) is Literal else ()
            named = f" One of: {', '.join(map(str, choices))}." if choices else ""
            lines.append(f"| `{spelled}` | {_as_shown(getattr(parameter, 'help', ''))}{named} | {default} |")
        return [*lines, ""]
    for sub in sorted(subcommands):
        lines += _command(subcommands[sub], f"{name} {sub}")
    return lines


def _files() -> str:
    lines = ["# Keys of the files", "", "Written from the code by `tools/make_reference.py`. Paths are meant from the"]
    lines += ["folder of the file they stand in. An unknown key is an error that names the nearest known one.", ""]
    lines += ["## Training file (`configs/training/`)", "", *_table(TrainingConfig), ""]
    lines += ["## Decisions about pictures (`findings.yaml` in the labelled folder)", "", *_table(Decisions), ""]
    lines += [
        "## Recipe",
        "",
        "Written by `partgate train`; a person changes limits, lanes and numbers.",
        "",
        *_table(Recipe),
        "",
    ]
    lines += ["## Agreed limits (`configs/limits/`)", "", *_table(AgreedLimits), ""]
    lines += ["## Payback case (`configs/payback/`)", "", *_table(PaybackCase), ""]
    lines += ["## Calibration (`calibration.yaml`, by `partgate camera calibrate`)", "", *_table(Calibration), ""]
    lines += ["## Station file (`configs/stations/`)", "", *_table(StationConfig), ""]
    for family in ("camera", "controller"):
        for kind in driver_kinds(family):
            lines += [f"### `{family}` of kind `{kind}`", "", *_table(driver_config_class(family, kind)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _glossary() -> str:
    terms = {text_id: entry for text_id, entry in load_entries().items() if "definition" in entry}
    lines = ["# Glossary", "", "Written from the product's texts by `tools/make_reference.py`. Norms were read through"]
    lines += ["secondary sources: modelled on, never compliant.", ""]
    heads = {
        "en": ("English", "term", "German", "meaning", "formula", "source"),
        "de": ("Deutsch", "Begriff", "Englisch", "Bedeutung", "Formel", "Quelle"),
    }
    for language, (title, *columns) in heads.items():
        other = next(one for one in heads if one != language)
        lines += [f"## {title}", "", f"| {' | '.join(columns)} | id |", "|---|---|---|---|---|---|"]
        for text_id, entry in sorted(terms.items(), key=lambda one: _sort_key(one[1][language])):
            formula = entry.get("formula", {}).get(language, "")
            cells = (entry[language], entry[other], entry["definition"][language], formula, entry["source"])
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + f" | `{text_id}` |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _sort_key(term: str) -> str:
    """Return a term as a dictionary orders it: umlauts as their vowels, capitals as small letters."""
    return unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode().casefold()


def _table(model: type[BaseModel]) -> list[str]:
    return ["| key | value | default | meaning |", "|---|---|---|---|", *_rows(model, "")]


def _rows(model: type[BaseModel], above: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        inner = _inner_model(field.annotation)
        if inner is not None and not name.startswith(("camera", "controller")):
            meaning = field.description or inner.__doc__
            rows.append(f"| `{above}{name}` | keys below | {_default(field, inner)} | {meaning} |")
            rows += _rows(inner, f"{above}{name}.")
            continue
        rows.append(f"| `{above}{name}` | {_type(field.annotation)} | {_default(field)} | {field.description or ''} |")
    return rows


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _default(field: FieldInfo, inner: type[BaseModel] | None = None) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if inner is not None:
        return "" if field.default is not None else "`null`"
    if field.default is None or isinstance(field.default, bool):
        return f"`{str(field.default).lower().replace('none', 'null')}`"
    value = field.default
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is not None and len(arguments) == 2:
        return f"{_type(arguments[0])} → {_type(arguments[1])}"
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        Decimal: "number",
        bool: "true or false",
        Path: "path",
        type(None): "null",
    }
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


if __name__ == "__main__":
    main()
