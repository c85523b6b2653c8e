"""Texts become instants by China's clocks, the same wherever they come from."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.times import CHINA, instants_from_text

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
    "2026/11/20 12:00:00": (NOON, NOON),
    "2026/11/20 12:00:00.5": (NOON + timedelta(milliseconds=500),) * 2,
    "2026.11.20 12:0:0": (NOON, NOON),
    "2026年11月20日 12时0分0秒": (NOON, NOON),
    "2026-11-20T12:00:00+08:00": (NOON, NOON),
    "20261120120000": (NOON, NOON),
    str(int(NOON.timestamp())): (NOON, NOON),
    f"{int(NOON.timestamp())}250": (NOON, NOON),
    "2026/11/20 12:00": (None, NOON),
    "2026/13/20 12:00:00": (None, None),
    "2026/11/20 12:00:00 PM": (NOON, NOON),
    "2026/11/20 下午12:00:00": (NOON, NOON),
    "2026-11-20 下午 12:00": (None, NOON),
    "2026/11/20 12:00:00 am": (MIDNIGHT, MIDNIGHT),
    "2026年11月20日 上午0时0分0秒": (MIDNIGHT, MIDNIGHT),
    "2026/11/20 13:00:00 PM": (None, None),
    "２０２６－１１－２０　１２：００：００": (NOON, NOON),
    "2026-11-20T12:00:00+09:00": (NOON - timedelta(hours=1),) * 2,
    "2026-11-20T04:00:00Z": (NOON, NOON),
    "2026-11-20 04:00:00.250-0000": (NOON + timedelta(milliseconds=250),) * 2,
    "2026-11-20T12:00:00+99:00": (None, None),
    "13800138000": (None, None),
    "20.11.2026": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_an_instant_of_china_or_null(text: str) -> None:
    value = pl.lit(text)
    read = pl.select(gateway=instants_from_text(value), people=instants_from_text(value, also_days=True))
    assert read.select(pl.all().dt.convert_time_zone("UTC")).row(0) == TEXTS[text]


def test_texts_of_every_form_are_read_side_by_side() -> None:
    frame = pl.DataFrame({"text": [*TEXTS, None] * 3})
    read = frame.lazy().select(instants_from_text(pl.col("text")).dt.convert_time_zone("UTC")).collect()
    assert read["text"].to_list() == [*(gateway for gateway, _ in TEXTS.values()), None] * 3


moments = st.integers(10**9, 2 * 10**9 - 1).map(lambda second: datetime.fromtimestamp(second, CHINA))
FORMS = ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d %H:%M:%S", "%Y年%m月%d日 %H:%M:%S", "%Y%m%d%H%M%S"]
FORMS += ["%Y/%m/%d %I:%M:%S %p", "%Y-%m-%d %I:%M:%S%p"]
FORMS += ["%Y-%m-%dT%H:%M:%S+08:00", "%Y/%m/%dT%H:%M:%S.000", "%Y/%m/%d  %H:%M:%S+0800"]


@given(st.lists(st.tuples(moments, st.sampled_from(FORMS)), min_size=1, max_size=5))
def test_an_instant_written_in_any_form_comes_back(written: list[tuple[datetime, str]]) -> None:
    texts = pl.Series("text", [moment.strftime(form) for moment, form in written])
    assert texts.to_frame().select(instants_from_text(pl.col("text")))["text"].to_list() == [at for at, _ in written]
