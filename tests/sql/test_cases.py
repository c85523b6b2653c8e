"""Every statement of sql/core, marts and alerts, run on cases: rows in, rows out (see cases.py).

The deep lane computes every table of every case and runs all checks. The fast lane does so for some cases; for the
others it computes what the statement reads.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.alerts import rules
from pipelines.contracts import Contract, columns_of, table_of, validated
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.settings import AlertSettings
from pipelines.sql_files import SQL_FOLDER
from pipelines.warehouse.reconcile import make_tables, run_checks
from tests.sql.cases import PARAMETERS, compute_for, computed, fill, undone
from tests.support.depth import cases

_TABLES = {table_of(contract).split(".")[1]: contract for contract in (*RECONCILED, *MARTS)}
_CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/*/expected.csv"))
_STATEMENTS = sorted(path.stem for folder in ("core", "marts", "alerts") for path in SQL_FOLDER.glob(f"{folder}/*.sql"))
_WHOLE_CASES = _CASES[:: cases(fast=8, deep=1)]
_ALERT_CASES = [case for case in _CASES if case.parent.name in rules.RULES]
_TABLE_CASES = [case for case in _CASES if case.parent.name not in rules.RULES]

# Bounds that few messages can cross.
_ALERTS = AlertSettings(
    max_unknown_code_share=0.25,
    max_code_share_jump=0.25,
    max_orphan_share=0.25,
    max_reject_share=0.25,
    max_segment_gap=0.25,
    max_left_out_files=1,
    max_in_doubt_batches=1,
    min_message_count=4,
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse without rows, with every computed table."""
    folder = tmp_path_factory.mktemp("empty")
    with computed(folder / "warehouse.duckdb", folder) as connection:
        yield connection


@pytest.fixture
def connection(empty: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse without rows; it is left as it was."""
    with undone(empty):
        yield empty


def _id(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


@pytest.mark.parametrize("case", _TABLE_CASES, ids=_id)
def test_the_rows_come_out_as_expected_and_keep_their_contract(
    case: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    contract = _TABLES[case.parent.name]

    _compute(connection, case, table_of(contract).replace(".", "/"))

    assert _rows(connection, table_of(contract), case) == _expected(connection, table_of(contract), case)
    _validate(connection, contract)


@pytest.mark.parametrize("case", _ALERT_CASES, ids=_id)
def test_an_alert_finds_the_expected_rows_and_no_others(case: Path, connection: duckdb.DuckDBPyConnection) -> None:
    _compute(connection, case, f"alerts/{case.parent.name}", "marts/campaign_delivery")  # their functions read it
    connection.execute(
        "CREATE TEMP TABLE found"
        " (campaign_id VARCHAR, subject VARCHAR, message_count BIGINT, value DOUBLE, bound DOUBLE)"
    )
    for row in rules.rows(connection, case.parent.name, PARAMETERS | _ALERTS.model_dump()):
        connection.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?)", list(row.values()))

    assert _rows(connection, "found", case) == _expected(connection, "found", case)


@pytest.mark.parametrize("rule", rules.RULES)
def test_every_alert_has_a_case_that_it_finds(rule: str) -> None:
    expected = [case / "expected.csv" for case in _ALERT_CASES if case.parent.name == rule]

    assert any(len(path.read_text(encoding="utf-8").splitlines()) > 1 for path in expected)


@pytest.mark.parametrize("name", _STATEMENTS)
def test_every_statement_has_a_case(name: str) -> None:
    assert name in {case.parent.name for case in _CASES}


def test_every_folder_of_cases_belongs_to_a_statement() -> None:
    assert {case.parent.name for case in _CASES} <= set(_STATEMENTS)


def _compute(connection: duckdb.DuckDBPyConnection, case: Path, *statements: str) -> None:
    """Fill in the rows of a case, and compute what the statements need, or all tables, which pass all checks."""
    fill(connection, case)
    if case in _WHOLE_CASES:
        make_tables(connection, PARAMETERS)
        assert run_checks(connection) == ()
    else:
        compute_for(connection, *statements)


def _validate(connection: duckdb.DuckDBPyConnection, contract: type[Contract]) -> None:
    described = connection.execute(f"DESCRIBE {table_of(contract)}").fetchall()
    wanted = [(column.name, column.duckdb_type) for column in columns_of(contract)]
    assert [(name, duckdb_type) for name, duckdb_type, *_ in described] == wanted
    validated(contract, connection.sql(f"FROM {table_of(contract)}").pl())


def _rows(connection: duckdb.DuckDBPyConnection, table: str, case: Path) -> list[str]:
    return _shown(connection, f"SELECT {_columns(case)} FROM {table}")


def _expected(connection: duckdb.DuckDBPyConnection, table: str, case: Path) -> list[str]:
    connection.execute(f"CREATE TEMP TABLE expected AS SELECT {_columns(case)} FROM {table} LIMIT 0")
    connection.execute(
        f"INSERT INTO expected FROM read_csv('{case / 'expected.csv'}', header = TRUE, all_varchar = TRUE,"
        " nullstr = '', allow_quoted_nulls = FALSE)"
    )
    return _shown(connection, "FROM expected")


def _columns(case: Path) -> str:
    return (case / "expected.csv").read_text(encoding="utf-8").splitlines()[0]


def _shown(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    rows = connection.sql(query).select("COLUMNS(*)::VARCHAR").fetchall()
    doubles = [kind == "DOUBLE" for kind in map(str, connection.sql(query).types)]
    return sorted(
        ",".join(
            "" if value is None else f"{float(value):.4f}" if is_double else value or '""'
            for value, is_double in zip(row, doubles, strict=True)
        )
        for row in rows
    )
