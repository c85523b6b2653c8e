"""Reports and replies as received, converted to the columns of their contracts, which are checked afterwards.

Input: the text columns of gateway/wire.py, and `extra`, `source_file`, `received_at` and `channel`. A value that is
missing or can't be read becomes null, which the contract then rejects. Rows are neither dropped nor reordered.
"""

from typing import Final, Literal

import polars as pl

from pipelines.contracts import schema_of
from pipelines.contracts.core import Replies, Reports
from pipelines.gateway.codes import DELIVERED_CODES
from pipelines.message_ids import message_ids
from pipelines.opt_outs import plain
from pipelines.phones import MASK, PHONE, mask_in_text, national, without_prefix
from pipelines.tabular.values import spelled
from pipelines.times import instants_from_text
from pipelines.warehouse.loading.rows import plausible

Channel = Literal["pull", "push", "import"]

_LINE_END: Final = r"\r\n?"
_NOT_XML: Final = r"[^\t\n\x20-\x{FFFD}\x{10000}-\x{10FFFF}]"  # the characters that XML has no way to write
_ENDS: Final = r"^[\s\x{FFFD}]+|[\s\x{FFFD}]+$"

_CHANNELS: Final = {
    "is_pulled": pl.col("channel") == "pull",
    "is_pushed": pl.col("channel") == "push",
    "is_imported": pl.col("channel") == "import",
}


def clean_reports(received: pl.DataFrame) -> pl.DataFrame:
    """The columns of core.reports, row for row."""
    return received.select(
        message_id=message_ids(received["mission_num"]),
        mission_num=pl.col("mission_num").fill_null(""),
        phone=without_prefix(pl.col("phone")),
        code=mask_in_text(spelled(pl.col("code"))),
        stat_time=plausible(instants_from_text(pl.col("stat_time"))),
        batch_num=mask_in_text(pl.col("batch_num")).fill_null(""),
        is_delivered=spelled(pl.col("code")).is_in(DELIVERED_CODES),
        send_status=pl.col("send_status").fill_null(""),
        receive_status=pl.col("receive_status").fill_null(""),
        received_at=pl.col("received_at"),
        source_file=pl.col("source_file"),
        extra=pl.col("extra"),
        **_CHANNELS,
    ).select(list(schema_of(Reports)))


def clean_replies(received: pl.DataFrame) -> pl.DataFrame:
    """The columns of core.replies, row for row.

    The text is as XML can carry it, so that a reply is the same one when JSON brings it too.
    A reply without a readable time gets that of its receipt, and `extra` tells if there was one. A push comes at once,
    so its receipt is as good as a time of its own. In an import the time must be readable: its rows are told to people.
    """
    written = pl.col("mo_time").fill_null("") != ""
    read = plausible(instants_from_text(pl.col("mo_time")))
    is_unread, is_import = written & read.is_null(), pl.col("channel") == "import"
    note = pl.lit('{"replied_at_from":"received_at"')
    noted = pl.when(pl.col("extra").is_null()).then(note + "}").otherwise(note + "," + pl.col("extra").str.slice(1))
    return received.select(
        phone=without_prefix(pl.col("phone")),
        content=_as_in_xml(pl.col("content").fill_null("")),
        access_num=pl.when(national(pl.col("access_num")).str.contains(PHONE))
        .then(pl.lit(MASK))
        .otherwise("access_num")
        .fill_null(""),
        replied_at=pl.when(is_unread & is_import).then(None).otherwise(pl.coalesce(read, "received_at")),
        has_own_time=read.is_not_null() | (pl.col("channel") == "push"),
        received_at=pl.col("received_at"),
        source_file=pl.col("source_file"),
        extra=pl.when(is_unread & ~is_import).then(noted).otherwise("extra"),
        plain_content=plain(pl.col("content").fill_null("")),
        **_CHANNELS,
    ).select(list(schema_of(Replies)))


def _as_in_xml(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(_LINE_END, "\n").str.replace_all(_NOT_XML, "\ufffd").str.replace_all(_ENDS, "")
