"""Texts and code fit together: no text is unused, none is missing, every term is explained, no word misleads.

How the use of a text is found: its id stands as a whole in the code or in a template, or the code puts it together, as
``f"figure.{what}"`` or ``"figure." ~ what``. Such a pattern is read from the code itself, and what fills its gaps must
be words that occur in the code too; so a text whose last user is gone is found even among its siblings.
"""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from partgate import glossary
from partgate.parts import Fault, Reason

PACKAGE = Path(__file__).parents[1] / "inspect" / "partgate"
READERS = {"text", "phrase", "t"}
GAP = "\0"
PIECE = r'(?:"[\w.]*"|\([^)]*\)|[\w.]+(?:\[[^\]]*\])?)'  # of an id in a template: words, or an expression

# Ids that no single line of code or template spells, nor begins.
READ_OTHERWISE = {
    r"[a-z_]+\.(definition|formula)": "of terms: docs/reference/glossary.md, written by tools/make_reference.py",
    r"(defect|sorting)_score\.note": "charts add .note to the id of the score that they draw",
}
# Texts that are kept although nothing shows them yet; a line that something shows must go.
KEPT = {
    r"fault(\.\d+)?": "words of the controller's fault numbers, for the station's page",
    r"gate\.[a-z_]+": "messages about parts, for the station's page",
}


def _sources(suffix: str) -> Iterator[str]:
    for path in sorted(PACKAGE.rglob(f"*{suffix}")):
        yield path.read_text(encoding="utf-8")


def _docstrings(tree: ast.AST) -> set[int]:
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    firsts = [body[0] for body in bodies if body and isinstance(body[0], ast.Expr)]
    return {id(first.value) for first in firsts}


def _pieces(tree: ast.AST) -> set[int]:
    """Return the fixed pieces of strings that are put together."""
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    return {id(piece) for node in joined for piece in node.values}


class Code:
    """What the package says about texts."""

    def __init__(self) -> None:
        self.strings: set[str] = set()
        self.asked: set[str] = set()  # whole ids given to a function that reads texts
        self.patterns: set[str] = set()  # ids put together, with a gap for each unknown piece
        self.words: set[str] = {"", *(str(number.value) for kind in (Reason, Fault) for number in kind)}
        for source in _sources(".py"):
            self._read_python(ast.parse(source))
        for source in _sources(".j2"):
            self._read_template(source)
        for string in self.strings:
            self.words |= set(re.findall(r"\w+", string))

    def _read_python(self, tree: ast.AST) -> None:
        passed_over = _docstrings(tree) | _pieces(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
                self.strings.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                pieces = [str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values]
                self.patterns.add("".join(pieces))
                self.words |= {word for piece in pieces for word in re.findall(r"[^\W_]+", piece)}
            elif isinstance(node, ast.Name):
                self.words.add(node.id)
            elif isinstance(node, ast.keyword | ast.arg) and node.arg:
                self.words.add(node.arg)
            elif isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0] if node.args else None
                if (
                    name in READERS
                    and isinstance(first, ast.Constant)
                    and re.fullmatch(r"[a-z_.\d]+", str(first.value))
                ):
                    self.asked.add(str(first.value))

    def _read_template(self, source: str) -> None:
        self.strings |= set(re.findall(r'"([^"\n]*)"', source))
        self.asked |= set(re.findall(r'\bt\("([\w.]+)"\s*[,)]', source))
        for first, rest in re.findall(
            r'"([\w.]+\.\w*)"((?:\s*~\s*(?:"[\w.]*"|\([^)]*\)|[\w.]+(?:\[[^\]]*\])?))+)', source
        ):
            pieces = re.findall(r'~\s*(?:"([\w.]*)"|\(|[\w.]+)', rest)
            self.patterns.add(first + "".join(piece or GAP for piece in pieces))

    def _knows(self, word: str) -> bool:
        return word in self.words or all(piece in self.words for piece in word.split("_"))

    def puts_together(self, text_id: str) -> bool:
        """Tell whether some pattern gives this id with words of the code in its gaps."""
        return any(
            found and all(map(self._knows, ".".join(found.groups()).split(".")))
            for pattern in _expressions(frozenset(self.patterns))
            for found in [pattern.fullmatch(text_id)]
        )


@lru_cache
def _expressions(patterns: frozenset[str]) -> tuple[re.Pattern[str], ...]:
    spelled = [pattern for pattern in patterns if re.fullmatch(r"[a-z_]+\.[\w.\0]*", pattern) and GAP in pattern]
    return tuple(
        re.compile("".join(r"([\w.]*?)" if sign == GAP else re.escape(sign) for sign in pattern)) for pattern in spelled
    )


@pytest.fixture(scope="module")
def code() -> Code:
    return Code()


def _fits(text_id: str, reasons: dict[str, str]) -> bool:
    return any(re.fullmatch(pattern, text_id) for pattern in reasons)


def _terms() -> dict[str, dict[str, object]]:
    """Return what the glossary explains: entries of terms.yaml without a dot, and others with a definition."""
    own = re.findall(r"^([\w.]+):", (PACKAGE / "texts/terms.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = glossary.load_entries()
    return {
        name: dict(entry)
        for name, entry in entries.items()
        if (name in own and "." not in name) or "definition" in entry
    }


def test_every_text_is_used(code: Code) -> None:
    terms = _terms()
    unused = [
        text_id
        for text_id in glossary.load_texts()
        if text_id not in code.strings
        and text_id not in terms
        and not _fits(text_id, READ_OTHERWISE)
        and not _fits(text_id, KEPT)
        and not code.puts_together(text_id)
    ]

    assert unused == []


def test_every_text_that_is_asked_for_exists(code: Code) -> None:
    assert sorted(code.asked - glossary.load_texts().keys()) == []


def test_what_looks_like_the_id_of_a_text_is_one(code: Code) -> None:
    texts = glossary.load_texts()
    topics = {text_id.partition(".")[0] for text_id in texts if "." in text_id}
    ids = [one for one in code.strings if re.fullmatch(r"[a-z_]+(\.\w+)+", one) and one.partition(".")[0] in topics]

    begun = [one for one in ids if one not in texts and not any(text_id.startswith(f"{one}.") for text_id in texts)]

    assert [one for one in begun if not re.search(r"\.(html|json|csv|yaml|j2|pdf|md|png|csv)$", one)] == []


def test_every_id_that_is_put_together_gives_some_text(code: Code) -> None:
    texts = glossary.load_texts()
    topics = {text_id.partition(".")[0] for text_id in texts if "." in text_id}

    idle = [
        pattern.pattern
        for pattern in _expressions(frozenset(code.patterns))
        if pattern.pattern.partition("\\.")[0] in topics and not any(pattern.fullmatch(text_id) for text_id in texts)
    ]

    assert idle == []


@pytest.mark.parametrize("reasons", [READ_OTHERWISE, KEPT], ids=["read-otherwise", "kept"])
def test_every_exception_still_holds(code: Code, reasons: dict[str, str]) -> None:
    for pattern in reasons:
        found = [text_id for text_id in glossary.load_texts() if re.fullmatch(pattern, text_id)]
        assert found, pattern
        if reasons is KEPT:
            assert any(text_id not in code.strings for text_id in found), f"{pattern} is used: take it off the list"


@pytest.mark.parametrize("name", sorted(_terms()))
def test_every_term_is_explained_in_both_languages_and_says_where_it_comes_from(name: str) -> None:
    entry = _terms()[name]
    definition = entry.get("definition")

    assert isinstance(definition, dict), "has no definition"
    assert set(definition) == set(glossary.languages)
    assert entry.get("source"), "has no source"
    assert isinstance(entry["source"], str)


def test_one_term_stands_for_one_concept() -> None:
    for language in glossary.languages:
        names = [str(entry[language]).casefold() for entry in _terms().values()]
        assert sorted(names) == sorted(set(names))
