"""Texts become instants by China's clocks, the same wherever they come from."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.times import instants_from_text

MIDNIGHT = datetime(2026, 11, 19, 16, tzinfo=UTC)  # of the 20th in China
NOON = MIDNIGHT + timedelta(hours=12)

TEXTS = {
    "2026-11-20 12:00:00": (NOON, NOON),
    "2026-11-20T12:00:00": (NOON, NOON),
    "2026-11-20 12:00:00.25": (NOON + timedelta(milliseconds=250),) * 2,
    "2026-11-20 12:00": (None, NOON),
    "2026-11-20": (None, MIDNIGHT),
    "1986-05-04 02:30:00": (None, None),  # skipped, as summer time began
    "1991-09-15 01:30:00": (datetime(1991, 9, 14, 16, 30, tzinfo=UTC),) * 2,  # shown twice, as it ended
    "20.11.2026": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_an_instant_of_china_or_null(text: str) -> None:
    value = pl.lit(text)
    read = pl.select(gateway=instants_from_text(value), people=instants_from_text(value, also_days=True))
    assert read.select(pl.all().dt.convert_time_zone("UTC")).row(0) == TEXTS[text]
