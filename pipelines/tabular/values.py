"""The values of an export in the form of the gateway's answers, so that a report that comes both ways counts once.

A value that can't be read becomes null, which the contracts then reject.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

import polars as pl

from pipelines.gateway.codes import DELIVERED_CODES, GATEWAY_CODES
from pipelines.phones import PHONE, in_one_piece, national
from pipelines.sql_files import reference_rows
from pipelines.times import CHINA, WRITTEN_TIME, plain_time

_KNOWN_CODES: Final = frozenset(row["code"] for row in reference_rows("gateway_codes"))
# Excel takes the code 2:10 for a time of day, and shows it as 2:10, 02:10:00, or on its first day.
_CODE_AS_TIME: Final = (
    r"^(?:(?:1899-12-3[01]|1900-01-0[01]|1904-01-01)[ T])?0?([0-9]{1,2}):%s(?::00(?:\.0+)?)?(?: ?AM)?$"
)
_PART_OF_DAY: Final = r"^(0\.[0-9]{5,})$"
_MINUTES_A_DAY: Final = 24 * 60
_EXACT: Final = 0.005  # of a minute: Excel shows nine decimals or more
_HOUR_AND_MINUTES: Final = _CODE_AS_TIME % "([0-9]{2})"
_HOUR_AND_BARE_MINUTES: Final = _CODE_AS_TIME % "0?([0-9]{1,2})"

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
    """The columns from which loading/records.py makes reports, row for row.

    `sent_at` is the time of sending, for `with_borrowed_times`; `is_untimed` is true for a failure whose cell of
    stat_time is empty: some consoles write only when a phone received the message.
    """
    column = partial(_column, mapping)
    code = _code(column("code"))
    return frame.select(
        mission_num=_number(column("mission_num")),
        phone=_phone(column("phone")),
        code=code,
        stat_time=plain_time(column("stat_time")),
        batch_num=_number(column("batch_num")),
        send_status=column("send_status"),
        receive_status=column("receive_status"),
        sent_at=plain_time(column("sent_at")),
        is_untimed=_number(column("stat_time")).is_null() & ~spelled(code).is_in(DELIVERED_CODES),
    )


def with_borrowed_times(reports: pl.DataFrame, imported_at: datetime) -> pl.DataFrame:
    """Reports with a stat_time for those that are untimed: the time of sending, else of the import, which `extra` says.

    Input: what `reports_of` returns. A delivered row without a time stays without: its latency would be made up.
    """
    lender = pl.when(pl.col("sent_at").is_null()).then(pl.lit("imported_at")).otherwise(pl.lit("sent_at"))
    lent = pl.col("sent_at").fill_null(f"{imported_at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}")
    return reports.with_columns(
        stat_time=pl.when("is_untimed").then(lent).otherwise("stat_time"),
        extra=pl.when("is_untimed").then(pl.lit('{"stat_time_from":"') + lender + pl.lit('"}')),
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


def spelled(code: pl.Expr) -> pl.Expr:
    """A known code as the vendor spells it, whatever its case; any other as it came."""
    return code.str.to_uppercase().replace_strict(GATEWAY_CODES, default=code)


def is_time(value: pl.Expr) -> pl.Expr:
    """True for a text that is a date with a time of day."""
    is_day_and_time = value.str.contains(WRITTEN_TIME) & ~value.str.contains(_HOUR_AND_MINUTES)
    return is_day_and_time | value.str.contains("^20[0-9]{12}$")


def without_clock(value: pl.Expr) -> pl.Expr:
    """A code that Excel took for a time, as the gateway writes it: 02:10:00 or 0.0902777777777778 is 2:10, 2:01 is 2:1.

    A time is a part of a day where its cell has no format. Minutes keep their zero only where that is a known code.
    Other values stay as they are.
    """
    minutes = value.str.extract(_PART_OF_DAY).cast(pl.Float64) * _MINUTES_A_DAY
    whole = minutes.round().cast(pl.Int64)
    clock = pl.format("{}:{}", whole // 60, (whole % 60).cast(pl.String).str.zfill(2))
    value = pl.when((minutes - whole).abs() < _EXACT).then(clock).otherwise(value)
    exact = value.str.replace(_HOUR_AND_MINUTES, "$1:$2")
    return pl.when(exact.is_in(_KNOWN_CODES)).then(exact).otherwise(value.str.replace(_HOUR_AND_BARE_MINUTES, "$1:$2"))


def is_verdict(value: str) -> bool:
    """True for a console's word for delivered or failed."""
    return value in _DELIVERED_WORDS + _FAILED_WORDS or value.lower() in _VERDICTS_EN


def _column(mapping: Mapping[str, str], name: str) -> pl.Expr:
    """The column of a field, or nulls if it has none."""
    return pl.col(mapping[name]) if name in mapping else pl.lit(None, pl.String)


def _phone(value: pl.Expr) -> pl.Expr:
    """A phone in eleven digits, or another number without its gaps; one that would then be a mobile of China stays."""
    bare = in_one_piece(value).str.strip_suffix(".0")
    phone = national(value)
    is_settled = phone.str.contains(PHONE) | national(bare).str.contains(PHONE)
    return pl.when(is_settled).then(phone).otherwise(bare)


def _number(value: pl.Expr) -> pl.Expr:
    """A mission, batch or access number; dashes stand for an empty cell."""
    return pl.when(~value.str.contains("^-+$")).then(value)


def _code(value: pl.Expr) -> pl.Expr:
    """The gateway's code: DELIVRD for a word for delivered; null for words of unknown meaning."""
    value = without_clock(value)
    is_delivered = value.is_in(_DELIVERED_WORDS) | value.str.to_lowercase().is_in(_DELIVERED_WORDS_EN)
    is_verdict = value.is_in(_FAILED_WORDS) | value.str.contains("^[!-~]+$")
    return pl.when(is_delivered).then(pl.lit("DELIVRD")).when(is_verdict).then(value)
