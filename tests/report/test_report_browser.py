"""The report in a real browser: nothing is fetched, a click on a cell shows its pictures, it fits phone and paper."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.report.report import evaluate

from ..needed import need

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)  # fmt: skip
PHONE, DESK = (390, 844), (1280, 900)


class Browser:
    """One page of a headless Chromium, told what to do over a pipe (Chrome DevTools Protocol)."""

    def __init__(self, program: str, profile: Path) -> None:
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()

        def connect() -> None:
            os.dup2(read_there, 3)
            os.dup2(write_there, 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}"], preexec_fn=connect, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_there)
        os.close(write_there)
        self._told, self._said = os.fdopen(write_here, "wb", 0), os.fdopen(read_here, "rb")
        self._number, self._rest, self._session = 0, b"", ""
        self.requests: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._told.write(json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._said.fileno(), 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        told = dict(json.loads(message))
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["params"]["request"]["url"])
        return told

    def open(self, url: str, size: tuple[int, int], media: str = "screen") -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **metrics)
        self.ask("Emulation.setEmulatedMedia", media=media)
        self.ask("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script: str) -> Any:
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def click(self, selector: str) -> None:
        where = self.evaluate(
            f"(() => {{ const found = [...document.querySelectorAll('{selector}')].find(one => one.checkVisibility());"
            "found.scrollIntoView({block: 'center'}); const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def close(self) -> None:
        self._told.close()
        self._said.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("chromium", program, "apt-get install chromium")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a German report on nine parts, two of which escaped."""
    folder = tmp_path_factory.mktemp("report")
    for name, levels in {"good": [10, 20, 30, 200], "defect": [50, 60, 180, 190, 210]}.items():
        (folder / "data" / name).mkdir(parents=True)
        for number, level in enumerate(levels):
            pixels = np.full((40, 40, 3), level, np.uint8)
            pixels[0, 0] = (number, len(name), 0)
            cv2.imwrite(str(folder / "data" / name / f"{number}.png"), pixels)
    run = make_run(folder / "run")
    evaluate(run, folder / "data", folder / "out", language="de", progress=lambda step, done, total: None)
    return (folder / "out/report.html").as_uri()


def test_page_asks_for_nothing_but_itself(browser: Browser, page: str):
    browser.requests.clear()

    browser.open(page, DESK)

    others = [url for url in browser.requests if url != page and not url.startswith("data:image/jpeg;base64,")]
    assert page in browser.requests
    assert others == []


def test_request_to_another_host_would_be_noticed(browser: Browser, tmp_path: Path):
    (tmp_path / "page.html").write_text('<img src="http://elsewhere.invalid/a.png">')

    browser.open((tmp_path / "page.html").as_uri(), DESK)

    assert "http://elsewhere.invalid/a.png" in browser.requests


def test_click_on_a_cell_shows_its_pictures_and_another_click_leads_back(browser: Browser, page: str):
    shown = "[...document.querySelectorAll('.cell')].filter(one => one.checkVisibility()).map(one => one.id)"
    browser.open(page, DESK)
    before = browser.evaluate(shown)

    browser.click('svg a[href="#cell-0-1"]')

    assert (before, browser.evaluate(shown)) == ([], ["cell-0-1"])
    assert browser.evaluate("document.querySelectorAll('#cell-0-1 .thumb.shown').length") == 2
    browser.click('#cell-0-1 a[href="#matrix"]')
    assert browser.evaluate(shown) == []


def test_switch_changes_the_language_without_a_script(browser: Browser, page: str):
    browser.open(page, DESK)
    german = browser.evaluate("document.body.innerText")

    browser.click('label[for="show-en"]')

    english = browser.evaluate("document.body.innerText")
    assert "2 von 5 Bildern von Schlechtteilen als gut durchgelassen" in german
    assert "2 of 5 pictures of defect parts escaped" in english
    assert "Schlechtteilen" not in english
    assert browser.evaluate("document.scripts.length") == 0


@pytest.mark.parametrize(("size", "media"), [(PHONE, "screen"), (DESK, "screen"), ((688, 970), "print")],
                         ids=["phone", "desk", "a4"])  # fmt: skip
def test_nothing_stands_beyond_the_right_edge(size: tuple[int, int], media: str, browser: Browser, page: str):
    browser.open(page, size, media)

    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_every_picture_that_is_shown_can_be_decoded(browser: Browser, page: str):
    browser.open(page, DESK)

    widths = browser.evaluate(
        "Promise.all([...document.querySelectorAll('.thumb.shown')].map(async one => {"
        "const image = new Image(); image.src = getComputedStyle(one).backgroundImage.slice(5, -2);"
        "await image.decode(); return image.naturalWidth }))"
    )

    assert set(widths) == {220}
    assert len(widths) > 9
