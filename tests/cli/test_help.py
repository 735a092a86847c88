"""What the help of every command shows is what its author wrote."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from partgate.cli.main import app

EXTRA = re.compile(r"partgate\\?\[(\w+)\]")


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every command with the words that call it, groups included."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_commands_are_found_that_name_what_to_install():
    named = {path for path, command in COMMANDS.items() if EXTRA.search(raw_help(command))}

    assert {("evaluate",), ("accept",), ("data", "get")} <= named


@pytest.mark.parametrize("path", [path for path in COMMANDS if path], ids=" ".join)
def test_help_shows_every_extra_that_it_names(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "400")
    wanted = EXTRA.findall(raw_help(COMMANDS[path]))

    shown = CliRunner().invoke(app, [*path, "--help"]).output

    assert re.findall(r"partgate\[(\w+)\]", shown) == wanted
    assert "\\[" not in shown


def raw_help(command: Any) -> str:
    """Return the help of a command, its options and what is below it as the code has it."""
    below = [one.help or "" for one in getattr(command, "commands", {}).values()]
    options = [getattr(option, "help", None) or "" for option in command.params]
    return "\n".join([command.help or "", *options, *below])
