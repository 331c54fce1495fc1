"""The report in a real browser: every section is there, no error, no request, and its controls work."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.report.small import HOSTILE, content
from unfade.report.page import write

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECTIONS = ("notes", "frames", "ratios", "counts", "tracks", "attention", "scale", "manifest")
PATIENCE_S = 60.0

# The browser reads commands from descriptor 3 and answers on 4.
START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A headless Chromium, driven over its debugging pipe; it keeps what the page said and asked for."""

    def __init__(self, program: str, folder: Path) -> None:
        command_in, self._write = os.pipe()
        self._read, answers_out = os.pipe()
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars "
            "--remote-debugging-pipe"
        )
        arguments = [program, *flags.split(), f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(command_in), str(answers_out), *arguments],
            pass_fds=(command_in, answers_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_in)
        os.close(answers_out)
        self._pending = b""
        self._count = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def start(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, page: Path) -> None:
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        until = time.monotonic() + PATIENCE_S
        while self.value("document.documentElement?.dataset.ready") != "yes":
            assert time.monotonic() < until, f"the page never got ready: {self.complaints()}"
            time.sleep(0.05)

    def value(self, script: str) -> Any:
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def window(self, width: int, height: int, scheme: str = "light") -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, whole: bool = True) -> bytes:
        return b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])

    def complaints(self) -> list[str]:
        """Console messages, uncaught errors and log entries, refused requests included."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in kinds]

    def requests(self) -> list[str]:
        sent = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith("data:")]

    def close(self) -> None:
        try:
            self._session = None
            self.call("Browser.close")
            self._process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._write)
            os.close(self._read)

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._read, 1 << 20)
            assert piece, f"the browser ended with {self._process.wait(5)}"
            self._pending += piece
        text, _, self._pending = self._pending.partition(b"\0")
        return dict(json.loads(text))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium; install it, for example with apt-get install chromium")
        pytest.skip("there is no Chromium on this machine")
    driven = Browser(program, tmp_path_factory.mktemp("profile"))
    try:
        driven.start()
        yield driven
    finally:
        driven.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Browser]:
    """The report of the small run, opened in a desktop window."""
    write(tmp_path / "report.html", content())
    browser.window(1280, 900)
    browser.open(tmp_path / "report.html")
    yield browser
    assert browser.complaints() == []


def middle(browser: Browser, selector: str) -> tuple[float, float]:
    """Middle of an element, scrolled into the window."""
    script = (
        f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
        "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
        "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    x, y = browser.value(script)
    return float(x), float(y)


def test_every_section_is_drawn(page: Browser) -> None:
    for name in SECTIONS:
        height = page.value(f"document.getElementById('{name}').getBoundingClientRect().height")
        assert height > 40, name
    shown = "[...document.querySelectorAll('svg')].filter((s) => s.getBoundingClientRect().height > 30).length"
    assert page.value(shown) == 2 + 1 + 2 + 6  # frames, curves, bars, thumbnails
    images = "Promise.all([...document.querySelectorAll('image')].map((i) => i.decode().then(() => 1)))"
    assert page.value(images) == [1] * 8


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_the_window_in_both_colour_schemes(page: Browser, width: int, scheme: str) -> None:
    page.window(width, 800, scheme)
    assert page.value("document.documentElement.scrollWidth") == width
    assert page.screenshot()[:4] == b"\x89PNG"
    paper, ink = page.value("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert (paper, ink) == (
        ("rgb(255, 255, 255)", "rgb(27, 31, 35)") if scheme == "light" else ("rgb(20, 23, 26)", "rgb(232, 235, 238)")
    )
    assert page.value(CONTRAST) >= 4.5


# The lowest contrast of any text to what lies behind it, as WCAG 2.2 defines it.
CONTRAST = """(() => {
  const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => numbers(c).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let worst = 21;
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest("svg, script, style") || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    if (numbers(style.color)[3] === 0) continue;
    let back = e;
    while (back && numbers(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
    const [a, b] = [light(style.color), light(getComputedStyle(back ?? document.body).backgroundColor)];
    worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return worst;
})()"""


def test_nothing_is_asked_of_the_network(page: Browser) -> None:
    assert page.requests() == [page.value("location.href")]
    assert page.value("location.protocol") == "file:"
    resources = "performance.getEntriesByType('resource').map((r) => r.name).filter((n) => !n.startsWith('data:'))"
    assert page.value(resources) == []


def test_the_policy_would_stop_a_request_and_a_foreign_script(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path / "report.html", content())
    whole = (tmp_path / "report.html").read_text("utf-8")
    bad = "<script>window.foreign = 1</script><img src='http://127.0.0.1:9/a.png'></body>"
    (tmp_path / "bad.html").write_text(whole.replace("</body>", bad), "utf-8")
    browser.open(tmp_path / "bad.html")
    assert browser.value("window.foreign") is None
    assert sum("Content Security Policy" in text for text in browser.complaints()) == 2


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path) -> None:
    run = content()
    hostile = content(
        title=HOSTILE,
        channels=(HOSTILE, HOSTILE),
        ratios=(("ratio_a", HOSTILE),),
        attention=run.attention.assign(reason=HOSTILE),
        manifest={HOSTILE: [{HOSTILE: HOSTILE}]},
        notes=(HOSTILE,),
    )
    write(tmp_path / "report.html", hostile)
    browser.open(tmp_path / "report.html")
    assert browser.complaints() == []
    assert browser.value("document.querySelector('h1').textContent") == HOSTILE
    assert browser.value("document.querySelectorAll('img').length") == 0
    assert browser.value("window.broken") is None
    browser.value("document.querySelector('.reason').click()")
    assert browser.value("[...document.querySelectorAll('#looks tbody tr')].every((r) => r.checkVisibility())")


def test_a_click_on_an_outline_marks_its_track_everywhere(page: Browser) -> None:
    page.click(*middle(page, ".shot .outlines [data-t='2']"))
    assert page.value("document.querySelectorAll('.outlines .picked').length") == 2
    assert page.value("document.querySelector('.outlines .picked').dataset.t") == "2"
    drawn = page.value("document.querySelector('.pick').getAttribute('d')")
    assert drawn == page.value("document.querySelector('.tracks [data-t=\"2\"]').getAttribute('d')")
    assert page.value("document.querySelector('#looks .picked').dataset.t") == "2"
    assert page.value("[document.querySelector('#find').value, document.querySelector('#found').value]") == [
        "2",
        "frames 0–9",
    ]
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert page.value("document.querySelectorAll('.picked').length") == 0
    assert page.value("document.querySelector('.pick').getAttribute('d')") == ""


def test_pointing_at_a_curve_reads_it(page: Browser) -> None:
    middle(page, ".curves .area")
    box = page.value(
        "(() => { const b = document.querySelector('.curves .area').getBoundingClientRect();"
        "return [b.x, b.y, b.width, b.height, Number(document.querySelector('.curves').dataset.low),"
        "Number(document.querySelector('.curves').dataset.high)]; })()"
    )
    left, top, width, height, low, high = (float(v) for v in box)
    y = top + height * (1 - (2.15 - low) / (high - low))
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=left + width * 2 / 9 + 3, y=y)
    reading = page.value("document.querySelector('.reading').value")
    assert reading == "frame 2 (10 min): track 3: 2.15, median 2.15, n 5"
    assert page.value("document.querySelector('.hint').getAttribute('d')").startswith("M0 ")
    page.click(left + width * 2 / 9 + 3, y)
    assert page.value("document.querySelector('#find').value") == "3"


def test_a_track_can_be_found_with_the_keyboard(page: Browser) -> None:
    page.value("document.querySelector('#find').focus()")
    page.call("Input.insertText", text="5")
    assert page.value("document.querySelector('#found').value") == "frame 9, from 1"
    assert page.value("document.querySelectorAll('.outlines .picked').length") == 1
    page.call("Input.insertText", text="5")
    assert page.value("document.querySelector('#found').value") == "no such track"
    page.value("document.querySelector('#clear').click()")
    assert page.value("[document.querySelector('#find').value, document.querySelector('#clear').hidden]") == ["", True]


def test_the_table_sorts_and_keeps_reasons(page: Browser) -> None:
    column = "[...document.querySelectorAll('#looks tbody tr')].map((r) => Number(r.dataset.t))"
    first = page.value(column)
    heading = "[...document.querySelectorAll('#looks th button')].find((b) => b.textContent === 'track').click()"
    page.value(heading)
    assert page.value(column) == sorted(first) != first
    page.value(heading)
    assert page.value(column) == sorted(first, reverse=True)
    assert page.value("document.querySelectorAll('#looks [aria-sort]').length") == 1
    page.value("document.querySelector('[data-reason=\"touches border\"].reason').click()")
    rows = "[...document.querySelectorAll('#looks tbody tr')].filter((r) => r.checkVisibility())"
    assert page.value(f"{rows}.map((r) => r.dataset.reason)") == ["touches border"] * 2


def test_frames_are_shown_one_at_a_time_and_larger(page: Browser) -> None:
    shown = "[...document.querySelectorAll('.shot')].filter((s) => s.checkVisibility()).map((s) => s.dataset.frame)"
    assert page.value(shown) == ["0", "9"]
    page.value("document.querySelector('[data-arrange=one]').click()")
    assert page.value(shown) == ["0"]
    page.value("document.querySelector('#slide').focus()")
    for kind in ("rawKeyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    assert page.value(shown) == ["9"]
    before = page.value("document.querySelector('.shown svg').getBoundingClientRect().width")
    page.value("document.querySelector('[data-zoom=\"2\"]').click()")
    assert page.value("document.querySelector('.shown svg').getBoundingClientRect().width") > 1.9 * before
    page.value("document.querySelector('#outlined').click()")
    assert page.value("getComputedStyle(document.querySelector('.shown .outlines path')).stroke") == "none"


def test_it_reads_without_scripts(browser: Browser, tmp_path: Path) -> None:
    write(tmp_path / "report.html", content())
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("Page.navigate", url=(tmp_path / "report.html").as_uri())
        time.sleep(0.3)
        nodes = browser.call("DOM.getDocument", depth=-1)["root"]["nodeId"]
        sizes = []
        for selector in (".shot svg", ".curves svg", "#manifest dl", "#looks tr"):
            found = browser.call("DOM.querySelector", nodeId=nodes, selector=selector)["nodeId"]
            sizes.append(browser.call("DOM.getBoxModel", nodeId=found)["model"]["height"])
        assert min(sizes) > 15
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_printing_opens_what_is_closed(page: Browser) -> None:
    page.value("dispatchEvent(new Event('beforeprint'))")
    assert page.value("document.querySelectorAll('details:not([open])').length") == 0
    page.value("dispatchEvent(new Event('afterprint'))")
    assert page.value("document.querySelectorAll('details[open]').length") == 0
    assert b64decode(page.call("Page.printToPDF")["data"]).startswith(b"%PDF")


@pytest.mark.parametrize("changes", [{"frames": 1}, {"empty": True}, {"ratios": (), "snapshots": (), "crops": ()}])
def test_odd_runs_open_without_complaint(browser: Browser, tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path / "report.html", content(**changes))
    browser.open(tmp_path / "report.html")
    assert browser.complaints() == []
    for name in SECTIONS:
        assert browser.value(f"document.getElementById('{name}').getBoundingClientRect().height") > 40
