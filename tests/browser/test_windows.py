"""Checks of the test browser itself: a window that asks elsewhere or fails is noticed, and so is a missing browser."""

import pytest
from playwright.sync_api import Browser

from tests.browser.windows import NEEDED, Windows, running_chromium


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("<img src='http://192.0.2.1/picture.png'>", "asked http://192.0.2.1/picture.png"),
        ("<script src='https://example.com/script.js'></script>", "asked https://example.com/script.js"),
        ("<script>new WebSocket('wss://example.com/')</script>", "asked wss://example.com/"),
        ("<script>console.error('no data')</script>", "said no data"),
        ("<script>throw new Error('no chart')</script>", "failed: no chart"),
    ],
)
def test_what_a_page_asks_elsewhere_and_its_errors_are_noticed(page: str, wrong: str, chromium: Browser) -> None:
    windows = Windows(chromium)

    window = windows.open()
    window.set_content(page)
    window.wait_for_timeout(100)

    assert any(noticed.startswith(wrong) for noticed in windows.wrong), windows.wrong
    windows.close()


@pytest.mark.parametrize(("needed", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_browser_is_a_failure_where_one_is_needed_and_else_a_skip(
    needed: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(NEEDED, needed)

    with pytest.raises(outcome, match="apt-get install chromium"), running_chromium():
        pass
