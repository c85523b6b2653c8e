"""Suppression lists: the phones that must not get messages.

A list is a Parquet file in the landing with phone, reason and since_at; an entry with is_removed cancels all entries of
its phone up to its instant. Lists are added, never changed, and come from many sources: a phone counts in whatever form
it is written, and with or without a reason. An entry that is no phone stops the sending, since nobody knows who is
meant, unless it has is_accepted.
"""

from datetime import datetime
from io import BytesIO
from typing import Final

import polars as pl
import polars.selectors as cs

from pipelines.errors import InputRefused
from pipelines.formatting import first_of
from pipelines.landing.landing import Landing
from pipelines.phones import PHONE, TOMBSTONE, national
from pipelines.tabular.mapping import phone_columns
from pipelines.tabular.numbers import InexactNumbers, numbers_as_text
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.times import CHINA, in_china

_SCHEMA: Final[dict[str, pl.DataType]] = {
    "phone": pl.String(),
    "reason": pl.String(),
    "since_at": pl.Datetime("us", CHINA.key),
}
_ENTRIES: Final = _SCHEMA | {
    "is_removed": pl.Boolean(),
    "is_accepted": pl.Boolean(),
    "source_file": pl.String(),
    "row": pl.Int64(),
}
_TEXT: Final = cs.string() | cs.categorical() | cs.integer()
_IS_READABLE: Final = pl.col("phone").str.contains(f"{PHONE}|{TOMBSTONE}").fill_null(value=False)


def suppressed_phones(landing: Landing, *, accept_unreadable: bool = False) -> pl.DataFrame:
    """The phones that must not get messages: `phones_on_lists`, if nothing else lies there that may name somebody.

    Raises InputRefused if a list can't be read, another file lies beside the lists or, unless `accept_unreadable`, an
    entry is no phone.
    """
    if others := landing.suppressions.other_files():
        raise InputRefused(
            f"{others[0]}: is no suppression list by its name, which must end in .parquet; take it away, and use"
            " 'smsrecon suppress import' for CSV and Excel"
        )
    entries = read_entries(landing)
    if not accept_unreadable:
        _refuse_unreadable(landing, entries)
    return _in_force(entries)


def phones_on_lists(landing: Landing) -> pl.DataFrame:
    """phone, reason, since_at: one row for each phone that is on a list now, with its earliest entry in force.

    Raises InputRefused if a list can't be read.
    """
    return _in_force(read_entries(landing))


def _in_force(entries: pl.DataFrame) -> pl.DataFrame:
    removals = entries.filter("is_removed").group_by("phone").agg(removed_at=pl.max("since_at"))
    return (
        entries.filter(_IS_READABLE, ~pl.col("is_removed"))
        .join(removals, on="phone", how="left")
        .filter((pl.col("since_at") > pl.col("removed_at")).fill_null(value=True))
        .sort("since_at", "reason")
        .unique("phone", keep="first", maintain_order=True)
        .select(*_SCHEMA)
    )


def read_entries(landing: Landing, *, skip_damaged: bool = False) -> pl.DataFrame:
    """phone, reason, since_at, is_removed, is_accepted, source_file, row: all entries of all lists.

    A phone has eleven digits; anything else stays as it is. Rows are counted from 0. Raises InputRefused if a list
    can't be read, unless these are to be skipped.
    """
    lists = [pl.DataFrame(schema=_ENTRIES)]
    for name in landing.suppressions.names():
        try:
            lists.append(_read(landing, name))
        except InputRefused:
            if not skip_damaged:
                raise
    return pl.concat(lists, how="vertical_relaxed")


def unreadable(entries: pl.DataFrame) -> pl.DataFrame:
    """The entries that are no phones and were not accepted as such."""
    return entries.filter(~_IS_READABLE, ~pl.col("is_accepted"))


def normalised(table: pl.DataFrame) -> pl.DataFrame:
    """phone, reason, since_at, is_removed, is_accepted of a list, row for row; phones in eleven digits.

    Raises InexactNumbers, and what polars raises for a column that is missing or of another type.
    """
    phones = numbers_as_text(table["phone"]).alias("phone")
    return table.select(
        phones.to_frame().select(national(pl.col("phone"))).to_series(),
        pl.col("reason").cast(pl.String),
        since_at_of(table["since_at"].dtype).cast(_SCHEMA["since_at"], strict=False),
        _flag(table, "is_removed"),
        _flag(table, "is_accepted"),
    )


def _flag(table: pl.DataFrame, name: str) -> pl.Expr:
    """A column of true and false, or 1 and 0; a missing value is false."""
    flag = pl.col(name).cast(pl.Boolean).fill_null(value=False) if name in table.columns else pl.lit(value=False)
    return flag.alias(name)


def _read(landing: Landing, name: str) -> pl.DataFrame:
    file = landing.path(name)
    try:
        table = read_parquet(landing.suppressions.read(name))
        entries = normalised(table)
        others = phone_columns(table.select(_TEXT.cast(pl.String)).drop(*_ENTRIES, strict=False))
    except InexactNumbers as error:
        raise InputRefused(f"{file}: this suppression list can't be used: column 'phone' {error}") from None
    except (pl.exceptions.PolarsError, LookupError, UnreadableParquet, OSError):
        raise InputRefused(
            f"{file}: this suppression list can't be read; it needs the columns phone, reason and since_at, a time"
        ) from None
    if others:
        raise InputRefused(
            f"{file}: this suppression list has phones in {', '.join(map(repr, others))} too; give each its own row"
        )
    with_place = entries.with_columns(pl.col("reason").fill_null("listed"), source_file=pl.lit(name))
    return with_place.with_row_index("row").select(*_ENTRIES).cast({"row": pl.Int64})


def _refuse_unreadable(landing: Landing, entries: pl.DataFrame) -> None:
    wrong = unreadable(entries)
    if wrong.is_empty():
        return
    first = wrong["source_file"][0]
    rows = first_of(wrong.filter(source_file=first)["row"].to_list())
    others = wrong["source_file"].n_unique() - 1
    raise InputRefused(
        f"{landing.path(first)}: rows {rows} of this suppression list hold no phone"
        f"{f', as do rows of {others} more' if others else ''}, so nobody knows who is meant; correct it, or send"
        " without these rows with --accept-unreadable"
    )


def since_at_of(dtype: pl.DataType) -> pl.Expr:
    """The column `since_at` of a list as instants; days and times without a zone are China's."""
    since_at = pl.col("since_at")
    if dtype == pl.Date:
        dtype, since_at = pl.Datetime("us"), since_at.cast(pl.Datetime("us"))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return in_china(since_at)
    return since_at


def land_entries(landing: Landing, entries: pl.DataFrame, *, name: str, at: datetime) -> str:
    """Land a new list of these entries (phone, reason, since_at, is_removed); returns its name in the landing."""
    file = BytesIO()
    entries.select(pl.col("since_at").cast(_SCHEMA["since_at"]), pl.exclude("since_at")).write_parquet(file)
    landed = landing.suppressions.land(file.getvalue(), name=name, at=at)
    landing.put(landed)
    return landed
