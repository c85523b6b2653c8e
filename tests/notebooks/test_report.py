"""The HTML report stands alone, is small, holds the numbers of the marts and nobody's phone."""

import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.formatting import count, percent
from pipelines.review import figures, html
from pipelines.review.figures import CampaignReview
from pipelines.review.translations import LANGUAGES, Language
from tests.support.history import CONTENT, LATEST, Place

VOID = {"meta", "br", "hr", "img", "link", "input"}


@pytest.fixture(scope="module")
def campaign(place: Place) -> CampaignReview:
    return figures.campaign_review(place.settings.published_folder, LATEST, min_message_count=100)


@pytest.fixture(scope="module")
def pages(campaign: CampaignReview) -> dict[Language, str]:
    return {language: html.page(campaign, language=language) for language in LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_asks_nobody_for_anything_and_is_small(language: Language, pages: dict[Language, str]) -> None:
    page = pages[language]

    assert len(page.encode()) < 5_000_000
    assert not re.search(r"https?:|//\w|<script|<link|<img|<iframe|@import|url\((?!#)", page)
    assert not re.search(r'(?:href|src)="(?!#)', page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_holds_the_numbers_of_the_marts(
    language: Language, pages: dict[Language, str], campaign: CampaignReview
) -> None:
    books, page = campaign.books, pages[language]

    for number in (books.rows, books.accepted_total_count, *books.statuses.values()):
        assert not number or f"{count(number)} · " in page, number
    assert percent(books.rates["delivered_of_accepted_rate"].value) in page
    for code, number, share in campaign.codes.select("code", "message_count", "of_failed_rate").head(12).iter_rows():
        assert code in page
        assert f"{count(number)} · {percent(share)}" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_is_well_formed_and_in_its_language(language: Language, pages: dict[Language, str]) -> None:
    page = pages[language]
    open_elements: list[str] = []

    class Nesting(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in VOID:
                open_elements.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_elements.pop() == tag

    Nesting().feed(page)
    assert not open_elements
    assert ("失败原因" in page) is (language == "zh")
    assert ("Why messages failed" in page) is (language == "en")


def test_a_report_holds_nobodys_phone_and_no_text(pages: dict[Language, str], place: Place) -> None:
    for page in pages.values():
        assert not [phone for phone in place.phones if len(phone) == 11 and phone in page]
        assert CONTENT not in page


def test_a_report_is_written_whole_or_not_at_all(pages: dict[Language, str], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("an earlier one", encoding="utf-8")

    size = html.write(pages["en"], path)

    assert path.stat().st_size == size
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [*tmp_path.iterdir()] == [path]
    (tmp_path / "folder").mkdir()
    for name in ("folder", "no/report.html"):
        with pytest.raises(UsageError, match="can't be written"):
            html.write(pages["en"], tmp_path / name)
    assert {*tmp_path.iterdir()} == {path, tmp_path / "folder"}
