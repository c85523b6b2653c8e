"""The HTML report that is exported, opened as a file: on a desk, on a phone, and on paper."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, PdfMargins

from pipelines.review.translations import LANGUAGES, Language, Texts
from tests.browser.marts import Marts
from tests.browser.pixels import colour_shares
from tests.browser.reading import flaws, pictures, tables
from tests.browser.shown_campaign import MOST_CODES, assert_campaign_is_shown
from tests.browser.windows import PHONE, Windows
from tests.support.history import LATEST, Place


@pytest.fixture(scope="module")
def reports(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[Language, Path]:
    """The file that the command writes."""
    folder = tmp_path_factory.mktemp("reports")
    files = {language: folder / f"{language}.html" for language in LANGUAGES}
    exporting = [
        subprocess.Popen(
            [Path(sys.executable).with_name("smsrecon"), "report", LATEST, "--html", file],
            env=os.environ | {"SMSRECON_DATA_DIR": str(place.data_dir), "SMSRECON_REVIEW__LANGUAGE": language},
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        for language, file in files.items()
    ]
    assert [command.wait() for command in exporting] == [0, 0]
    return files


@pytest.fixture(params=[False, True], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, windows: Windows) -> Page:
    return windows.open(is_phone=request.param)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_shows_what_the_tables_hold_and_fits_the_screen(
    language: Language, reports: dict[Language, Path], page: Page, marts: Marts, tmp_path: Path
) -> None:
    page.goto(reports[language].as_uri())

    page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert page.locator("h1").inner_text() == Texts(language)("campaign", name=LATEST)
    assert_campaign_is_shown(pictures(page), tables(page), marts, LATEST, Texts(language))
    assert all(picture.chart.is_narrow is (page.viewport_size == PHONE) for picture in pictures(page))
    assert flaws(page) == []


def test_the_bars_of_a_screenshot_are_as_long_as_their_numbers(
    reports: dict[Language, Path], page: Page, marts: Marts, tmp_path: Path
) -> None:
    page.goto(reports["en"].as_uri())
    codes = [row["message_count"] for row in marts.codes(LATEST)[:MOST_CODES]]

    figure = page.locator("figure").nth(2)
    png = figure.screenshot(path=tmp_path / "codes.png")
    frame = figure.bounding_box()
    assert frame is not None
    bars = pictures(page)[2].chart.bars[: len(codes)]
    shares = colour_shares(page, png, [((bar.y - frame["y"]) / frame["height"], bar.colour) for bar in bars])

    assert 0.9 < max(shares) < 1
    assert shares == pytest.approx([max(shares) * count / max(codes) for count in codes], abs=0.01)


def test_on_paper_the_charts_are_wide_and_take_few_pages(
    reports: dict[Language, Path], page: Page, tmp_path: Path
) -> None:
    page.goto(reports["en"].as_uri())

    page.emulate_media(media="print")
    assert not any(picture.chart.is_narrow for picture in pictures(page))
    assert len(pictures(page)) == 11

    margin: PdfMargins = {"top": "15mm", "right": "15mm", "bottom": "15mm", "left": "15mm"}
    paper = page.pdf(path=tmp_path / "report.pdf", format="A4", margin=margin)
    assert 3 <= len(re.findall(rb"/Type /Page\b", paper)) <= 8
