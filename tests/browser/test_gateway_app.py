"""The notebook gateway_health as an app: it shows the days that were chosen in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.review.translations import Texts
from tests.browser.apps import redrawn, served, visit
from tests.browser.marts import Marts
from tests.browser.reading import flaws, is_covered, pictures
from tests.browser.shown_gateway import assert_gateway_is_shown
from tests.browser.windows import Windows
from tests.support.history import Place

NAME = "gateway_health"


@pytest.fixture(scope="module")
def app(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(NAME, place.data_dir, tmp_path_factory.mktemp("app")) as address:
        yield address


def test_the_app_opens_with_thirty_days_and_then_shows_the_days_and_the_language_that_are_chosen(
    app: str, windows: Windows, marts: Marts, tmp_path: Path
) -> None:
    page = windows.open()

    visit(page, app, NAME)
    assert page.locator("h1").inner_text() == "Gateway health"
    assert_gateway_is_shown(pictures(page), marts, 30, Texts("en"))
    page.screenshot(path=tmp_path / "thirty.png")

    with redrawn(page, "figcaption"):
        page.get_by_role("slider").press("Home")
    assert_gateway_is_shown(pictures(page), marts, 1, Texts("en"))

    with redrawn(page, "h1"):
        page.get_by_label("Language", exact=True).select_option("zh")
    assert_gateway_is_shown(pictures(page), marts, 1, Texts("zh"))
    page.screenshot(path=tmp_path / "one.png")


@pytest.mark.deep  # as in test_campaign_app.py
def test_the_app_fits_a_phone_and_its_address_chooses_too(
    app: str, windows: Windows, marts: Marts, tmp_path: Path
) -> None:
    page = windows.open(is_phone=True)

    visit(page, f"{app}?days=14&language=zh", NAME)
    page.screenshot(path=tmp_path / "chinese.png")
    assert_gateway_is_shown(pictures(page), marts, 14, Texts("zh"))
    assert all(picture.chart.is_narrow for picture in pictures(page))
    assert flaws(page) == []

    with redrawn(page, "h1"):
        page.get_by_label("语言", exact=True).select_option("en")
    page.screenshot(path=tmp_path / "english.png")
    assert_gateway_is_shown(pictures(page), marts, 14, Texts("en"))
    assert flaws(page) == []
    assert not is_covered(page.get_by_label("语言", exact=True))
