"""The databases that figures are read from: the reconciled warehouse, and the published copy.

The statements of sql/figures run on both. They read marts, `main.messages`, `main.replies` and `main.campaigns`; the
views of sql/sources add the names that a database does not have itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines import sql_files
from pipelines.errors import UsageError
from pipelines.settings import PUBLISHED_DATABASE, Settings
from pipelines.times import CHINA
from pipelines.warehouse.database import fetched, warehouse_of
from pipelines.warehouse.interruption import interruptible
from pipelines.warehouse.statements import statement


@dataclass(frozen=True)
class FigureSource:
    """An open database, and the instant at which its tables were made."""

    connection: duckdb.DuckDBPyConnection
    as_of: datetime

    def figure(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The rows of sql/figures/<name>.sql."""
        select = statement(self.connection, f"figures/{name}")
        return fetched(self.connection, select.text, select.arguments(parameters) or None)

    def has_mart(self, name: str) -> bool:
        """True if the mart exists; a copy that an older version published may lack it."""
        query = "FROM duckdb_tables() WHERE schema_name = 'marts' AND table_name = ?"
        return bool(self.connection.execute(query, [name]).fetchall())


@contextmanager
def reconciled(settings: Settings, *, as_of: datetime) -> Iterator[FigureSource]:
    """Open the warehouse, which was reconciled at `as_of`.

    `main.messages` has only the columns that the figures of `status` read; there is no `main.replies`.
    """
    with warehouse_of(settings).read() as connection:
        connection.execute(sql_files.statement("sources/warehouse_campaigns"))
        connection.execute(sql_files.statement("sources/warehouse_messages"))
        yield FigureSource(connection, as_of)


@contextmanager
def published(folder: Path) -> Iterator[FigureSource]:
    """Open the published copy in `folder`. Raises UsageError if there is no copy, or if it can't be read."""
    path = folder / PUBLISHED_DATABASE
    try:
        with published_database(folder) as connection:
            connection.execute(sql_files.statement("sources/published_campaigns"))
            yield FigureSource(connection, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except duckdb.Error as error:
        raise UsageError(
            f"{path} can't be read ({str(error).splitlines()[0]}); make it again with 'smsrecon publish'"
        ) from None


@contextmanager
def published_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database of the published copy in `folder`, in China's time. Raises UsageError if there is no copy."""
    path = folder / PUBLISHED_DATABASE
    if not path.exists():
        raise UsageError(f"{path} is not there yet; make it with 'smsrecon publish'")
    with duckdb.connect(str(path), read_only=True) as connection, interruptible(connection):
        connection.execute(f"SET TimeZone = '{CHINA.key}'")
        yield connection
