"""The generated parts of the pages are up to date, complete and in both languages."""

from pathlib import Path

import pytest

from pipelines.review.translations import LANGUAGES, Language, section
from tests.conventions.parts import PARTS, SECTIONS, english, parts_of, texts_of, with_parts
from tests.conventions.tables import CONTRACTS, values_of
from tests.conventions.tables import name_of as table_name
from tests.support.pages import ENGLISH_PAGES, PAGES, in_chinese, name_of

GENERATED = [page for page in PAGES if parts_of(page)]


@pytest.mark.parametrize("page", GENERATED, ids=name_of)
def test_the_generated_parts_of_a_page_are_up_to_date(page: Path) -> None:
    is_up_to_date = page.read_text(encoding="utf-8") == with_parts(page)

    assert is_up_to_date, "the code has changed: run `make docs`"


def test_every_part_stands_on_one_page_in_each_language() -> None:
    assert sorted(part for page in ENGLISH_PAGES for part in parts_of(page)) == sorted(PARTS)
    for page in ENGLISH_PAGES:
        assert parts_of(in_chinese(page)) == parts_of(page)


def test_every_text_of_the_parts_has_its_chinese_and_no_other_is_kept() -> None:
    kept = {f"{name}.{key}" for name in SECTIONS for key in section(name)}

    assert english().keys() - kept == set(), "translate these in pipelines/translations.csv"
    assert kept - english().keys() == set(), "the code has no such text any more: remove these translations"


def test_the_texts_of_the_parts_have_their_english_in_the_code_alone() -> None:
    assert [key for name in SECTIONS for key, text in section(name).items() if text.en] == []


def test_texts_that_are_alike_in_english_are_alike_in_chinese() -> None:
    chinese = texts_of("zh")
    translations: dict[tuple[str, str], set[str]] = {}
    for key, text in english().items():
        translations.setdefault((key.rpartition(".")[2], text), set()).add(chinese[key])

    assert [key for key, found in translations.items() if len(found) > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_that_a_column_may_hold_is_shown(language: Language) -> None:
    texts = texts_of(language)
    missing = [
        f"{table_name(contract)}.{column} {value}"
        for contract in CONTRACTS
        for column, values in values_of(contract).items()
        for value in values
        if f"`{value}`" not in texts[f"table.{table_name(contract)}.{column}"]
    ]

    assert not missing
