"""The answer to a query on the published tables, as an analyst would get it."""

import re
from glob import escape
from pathlib import Path

import duckdb
import polars as pl
import polars.selectors as cs

from pipelines.errors import UsageError
from pipelines.review.sources import published_database
from pipelines.settings import Settings

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
    """The rows of `query`; without one, the list of tables and functions.

    Raises UsageError if nothing is published yet or if the query fails.
    """
    try:
        with published_database(settings.published_folder) as connection:
            connection.execute("SET search_path = 'main,marts'")  # so that marts need no prefix
            _confine(connection, settings.published_folder)
            _check(connection, query or _TABLES)
            rows: pl.DataFrame = connection.sql(query or _TABLES).pl()
    except duckdb.PermissionException:
        raise UsageError(
            "the query opens a file that is not published here; if the data folder was moved or copied, make its views"
            " again with 'smsrecon publish'"
        ) from None
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise UsageError(f"the query failed: {str(error).splitlines()[0]}; see 'smsrecon sql' for the tables") from None
    is_number = cs.float().is_finite()  # JSON knows neither NaN nor infinity
    return rows.with_columns(pl.when(is_number).then(cs.float()))


def _confine(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Let this database open files of the folder only, as long as this process has a connection to it."""
    path = str(folder.resolve())
    connection.execute("SET allowed_directories = ?", [[f"{path}/", f"{escape(path)}/"]])  # views read escaped paths
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise UsageError unless it is one SELECT without a COPY in it, which could write into the published folder."""
    kinds = [statement.type for statement in connection.extract_statements(query)]
    if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):  # MULTI: PIVOT
        raise UsageError("give one SELECT, FROM, DESCRIBE or PIVOT; nothing else is run on what is published")
    if _has_keyword(query, "copy"):
        raise UsageError('COPY is not run on what is published; if it is a name in the query, write it as "copy"')


def _has_keyword(query: str, keyword: str) -> bool:
    """True if the word stands in the query outside of texts, quoted names and comments."""
    text = query.encode()  # in which offsets count
    tokens = duckdb.tokenize(query)
    ends = [*(offset for offset, _ in tokens[1:]), len(text)]
    return any(
        kind == duckdb.token_type.keyword
        and re.split(rb"\W", text[start:end], maxsplit=1)[0].lower() == keyword.encode()
        for (start, kind), end in zip(tokens, ends, strict=True)
    )
