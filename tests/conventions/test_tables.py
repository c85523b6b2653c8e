"""sql/TABLES shows analysts every table and column that is published, in words that agree with the contracts."""

from pathlib import Path

import pytest

from tests.conventions.tables import (
    CHINESE,
    CONTRACTS,
    ENGLISH,
    TABLES,
    described,
    english,
    name_of,
    values_of,
    with_tables,
)

each_page = pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)


@each_page
def test_the_tables_of_the_page_are_those_of_the_contracts(page: Path) -> None:
    is_up_to_date = page.read_text(encoding="utf-8") == with_tables(page)

    assert is_up_to_date, "the contracts have changed: run `make docs`"


def test_the_page_is_read_as_it_was_written() -> None:
    assert described(ENGLISH) == english()


def test_every_table_and_column_is_described_in_chinese() -> None:
    unsaid = [name for name, words in described(CHINESE).items() if not any(sign > "\u2e80" for sign in words)]

    assert not unsaid, f"sql/TABLES.zh-CN.md says nothing of {', '.join(unsaid)}"


def test_columns_that_are_described_alike_are_described_alike_in_chinese() -> None:
    chinese = described(CHINESE)
    said: dict[tuple[str, str], set[str]] = {}
    for name, words in english().items():
        said.setdefault((name.rpartition(".")[2], words), set()).add(chinese[name])

    assert [column for column, ways in said.items() if len(ways) > 1] == []


@each_page
def test_every_value_that_a_column_may_hold_is_shown(page: Path) -> None:
    words = described(page)
    missing = [
        f"{name_of(contract)}.{column} {value}"
        for contract in CONTRACTS
        for column, values in values_of(contract).items()
        for value in values
        if f"`{value}`" not in words[f"{name_of(contract)}.{column}"]
    ]

    assert not missing
