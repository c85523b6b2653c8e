"""The values of an export in the form of the gateway's answers, so that a report that comes both ways counts once.

A value that can't be read becomes null, which the contracts then reject.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import polars as pl

from pipelines.times import WRITTEN_TIME, plain_time

# Words of consoles for "delivered". Not "发送成功": it may mean the submission alone.
_DELIVERED_WORDS: Final = ("成功", "已送达", "送达", "已送達", "送達", "接收成功", "送达成功", "送達成功", "已接收")
_DELIVERED_WORDS_EN: Final = ("success", "delivered")
_VERDICTS_EN: Final = (*_DELIVERED_WORDS_EN, "fail", "failed")
# Words of consoles for "failed", shown without a code: the word becomes the code, which no reference table has.
_FAILED_WORDS: Final = (
    "失败",
    "失敗",
    "未送达",
    "未送達",
    "接收失败",
    "接收失敗",
    "送达失败",
    "送達失敗",
    "发送失败",
    "發送失敗",
)


def reports_of(frame: pl.DataFrame, mapping: Mapping[str, str]) -> pl.DataFrame:
    """The columns from which loading/records.py makes reports, row for row."""
    column = partial(_column, mapping)
    return frame.select(
        mission_num=_number(column("mission_num")),
        phone=_phone(column("phone")),
        code=_code(column("code")),
        stat_time=plain_time(column("stat_time")),
        batch_num=_number(column("batch_num")),
        send_status=column("send_status"),
        receive_status=column("receive_status"),
    )


def replies_of(frame: pl.DataFrame, mapping: Mapping[str, str]) -> pl.DataFrame:
    """The columns from which loading/records.py makes replies, row for row.

    A time that can't be read stays as it is, so that the reply is rejected: a null would mean that it has no time.
    """
    column = partial(_column, mapping)
    return frame.select(
        phone=_phone(column("phone")),
        content=column("content"),
        access_num=_number(column("access_num")),
        mo_time=pl.coalesce(plain_time(column("replied_at")), column("replied_at")),
    )


def is_time(value: pl.Expr) -> pl.Expr:
    """True for a text that is a date with a time of day."""
    return value.str.contains(WRITTEN_TIME) | value.str.contains("^20[0-9]{12}$")


def is_verdict(value: str) -> bool:
    """True for a console's word for delivered or failed."""
    return value in _DELIVERED_WORDS + _FAILED_WORDS or value.lower() in _VERDICTS_EN


def _column(mapping: Mapping[str, str], name: str) -> pl.Expr:
    """The column of a field, or nulls if it has none."""
    return pl.col(mapping[name]) if name in mapping else pl.lit(None, pl.String)


def _phone(value: pl.Expr) -> pl.Expr:
    """A phone without the blanks, hyphens and parentheses of a sheet; its prefix is left to loading/records.py."""
    return value.str.replace_all(r"[\s()-]", "").str.strip_suffix(".0")


def _number(value: pl.Expr) -> pl.Expr:
    """A mission, batch or access number; dashes stand for an empty cell."""
    return pl.when(~value.str.contains("^-+$")).then(value)


def _code(value: pl.Expr) -> pl.Expr:
    """The gateway's code: DELIVRD for a word for delivered; null for words of unknown meaning."""
    is_delivered = value.is_in(_DELIVERED_WORDS) | value.str.to_lowercase().is_in(_DELIVERED_WORDS_EN)
    is_verdict = value.is_in(_FAILED_WORDS) | value.str.contains("^[!-~]+$")
    return pl.when(is_delivered).then(pl.lit("DELIVRD")).when(is_verdict).then(value)
