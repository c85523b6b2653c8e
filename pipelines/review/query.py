"""One question to the published tables, answered as an analyst would see it."""

import duckdb
import polars as pl

from pipelines.errors import UsageError
from pipelines.settings import Settings

_TABLES = """
SELECT table_name AS "table", estimated_size AS "rows", comment AS "holds"
FROM duckdb_tables() WHERE NOT internal
UNION ALL
SELECT view_name, NULL, comment FROM duckdb_views() WHERE NOT internal
ORDER BY "table"
"""


def ask(settings: Settings, query: str | None) -> pl.DataFrame:
    """The rows of `query`, or the list of tables where there is none.

    Raises UsageError if nothing is published yet or DuckDB doesn't take the query.
    """
    path = settings.data_dir / "published" / "analytics.duckdb"
    if not path.exists():
        raise UsageError(f"{path} is not there yet; make it with 'smsrecon publish'")
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'Asia/Shanghai'")
        try:
            relation = connection.sql(query or _TABLES)
            frame: pl.DataFrame = pl.DataFrame() if relation is None else relation.pl()
        except duckdb.Error as error:
            raise UsageError(
                f"the query failed: {str(error).splitlines()[0]}; see 'smsrecon sql' for the tables"
            ) from None
    return frame
