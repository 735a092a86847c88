"""Pages as PDF: one language read back, page numbers, nothing fetched, and what is said without a library."""

import re
import sys
import zlib
from pathlib import Path

import pytest

from partgate.errors import PartgateError
from partgate.pages import pdf
from partgate.pages.pdf import write_pdf
from partgate.pages.svg import write_text

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Prüfung</title><style>{style}</style></head><body>
<input class="choice" type="radio" id="show-en" checked><input class="choice" type="radio" id="show-de">
<main><span class="languages"><label>Umschalter</label></span>
<p><span lang="en">Escapes of large parts</span><span lang="de">Schlupf großer Teile, Prüfmaß Ä Ö Ü: 0,5 %</span></p>
{content}</main></body></html>"""


def read_pages(path: Path) -> list[str]:
    """Return the text of each page, decoded by the fonts' own tables; blanks left out, as PDF sets them freely."""
    found = re.findall(rb"(\d+) 0 obj\n<<[^>]*?/FlateDecode.*?stream\n(.*?)\nendstream", path.read_bytes(), re.DOTALL)
    streams = {int(number): zlib.decompress(body).decode("latin-1") for number, body in found}
    objects = _read_objects(next(stream for stream in streams.values() if "/Type /Catalog" in stream))
    tables = {}
    for font, number in re.findall(r"/([A-Z]{6}) (\d+) 0 R", " ".join(objects.values())):
        table = streams[int(re.search(r"/ToUnicode (\d+) 0 R", objects[int(number)])[1])]
        pairs = re.findall(r"<([0-9a-f]+)> <([0-9a-f]+)>\n", table.split("beginbfchar")[1])
        tables[font] = {code: bytes.fromhex(sign).decode("utf-16-be") for code, sign in pairs}
    return [_text(stream, tables) for stream in streams.values() if re.search(r"/[A-Z]{6} [\d.]+ Tf", stream)]


def _read_objects(stream: str) -> dict[int, str]:
    """Return the objects of an object stream: numbers in its first line, then a line per object."""
    head, *lines = stream.split("\n")
    return dict(zip(map(int, head.split()[::2]), lines, strict=False))


def _text(stream: str, tables: dict[str, dict[str, str]]) -> str:
    font, found = {}, []
    for name, shown in re.findall(r"/([A-Z]{6}) [\d.]+ Tf|(\[.*?\] TJ)", stream):
        font = tables[name] if name else font
        found += [font[code] for run in re.findall(r"<([0-9a-f]*)>", shown) for code in re.findall("....", run)]
    return "".join(found).replace(" ", "").replace("\u00a0", "").replace("\u00ad", "")


@pytest.fixture
def weasyprint():
    return pytest.importorskip("weasyprint", reason="PDF needs partgate[pdf]")


@pytest.mark.usefixtures("weasyprint")
def test_pdf_shows_one_language_with_umlauts_and_no_switch(tmp_path: Path):
    write_pdf(PAGE.format(style="", content=""), "de", tmp_path / "page.pdf")

    (text,) = read_pages(tmp_path / "page.pdf")
    assert "SchlupfgroßerTeile,PrüfmaßÄÖÜ:0,5%" in text
    assert "Escapes" not in text
    assert "Umschalter" not in text


@pytest.mark.usefixtures("weasyprint")
def test_every_page_says_which_of_how_many_it_is(tmp_path: Path):
    content = '<p style="break-before: page">zwei</p><p style="break-before: page">drei</p>'

    for language, words in (("de", "Seite{}von3"), ("en", "Page{}of3")):
        write_pdf(PAGE.format(style="", content=content), language, tmp_path / "page.pdf")

        texts = read_pages(tmp_path / "page.pdf")
        assert [words.format(number) in text for number, text in enumerate(texts, 1)] == [True, True, True]


@pytest.mark.usefixtures("weasyprint")
def test_nothing_is_fetched_from_outside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda self, request, *_, **__: asked.append(request))
    secret = tmp_path / "secret.txt"
    secret.write_text("p { color: red }", encoding="utf-8")
    style = f'@import url("{secret.as_uri()}"); @import url("https://example.invalid/a.css");'
    content = f'<img src="http://127.0.0.1:9/a.png"><img src="{secret.as_uri()}">'

    write_pdf(PAGE.format(style=style, content=content), "en", tmp_path / "page.pdf")

    assert asked == []
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_missing_library_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)

    with pytest.raises(PartgateError, match=r"WeasyPrint is not installed; pip install 'partgate\[pdf\]', or open"):
        write_pdf(PAGE.format(style="", content=""), "de", tmp_path / "page.pdf")

    assert list(tmp_path.iterdir()) == []


def test_missing_system_library_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> None:
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(pdf, "import_module", fail)

    with pytest.raises(PartgateError, match="the system library Pango is missing; install it"):
        write_pdf(PAGE.format(style="", content=""), "de", tmp_path / "page.pdf")


def test_letters_with_a_white_edge_are_drawn_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn: list[str] = []
    weasyprint = pdf.load_weasyprint()
    whole = weasyprint.HTML
    monkeypatch.setattr(
        weasyprint, "HTML", lambda string, **given: drawn.append(string) or whole(string=string, **given)
    )
    label = write_text(1, 20, "limit", halo=True)

    write_pdf(PAGE.format(style="", content=f"<svg>{label}</svg>"), "en", tmp_path / "a.pdf")

    edge, letters = re.findall(r"<text[^>]*>limit</text>", drawn[0])
    assert 'stroke="#ffffff"' in edge
    assert "stroke" not in letters


def test_unknown_language_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="language must be one of en, de, got 'fr'"):
        write_pdf("<html>", "fr", tmp_path / "page.pdf")
