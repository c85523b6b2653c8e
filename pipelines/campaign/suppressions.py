"""Suppression lists: the phones that must not get messages.

A list is a Parquet file in the landing with phone, reason and since_at; an entry with is_removed cancels all entries of
its phone up to its instant. Lists are added, never changed, and come from many sources: a phone counts in whatever form
it is written, and with or without a reason.
"""

from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.errors import InputRefused
from pipelines.landing.landing import Landing
from pipelines.phones import national
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.times import CHINA, in_china

_SCHEMA: Final[dict[str, pl.DataType]] = {
    "phone": pl.String(),
    "reason": pl.String(),
    "since_at": pl.Datetime("us", CHINA.key),
}


def suppressed_phones(landing: Landing) -> pl.DataFrame:
    """phone, reason, since_at: one row for each phone that is on a list now, with its earliest entry in force.

    Raises InputRefused if a list can't be read.
    """
    entries = read_entries(landing)
    removals = entries.filter("is_removed").group_by("phone").agg(removed_at=pl.max("since_at"))
    return (
        entries.filter(~pl.col("is_removed"))
        .join(removals, on="phone", how="left")
        .filter((pl.col("since_at") > pl.col("removed_at")).fill_null(value=True))
        .sort("since_at", "reason")
        .unique("phone", keep="first", maintain_order=True)
        .select(*_SCHEMA)
    )


def read_entries(landing: Landing) -> pl.DataFrame:
    """phone, reason, since_at, is_removed: all entries of all lists. Raises InputRefused if a list can't be read."""
    files = [landing.path(name) for name in landing.suppressions.names()]
    if not files:
        return pl.DataFrame(schema=_SCHEMA | {"is_removed": pl.Boolean()})
    return pl.concat([_read(file) for file in files], how="vertical_relaxed")


def _read(file: Path) -> pl.DataFrame:
    try:
        return _normalised(read_parquet(file.read_bytes()))
    except (pl.exceptions.PolarsError, LookupError, UnreadableParquet, OSError):
        raise InputRefused(
            f"{file}: this suppression list can't be read; it needs the columns phone, reason and since_at"
        ) from None


def _normalised(table: pl.DataFrame) -> pl.DataFrame:
    """The entries of a list, phones in national form and times as instants."""
    return table.select(
        national(pl.col("phone").cast(pl.String)),
        pl.col("reason").cast(pl.String).fill_null("listed"),
        since_at_of(table["since_at"].dtype).cast(_SCHEMA["since_at"]),
        (pl.col("is_removed") if "is_removed" in table.columns else pl.lit(value=False)).alias("is_removed"),
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
    return landing.suppressions.land(file.getvalue(), name=name, at=at)
