"""A page as PDF on A4, in one language, with page numbers: by WeasyPrint, which comes with ``partgate[pdf]``."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from partgate.configfile import write_atomically
from partgate.errors import PartgateError
from partgate.glossary import check_language, languages, text
from partgate.pages.svg import HALO

# WeasyPrint knows no paint-order: it would draw the white edge over the letters. So the edge gets letters of its own.
_HALOED = re.compile(rf"<text([^>]*)({re.escape(HALO)})(>.*?)</text>", re.DOTALL)
_WAY_OUT = "or open the HTML page in a browser and print it into a PDF"


def write_pdf(html: str, language: str, path: Path) -> None:
    """Write a page as PDF; nothing is fetched from anywhere.

    Args:
        html: The page, with all languages in it.
        language: The one that is printed.
        path: Where the PDF goes; an older one is replaced.

    Raises:
        PartgateError: If WeasyPrint or the Pango library is missing; what to install is named.
        OSError: If the place is not writable.
    """
    check_language(language)
    weasyprint = load_weasyprint()
    style = weasyprint.CSS(string=_print_style(language))
    page = re.sub(r'<html lang="\w+"', f'<html lang="{language}"', html, count=1)  # hyphens of the printed language
    page = _HALOED.sub(r"<text\1\2\3</text><text\1\3</text>", page)
    document = weasyprint.HTML(string=page, url_fetcher=_only_data(weasyprint))
    write_atomically(path, document.write_pdf(stylesheets=[style]))


def load_weasyprint() -> Any:
    """Return the library that makes PDFs; call it early where a long piece of work comes before the PDF.

    Raises:
        PartgateError: If it or the system's Pango is missing; what to install is named.
    """
    try:
        return import_module("weasyprint")
    except ImportError as error:
        raise PartgateError(f"PDF: WeasyPrint is not installed; pip install 'partgate[pdf]', {_WAY_OUT}") from error
    except OSError as error:  # its wheel is there, the system's text library is not
        raise PartgateError(
            "PDF: the system library Pango is missing; install it (Debian, Ubuntu: apt install libpango-1.0-0 "
            f"libpangoft2-1.0-0; Windows: see WeasyPrint's first steps), {_WAY_OUT}"
        ) from error


def _only_data(weasyprint: Any) -> Any:
    """Return a fetcher that takes what stands in the page itself and nothing else."""
    return weasyprint.urls.URLFetcher(allowed_protocols=("data",), allow_redirects=False)


def _print_style(language: str) -> str:
    """Return what paper needs beside the page's own style: one language, no switch, page numbers."""
    others = ", ".join(f'main [lang="{other}"]' for other in languages if other != language)
    numbered = text("pdf.page", language, page='" counter(page) "', pages='" counter(pages) "')
    return "\n".join((
        f"{others}, input.choice, .languages {{ display: none !important; }}",
        # WeasyPrint lays out no grid whose cells stand one level deeper (display: contents)
        ".pairs, .pairs > div { display: block !important; }",
        ".pairs dt, .pairs dd { display: inline; } .pairs dt { margin-right: 4pt; }",
        f'@page {{ @bottom-right {{ content: "{numbered}"; font-size: 8pt; color: #5d656e; }} }}',
    ))  # fmt: skip
