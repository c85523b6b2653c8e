"""Windows of a real Chromium, which are refused everything but this machine and remember what went wrong in them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "there is no Chromium here; install it with fonts, as in: apt-get install chromium fonts-liberation fonts-noto-cjk"
)
NEEDED = "TESTS_NEED_BROWSER"  # set where a missing browser is a failure

# A browser that only does what it is told: it has nothing to update and nobody to ask.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other address is reached, named or not
)
ELSEWHERE = re.compile(r"^(?!(https?|wss?)://127\.0\.0\.1[:/]|file:|data:|blob:)")

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1200, "height": 900}


@dataclass
class Windows:
    """Opens windows. `wrong` is what any of them tried to reach elsewhere, and every error that it told."""

    browser: Browser
    wrong: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, *, is_phone: bool = False) -> Page:
        """A new window, of the size of a desk or of a phone, with nothing kept of former ones."""
        context = self.browser.new_context(
            viewport=PHONE if is_phone else DESK,  # type: ignore[arg-type]
            device_scale_factor=2 if is_phone else 1,
            is_mobile=is_phone,
        )
        self.contexts.append(context)
        context.set_default_timeout(60_000)
        context.on("request", lambda request: self._see(request.url))
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.wrong.append(f"failed: {error.error}"))
        page = context.new_page()
        page.on("websocket", lambda socket: self._see(socket.url))
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def _see(self, address: str) -> None:
        if ELSEWHERE.match(address):
            self.wrong.append(f"asked {address}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(f"said {message.text}")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """The machine's own Chromium, without a screen. Without one, tests are skipped, or fail if it is needed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        (pytest.fail if os.environ.get(NEEDED) else pytest.skip)(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
