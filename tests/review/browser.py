"""A headless Chromium, driven by its DevTools protocol over a pair of pipes.

Playwright and Selenium would each bring a second browser or driver of their own; a pipe needs none
and opens no port. Protocol: chromedevtools.github.io/devtools-protocol, 1.3; Chromium 156.
"""

import base64
import fcntl
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Final, Literal

from tests.conftest import PROGRAMS

OPTIONS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-dev-shm-usage",
)
Theme = Literal["light", "dark"]
READ, WRITE = 3, 4
"""Where Chromium reads commands and writes answers."""
LEAST: Final = 20


class Browser:
    """A browser that lives until it is closed."""

    def __init__(self, profile: Path) -> None:
        (names,) = PROGRAMS["chromium"].executables
        program = next(filter(None, map(shutil.which, names)))
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Above 20, so that putting one in its place does not close the other.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, LEAST) for end in (theirs_in, theirs_out)]
        self._pid = os.posix_spawn(
            program,
            [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            {**os.environ, "HOME": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, ends[0], READ),
                (os.POSIX_SPAWN_DUP2, ends[1], WRITE),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._out, self._in = ours_out, ours_in
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one command."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def wait(self, method: str, session: str) -> dict[str, Any]:
        """Return the next event of a kind."""
        while True:
            for number, event in enumerate(self.events):
                if event.get("method") == method and event.get("sessionId") == session:
                    return self.events.pop(number)
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._in, 1 << 20)
            assert read, "Chromium ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, *, width: int = 1280, theme: Theme = "light") -> "Page":
        """Return a page, loaded, of which every request was recorded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        opened = Page(self, target, attached["sessionId"])
        opened.resize(width)
        opened.media("screen", theme)
        for domain in ("Page", "Network", "Log", "Runtime"):
            opened.ask(f"{domain}.enable")
        opened.ask("Page.navigate", url=page.resolve().as_uri())
        self.wait("Page.loadEventFired", opened.session)
        return opened

    def close(self) -> None:
        """End the browser and all of its processes."""
        os.close(self._out)
        for _ in range(100):
            if os.waitpid(self._pid, os.WNOHANG) != (0, 0):
                break
            time.sleep(0.05)
        else:
            os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._in)


class Page:
    """A page in a browser."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self.target, self.session = browser, target, session

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one command."""
        return self.browser.ask(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def resize(self, width: int, height: int = 900) -> None:
        """Make the window as wide as a screen."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, file: Path, width: int, height: int) -> None:
        """Write what a window of that size shows."""
        self.resize(width, height)
        answer = self.ask("Page.captureScreenshot", format="webp", quality=85)
        file.write_bytes(base64.b64decode(answer["data"]))

    def media(self, media: str, theme: Theme = "light") -> None:
        """Show the page on a screen or on paper, in a theme."""
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[feature])

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        for kind in ("keyDown", "keyUp"):
            text = {"Enter": "\r", " ": " "}.get(key, "") if kind == "keyDown" else ""
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code="Space" if key == " " else key,
                windowsVirtualKeyCode=codes[key],
                text=text,
            )

    def requests(self) -> list[str]:
        """Return the address of everything that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("method") == "Network.requestWillBeSent"
            and event.get("sessionId") == self.session
        ]

    def complaints(self) -> list[str]:
        """Return what the browser complained about."""
        return [
            event["params"]["entry"]["text"]
            for event in self.browser.events
            if event.get("method") == "Log.entryAdded" and event.get("sessionId") == self.session
        ]

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        answer = self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    def screenshot(self) -> bytes:
        """Return a picture of the whole page."""
        answer = self.ask("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(answer["data"])

    def close(self) -> None:
        """Close the page."""
        self.browser.ask("Target.closeTarget", targetId=self.target)
