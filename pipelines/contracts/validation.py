"""Validation of frames by their contracts. Only this module imports pandera, which takes a second."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from pipelines.contracts import Contract, Rules, rules_of, schema_of, table_of

# A row that fails costs pandera about 3 KB, so this many rows at a time need at most 400 MB.
_ROWS_AT_ONCE: Final = 2**17

# The checks of a column, by the rule that asks for each.
_CHECKS: Final[Mapping[str, Callable[[Any], pa.Check]]] = {
    "isin": pa.Check.isin,
    "ge": pa.Check.ge,
    "lt": pa.Check.lt,
    "le": pa.Check.le,
    "matches": pa.Check.str_matches,
    "min_length": lambda least: pa.Check.str_length(min_value=least),
}

# Their names, as pandera writes them, in the words of core.rejects.
_FAULTS: Final[Mapping[str, str]] = {
    "^not_nullable$": "missing or unreadable",
    r"^str_matches\(.*\)$": "malformed",
    r"^str_length\(.*\)$": "empty",
    r"^(greater|less)_than.*\)$": "out of range",
    r"^isin\(.*\)$": "unknown",
}


@cache
def schema(contract: type[Contract]) -> pa.DataFrameSchema:
    """The contract as a schema of pandera: exactly its columns, in their order."""
    types = schema_of(contract)
    return pa.DataFrameSchema(
        {name: _column(types[name], rules) for name, rules in rules_of(contract).items()},
        checks=[_row_check(name, holds) for name, holds in contract.config.row_checks.items()],
        name=table_of(contract),
        strict=True,
        ordered=True,
    )


def invalid_rows(contract: type[Contract], frame: pl.DataFrame) -> pl.DataFrame:
    """Position and reason of the rows that violate the contract, see `split`."""
    starts = range(0, max(frame.height, 1), _ROWS_AT_ONCE)
    return pl.concat(_invalid_rows(contract, frame.slice(start, _ROWS_AT_ONCE), start) for start in starts)


def _column(dtype: pl.DataType, rules: Rules) -> pa.Column:
    checks = [check(bound) for name, check in _CHECKS.items() if (bound := getattr(rules, name)) is not None]
    return pa.Column(dtype, checks=checks, nullable=rules.nullable, unique=rules.unique)


def _row_check(name: str, holds: pl.Expr) -> pa.Check:
    return pa.Check(lambda data: data.lazyframe.select(holds), name=name)


def _invalid_rows(contract: type[Contract], frame: pl.DataFrame, start: int) -> pl.DataFrame:
    """The same of some rows; `start` is the position of the first one."""
    try:
        schema(contract).validate(frame, lazy=True)
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
