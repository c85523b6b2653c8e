"""The owner's columns of an input, in types that the plan, the warehouse and JSON can hold."""

from collections.abc import Iterable

import polars as pl
from polars._typing import PolarsDataType


def fault_of_names(fields: Iterable[tuple[str, PolarsDataType]]) -> str | None:
    """The first fault in the names of columns, and of the fields within them, or None; it quotes no name.

    The warehouse takes no empty name, and makes one of two names that differ only in upper and lower case.
    """
    numbers: dict[str, int] = {}
    for number, (name, dtype) in enumerate(fields, 1):
        if not name:
            return f"column {number} has no name; name it, or leave it out"
        if name.lower() in numbers:
            first = numbers[name.lower()]
            return f"the names of columns {first} and {number} differ only in upper and lower case; rename one"
        numbers[name.lower()] = number
        if fault := fault_of_names(_fields_within(dtype)):
            return f"column {number} is nested: within it, {fault}"
    return None


def _fields_within(dtype: PolarsDataType) -> list[tuple[str, PolarsDataType]]:
    match dtype:
        case pl.List(inner=inner) | pl.Array(inner=inner):
            return _fields_within(inner)
        case pl.BaseExtension():
            return _fields_within(dtype.ext_storage())
        case pl.Struct():
            return [(field.name, field.dtype) for field in dtype.fields]
    return []


def storable(column: pl.Series) -> pl.Series:
    """The column in types that Parquet and JSON have, at every depth.

    NaN and infinity become null: JSON has neither, and pandas writes NaN for missing values. Binary and integers of 128
    bits become text, arrays become lists, and extension types become the type that they are stored as.
    """
    return _storable(column.alias("column")).alias(column.name)  # polars takes names such as * for patterns


def _storable(column: pl.Series) -> pl.Series:
    match column.dtype:
        case pl.BaseExtension():
            column = _storable(column.ext.storage())
        case pl.Array():
            column = _storable(column.arr.to_list())
        case pl.List(inner=inner):
            within = storable(pl.Series(dtype=inner)).dtype
            column = column.list.eval(pl.element().map_batches(storable, return_dtype=within, is_elementwise=True))
        case pl.Struct(fields=[]):
            column = pl.Series(column.name, [None] * len(column), pl.Null)
        case pl.Struct():
            packed = pl.DataFrame([storable(field) for field in column.struct.unnest()]).to_struct(column.name)
            column = pl.select(pl.when(column.is_not_null()).then(packed)).to_series()
        case pl.Binary():
            column = pl.Series(column.name, [None if value is None else _text(value) for value in column], pl.String)
        case pl.Int128() | pl.UInt128():
            column = column.cast(pl.String)
        case dtype if dtype.is_float():
            column = pl.select(pl.when(column.is_finite()).then(column)).to_series()
    return column


def _text(value: bytes) -> str:
    """The text that the bytes are in UTF-8, else their hexadecimal digits."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
