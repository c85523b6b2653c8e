"""Finds a phone in all texts of a database, to prove that a person was erased."""

from collections.abc import Callable, Iterator
from typing import Final

import duckdb
from duckdb import ColumnExpression, ConstantExpression, FunctionExpression

from pipelines.phones import written

# An escape of JSON, XML or an address, with which a text is looked at in Python.
_ESCAPE: Final = r"\\(?:u[0-9a-fA-F]{4}|[bfnrt/])|&[#0-9a-zA-Z]{2,8};|%[0-9a-fA-F]{2}"


def columns_holding(connection: duckdb.DuckDBPyConnection, phone: str, is_in: Callable[[str], bool]) -> Iterator[str]:
    """The columns with a text that holds the phone, as schema.table.column; `is_in` decides about a text.

    DuckDB excludes nearly all texts: those without its digits and without an escape.
    """
    columns = connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns()"
        " WHERE NOT internal AND data_type IN ('VARCHAR', 'JSON') ORDER BY ALL"
    ).fetchall()
    for schema, table, column in columns:
        text = ColumnExpression(column).cast("VARCHAR")
        may_hold = FunctionExpression("regexp_matches", text, ConstantExpression(f"{written(phone)}|{_ESCAPE}"))
        texts = connection.sql(f"FROM {schema}.{table}").filter(may_hold).select(text).distinct()
        if any(is_in(value) for (value,) in texts.fetchall()):
            yield f"{schema}.{table}.{column}"
