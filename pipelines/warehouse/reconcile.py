"""Closes the books: runs sql/core, sql/marts, sql/checks and sql/totals, in one transaction.

The SQL defines each status and each figure. A table is computed after all the tables that its statement reads, whole or
for the campaigns that were touched since the last reconcile.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import duckdb
import polars as pl

from pipelines.contracts import Contract, grain_of, kind_of, names_campaigns, schema_of, table_of, validated
from pipelines.contracts.core import CORE
from pipelines.contracts.reconciled import STATUSES
from pipelines.failpoints import reach
from pipelines.opt_outs import patterns
from pipelines.sql_files import names_in, reference_path
from pipelines.warehouse.computed import ALL_CAMPAIGNS, CONTRACTS, note_computed
from pipelines.warehouse.database import Warehouse, registered, set_comments, tables_as_described
from pipelines.warehouse.statements import Statement, in_order, statements
from pipelines.warehouse.touched import Touched, TouchedSearch, in_scope

_COMPUTED: Final = {table_of(contract): contract for contract in CONTRACTS if kind_of(contract) != "reference"}

# The tables without campaigns, and the views, through which one may read another.
_ACROSS_CAMPAIGNS: Final = tuple(
    table for table, contract in _COMPUTED.items() if kind_of(contract) == "view" or not names_campaigns(contract)
)


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
    search = TouchedSearch(parameters)
    with warehouse.write(prepare=search.prepare) as connection:
        touched = search.touched(connection)
        is_changed = make_tables(connection, parameters, touched)
        failed_checks = run_checks(connection, touched)
        note_computed(
            connection,
            parameters,
            is_balanced=not failed_checks,
            is_changed=is_changed,
            campaigns=ALL_CAMPAIGNS if touched is None else touched.campaigns,
        )
        return _summary(connection, failed_checks)


def make_tables(
    connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any], touched: Touched | None = None
) -> bool:
    """Bring every table of RECONCILED and MARTS up to date, for the touched campaigns or, by default, for all.

    `parameters` are those that the statements name. Returns False if no table can have changed.
    """
    # DuckDB would materialize core.report_matches (ten million rows) for several readers; reading it again is cheaper.
    connection.execute("SET disabled_optimizers = 'common_subplan'")
    if touched is None:
        _make_all(connection, _steps(connection), parameters)
    elif touched.has_news:
        _make_touched(connection, _steps(connection), parameters, touched)
    else:
        return _follow_clock(connection, _steps(connection, _ACROSS_CAMPAIGNS), parameters)
    return True


def _steps(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str] = _COMPUTED
) -> Iterator[tuple[type[Contract], Statement]]:
    """The tables and their statements, each after those that it reads; of some tables and all views, or of all."""
    names = {table: table.replace(".", "/") for table in tables}
    by_name = statements(connection, names.values())
    for table in in_order({table: by_name[name].inputs for table, name in names.items()}):
        reach("reconcile.between_tables")
        yield _COMPUTED[table], by_name[names[table]]


def _make_all(
    connection: duckdb.DuckDBPyConnection, steps: Iterable[tuple[type[Contract], Statement]], parameters: dict[str, Any]
) -> None:
    """Replace every table whole; a table that has the columns of its contract already keeps its comments."""
    kept = tables_as_described(connection, CONTRACTS)
    for contract in CONTRACTS:
        if kind_of(contract) == "reference":
            with registered(connection, reference_rows=_reference(contract)):
                _replace(connection, contract, "FROM reference_rows", is_kept=contract in kept)
    for contract, computed in steps:
        _replace(connection, contract, computed.text, computed.arguments(parameters), is_kept=contract in kept)
    set_comments(connection, (*CORE, *CONTRACTS))


def _make_touched(
    connection: duckdb.DuckDBPyConnection,
    steps: Iterable[tuple[type[Contract], Statement]],
    parameters: dict[str, Any],
    touched: Touched,
) -> None:
    """Replace the touched campaigns' rows, and whole tables that are computed from small ones."""
    for contract, computed in steps:
        if kind_of(contract) == "view" or table_of(contract) in touched.up_to_date:
            continue
        if grain_of(contract) == "campaign":
            touched.replace(contract, computed, parameters)
        else:
            _replace(connection, contract, computed.text, computed.arguments(parameters), is_kept=True)


def _follow_clock(
    connection: duckdb.DuckDBPyConnection, steps: Iterable[tuple[type[Contract], Statement]], parameters: dict[str, Any]
) -> bool:
    """Replace the tables that depend on the clock, if they have other rows now; returns whether one has.

    Those with campaigns don't: when the clock changes one of their rows, its campaign is touched.
    """
    is_changed = False
    for contract, computed in steps:
        if "as_of" in computed.parameters and not names_campaigns(contract):
            table, arguments = table_of(contract), computed.arguments(parameters)
            connection.execute(f"CREATE OR REPLACE TEMP TABLE rows_now AS\n{computed.text}", arguments)
            differences = connection.execute(_DIFFERENCES.format(table=table)).fetchall()
            if differences:
                _replace(connection, contract, "FROM rows_now", is_kept=True)
                is_changed = True
    return is_changed


_DIFFERENCES: Final = """
(FROM rows_now EXCEPT ALL FROM {table}) UNION ALL (FROM {table} EXCEPT ALL FROM rows_now)
LIMIT 1
"""


def run_checks(connection: duckdb.DuckDBPyConnection, touched: Touched | None = None) -> tuple[FailedCheck, ...]:
    """Run the checks in the order of names; one that returns rows has failed.

    Those of sql/checks look at the touched campaigns, by default at all; those of sql/totals at everything.
    """
    if touched is None:
        return _findings(connection, "checks") + _findings(connection, "totals")
    if not touched.has_news:
        return ()  # the last reconcile balanced
    with in_scope(connection):
        failed = _findings(connection, "checks")
    return failed + _findings(connection, "totals")


def _findings(connection: duckdb.DuckDBPyConnection, folder: str) -> tuple[FailedCheck, ...]:
    failed = []
    for name, check in statements(connection, names_in(folder)).items():
        counted = f"SELECT count(*), min(finding) FROM (\n{check.text}\n)"  # noqa: S608 - our text
        ((row_count, message),) = connection.execute(counted).fetchall()
        if row_count:
            failed.append(FailedCheck(name.removeprefix(f"{folder}/"), row_count, message))
    return tuple(failed)


@cache
def _reference(contract: type[Contract]) -> pl.DataFrame:
    """The rows of a reference table, read and checked once in a process."""
    path = reference_path(table_of(contract).removeprefix("core."))
    return validated(contract, pl.read_csv(path, schema=schema_of(contract)))


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
