"""The dictionary of the published tables: every table and column that analysts open, from the contracts."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pipelines.contracts import Contract, columns_of, comment_of, rules_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.review.translations import Language

CONTRACTS: Final = (*PUBLISHED, *MARTS)

_HEADS: Final = {"en": "| column | type | null | holds |", "zh": "| 列 | 类型 | 可空 | 内容 |"}
_YES: Final = {"en": "yes", "zh": "是"}


def english() -> dict[str, str]:
    """The English descriptions of all tables, `marts.exceptions`, and of all columns, `marts.exceptions.kind`."""
    texts: dict[str, str] = {}
    for contract in CONTRACTS:
        name, values = name_of(contract), values_of(contract)
        texts[name] = comment_of(contract)
        texts |= {
            f"{name}.{column.name}": _with_values_as_code(column.description, values.get(column.name, ()))
            for column in columns_of(contract)
        }
    return texts


def markdown(language: Language, texts: Mapping[str, str]) -> str:
    """A table for each contract, folded; `texts` are the descriptions, by the names of `english`."""
    return "\n\n".join("\n".join(_folded(contract, language, texts)) for contract in CONTRACTS)


def name_of(contract: type[Contract]) -> str:
    """The table's name as analysts write it, without the schema `main`."""
    return table_of(contract).removeprefix("main.")


def values_of(contract: type[Contract]) -> dict[str, tuple[str, ...]]:
    """The values of every column that may hold only some."""
    return {name: tuple(rules.isin) for name, rules in rules_of(contract).items() if rules.isin is not None}


def _folded(contract: type[Contract], language: Language, texts: Mapping[str, str]) -> Iterator[str]:
    name = name_of(contract)
    yield "<details>"
    yield f"<summary><code>{name}</code> {texts[name]}</summary>"
    yield ""
    yield _HEADS[language]
    yield "|---|---|---|---|"
    for column in columns_of(contract):
        kind = column.duckdb_type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        null = _YES[language] if column.is_nullable else ""
        yield f"| `{column.name}` | {kind} | {null} | {texts[f'{name}.{column.name}']} |"
    yield ""
    yield "</details>"


def _with_values_as_code(description: str, values: tuple[str, ...]) -> str:
    """The description with these values as code where it lists them, not where the same words are prose."""
    if not values:
        return description
    return re.sub(rf"\b({'|'.join(values)})(?=[,.;:]| \(| or )", r"`\1`", description)
