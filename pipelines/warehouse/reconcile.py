"""Closes the books: runs sql/core, sql/marts and sql/checks, in one transaction.

The SQL defines each status and each figure. Every table computed here is replaced whole, and after all the tables that
its statement reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import duckdb
import polars as pl

from pipelines.contracts import Contract, kind_of, schema_of, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED, STATUSES
from pipelines.failpoints import reach
from pipelines.opt_outs import patterns
from pipelines.sql_files import SQL_FOLDER, reference_path
from pipelines.warehouse.database import Warehouse, registered, set_comments
from pipelines.warehouse.statements import Statement, in_order, statement

_CONTRACTS: Final = {table_of(contract): contract for contract in (*RECONCILED, *MARTS)}


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
    opt_out, near_opt_out = patterns(opt_out_words, ambiguous_opt_out_words)
    parameters = {
        "as_of": as_of,
        "report_window_hours": report_window_hours,
        "hard_failures": hard_failures,
        "price_per_segment": price_per_segment,
        "opt_out_pattern": opt_out,
        "near_opt_out_pattern": near_opt_out,
    }
    with warehouse.write() as connection:
        make_tables(connection, parameters)
        return _summary(connection, run_checks(connection))


def make_tables(connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any]) -> None:
    """Replace every table of RECONCILED and MARTS; `parameters` are those that the statements name."""
    # DuckDB would materialize core.report_matches (ten million rows) for several readers; reading it again is cheaper.
    connection.execute("SET disabled_optimizers = 'common_subplan'")
    statements: dict[str, Statement] = {}
    for table, contract in _CONTRACTS.items():
        if kind_of(contract) == "reference":
            _import_reference(connection, contract)
        else:
            statements[table] = statement(connection, table.replace(".", "/"))
    for table in in_order({table: computed.inputs for table, computed in statements.items()}):
        reach("reconcile.between_tables")
        _compute(connection, _CONTRACTS[table], statements[table], parameters)
    set_comments(connection, (*CORE, *_CONTRACTS.values()))


def run_checks(connection: duckdb.DuckDBPyConnection) -> tuple[FailedCheck, ...]:
    """Run every check in the order of names; a check that returns rows has failed."""
    failed = []
    for path in sorted(SQL_FOLDER.glob("checks/*.sql")):
        check = statement(connection, f"checks/{path.stem}")
        row_count, message = connection.sql(check.text).aggregate("count(*), min(finding)").fetchall()[0]
        if row_count:
            failed.append(FailedCheck(path.stem, row_count, message))
    return tuple(failed)


def _import_reference(connection: duckdb.DuckDBPyConnection, contract: type[Contract]) -> None:
    """Replace a reference table by the rows of its CSV file."""
    with registered(connection, reference_rows=_reference(contract)):
        connection.execute(f"CREATE OR REPLACE TABLE {table_of(contract)} AS FROM reference_rows")


@cache
def _reference(contract: type[Contract]) -> pl.DataFrame:
    """The rows of a reference table, read and checked once in a process."""
    path = reference_path(table_of(contract).removeprefix("core."))
    return contract.validate(pl.read_csv(path, schema=schema_of(contract)))


def _compute(
    connection: duckdb.DuckDBPyConnection, contract: type[Contract], computed: Statement, parameters: dict[str, Any]
) -> None:
    """Replace a table, or a view, by the rows that its statement selects."""
    kind = "VIEW" if kind_of(contract) == "view" else "TABLE"
    connection.execute(
        f"CREATE OR REPLACE {kind} {table_of(contract)} AS\n{computed.text}", computed.arguments(parameters) or None
    )


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
