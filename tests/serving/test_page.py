"""The page: what it may load, and what a person sees in a real browser."""

import base64
import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

from keras_resnet.serving import page
from tests.photos import encode
from tests.serving.nets import colored
from tests.serving.running import running_service

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's name for an element's identifier
DROP = """
const [text, type, name] = arguments;
const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name, {type}));
document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
"""
PASTE = DROP.replace(
    'document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));',
    'document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer}));',
)


def test_the_page_loads_nothing_and_runs_only_its_own_script(client):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.findall(r"https?:|//[\w.]+/|@import|url\(", page.HTML)
    assert re.findall(r"\son\w+=|\sstyle=", page.HTML) == []  # the policy forbids them


class Browser:
    """A headless Chromium, driven by chromedriver over the WebDriver protocol."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/session"
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self._send("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self.address += f"/{session['sessionId']}"

    def _send(self, method: str, path: str, content: dict | None = None):
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)["value"]

    def open(self, url: str) -> None:
        self._send("POST", "/url", {"url": url})

    def run(self, script: str, *arguments):
        """The value that a script returns."""
        return self._send("POST", "/execute/sync", {"script": script, "args": arguments})

    def find(self, selector: str) -> str:
        return self._send("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def type(self, selector: str, text: str) -> None:
        self._send("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Presses keys on whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._send("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        self._send("POST", "/window/rect", {"width": width, "height": height})

    def wait(self, script: str):
        """Waits until a script returns something true, and returns it."""
        end = time.monotonic() + 60
        while not (value := self.run(script)):
            assert time.monotonic() < end, self.run("return document.body.innerText")
            time.sleep(0.05)
        return value

    def messages(self) -> list[str]:
        """What the console says since the last call, warnings and errors of the page among it."""
        return [entry["message"] for entry in self._send("POST", "/se/log", {"type": "browser"})]

    def screenshot(self) -> bytes:
        return base64.b64decode(self._send("GET", "/screenshot"))

    def close(self) -> None:
        self._send("DELETE", "")


@contextlib.contextmanager
def chromedriver() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 60
            while True:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert time.monotonic() < end
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser():
    if shutil.which("chromedriver") is None:
        pytest.skip("needs chromedriver and Chromium (Debian: apt-get install chromium-driver)")
    with chromedriver() as port:
        browser = Browser(port)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(net_file, viewing_net_file):
    with running_service(net_file, viewing_net_file) as running:
        yield running


@pytest.fixture
def opened(browser, service):
    """The browser, with the page open and ready."""
    browser.resize(1200, 900)
    browser.open(f"http://127.0.0.1:{service.port}/")
    browser.wait("return document.getElementById('status').textContent === 'Ready.'")
    yield browser
    assert browser.messages() == []


PHOTO = colored((230, 120, 40), 60, 90)
BARS = "return [...document.querySelectorAll('.card li')].map((item) => item.innerText.split('\\n'))"


def give(browser, script: str, content: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    browser.run(script, base64.b64encode(content).decode(), kind, name)


@pytest.mark.parametrize("script", [DROP, PASTE])
def test_a_photo_that_is_dropped_or_pasted_shows_its_classes(opened, script):
    give(opened, script, encode(PHOTO))
    bars = opened.wait(f"{BARS}.length === 3 && ({BARS.removeprefix('return ')})")
    assert [name for name, _ in bars] == ["red", "green", "blue"]
    shares = [float(share.rstrip("%")) for _, share in bars]
    assert abs(sum(shares) - 100) < 0.5
    widths = opened.run("return [...document.querySelectorAll('.fill')].map((bar) => parseFloat(bar.style.width))")
    np.testing.assert_allclose(widths, shares, atol=0.06)
    assert opened.run("return document.getElementById('status').textContent").startswith("photo.png: red, ")
    assert opened.run("return document.querySelector('.photo img').naturalWidth") == 90


def test_the_map_lies_on_the_part_that_the_model_sees(opened):
    opened.run("document.getElementById('model').value = 'center'")
    give(opened, DROP, encode(PHOTO))
    opened.wait("return !document.querySelector('.explain')?.hidden")
    opened.run("document.querySelector('.explain').click()")
    opened.wait("return document.querySelector('.explain').getAttribute('aria-pressed') === 'true'")
    box = opened.run(
        "const [photo, map] = ['.photo img', '.photo canvas'].map((name) =>"
        " document.querySelector(name).getBoundingClientRect());"
        "return [(map.left - photo.left) / photo.width, (map.top - photo.top) / photo.height,"
        " map.width / photo.width, map.height / photo.height]"
    )
    np.testing.assert_allclose(box, [1 / 6, 0, 2 / 3, 1], atol=0.01)
    assert "red" in opened.run("return document.querySelector('.note').textContent")


def test_the_page_works_by_keyboard(opened, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode(PHOTO))
    tab, enter = "\ue004", "\ue007"
    opened.press(tab, tab)
    assert opened.run("return document.activeElement.id") == "files"
    assert opened.run("return getComputedStyle(document.getElementById('drop')).outlineStyle") == "solid"
    opened.type("#files", str(photo))
    opened.wait("return document.querySelectorAll('.card li').length === 3")
    opened.press(tab)
    assert opened.run("return document.activeElement.id") == "clear"
    opened.press(tab, enter)
    opened.wait("return document.querySelector('.explain').getAttribute('aria-pressed') === 'true'")
    assert opened.run("return document.activeElement.className") == "explain"
    opened.press(enter)
    opened.wait("return document.querySelector('.explain').getAttribute('aria-pressed') === 'false'")
    opened.run("document.getElementById('clear').focus()")
    opened.press(enter)
    opened.wait("return document.querySelectorAll('.card').length === 0")


def test_the_page_fits_a_phone(opened):
    opened.resize(500, 900)  # Chromium's narrowest window
    give(opened, DROP, encode(PHOTO), name="a_very_long_name_of_a_photo_" * 8 + ".png")
    opened.wait("return document.querySelectorAll('.card li').length === 3")
    assert opened.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    photo, list_ = (
        opened.run(f"return document.querySelector('{name}').getBoundingClientRect().top") for name in (".photo", "ol")
    )
    assert list_ > photo


def test_a_broken_photo_shows_the_sentence(browser, service):
    browser.open(f"http://127.0.0.1:{service.port}/")
    browser.wait("return document.getElementById('status').textContent === 'Ready.'")
    give(browser, DROP, b"broken", name="<b>broken</b>.png")
    sentence = browser.wait("return document.querySelector('.error')?.textContent")
    assert sentence.startswith("The image is not an image in a known format")
    assert browser.run("return document.querySelector('h2').textContent") == "<b>broken</b>.png"
    assert [message for message in browser.messages() if "400 (Bad Request)" not in message] == []


def test_a_token_is_asked_for(browser, net_file):
    with running_service(net_file, "--token=secret") as service:
        browser.open(f"http://127.0.0.1:{service.port}/")
        browser.wait("return !document.getElementById('token-form').hidden")
        assert browser.run("return document.activeElement.id") == "token"
        browser.type("#token", "secret\ue007")
        browser.wait("return document.getElementById('status').textContent === 'Ready.'")
        give(browser, DROP, encode(PHOTO))
        browser.wait("return document.querySelectorAll('.card li').length === 3")
        browser.messages()  # the browser reports the first answer, 401


def test_the_page_is_dark_where_the_system_is():
    assert "@media (prefers-color-scheme: dark)" in page.HTML
    assert "color-scheme: light dark" in page.HTML
