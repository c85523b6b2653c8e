"""A browser, and the campaigns that are looked at in it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser

from tests.browser.marts import Marts
from tests.browser.windows import Windows, running_chromium
from tests.support.history import Place

pytest.register_assert_rewrite("tests.browser.shown", "tests.browser.shown_campaign", "tests.browser.shown_gateway")


@pytest.fixture(scope="session")
def place(history: Place) -> Place:
    return history


@pytest.fixture(scope="module")
def chromium(place: Place) -> Iterator[Browser]:
    """Started after the campaigns were sent, ended with the module: while it runs, this thread has its event loop."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Whatever a test opens asks nobody elsewhere, and tells no error."""
    with closing(Windows(chromium)) as windows:
        yield windows
    assert windows.wrong == []


@pytest.fixture(scope="module")
def marts(place: Place) -> Iterator[Marts]:
    with closing(Marts(place.data_dir / "published" / "analytics.duckdb")) as marts:
        yield marts
