"""Compares a kept table with a fresh one: all columns of its contract, as multisets of rows, nulls equal to nulls.

Rows are compared by a hash of 64 bits over all their values, floats exactly: that two different rows share one is as
likely as 1 in 10^19, and a table that differs everywhere fits in memory. The rows that only one side has are counted,
and the first of them named by columns that identify a row; a phone is masked, and no text is named. Bookkeeping of one
database is left out.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import duckdb
import polars as pl

from pipelines.contracts import Contract, compared_columns
from pipelines.errors import environment_error
from pipelines.phones import mask_numbers_in_text, masked
from pipelines.warehouse.statements import statement

MOST_ROWS: Final = 3  # of a table that are named
_MOST_PARTS: Final = 4  # columns of a key

_ROW_OF_A_FILE: Final[tuple[str, ...]] = ("campaign_id", "input_row")

# Columns that identify any other row, the telling ones first. No key has a text of a person; `phone` is masked.
_KEY_COLUMNS: Final[tuple[str, ...]] = (
    "campaign_id",
    "message_id",
    "batch_num",
    "kind",
    "phone",
    "phone_masked",
    "source_file",
    "position",
    "submitted_on",
    "pulled_on",
    "bucket_num",
    "range_carrier",
    "range_province",
    "status",
    "code",
    "error_code",
    "code_prefix",
    "replied_at",
    "received_at",
    "stat_time",
    "since_at",
    "queried_at",
    "began_at",
    "first_range",
)

# Errors of DuckDB that are not about the table or the file that it reads.
_OF_THE_PROCESS: Final = (
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
)

Side = Literal["kept", "fresh", "both"]


@dataclass(frozen=True)
class DifferentRow:
    """A row that only one side has, or that both have with other values in these columns.

    `key` has the values that identify it, by the names of their columns.
    """

    side: Side
    key: dict[str, Any]
    changed_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A table that differs: the number of rows that only one side has, and the first of them."""

    table: str
    only_kept_count: int = 0
    only_fresh_count: int = 0
    first_rows: tuple[DifferentRow, ...] = ()
    problem: str | None = None  # why the kept table can't be compared


def key_columns(contract: type[Contract]) -> list[str]:
    """The columns by which a row of the table is named."""
    names = {column.name for column in compared_columns(contract)}
    if names >= {*_ROW_OF_A_FILE}:
        return [*_ROW_OF_A_FILE]
    return [name for name in _KEY_COLUMNS if name in names][:_MOST_PARTS]


def compare(
    connection: duckdb.DuckDBPyConnection, contract: type[Contract], *, name: str, kept: str, fresh: str
) -> Difference | None:
    """The difference of two tables with the contract's columns, each a table or a call of read_parquet; None if equal.

    `name` is the table's name in the difference.
    """
    fresh_rows = _digest(connection, contract, fresh)
    try:
        if _digest(connection, contract, kept) == fresh_rows:
            return None
        _show_rows(connection, "fresh_rows", contract, fresh)
        _show_rows(connection, "kept_rows", contract, kept)
        return _differences(connection, contract, name)
    except duckdb.Error as error:
        return Difference(name, problem=_problem(error))


def _digest(connection: duckdb.DuckDBPyConnection, contract: type[Contract], source: str) -> tuple[int, int | None]:
    """The number of rows and the sum of their hashes: equal tables are found so, and most are."""
    digest = f"SELECT count(*), sum(CAST({_row_hash(contract)} AS HUGEINT)) FROM {source}"  # noqa: S608 - our names
    ((row_count, hash_sum),) = connection.execute(digest).fetchall()
    return row_count, hash_sum


def _problem(error: duckdb.Error) -> str:
    """Why a table can't be compared, without the error's message, which may hold a value; else raises the error."""
    if isinstance(error, _OF_THE_PROCESS) or environment_error(error) is not None:
        raise error
    match error:
        case duckdb.CatalogException() | duckdb.BinderException():
            return "it is missing, or its columns are others"
        case _:
            return "it is missing, or can't be read"


def _show_rows(connection: duckdb.DuckDBPyConnection, view: str, contract: type[Contract], source: str) -> None:
    """Make a session view with the hash, the key and the values of every row of `source`."""
    values = ", ".join(f"v{place} := {column}" for place, column in enumerate(_values(contract)))
    key = ", ".join(f'"{name}" := "{name}"' for name in key_columns(contract))
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {_row_hash(contract)} AS row_hash,"  # noqa: S608 - our names
        f" struct_pack({key}) AS row_key, struct_pack({values}) AS row_values FROM {source}"
    )


def _row_hash(contract: type[Contract]) -> str:
    return f"hash({', '.join(_values(contract))})"


def _values(contract: type[Contract]) -> list[str]:
    return [f'CAST("{column.name}" AS {column.duckdb_type})' for column in compared_columns(contract)]


def _differences(connection: duckdb.DuckDBPyConnection, contract: type[Contract], name: str) -> Difference:
    buckets = [number for (number,) in connection.execute(statement(connection, "auditing/buckets").text).fetchall()]
    select = statement(connection, "auditing/differences")
    rows = connection.execute(select.text, {"buckets": buckets, "most_rows": MOST_ROWS}).fetchall()
    counts: dict[str, int] = {side: int(row_count) for side, row_count, *_ in rows}
    by_key: dict[str, list[tuple[Side, dict[str, Any]]]] = {}
    told: Counter[tuple[str, str]] = Counter()
    for side, _, hash_count, key, values in rows:
        told[side, values] += 1
        if told[side, values] <= hash_count:  # else the other side has as many of these equal rows
            by_key.setdefault(key, []).append((side, json.loads(values)))
    first = tuple(_different_rows(contract, by_key))[:MOST_ROWS]
    return Difference(name, counts.get("kept", 0), counts.get("fresh", 0), first)


def _different_rows(
    contract: type[Contract], by_key: dict[str, list[tuple[Side, dict[str, Any]]]]
) -> Iterator[DifferentRow]:
    """The rows, in the order of their keys; one that has other values on the other side is one row of both."""
    names = [column.name for column in compared_columns(contract)]
    for key, sides in sorted(by_key.items()):
        shown = _shown(json.loads(key))
        if sorted(side for side, _ in sides) == ["fresh", "kept"]:
            (_, one), (_, other) = sides
            changed = tuple(
                name for name, mine, its in zip(names, one.values(), other.values(), strict=True) if mine != its
            )
            yield DifferentRow("both", shown, changed)
        else:
            yield from (DifferentRow(side, shown) for side, _ in sides)


def _shown(key: dict[str, Any]) -> dict[str, Any]:
    """A key that anybody may read: null values left out, phones masked, wherever they are."""
    shown = {}
    for name, value in key.items():
        if name == "phone" and value is not None:
            shown[name] = pl.select(masked(pl.lit(str(value)))).item()
        elif value is not None:
            shown[name] = mask_numbers_in_text(value) if isinstance(value, str) else value
    return shown
