"""Contracts: each table's columns, types, checks and descriptions, how it is filled and what its grain is.

A contract is a pandera model. `Config.name` is the table's name (`core.reports`), `Config.metadata` a `TableConfig`,
and its docstring is the table's comment. The modules hold the contracts of the loaded tables (`core`), of the other
tables of the schema core (`reconciled`), of the marts and of the published views. Tests hold that the database agrees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, Final, Literal, Required, TypedDict

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from pipelines.times import CHINA

Instant = Annotated[pl.Datetime, "us", CHINA.key]

# Metadata of a text column that holds JSON.
JSON: Final[dict[str, str]] = {"duckdb_type": "JSON"}

# A row that fails costs pandera about 3 KB, so this many rows at a time need at most 400 MB.
_ROWS_AT_ONCE: Final = 2**17

# The checks of fields, as pandera writes them, in the words of core.rejects.
_FAULTS: Final[Mapping[str, str]] = {
    "^not_nullable$": "missing or unreadable",
    r"^str_matches\(.*\)$": "malformed",
    r"^str_length\(.*\)$": "empty",
    r"^(greater|less)_than.*\)$": "out of range",
    r"^isin\(.*\)$": "unknown",
}

_DUCKDB_TYPES: Final[Mapping[pl.DataType, str]] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Int32(): "INTEGER",
    pl.Float64(): "DOUBLE",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    pl.Datetime("us", CHINA.key): "TIMESTAMP WITH TIME ZONE",
}


Kind = Literal["loaded", "bookkeeping", "reference", "computed", "view", "published"]
Grain = Literal["campaign", "whole"]


class TableConfig(TypedDict, total=False):
    """How a table is filled and where it lies: the `metadata` of a contract's `Config`.

    kind     loaded     rows of the landing, each with its load_num; the table is created by sql/schema
             bookkeeping  rows about this one database; the table is created by sql/schema
             reference  the rows of sql/reference/<name>.csv
             computed   the rows that sql/<schema>/<name>.sql selects, stored
             view       the same, evaluated by each reader
             published  Parquet of the analysts' copy, which a view there reads
    grain    of a computed or published table: `campaign` if each row belongs to one campaign and depends on that
             campaign alone, so that only the rows of touched campaigns are computed; `whole` if not: such a table is
             computed from small ones, never from the tables of messages and reports
    parquet  of a published table: the path of its files in the copy; `*` stands for a part
    """

    kind: Required[Kind]
    grain: Grain
    parquet: str


class Contract(pa.DataFrameModel):
    """Base of all contracts: exactly these columns, in this order; nothing is cast and nothing dropped.

    To add a mart:
    1. write sql/marts/<name>.sql: one SELECT, with a header that says its grain, inputs and parameters;
    2. add its contract to `pipelines/contracts/marts.py` and to `MARTS` there: columns in the order of the SELECT;
    3. add a case to tests/sql/<name>/, and the mart's twin to tests/property/twin_marts.py;
    4. counts by status go into sql/checks/marts_add_up.sql (also into the inputs of its header), rates into
       sql/checks/rates_in_bounds.sql; new parameters into tests/sql/test_checks.py;
    5. add the Chinese descriptions and run `make docs`. Tests name whatever is missing.
    """

    class Config:
        strict = True
        ordered = True
        metadata: TableConfig  # every contract of a table sets its own


@dataclass(frozen=True)
class Column:
    """One column as the database shows it."""

    name: str
    duckdb_type: str
    is_nullable: bool
    description: str


# Bookkeeping of one database, like the tables of that kind: not in frames, not published, not compared.
LOAD_NUM: Final = Column(
    "load_num",
    "BIGINT",
    is_nullable=False,
    description="Load that brought the row or changed it last, see core.loads; 0 if that was before loads had numbers.",
)


def table_of(contract: type[Contract]) -> str:
    """The table's name with its schema, `core.reports`."""
    return str(contract.to_schema().name)


def kind_of(contract: type[Contract]) -> Kind:
    """How the table is filled, see `TableConfig`."""
    return contract.Config.metadata["kind"]


def grain_of(contract: type[Contract]) -> Grain:
    """Grain of a computed or published table, see `TableConfig`."""
    return contract.Config.metadata["grain"]


def parquet_of(contract: type[Contract]) -> str:
    """Path of a published table's files in the analysts' copy; `*` stands for a part."""
    return contract.Config.metadata["parquet"]


def comment_of(contract: type[Contract]) -> str:
    """The table's comment: the contract's docstring, as one paragraph."""
    return " ".join(cleandoc(contract.__doc__ or "").split())


def columns_of(contract: type[Contract]) -> list[Column]:
    """The columns of the table, in order; a loaded one ends in load_num, which its frames don't have."""
    return [*_columns(contract), LOAD_NUM] if kind_of(contract) == "loaded" else [*_columns(contract)]


def names_campaigns(contract: type[Contract]) -> bool:
    """True if the table has a column campaign_id."""
    return any(column.name == "campaign_id" for column in columns_of(contract))


@cache
def _columns(contract: type[Contract]) -> tuple[Column, ...]:
    return tuple(
        Column(name, _duckdb_type(column), bool(column.nullable), column.description or "")
        for name, column in contract.to_schema().columns.items()
    )


def is_compared(contract: type[Contract]) -> bool:
    """True if two warehouses of one landing agree on the table: False for bookkeeping of one database."""
    return kind_of(contract) != "bookkeeping"


def compared_columns(contract: type[Contract]) -> list[Column]:
    """The columns that two warehouses of one landing agree on, in order: all but load_num."""
    return [column for column in columns_of(contract) if column != LOAD_NUM]


def schema_of(contract: type[Contract]) -> dict[str, pl.DataType]:
    """The polars type of every column but load_num, in order, for building or casting a frame."""
    return {name: column.dtype.type for name, column in contract.to_schema().columns.items()}


def split(contract: type[Contract], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the rows of `frame` into those that satisfy the contract and those that don't.

    Returns the valid rows, unchanged and in order, and one row for each invalid one, in order: `position` (its row
    number in `frame`) and `reason`, which names columns and checks, never values. Raises TypeError if the frame does
    not have the contract's columns and types, which is a bug of the caller.
    """
    starts = range(0, max(frame.height, 1), _ROWS_AT_ONCE)
    bad = pl.concat(_bad(contract, frame.slice(start, _ROWS_AT_ONCE), start) for start in starts)
    if bad.is_empty():
        return frame, bad
    return frame.filter(~pl.int_range(pl.len()).is_in(bad["position"].implode())), bad


def _bad(contract: type[Contract], frame: pl.DataFrame, start: int) -> pl.DataFrame:
    """Position and reason of the rows that violate the contract; `start` is the position of the first row."""
    try:
        contract.validate(frame, lazy=True)
    except SchemaErrors as errors:
        failures = errors.failure_cases.select(pl.col("index").cast(pl.Int64).alias("position"), "column", "check")
    else:
        return pl.DataFrame(schema={"position": pl.Int64, "reason": pl.String})
    if failures["position"].has_nulls():  # outside of the except clause, so that no traceback holds the values
        raise TypeError(f"a frame does not have the columns of {table_of(contract)}: {_shape_problems(failures)}")
    return _reasons(failures, table_of(contract)).with_columns(pl.col("position") + start)


def _reasons(failures: pl.DataFrame, table: str) -> pl.DataFrame:
    check = pl.col("check")
    for pattern, words in _FAULTS.items():
        check = check.str.replace(pattern, words)
    reason = pl.when(pl.col("column") == table).then(check).otherwise(pl.format("{}: {}", "column", check))
    return (
        failures.select("position", reason.alias("reason"))
        .unique()
        .group_by("position")
        .agg(pl.col("reason").sort().str.join("; "))
        .sort("position")
    )


def _shape_problems(failures: pl.DataFrame) -> str:
    shape = failures.filter(pl.col("position").is_null()).unique(maintain_order=True)
    return "; ".join(f"{column}: {check}" for column, check in shape.select("column", "check").iter_rows())


def _duckdb_type(column: Any) -> str:
    named = (column.metadata or {}).get("duckdb_type")
    return str(named) if named else _DUCKDB_TYPES[column.dtype.type]
