"""Finds a phone in all texts of a database, to prove that a person was erased."""

from collections.abc import Callable, Iterator
from typing import Final

import duckdb

from pipelines.phones import spaced_digits

# An escape of JSON, XML or an address, with which a text is looked at in Python.
_ESCAPE: Final = r"\\(?:u[0-9a-fA-F]{4}|[bfnrt/])|&[#0-9a-zA-Z]{2,8};|%[0-9a-fA-F]{2}"


def columns_holding(connection: duckdb.DuckDBPyConnection, phone: str, is_in: Callable[[str], bool]) -> Iterator[str]:
    """The columns with a text that holds the phone, as schema.table.column; `is_in` decides about a text.

    DuckDB excludes nearly all texts: those without its digits and without an escape. Most tables have no other texts,
    which takes one query: compiling the pattern for each column would take longer than searching it.
    """
    may_hold = f"{spaced_digits(phone)}|{_ESCAPE}"
    tables = connection.execute(
        "SELECT schema_name, table_name, list(column_name ORDER BY column_name) FROM duckdb_columns()"
        " WHERE NOT internal AND data_type IN ('VARCHAR', 'JSON') GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for schema, table, columns in tables:
        texts = [f'"{column}"::VARCHAR' for column in columns]
        row = f"concat_ws(chr(10), {', '.join(texts)})"  # what matches in a column matches here
        rows = f"SELECT 1 FROM {schema}.{table} WHERE regexp_matches({row}, $1) LIMIT 1"  # noqa: S608 - our names
        if not connection.execute(rows, [may_hold]).fetchall():
            continue
        for column, text in zip(columns, texts, strict=True):
            found = f"SELECT DISTINCT {text} FROM {schema}.{table} WHERE regexp_matches({text}, $1)"  # noqa: S608
            if any(is_in(value) for (value,) in connection.execute(found, [may_hold]).fetchall()):
                yield f"{schema}.{table}.{column}"
