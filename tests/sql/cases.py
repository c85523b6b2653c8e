"""A case of tests/sql: a folder of CSV files, loaded into a real warehouse and run through the real statements.

`core.<table>.csv` holds rows of a table that load fills. A column that a file omits is null, or, if null is not
allowed, empty, 0, false or the first second of November 2026; so a case shows only the columns that matter.
`expected.csv` holds all rows of the table under test, in any order, with the columns that matter; instants are in
China's time, and figures are compared to four places.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl

from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse, registered
from pipelines.warehouse.loading.records import plain

PARAMETERS: dict[str, Any] = {
    "as_of": datetime(2026, 11, 10, 4, 0, tzinfo=UTC),  # noon in China
    "report_window_hours": 72,
    "hard_failures": 2,
    "price_per_segment": 0.05,
    "opt_out_words": ["td", "t", "n", "退订", "取消"],
}

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
    path.write_bytes(_empty_warehouse())
    warehouse = Warehouse(path, WarehouseSettings(busy_timeout_seconds=5))
    with warehouse.write() as connection:
        for rows in sorted(case.glob("core.*.csv")):
            _fill(connection, rows)
    return warehouse


@cache
def _empty_warehouse() -> bytes:
    """The file of a warehouse without rows, made once and copied for each case."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with Warehouse(path, WarehouseSettings()).write():
            pass
        return path.read_bytes()


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
    if "plain_content" in {name for name, *_ in columns}:  # as load makes it of the text
        contents = connection.sql(f"SELECT DISTINCT content FROM {table}").pl()
        with registered(connection, contents=contents.with_columns(plain=plain(pl.col("content")))):
            connection.execute(
                f"UPDATE {table} SET plain_content = c.plain FROM contents AS c WHERE replies.content = c.content"
            )
