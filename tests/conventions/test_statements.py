"""Each file of sql/ has a header that says its grain, inputs and parameters; each table that it fills has a contract.

A header is the comment at the top of the file: "one row per …", then "Inputs: core.a, core.b.", with the functions that
it selects from, and "Parameters: $c, $d." Each list may hold explanations in parentheses.
"""

import re

import duckdb
import pytest

from pipelines.contracts import columns_of, grain_of, kind_of, parquet_of, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.contracts.reconciled import RECONCILED, STATUSES
from pipelines.sql_files import SQL_FOLDER, statement
from pipelines.warehouse.statements import called_functions, parse, table_functions

FOLDERS = (
    *("core", "marts", "published", "figures", "sources", "alerts", "purging", "auditing"),
    *("checks", "totals", "touching", "placing", "scope", "functions"),
)
NAMES = sorted(f"{folder}/{path.stem}" for folder in FOLDERS for path in SQL_FOLDER.glob(f"{folder}/*.sql"))
COMPUTED = [contract for contract in (*RECONCILED, *MARTS) if kind_of(contract) != "reference"]

each_statement = pytest.mark.parametrize("name", NAMES)


def header(name: str) -> str:
    """The comment at the top of a file, as one line."""
    lines = statement(name).splitlines()
    return " ".join(line.removeprefix("--").strip() for line in lines[: first_line_of_code(lines)])


def body(name: str) -> str:
    """The file without its header and without comments."""
    lines = statement(name).splitlines()
    return re.sub("--.*", "", "\n".join(lines[first_line_of_code(lines) :]))


def first_line_of_code(lines: list[str]) -> int:
    return next(number for number, line in enumerate(lines) if not line.startswith("--"))


def named_inputs(name: str) -> set[str]:
    """The tables and functions that a header names as inputs."""
    found = re.search(r"\bInputs?: (.*?)\.(?= |$)", header(name))
    listed = re.sub(r"\([^)]*\)", "", found[1]) if found else ""
    return {each.strip() for each in re.split(r",| and ", listed) if re.fullmatch(r"[a-z_.]+", each.strip())}


def inputs_of(name: str) -> set[str]:
    """The tables and table functions that a file reads."""
    text = body(name)
    functions = called_functions(text) & table_functions() - {name.partition("/")[2]}
    if name.startswith(("functions/", "sources/")):  # no SELECT, so DuckDB does not serialize it
        return functions | set(re.findall(r"\b(?:core|marts|main)\.[a-z_]+", text))
    with duckdb.connect() as connection:
        return functions | parse(connection, text).inputs


def has_grain(name: str) -> bool:
    """False for a check, whose rows are findings, and for a function that returns a value."""
    folder, _, stem = name.partition("/")
    return stem in table_functions() if folder == "functions" else folder not in {"checks", "totals"}


@each_statement
def test_a_header_names_the_inputs_that_are_read_and_no_others(name: str) -> None:
    assert named_inputs(name) == inputs_of(name)


@each_statement
def test_a_header_names_the_parameters_that_are_used_and_no_others(name: str) -> None:
    assert set(re.findall(r"\$(\w+)", header(name))) == set(re.findall(r"\$(\w+)", body(name)))


@pytest.mark.parametrize("name", [name for name in NAMES if has_grain(name)])
def test_a_header_says_the_grain(name: str) -> None:
    assert re.search(r"\b([Oo]ne|three) rows?\b", header(name))


@pytest.mark.parametrize("contract", COMPUTED, ids=table_of)
def test_the_header_of_a_table_begins_with_its_name_and_grain(contract: type) -> None:
    table = table_of(contract)
    beginning = f"{table} (a view): one row per " if kind_of(contract) == "view" else f"{table}: one row per "
    assert header(table.replace(".", "/")).startswith(beginning)


def test_every_statement_fills_a_table_with_a_contract_and_no_contract_lacks_one() -> None:
    files = {
        f"{folder}.{path.stem}"
        for folder in ("core", "marts", "reference", "published")
        for path in SQL_FOLDER.glob(f"{folder}/*")
    }
    contracts = {table_of(contract) for contract in COMPUTED}
    contracts |= {table_of(contract).replace("main.", "published.") for contract in PUBLISHED}
    contracts |= {
        table_of(contract).replace("core.", "reference.") for contract in RECONCILED if kind_of(contract) == "reference"
    }
    assert files == contracts


def test_the_kind_of_a_contract_is_that_of_its_list() -> None:
    assert {kind_of(contract) for contract in CORE} == {"loaded", "bookkeeping"}
    assert {kind_of(contract) for contract in RECONCILED} == {"reference", "computed", "view"}
    assert {kind_of(contract) for contract in MARTS} == {"computed"}
    assert {kind_of(contract) for contract in PUBLISHED} == {"published"}


@pytest.mark.parametrize("contract", [*COMPUTED, *PUBLISHED], ids=table_of)
def test_each_row_of_a_table_by_campaign_belongs_to_one(contract: type) -> None:
    keys = [column for column in columns_of(contract) if column.name in {"campaign_id", "message_id"}]

    assert grain_of(contract) in {"campaign", "whole"}
    if grain_of(contract) == "campaign":
        assert any(not column.is_nullable for column in keys)


@pytest.mark.parametrize("contract", MARTS, ids=table_of)
def test_a_mart_is_read_by_the_checks_of_what_it_holds(contract: type) -> None:
    columns = {column.name for column in columns_of(contract)}

    if columns & {f"{status}_count" for status in STATUSES}:
        assert table_of(contract) in inputs_of("checks/marts_add_up")
    if any(name.endswith("_rate") for name in columns):
        assert table_of(contract) in inputs_of("checks/rates_in_bounds")


@pytest.mark.parametrize("contract", PUBLISHED, ids=table_of)
def test_a_published_table_has_a_file_for_each_part_or_one(contract: type) -> None:
    assert parquet_of(contract).count("*") == (1 if grain_of(contract) == "campaign" else 0)
