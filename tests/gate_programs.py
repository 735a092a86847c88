"""Runs docs/plc/gate.st and gate.scl scan by scan: their statements are turned into Python, integers keep their width.

Only what the two programs use is understood; anything else raises, so that a program that grows is noticed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLC = Path(__file__).parents[1] / "docs" / "plc"
_TOKEN = re.compile(r"\s*(:=|<=|>=|<>|\.\.|WORD#16#\w+|16#\w+|\d+|[A-Za-z_]\w*|[-+*/=<>()\[\],;:.])")
_OPERATORS = {
    "=": "==", "<>": "!=", "MOD": "%", "/": "//", "AND": "and", "OR": "or", "NOT": "not", "TRUE": "True",
    "FALSE": "False",
}  # fmt: skip
_SAME_VALUE = {"UINT_TO_UDINT": "int", "UDINT_TO_UINT": "int"}


def strip_comments(text: str) -> str:
    return re.sub(r"\(\*.*?\*\)|//[^\n]*", " ", text, flags=re.DOTALL)


class GateProgram:
    """One program with its variables; ``words`` are those of the handshake by their names in gate.st."""

    def __init__(self, text: str) -> None:
        plain = strip_comments(text).split("CONFIGURATION")[0]
        self.values: dict[str, Any] = {}
        self.types: dict[str, str] = {}
        self._is_scl = "FUNCTION_BLOCK" in plain
        self._declare(plain)
        body = plain[plain.rindex("END_VAR") + 7 :] if not self._is_scl else plain[plain.rindex("BEGIN") + 5 :]
        body = re.split(r"END_PROGRAM|END_FUNCTION_BLOCK", body)[0]
        body = re.sub(r"REGION [^\n]*|END_REGION", "", body)
        body = body.replace('#said := "partgate_db".station;', "")
        body = re.sub(r'"partgate_db"\.plc\.|#said\.|#', "", body.replace("WORD#16#", "0x").replace("16#", "0x"))
        self.source = "\n".join(["def scan(v):", *_statements(_tokens(body), 1, self.types)])
        found: dict[str, Any] = {"edge": _edge}
        exec(compile(self.source, "gate", "exec"), found)
        self._scan = found["scan"]

    def _declare(self, plain: str) -> None:
        name, array_of = r"(\w+)\s*(?:AT %\w+[\d.]*\s*)?:", r"(Array\s*\[1\.\.8\]\s*of\s+)?"
        declared = re.findall(rf"{name}\s*{array_of}(\w+)\s*(?::=\s*(\w+))?\s*;", plain, re.IGNORECASE)
        for names, array, kind, start in declared:
            self.types[names] = kind.upper()
            value = _start(kind.upper(), start)
            self.values[names] = [None, *([value] * 8)] if array else value
        for several, array, kind in re.findall(r"^\s*(\w+(?:, \w+)+) : (ARRAY \[1\.\.8\] OF )?(\w+);", plain, re.M):
            for name in several.split(", "):
                self.types[name] = kind.upper()
                self.values[name] = [None, *([_start(kind.upper(), "")] * 8)] if array else _start(kind.upper(), "")

    def scan(self) -> None:
        self._scan(self.values)


def _start(kind: str, given: str) -> int | bool:
    if kind == "BOOL":
        return given.upper() == "TRUE"
    return int(given) if given.isdigit() else 0


def _edge(v: dict[str, Any], name: str, level: bool) -> None:
    v[f"{name}.Q"] = level and not v.get(f"{name}.last", False)
    v[f"{name}.last"] = level


def _tokens(body: str) -> list[str]:
    tokens, at = [], 0
    pattern = re.compile(r"\s*(0x\w+|" + _TOKEN.pattern[4:-1] + ")")
    while body[at:].strip():
        match = pattern.match(body, at)
        assert match, f"not understood: {body[at : at + 40]!r}"
        tokens.append(match[1])
        at = match.end()
    return tokens


def _statements(tokens: list[str], depth: int, types: dict[str, str]) -> Iterator[str]:
    """Yield lines of Python; consumes the tokens up to the end of the block."""
    indent = "    " * depth
    while tokens and tokens[0] not in ("END_IF", "END_FOR", "ELSE", "ELSIF"):
        word = tokens.pop(0)
        if word == "IF":
            yield f"{indent}if {_until(tokens, 'THEN', types)}:"
            yield from _block(tokens, depth + 1, types)
            while tokens[0] != "END_IF":
                is_else = tokens.pop(0) == "ELSE"
                yield f"{indent}else:" if is_else else f"{indent}elif {_until(tokens, 'THEN', types)}:"
                yield from _block(tokens, depth + 1, types)
            del tokens[:2]
        elif word == "FOR":
            name = tokens.pop(0)
            assert tokens.pop(0) == ":="
            first, last = _until(tokens, "TO", types), _until(tokens, "DO", types)
            yield f"{indent}for v['{name}'] in range({first}, {last} + 1):"
            yield from _block(tokens, depth + 1, types)
            del tokens[:2]
        elif tokens[0] == "(":
            level = tokens[3]
            yield f"{indent}edge(v, '{word}', v['{level}'])"
            del tokens[:6]
        else:
            tokens.insert(0, word)
            target, value = _until(tokens, ":=", types), _until(tokens, ";", types)
            yield f"{indent}{target} = {value}"
            if types[word] in ("UINT", "WORD"):
                yield f"{indent}{target} %= 65536"


def _block(tokens: list[str], depth: int, types: dict[str, str]) -> list[str]:
    return list(_statements(tokens, depth, types)) or ["    " * depth + "pass"]


def _until(tokens: list[str], end: str, types: dict[str, str]) -> str:
    at = tokens.index(end)
    expression, tokens[: at + 1] = tokens[:at], []
    is_bitwise = any(one.startswith("0x") for one in expression)
    out = []
    for one, following in zip(expression, [*expression[1:], ""], strict=True):
        if is_bitwise and one in ("AND", "OR"):
            out.append({"AND": "&", "OR": "|"}[one])
        elif one in _OPERATORS:
            out.append(_OPERATORS[one])
        elif one in _SAME_VALUE:
            out.append(_SAME_VALUE[one])
        elif re.fullmatch(r"[A-Za-z_]\w*", one) and one not in ("Q",) and not one.startswith("0x"):
            assert one in types, f"unknown name {one}"
            out.append(f"v['{one}.Q']" if following == "." else f"v['{one}']")
        elif one not in (".", "Q"):
            out.append(one)
    return " ".join(out)
