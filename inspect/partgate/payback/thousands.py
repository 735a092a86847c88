"""Numbers written as German writes thousands: ``18.500`` means 18500 to a person and 18.5 to YAML."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

_GROUPED = re.compile(r"[1-9]\d{0,2}(\.\d{3})+")  # never 0.012: no thousand begins with a zero


def find_grouped_thousands(path: Path) -> list[str]:
    """Say which numbers of a YAML file may be thousands, and how to write what is meant.

    Args:
        path: YAML file; of one that cannot be read nothing is said. What stands in quotation marks is text.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return []
    return [] if root is None else list(_below(root, ()))


def _below(node: yaml.Node, keys: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _below(value, (*keys, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _below(value, (*keys, str(index)))
    elif isinstance(node, yaml.ScalarNode) and node.style is None and _GROUPED.fullmatch(node.value):
        yield f"{'.'.join(keys)}: {ask_for_the_number(node.value)}"


def ask_for_the_number(written: str) -> str:
    """Ask which number is meant and say how to write either.

    Example:
        >>> ask_for_the_number("18.500")
        'is 18500 meant? write 18500 (or 18.50), got 18.500'
        >>> ask_for_the_number("34.125"), ask_for_the_number("1.250.000")
        ('is 34125 meant? write 34125 (or 34.1250), got 34.125', 'is 1250000 meant? write 1250000, got 1.250.000')
    """
    meant = written.replace(".", "")
    as_yaml_reads = written.removesuffix("0") if written.endswith("0") else f"{written}0"
    other = f" (or {as_yaml_reads})" if written.count(".") == 1 else ""
    return f"is {meant} meant? write {meant}{other}, got {written}"
