"""Contracts: each table's columns, types, checks and descriptions, how it is filled and what its grain is.

A contract is a class: its annotations are the columns, `config` is about the table, its docstring the table's comment.
`validation` makes a pandera schema of it. The modules hold the contracts of the loaded tables (`core`), of the other
tables of the schema core (`reconciled`), of the marts and of the published views. Tests hold that the database agrees.
"""

from abc import ABC
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, ClassVar, Final, Literal, ParamSpec, get_type_hints

import polars as pl

from pipelines.times import CHINA

_Arguments = ParamSpec("_Arguments")

Instant = Annotated[pl.Datetime, "us", CHINA.key]

# Type in DuckDB of a text column that holds JSON.
JSON: Final = "JSON"

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


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Description and checks of a column, all of a contract but its type; None checks nothing."""

    description: str
    nullable: bool = False
    unique: bool = False
    isin: Collection[str] | None = None
    ge: Any = None
    le: Any = None
    lt: Any = None
    matches: str | None = None  # a regular expression
    min_length: int | None = None
    alias: str | None = None  # the column's name, where Python has the word for itself
    duckdb_type: str | None = None  # where it doesn't follow from the type


def _of_any_type(rules: Callable[_Arguments, Rules]) -> Callable[_Arguments, Any]:
    return rules


# Rules as the value of an annotation: `phone: pl.String = column(description="Phone.")`.
column: Final = _of_any_type(Rules)


@dataclass(frozen=True)
class TableConfig:
    """A table's name, `core.reports`, how it is filled and where it lies: the `config` of a contract.

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
    row_checks  conditions that each row satisfies, by their words in core.rejects
    """

    name: str
    kind: Kind = field(kw_only=True)
    grain: Grain | None = field(default=None, kw_only=True)
    parquet: str = field(default="", kw_only=True)
    row_checks: Mapping[str, pl.Expr] = field(default_factory=dict, kw_only=True)


class Contract(ABC):
    """Base of all contracts: exactly these columns, in this order; nothing is cast and nothing dropped.

    To add a mart:
    1. write sql/marts/<name>.sql: one SELECT, with a header that says its grain, inputs and parameters;
    2. add its contract to `pipelines/contracts/marts.py` and to `MARTS` there: columns in the order of the SELECT;
    3. add a case to tests/sql/<name>/, and the mart's twin to tests/property/twin_marts.py;
    4. counts by status go into sql/checks/marts_add_up.sql (also into the inputs of its header), rates into
       sql/checks/rates_in_bounds.sql; new parameters into tests/sql/test_checks.py;
    5. add the Chinese descriptions and run `make docs`. Tests name whatever is missing.
    """

    config: ClassVar[TableConfig]


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
    return contract.config.name


def kind_of(contract: type[Contract]) -> Kind:
    """How the table is filled, see `TableConfig`."""
    return contract.config.kind


def grain_of(contract: type[Contract]) -> Grain | None:
    """Grain of a computed or published table, see `TableConfig`; None of another."""
    return contract.config.grain


def parquet_of(contract: type[Contract]) -> str:
    """Path of a published table's files in the analysts' copy; `*` stands for a part."""
    return contract.config.parquet


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
    types = schema_of(contract)
    return tuple(
        Column(name, rules.duckdb_type or _DUCKDB_TYPES[types[name]], rules.nullable, rules.description)
        for name, rules in rules_of(contract).items()
    )


def is_compared(contract: type[Contract]) -> bool:
    """True if two warehouses of one landing agree on the table: False for bookkeeping of one database."""
    return kind_of(contract) != "bookkeeping"


def compared_columns(contract: type[Contract]) -> list[Column]:
    """The columns that two warehouses of one landing agree on, in order: all but load_num."""
    return [column for column in columns_of(contract) if column != LOAD_NUM]


def schema_of(contract: type[Contract]) -> dict[str, pl.DataType]:
    """The polars type of every column but load_num, in order, for building or casting a frame."""
    return {name: dtype for name, (dtype, _) in _definitions(contract).items()}


def rules_of(contract: type[Contract]) -> dict[str, Rules]:
    """The rules of every column but load_num, in order."""
    return {name: rules for name, (_, rules) in _definitions(contract).items()}


@cache
def _definitions(contract: type[Contract]) -> dict[str, tuple[pl.DataType, Rules]]:
    """Type and rules of the columns by name; those of base classes come first, the last base class leading."""
    annotated = get_type_hints(contract, include_extras=True)
    columns = {name: rules for name in annotated if isinstance(rules := getattr(contract, name, None), Rules)}
    return {rules.alias or name: (_polars_type(annotated[name]), rules) for name, rules in columns.items()}


def _polars_type(annotation: Any) -> pl.DataType:
    arguments = getattr(annotation, "__metadata__", ())  # as in Instant
    dtype: pl.DataType = (annotation.__origin__ if arguments else annotation)(*arguments)
    return dtype


def split(contract: type[Contract], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the rows of `frame` into those that satisfy the contract and those that don't.

    Returns the valid rows, unchanged and in order, and one row for each invalid one, in order: `position` (its row
    number in `frame`) and `reason`, which names columns and checks, never values. Raises TypeError if the frame does
    not have the contract's columns and types, which is a bug of the caller.
    """
    if frame.is_empty() and frame.schema == schema_of(contract):  # nothing else can be wrong, and checks take a while
        return frame, pl.DataFrame(schema={"position": pl.Int64, "reason": pl.String})
    from pipelines.contracts.validation import invalid_rows  # noqa: PLC0415  pandera takes a second, for new rows only

    bad = invalid_rows(contract, frame)
    if bad.is_empty():
        return frame, bad
    return frame.filter(~pl.int_range(pl.len()).is_in(bad["position"].implode())), bad


def validated(contract: type[Contract], frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, all of whose rows satisfy the contract. Raises pandera's SchemaErrors if one doesn't."""
    from pipelines.contracts.validation import schema  # noqa: PLC0415  as above

    checked: pl.DataFrame = schema(contract).validate(frame, lazy=True)
    return checked
