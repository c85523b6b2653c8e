"""The notebook campaign_review as an app: it shows what was chosen in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pipelines.review.translations import Texts
from tests.browser.apps import redrawn, served, visit
from tests.browser.marts import Marts
from tests.browser.reading import flaws, is_covered, pictures, tables
from tests.browser.shown_campaign import assert_campaign_is_shown
from tests.browser.windows import Windows
from tests.support.history import Place

NAME = "campaign_review"


@pytest.fixture(scope="module")
def app(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(NAME, place.data_dir, tmp_path_factory.mktemp("app")) as address:
        yield address


def test_the_app_opens_with_the_newest_campaign_and_then_shows_the_one_and_the_language_that_are_chosen(
    app: str, windows: Windows, marts: Marts, tmp_path: Path
) -> None:
    newest, *_, second, _ = marts.campaigns()
    page = windows.open()

    visit(page, app, NAME)
    _assert_shows(page, newest, Texts("en"), marts)
    page.screenshot(path=tmp_path / "newest.png")

    with redrawn(page, "h1"):
        page.get_by_label("Campaign", exact=True).select_option(second)
    _assert_shows(page, second, Texts("en"), marts)

    with redrawn(page, "h1"):
        page.get_by_label("Language", exact=True).select_option("zh")
    _assert_shows(page, second, Texts("zh"), marts)
    page.screenshot(path=tmp_path / "second.png")


def test_html_in_the_address_is_shown_as_text(app: str, windows: Windows) -> None:
    page = windows.open()

    page.goto(f"{app}?campaign=<img id=injected src=x>**bold**")

    page.get_by_text("Campaign <img id=injected src=x>**bold** is not published").wait_for()
    assert page.locator("#injected").count() == 0


@pytest.mark.deep  # the fast lane has reports on a phone in test_report_file.py
def test_the_app_fits_a_phone_and_its_address_chooses_too(
    app: str, windows: Windows, marts: Marts, tmp_path: Path
) -> None:
    page = windows.open(is_phone=True)

    visit(page, f"{app}?campaign=week-3&language=zh", NAME)

    page.screenshot(path=tmp_path / "phone.png")
    _assert_shows(page, "week-3", Texts("zh"), marts)
    assert all(picture.chart.is_narrow for picture in pictures(page))
    assert flaws(page) == []
    assert not is_covered(page.get_by_label("语言", exact=True))


def _assert_shows(page: Page, campaign: str, text: Texts, marts: Marts) -> None:
    assert page.locator("h1").inner_text() == text("campaign", name=campaign)
    assert_campaign_is_shown(pictures(page), tables(page), marts, campaign, text)
