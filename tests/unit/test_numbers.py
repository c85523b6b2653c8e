"""Numbers of a column are the text that was meant, whatever type a library has stored them in, or are refused."""

from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tabular.numbers import InexactNumbers, numbers_as_text

TYPES = [pl.Int64, pl.UInt64, pl.Int128, pl.Float32, pl.Float64, pl.Decimal(20, 2), pl.Decimal(38, 0)]
PHONES = st.integers(13 * 10**9, 2 * 10**10 - 1)


@given(st.lists(PHONES | st.none(), min_size=1, max_size=5), st.sampled_from(TYPES))
def test_a_number_of_any_type_is_its_digits_or_the_column_is_refused(
    numbers: list[int | None], dtype: pl.DataType
) -> None:
    column = pl.Series("phone", [None if number is None else Decimal(number) for number in numbers], pl.Decimal(38, 0))
    try:
        text = numbers_as_text(column.cast(dtype))
    except InexactNumbers:
        assert dtype == pl.Float32
        return
    assert text.to_list() == [None if number is None else str(number) for number in numbers]
