"""Who must not be written to, by the operator's word: phones put on a list, taken off again, or brought as a file.

What is told becomes a landed list of its own; nothing on earlier lists is changed. Every plan heeds it from then on,
and a campaign that is being sent keeps back who is still to get its message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.campaign.suppressions import entries_of, land_entries, suppressed_phones
from pipelines.errors import InputRefused, UsageError
from pipelines.landing.landing import Landing, landing_of
from pipelines.phones import PHONE, national
from pipelines.settings import Settings
from pipelines.tabular.mapping import map_columns
from pipelines.tabular.sheet import UnreadableExport, read_sheet
from pipelines.times import instants_from_text

BY_HAND: Final = "by_hand"


@dataclass(frozen=True)
class Listed:
    """What a list that was landed holds."""

    source_file: str
    phone_count: int
    rejected_count: int = 0  # rows of a file without a phone that can be sent to


def add(phones: Iterable[str], *, reason: str, settings: Settings, at: datetime) -> Listed:
    """Put phones on a list. Raises UsageError for one that is none."""
    given = _given(phones)
    since_at = _latest(given, landing_of(settings), at) + timedelta(microseconds=1)  # so after any removal
    entries = given.with_columns(reason=pl.lit(reason), since_at=pl.lit(since_at), is_removed=pl.lit(value=False))
    return _landed(entries, "add", settings, at)


def remove(phones: Iterable[str], *, settings: Settings, at: datetime) -> Listed:
    """Take phones off all lists. Raises UsageError for one that is no phone, or on none."""
    given, landing = _given(phones), landing_of(settings)
    unknown = given.join(suppressed_phones(landing), on="phone", how="anti").height
    if unknown:
        raise UsageError(f"{unknown} of the phones are on no list; see 'smsrecon suppress list'")
    since_at = _latest(given, landing, at)
    entries = given.with_columns(reason=pl.lit(BY_HAND), since_at=pl.lit(since_at), is_removed=pl.lit(value=True))
    return _landed(entries, "remove", settings, at)


def bring(file: Path, *, reason: str, settings: Settings, at: datetime) -> Listed:
    """Put the phones of a CSV, Excel or Parquet file on a list, with its own `reason` and `since_at` where it has them.

    Raises InputRefused for a file that can't be read or has no phones.
    """
    try:
        table = read_sheet(file.read_bytes()).frame
    except UnreadableExport as error:
        raise InputRefused(f"{file}: {error}") from None
    except OSError as error:
        raise InputRefused(f"{file}: can't be read ({error.strerror}); give a file that can") from None
    heading = next((each.heading for each in map_columns("reports", table) if each.field == "phone"), None)
    if heading is None:
        raise InputRefused(f"{file}: no column of phones was found; name it phone")
    phone = national(pl.col(heading)).str.strip_suffix(".0")
    entries = table.select(
        phone=phone,
        reason=(pl.col("reason") if "reason" in table.columns else pl.lit(None, pl.String)).fill_null(reason),
        since_at=instants_from_text(pl.col("since_at"), also_days=True) if "since_at" in table.columns else pl.lit(at),
        is_removed=pl.lit(value=False),
    ).filter(pl.col("phone").str.contains(PHONE))
    if entries.is_empty():
        raise InputRefused(f"{file}: column '{heading}' holds no phone that can be sent to; 11 digits are one")
    undated = entries["since_at"].null_count()
    if undated:
        raise InputRefused(f"{file}: column 'since_at' is no time in {undated} rows; write 2026-11-23 08:00:00")
    return _landed(entries, "import", settings, at, rejected_count=table.height - entries.height)


def _latest(given: pl.DataFrame, landing: Landing, at: datetime) -> datetime:
    """Now, or when the last entry of these phones says it was made: the clock was ahead then, or is behind now."""
    told = entries_of(landing).join(given, on="phone", how="semi")["since_at"].drop_nulls()
    latest: datetime = max([at, *told])
    return latest


def _given(phones: Iterable[str]) -> pl.DataFrame:
    given = pl.DataFrame({"phone": list(phones)}, schema={"phone": pl.String}).select(national(pl.col("phone")))
    wrong = given.with_row_index("place", offset=1).filter(~pl.col("phone").str.contains(PHONE))
    if given.is_empty() or wrong.height:
        what = f"number {wrong['place'][0]} of the given phones is none" if wrong.height else "no phone was given"
        raise UsageError(f"{what}; give 11 digits each, or - and one a line on standard input")
    return given.unique(maintain_order=True)


def _landed(entries: pl.DataFrame, name: str, settings: Settings, at: datetime, *, rejected_count: int = 0) -> Listed:
    source_file = land_entries(landing_of(settings), entries, name=name, at=at)
    return Listed(source_file, entries["phone"].n_unique(), rejected_count)
