"""What analysts open, table by table and column by column, as sql/TABLES shows it: `make docs` writes it there.

The English words are those of the contracts. The Chinese ones are written by hand, in the Chinese page: they are kept
where table and column are still there, and what is new is left empty, for which a test asks.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pipelines.contracts import Contract, columns_of, comment_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from tests.conventions.pages import both

BEGIN: Final = "<!-- tables: made by make docs from pipelines/contracts -->"
END: Final = "<!-- tables: end -->"

CONTRACTS: Final = (*PUBLISHED, *MARTS)

ENGLISH, CHINESE = TABLES = both("sql/TABLES")

_HEADS: Final = {ENGLISH: "| column | type | null | holds |", CHINESE: "| 列 | 类型 | 可空 | 内容 |"}
_YES: Final = {ENGLISH: "yes", CHINESE: "是"}


def with_tables(page: Path) -> str:
    """The text of the page with its tables as the contracts say them now."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    words = english() if page == ENGLISH else described(page)
    return before + "\n".join([BEGIN, "", *_lines(page, words), END]) + after


def english() -> dict[str, str]:
    """What the contracts say of every table, `marts.exceptions`, and of every column, `marts.exceptions.kind`."""
    words: dict[str, str] = {}
    for contract in CONTRACTS:
        name, values = name_of(contract), values_of(contract)
        words[name] = comment_of(contract)
        words |= {
            f"{name}.{column.name}": _listed_as_code(column.description, values.get(column.name, ()))
            for column in columns_of(contract)
        }
    return words


def described(page: Path) -> dict[str, str]:
    """What the page says of them."""
    words: dict[str, str] = {}
    name = ""
    for line in page.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].splitlines():
        if table := re.fullmatch(r"<summary><code>([\w.]+)</code>(.*)</summary>", line):
            name = table[1]
            words[name] = table[2].strip()
        elif column := re.fullmatch(r"\| `(\w+)` \|[^|]*\|[^|]*\|([^|]*)\|", line):
            words[f"{name}.{column[1]}"] = column[2].strip()
    return words


def name_of(contract: type[Contract]) -> str:
    """The table's name as analysts write it: `main` is where they are."""
    return table_of(contract).removeprefix("main.")


def values_of(contract: type[Contract]) -> dict[str, tuple[str, ...]]:
    """The values of every column that may hold only some."""
    return {
        name: tuple(check.statistics["allowed_values"])
        for name, column in contract.to_schema().columns.items()
        for check in column.checks
        if check.name == "isin"
    }


def _lines(page: Path, words: Mapping[str, str]) -> Iterator[str]:
    for contract in CONTRACTS:
        name = name_of(contract)
        yield "<details>"
        yield f"<summary><code>{name}</code> {words.get(name, '')}</summary>"
        yield ""
        yield _HEADS[page]
        yield "|---|---|---|---|"
        for column in columns_of(contract):
            kind = column.duckdb_type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
            null = _YES[page] if column.is_nullable else ""
            yield f"| `{column.name}` | {kind} | {null} | {words.get(f'{name}.{column.name}', '')} |"
        yield ""
        yield "</details>"
        yield ""


def _listed_as_code(description: str, values: tuple[str, ...]) -> str:
    """The description with these values as code where it lists them, not where the same words are prose."""
    if not values:
        return description
    return re.sub(rf"\b({'|'.join(values)})(?=[,.;:]| \(| or )", r"`\1`", description)


if __name__ == "__main__":
    for page in TABLES:
        page.write_text(with_tables(page), encoding="utf-8")
