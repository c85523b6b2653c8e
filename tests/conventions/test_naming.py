"""The naming grammar of tables and columns, read off the contracts: the same ending means the same everywhere."""

import re

import pytest

from pipelines.contracts import Column, Contract, columns_of, comment_of, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.contracts.reconciled import RECONCILED
from tests.conventions.tables import values_of

SCHEMAS = {"core": (*CORE, *RECONCILED), "marts": MARTS, "main": PUBLISHED}
CONTRACTS = [contract for contracts in SCHEMAS.values() for contract in contracts]
COLUMNS = [(table_of(contract), column) for contract in CONTRACTS for column in columns_of(contract)]

INSTANT, DAY = "TIMESTAMP WITH TIME ZONE", "DATE"
WHOLE, TEXT, NUMBER, BOOLEAN = {"BIGINT", "INTEGER"}, {"VARCHAR"}, {"DOUBLE"}, {"BOOLEAN"}

# What an ending promises of a column's type.
ENDINGS = {
    "_at": {INSTANT},
    "_on": {DAY},
    "_count": WHOLE,
    "_rate": NUMBER,
    "_code": TEXT,
    "_id": WHOLE | TEXT,
    "_num": WHOLE | TEXT,
    "_ms": WHOLE,
    "_seconds": WHOLE | NUMBER,
}
# Types that only columns with one of these endings, or beginnings, have.
MARKED = {INSTANT: ("_at",), DAY: ("_on",), "BOOLEAN": ("is_", "has_")}

# Why a name may break the grammar.
EXCEPTIONS = {
    "stat_time": "the gateway's own name, which operators and the vendor use: when the phone got the message",
}

# Numbers that are neither counts nor rates nor ids.
PLAIN_NUMBERS = {
    "campaign_key": "half of a message id, not an id of its own",
    "planned_batch": "the place of a batch in the plan",
    "input_row": "the place of a row in the input file",
    "duplicate_of_row": "such a place",
    "position": "the place of a record in a file",
    "number_range": "the beginning of a phone, which carriers are given as one",
    "first_range": "such a beginning",
    "last_range": "such a beginning",
    "attempt": "which time it is",
    "http_status": "the name that HTTP gives it",
    "accepted_cost": "money",
    "failed_cost": "money",
    "cost": "money",
    "delivered_of_accepted_rate_low": "the end of a rate's interval",
    "delivered_of_accepted_rate_high": "the end of a rate's interval",
    "delivered_of_reported_rate_low": "the end of a rate's interval",
    "delivered_of_reported_rate_high": "the end of a rate's interval",
    "coverage_rate_low": "the end of a rate's interval",
    "coverage_rate_high": "the end of a rate's interval",
}

each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=table_of)


def places(columns: list[tuple[str, Column]]) -> list[str]:
    return [f"{table}.{column.name} {column.duckdb_type}" for table, column in columns]


@each_contract
def test_a_table_has_a_schema_and_a_plain_lower_case_name(contract: type[Contract]) -> None:
    schema, _, name = table_of(contract).partition(".")

    assert contract in SCHEMAS[schema]
    assert re.fullmatch("[a-z]+(_[a-z]+)*", name)


@each_contract
def test_a_table_says_what_one_row_is(contract: type[Contract]) -> None:
    assert comment_of(contract).startswith("One row per ")
    assert comment_of(contract).endswith(".")


@each_contract
def test_every_column_is_described_in_a_sentence(contract: type[Contract]) -> None:
    for column in columns_of(contract):
        assert re.fullmatch(r"\S.*[.)…]", column.description, re.DOTALL), column.name


@each_contract
def test_a_column_of_a_few_values_names_them(contract: type[Contract]) -> None:
    for name, values in values_of(contract).items():
        description = next(column.description for column in columns_of(contract) if column.name == name)
        assert set(values) <= set(re.findall(r"\w+", description)), name


def test_a_column_has_a_plain_lower_case_name() -> None:
    assert not places([each for each in COLUMNS if not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", each[1].name)])


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_promises_a_type(ending: str) -> None:
    ending_so = [each for each in COLUMNS if each[1].name.endswith(ending)]

    assert ending_so
    assert not places([each for each in ending_so if each[1].duckdb_type not in ENDINGS[ending]])


@pytest.mark.parametrize("kind", MARKED)
def test_instants_days_and_booleans_are_known_by_their_names(kind: str) -> None:
    unmarked = [
        each
        for each in COLUMNS
        if each[1].duckdb_type == kind and each[1].name not in EXCEPTIONS
        if not each[1].name.endswith(MARKED[kind]) and not each[1].name.startswith(MARKED[kind])
    ]

    assert not places(unmarked)


def test_only_booleans_begin_with_is_or_has() -> None:
    beginning_so = [each for each in COLUMNS if each[1].name.startswith(("is_", "has_"))]

    assert not places([each for each in beginning_so if each[1].duckdb_type not in BOOLEAN])


def test_every_number_says_what_it_counts() -> None:
    unsaid = [
        each
        for each in COLUMNS
        if each[1].duckdb_type in WHOLE | NUMBER
        if not each[1].name.endswith(tuple(ENDINGS)) and each[1].name not in PLAIN_NUMBERS
    ]

    assert not places(unsaid)


def test_one_name_has_one_type_everywhere() -> None:
    kinds: dict[str, set[str]] = {}
    for _, column in COLUMNS:  # a sum over many rows may be wider than what it sums
        kinds.setdefault(column.name, set()).add(column.duckdb_type.replace("BIGINT", "INTEGER"))

    assert {name: types for name, types in kinds.items() if len(types) > 1} == {}


def test_no_exception_is_left_over() -> None:
    assert EXCEPTIONS.keys() | PLAIN_NUMBERS.keys() <= {column.name for _, column in COLUMNS}
