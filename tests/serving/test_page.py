"""The page: what it may load, and what a person sees in a real browser."""

import base64
import re

import numpy as np
import pytest

from keras_resnet.serving import page
from tests.browser import running_browser
from tests.photos import encode
from tests.serving.nets import colored
from tests.serving.running import running_service

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


@pytest.fixture(scope="module")
def browser():
    with running_browser() as browser:
        yield browser


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
