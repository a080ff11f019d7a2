"""A real browser for tests of pages."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's name for an element's identifier


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

    def emulate(self, width: int, height: int, color_scheme: str) -> None:
        """Shows pages as a device of this size in CSS pixels, which may be narrower than a window, light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": color_scheme}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def _devtools(self, command: str, parameters: dict) -> None:
        self._send("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

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


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser; the test is skipped, saying so, without one."""
    if shutil.which("chromedriver") is None:
        pytest.skip("needs chromedriver and Chromium (Debian: apt-get install chromium-driver)")
    with chromedriver() as port:
        browser = Browser(port)
        try:
            yield browser
        finally:
            browser.close()
