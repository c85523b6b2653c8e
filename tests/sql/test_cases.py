"""Every statement of sql/core, marts and alerts, run on cases: rows in, rows out (see cases.py)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.alerts import rules
from pipelines.contracts import Contract, columns_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.settings import AlertSettings
from pipelines.sql_files import SQL_FOLDER
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import make_tables, run_checks

MakeWarehouse = Callable[[Path], Warehouse]

_TABLES = {table_of(contract).split(".")[1]: contract for contract in (*RECONCILED, *MARTS)}
_CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/*/expected.csv"))
_STATEMENTS = sorted(path.stem for folder in ("core", "marts", "alerts") for path in SQL_FOLDER.glob(f"{folder}/*.sql"))
_ALERT_CASES = [case for case in _CASES if case.parent.name in rules.RULES]
_TABLE_CASES = [case for case in _CASES if case.parent.name not in rules.RULES]

# Bounds that few messages can cross.
_ALERTS = AlertSettings(
    max_unknown_code_share=0.25,
    max_code_share_jump=0.25,
    max_orphan_share=0.25,
    max_in_doubt_batches=1,
    min_message_count=4,
)


def _id(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


@pytest.mark.parametrize("case", _TABLE_CASES, ids=_id)
def test_the_rows_come_out_as_expected_and_keep_their_contract(
    case: Path, warehouse_of: MakeWarehouse, parameters: dict[str, Any]
) -> None:
    contract = _TABLES[case.parent.name]
    with warehouse_of(case).write() as connection:
        make_tables(connection, parameters)

        assert _rows(connection, table_of(contract), case) == _expected(connection, table_of(contract), case)
        assert run_checks(connection) == ()
        _validate(connection, contract)


@pytest.mark.parametrize("case", _ALERT_CASES, ids=_id)
def test_an_alert_finds_the_expected_rows_and_no_others(
    case: Path, warehouse_of: MakeWarehouse, parameters: dict[str, Any]
) -> None:
    with warehouse_of(case).write() as connection:
        make_tables(connection, parameters)
        connection.execute(
            "CREATE TEMP TABLE found"
            " (campaign_id VARCHAR, subject VARCHAR, message_count BIGINT, value DOUBLE, bound DOUBLE)"
        )
        for row in rules.rows(connection, case.parent.name, parameters | _ALERTS.model_dump()):
            connection.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?)", list(row.values()))

        assert _rows(connection, "found", case) == _expected(connection, "found", case)
        assert run_checks(connection) == ()


@pytest.mark.parametrize("rule", rules.RULES)
def test_every_alert_has_a_case_that_it_finds(rule: str) -> None:
    expected = [case / "expected.csv" for case in _ALERT_CASES if case.parent.name == rule]

    assert any(len(path.read_text(encoding="utf-8").splitlines()) > 1 for path in expected)


@pytest.mark.parametrize("name", _STATEMENTS)
def test_every_statement_has_a_case(name: str) -> None:
    assert name in {case.parent.name for case in _CASES}


def test_every_folder_of_cases_belongs_to_a_statement() -> None:
    assert {case.parent.name for case in _CASES} <= set(_STATEMENTS)


def _validate(connection: duckdb.DuckDBPyConnection, contract: type[Contract]) -> None:
    described = connection.execute(f"DESCRIBE {table_of(contract)}").fetchall()
    wanted = [(column.name, column.duckdb_type) for column in columns_of(contract)]
    assert [(name, duckdb_type) for name, duckdb_type, *_ in described] == wanted
    contract.validate(connection.sql(f"FROM {table_of(contract)}").pl(), lazy=True)


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
