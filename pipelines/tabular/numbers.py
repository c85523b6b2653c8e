"""Numbers of a column as the text that was meant: phones and ids that a library has stored as numbers."""

from typing import Final

import polars as pl

# Whole numbers up to here are exact; of larger ones each stands for its neighbours too: 13812345678 becomes
# 13812345856 in 32 bits, the phone of a stranger.
_EXACT_BELOW: Final[dict[type[pl.DataType], int]] = {pl.Float16: 2**11, pl.Float32: 2**24, pl.Float64: 2**53}


class InexactNumbers(ValueError):
    """A column of floats holds numbers that its type can't hold exactly. The message says why and what to do."""


def numbers_as_text(column: pl.Series) -> pl.Series:
    """A column of numbers as text: whole floats and decimals without .0, NaN as null. Raises InexactNumbers.

    pandas writes whole numbers beside a null as floats, and databases as decimals.
    """
    if column.dtype.is_decimal():
        return column.cast(pl.String).str.replace(r"\.0*$", "")
    if not column.dtype.is_float():
        return column.cast(pl.String)
    numbers = column.fill_nan(None)
    exact_below = _EXACT_BELOW[type(column.dtype)]
    inexact = (numbers.is_finite() & (numbers.abs() >= exact_below)).arg_true()
    if not inexact.is_empty():
        raise InexactNumbers(
            f"holds numbers too large for {column.dtype} to hold exactly (row {inexact[0]}), so"
            " nobody knows which was meant; write it as text or whole numbers"
        )
    return numbers.cast(pl.Float64).cast(pl.String).str.strip_suffix(".0")
