"""A case of tests/sql: a folder of CSV files, loaded into a real warehouse and run through the real statements.

`core.<table>.csv` holds rows of a table that load fills. A column that a file omits is null, or, if null is not
allowed, empty, 0, false or the first second of November 2026; so a case shows only the columns that matter.
`expected.csv` holds all rows of the table under test, in any order, with the columns that matter; instants are in
China's time, and figures are compared to four places.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines import sql_files
from pipelines.contracts import kind_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.opt_outs import patterns, plain
from pipelines.settings import WarehouseSettings
from pipelines.sql_files import names_in
from pipelines.warehouse.database import Warehouse, registered
from pipelines.warehouse.reconcile import make_tables
from pipelines.warehouse.statements import Statement, called_functions, define_functions, in_order, statement

_WORDS: dict[str, Any] = {"opt_out_words": ["td", "t", "n", "退订", "取消"], "ambiguous_opt_out_words": ["取消"]}
_PATTERNS = zip(("opt_out_pattern", "near_opt_out_pattern"), patterns(*_WORDS.values()), strict=True)

_SETTINGS: dict[str, Any] = {
    "as_of": datetime(2026, 11, 10, 4, 0, tzinfo=UTC),  # noon in China
    "report_window_hours": 72,
    "hard_failures": 2,
    "price_per_segment": 0.05,
}
PARAMETERS = _SETTINGS | dict(_PATTERNS)  # of the statements
ARGUMENTS = _SETTINGS | _WORDS  # of reconcile, for the same

_FILLERS = {
    "VARCHAR": "''",
    "BIGINT": "0",
    "INTEGER": "0",
    "BOOLEAN": "FALSE",
    "DATE": "DATE '2026-11-01'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2026-11-01 00:00:00+08'",
}


def filled(path: Path, case: Path) -> Warehouse:
    """A new warehouse at `path` that holds the rows of a case."""
    warehouse = Warehouse(path, WarehouseSettings(busy_timeout_seconds=5))
    with warehouse.write() as connection:
        fill(connection, case)
    return warehouse


def fill(connection: duckdb.DuckDBPyConnection, case: Path) -> None:
    """Add the rows of a case."""
    for rows in sorted(case.glob("core.*.csv")):
        _fill(connection, rows)


@contextmanager
def computed(path: Path, case: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new warehouse, left open, that holds the rows of a case and every table computed of them."""
    with filled(path, case).write() as connection:
        make_tables(connection, PARAMETERS)
        connection.execute("COMMIT")
        define_functions(connection, _functions())
        yield connection
        connection.execute("BEGIN")


@contextmanager
def undone(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A transaction that is rolled back at the end; functions are defined before it."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def compute_for(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Compute again the tables that these statements of sql/ read, and their own if they have one."""
    tables = {table_of(contract): kind_of(contract) for contract in (*RECONCILED, *MARTS)}
    needed: dict[str, Statement] = {}
    to_visit = {name.replace("/", ".") for name in names}
    while to_visit:
        table = to_visit.pop()
        needed[table] = statement(connection, table.replace(".", "/"))
        to_visit |= {each for each in needed[table].inputs if tables.get(each, "reference") != "reference"}
        to_visit -= needed.keys()
    for table in in_order({table: found.inputs for table, found in needed.items()}):
        if table in tables:
            kind = "VIEW" if tables[table] == "view" else "TABLE"
            connection.execute(
                f"CREATE OR REPLACE {kind} {table} AS {needed[table].text}",
                needed[table].arguments(PARAMETERS) or None,
            )


@cache
def _functions() -> set[str]:
    """All that the statements of computed tables, checks and alerts call, and `fill`."""
    names = [name for folder in ("core", "marts", "checks", "totals", "alerts") for name in names_in(folder)]
    return {"number_range_of"}.union(*(called_functions(sql_files.statement(name)) for name in names))


def _fill(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    table = path.stem
    given = set(path.read_text(encoding="utf-8").splitlines()[0].split(","))
    columns = connection.execute(f"DESCRIBE {table}").fetchall()
    unknown = given - {name for name, *_ in columns}
    assert not unknown, f"{path}: {table} has no column {unknown}"
    # Quoted fields are text, empty ones too; an empty field without quotes is null.
    values = ", ".join(
        f'CAST("{name}" AS {kind})' if name in given else ("NULL" if nullable == "YES" else _FILLERS[kind])
        for name, kind, nullable, *_ in columns
    )
    connection.execute(
        f"INSERT INTO {table} SELECT {values} FROM read_csv('{path}', header = TRUE, all_varchar = TRUE, nullstr = '',"
        " allow_quoted_nulls = FALSE)"
    )
    if table == "core.recipients" and "number_range" not in given:  # as load makes it of the phone
        define_functions(connection, ["number_range_of"])
        connection.execute("UPDATE core.recipients SET number_range = number_range_of(phone)")
    if "plain_content" in {name for name, *_ in columns}:  # as load makes it of the text
        contents = connection.sql(f"SELECT DISTINCT content FROM {table}").pl()
        with registered(connection, contents=contents.with_columns(plain=plain(pl.col("content")))):
            connection.execute(
                f"UPDATE {table} SET plain_content = c.plain FROM contents AS c WHERE replies.content = c.content"
            )
