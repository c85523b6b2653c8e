"""One question to the published tables, answered as an analyst would see it."""

import duckdb
import polars as pl
import polars.selectors as cs

from pipelines.errors import UsageError
from pipelines.settings import Settings
from pipelines.times import CHINA
from pipelines.warehouse.interruption import interruptible

_TABLES = """
SELECT table_name AS "table", estimated_size AS "rows", comment AS "holds"
FROM duckdb_tables() WHERE NOT internal
UNION ALL
SELECT view_name, NULL, comment FROM duckdb_views() WHERE NOT internal
UNION ALL
SELECT function_name || '(' || array_to_string(parameters, ', ') || ')', NULL, comment
FROM duckdb_functions() WHERE NOT internal
ORDER BY "table"
"""


def ask(settings: Settings, query: str | None) -> pl.DataFrame:
    """The rows of `query`, or the list of tables and functions where there is none.

    Raises UsageError if nothing is published yet or DuckDB doesn't take the query.
    """
    path = settings.published_folder / "analytics.duckdb"
    if not path.exists():
        raise UsageError(f"{path} is not there yet; make it with 'smsrecon publish'")
    try:
        with duckdb.connect(str(path), read_only=True) as connection, interruptible(connection):
            connection.execute(f"SET TimeZone = '{CHINA.key}'")
            connection.execute("SET search_path = 'main,marts'")  # so that marts need no prefix
            _check(connection, query or _TABLES)
            rows: pl.DataFrame = connection.sql(query or _TABLES).pl()
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise UsageError(f"the query failed: {str(error).splitlines()[0]}; see 'smsrecon sql' for the tables") from None
    is_number = cs.float().is_finite()  # JSON knows neither NaN nor infinity
    return rows.with_columns(pl.when(is_number).then(cs.float()))


def _check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise UsageError unless it is one question: the file is read-only, but COPY could write anywhere."""
    kinds = [statement.type for statement in connection.extract_statements(query)]
    if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):  # MULTI: PIVOT
        raise UsageError("give one SELECT, FROM, DESCRIBE or PIVOT; nothing else is run on what is published")
