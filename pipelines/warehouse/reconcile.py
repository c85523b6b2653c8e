"""Closes the books: runs sql/core, sql/marts and sql/checks, in one transaction.

The SQL defines each status and each figure. Every table computed here is replaced whole, and after all the tables that
its statement reads.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import duckdb
import polars as pl

from pipelines.contracts import Contract, columns_of, kind_of, schema_of, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED, STATUSES
from pipelines.failpoints import reach
from pipelines.opt_outs import patterns
from pipelines.sql_files import SQL_FOLDER, reference_path
from pipelines.warehouse.computed import note_computed
from pipelines.warehouse.database import Warehouse, registered, set_comments
from pipelines.warehouse.statements import in_order, statements

CONTRACTS: Final = (*RECONCILED, *MARTS)  # of all tables that a reconcile makes
_COMPUTED: Final = {table_of(contract): contract for contract in CONTRACTS if kind_of(contract) != "reference"}


@dataclass(frozen=True)
class FailedCheck:
    """A check of sql/checks that returned rows: their number, and the finding in the first of them."""

    name: str
    row_count: int
    message: str


@dataclass(frozen=True)
class ReconcileSummary:
    """Totals of the books after a reconcile, and the checks that failed."""

    campaign_count: int
    row_count: int
    statuses: dict[str, int]
    report_count: int
    exceptions: dict[str, int]
    missing_days: tuple[date, ...]
    failed_checks: tuple[FailedCheck, ...]

    @property
    def is_balanced(self) -> bool:
        return not self.failed_checks


def reconcile(
    warehouse: Warehouse,
    *,
    as_of: datetime,
    report_window_hours: int,
    hard_failures: int = 2,
    price_per_segment: float | None = None,
    opt_out_words: Sequence[str] = (),
    ambiguous_opt_out_words: Sequence[str] = (),
) -> ReconcileSummary:
    """Compute every table of sql/core and sql/marts, and run every check of sql/checks.

    The tables are kept when a check fails, so that they can be examined; the summary names the failed checks.
    """
    parameters = parameters_of(
        report_window_hours=report_window_hours,
        hard_failures=hard_failures,
        price_per_segment=price_per_segment,
        opt_out_words=opt_out_words,
        ambiguous_opt_out_words=ambiguous_opt_out_words,
    )
    return reconcile_with(warehouse, {"as_of": as_of, **parameters})


def parameters_of(
    *,
    report_window_hours: int,
    hard_failures: int,
    price_per_segment: float | None,
    opt_out_words: Sequence[str],
    ambiguous_opt_out_words: Sequence[str],
) -> dict[str, Any]:
    """The parameters of the statements besides `as_of`, from the settings."""
    opt_out, near_opt_out = patterns(opt_out_words, ambiguous_opt_out_words)
    return {
        "report_window_hours": report_window_hours,
        "hard_failures": hard_failures,
        "price_per_segment": price_per_segment,
        "opt_out_pattern": opt_out,
        "near_opt_out_pattern": near_opt_out,
    }


def reconcile_with(warehouse: Warehouse, parameters: dict[str, Any]) -> ReconcileSummary:
    """The same with the parameters of the statements, such as those of an earlier reconcile."""
    with warehouse.write() as connection:
        make_tables(connection, parameters)
        return _summary(connection, run_checks(connection))


def make_tables(connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any]) -> None:
    """Replace every table of RECONCILED and MARTS, and note in core.computed how.

    `parameters` are those that the statements name.
    """
    # DuckDB would materialize core.report_matches (ten million rows) for several readers; reading it again is cheaper.
    connection.execute("SET disabled_optimizers = 'common_subplan'")
    kept = _with_columns_of(connection, CONTRACTS)
    for contract in CONTRACTS:
        if kind_of(contract) == "reference":
            with registered(connection, reference_rows=_reference(contract)):
                _replace(connection, contract, "FROM reference_rows", is_kept=contract in kept)
    names = {table: table.replace(".", "/") for table in _COMPUTED}
    by_name = statements(connection, names.values())
    for table in in_order({table: by_name[name].inputs for table, name in names.items()}):
        reach("reconcile.between_tables")
        contract, computed = _COMPUTED[table], by_name[names[table]]
        _replace(connection, contract, computed.text, computed.arguments(parameters), is_kept=contract in kept)
    set_comments(connection, (*CORE, *CONTRACTS))
    note_computed(connection, parameters)


def run_checks(connection: duckdb.DuckDBPyConnection) -> tuple[FailedCheck, ...]:
    """Run every check in the order of names; a check that returns rows has failed."""
    failed = []
    names = [path.stem for path in sorted(SQL_FOLDER.glob("checks/*.sql"))]
    checks = statements(connection, [f"checks/{name}" for name in names])
    for name in names:
        findings = connection.sql(checks[f"checks/{name}"].text)
        row_count, message = findings.aggregate("count(*), min(finding)").fetchall()[0]
        if row_count:
            failed.append(FailedCheck(name, row_count, message))
    return tuple(failed)


@cache
def _reference(contract: type[Contract]) -> pl.DataFrame:
    """The rows of a reference table, read and checked once in a process."""
    path = reference_path(table_of(contract).removeprefix("core."))
    return contract.validate(pl.read_csv(path, schema=schema_of(contract)))


def _replace(
    connection: duckdb.DuckDBPyConnection,
    contract: type[Contract],
    select: str,
    arguments: dict[str, Any] | None = None,
    *,
    is_kept: bool,
) -> None:
    """Replace the rows of a table, or a view, by those of a query; a table that is kept keeps its comments."""
    table = table_of(contract)
    if is_kept:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our name
        connection.execute(f"INSERT INTO {table}\n{select}", arguments)
    else:
        kind = "VIEW" if kind_of(contract) == "view" else "TABLE"
        connection.execute(f"CREATE OR REPLACE {kind} {table} AS\n{select}", arguments)


def _with_columns_of(connection: duckdb.DuckDBPyConnection, contracts: Iterable[type[Contract]]) -> set[type[Contract]]:
    """The contracts whose table exists with the same columns, in the same order."""
    columns: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, *column in connection.execute(_COLUMNS).fetchall():
        columns[table].append((column[0], column[1]))
    return {
        contract
        for contract in contracts
        if columns[table_of(contract)] == [(column.name, column.duckdb_type) for column in columns_of(contract)]
    }


_COLUMNS: Final = """
SELECT c.schema_name || '.' || c.table_name, c.column_name, c.data_type
FROM duckdb_columns() AS c
SEMI JOIN duckdb_tables() AS t ON c.database_oid = t.database_oid AND c.table_oid = t.table_oid
WHERE c.database_name = current_database()
ORDER BY c.column_index
"""


def _summary(connection: duckdb.DuckDBPyConnection, failed_checks: tuple[FailedCheck, ...]) -> ReconcileSummary:
    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query).fetchall()

    counted = dict(rows("SELECT status, sum(message_count)::BIGINT FROM core.message_counts GROUP BY status"))
    statuses = {status: counted[status] for status in STATUSES if status in counted}
    return ReconcileSummary(
        campaign_count=rows("SELECT count(*) FROM core.campaigns")[0][0],
        row_count=sum(statuses.values()),
        statuses=statuses,
        report_count=rows("SELECT count(*) FROM core.reports")[0][0],
        exceptions=dict(rows("SELECT kind, count(*) FROM marts.exceptions GROUP BY kind ORDER BY kind")),
        missing_days=tuple(
            day for (day,) in rows("SELECT pulled_on FROM marts.pull_coverage WHERE is_missing ORDER BY pulled_on")
        ),
        failed_checks=failed_checks,
    )
