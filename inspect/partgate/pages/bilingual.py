"""Things to read in every language side by side, for pages whose switch shows one of them."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup, escape

from partgate.glossary import languages, text

_NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True, slots=True)
class Bilingual:
    """One thing to read, in every language; the page's switch shows one of them."""

    in_language: Callable[[str], str]

    def __html__(self) -> str:
        """Return all languages side by side, or the bare text where they agree."""
        versions = {language: escape(self.in_language(language)) for language in languages}
        versions = {language: version.replace(" %", f"{_NO_BREAK_SPACE}%") for language, version in versions.items()}
        if len(set(versions.values())) == 1:
            return str(versions[languages[0]])
        return "".join(f'<span lang="{language}">{version}</span>' for language, version in versions.items())


def phrase(text_id: str, /, **values: object) -> Bilingual:
    """Return a text of the glossary; values may be bilingual themselves."""

    def in_language(language: str) -> str:
        filled = {
            key: value.in_language(language) if isinstance(value, Bilingual) else value for key, value in values.items()
        }
        return text(text_id, language, **filled)

    return Bilingual(in_language)


def drawing(draw: Callable[[str], str]) -> Bilingual:
    """Return our own SVG, drawn in every language."""
    return Bilingual(lambda language: Markup(draw(language)))  # our own SVG, escaped where it is made
