"""Suppression lists changed by the operator: phones added, removed, or imported from a file.

Each change lands a list of its own; earlier lists stay as they are. Every later plan follows it, and a campaign that is
being sent keeps back the messages that it has not sent yet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.campaign.suppressions import land_entries, phones_on_lists, read_entries, unreadable
from pipelines.errors import InputRefused, UsageError
from pipelines.formatting import first_of
from pipelines.landing.landing import Landing, landing_of
from pipelines.opt_outs import patterns
from pipelines.phones import PHONE, has_unread_phone, national
from pipelines.settings import Settings
from pipelines.tabular.mapping import map_columns, phone_columns
from pipelines.tabular.sheet import UnreadableExport, read_sheet
from pipelines.times import instants_from_text
from pipelines.warehouse.database import registered, warehouse_of

BY_HAND: Final = "by_hand"


@dataclass(frozen=True)
class ListSummary:
    """A list that was landed."""

    source_file: str
    phone_count: int
    columns: tuple[str, ...] = ()  # of an imported file, that hold phones
    rejected_count: int = 0  # cells of an imported file that should hold a phone and don't
    left_out: tuple[str, ...] = ()  # other parts of an imported file, in words


@dataclass(frozen=True)
class RemovalSummary(ListSummary):
    """A list that takes phones off the others."""

    untimed_opt_out_count: int = 0  # of these phones; the next opt-out may look like a repetition


def add_phones(phones: Iterable[str], *, reason: str, settings: Settings, at: datetime) -> ListSummary:
    """Put phones on a list. Raises UsageError if one is not valid, or none is given."""
    checked = _checked(phones)
    since_at = _latest(checked, landing_of(settings), at) + timedelta(microseconds=1)  # so after any removal
    entries = checked.with_columns(reason=pl.lit(reason), since_at=pl.lit(since_at), is_removed=pl.lit(value=False))
    return _land(entries, "add", settings, at)


def remove_phones(phones: Iterable[str], *, settings: Settings, at: datetime) -> RemovalSummary:
    """Take phones off all lists.

    Raises UsageError if one is not valid or on no list, or none is given, and WarehouseBusy.
    """
    checked, landing = _checked(phones), landing_of(settings)
    unknown = checked.join(phones_on_lists(landing), on="phone", how="anti").height
    if unknown:
        raise UsageError(f"{unknown} of the phones are on no list; see 'smsrecon suppress list'")
    untimed = _untimed_opt_outs(checked, settings)
    since_at = _latest(checked, landing, at)
    entries = checked.with_columns(reason=pl.lit(BY_HAND), since_at=pl.lit(since_at), is_removed=pl.lit(value=True))
    landed = _land(entries, "remove", settings, at)
    return RemovalSummary(landed.source_file, landed.phone_count, untimed_opt_out_count=untimed)


def import_list(
    file: Path, *, reason: str, settings: Settings, at: datetime, accept_unreadable: bool = False
) -> ListSummary:
    """Put the phones of a CSV, Excel or Parquet file on a list, with its columns `reason` and `since_at` if present.

    Raises InputRefused if the file can't be read, has no valid phones, has a `since_at` that is not a time or, unless
    `accept_unreadable`, has rows without a phone. If these are accepted they are landed too, and loaded as rejects.
    """
    try:
        sheet = read_sheet(file.read_bytes())
        headings = phone_columns(sheet.frame) or [
            each.heading for each in map_columns("reports", sheet.frame) if each.field == "phone"
        ]
        sheet.refuse_inexact(headings)
    except UnreadableExport as error:
        raise InputRefused(f"{file}: {error}") from None
    except OSError as error:
        raise InputRefused(f"{file}: can't be read ({error.strerror}); give a readable file") from None
    if not headings:
        raise InputRefused(f"{file}: has no column of phones; name the column phone")
    named = f"column{'s' * (len(headings) > 1)} {', '.join(map(repr, headings))}"
    table = sheet.frame
    entries = table.select(
        phone=_phones_of(headings),
        reason=(pl.col("reason") if "reason" in table.columns else pl.lit(None, pl.String)).fill_null(reason),
        since_at=instants_from_text(pl.col("since_at"), also_days=True) if "since_at" in table.columns else pl.lit(at),
        is_removed=pl.lit(value=False),
        is_accepted=pl.lit(value=accept_unreadable),
        row=pl.Series([str(number) for number in sheet.row_numbers], dtype=pl.String),
    ).explode("phone")
    wrong = unreadable(entries.with_columns(is_accepted=pl.lit(value=False)))
    if wrong.height == entries.height:
        raise InputRefused(f"{file}: {named} has no valid phone; write phones with 11 digits")
    if wrong.height and not accept_unreadable:
        rows = first_of(wrong["row"].to_list())
        raise InputRefused(
            f"{file}: rows {rows} hold no phone in {named}, or more than one in a cell; correct them, or list the"
            " others with --accept-unreadable"
        )
    undated = entries["since_at"].null_count()
    if undated:
        raise InputRefused(f"{file}: column 'since_at' is not a time in {undated} rows; write 2026-11-23 08:00:00")
    landed = _land(entries.drop("row"), "import", settings, at)
    return replace(landed, columns=tuple(headings), rejected_count=wrong.height, left_out=sheet.left_out)


def _phones_of(headings: Sequence[str]) -> pl.Expr:
    """A list of each row's phones in these columns, and of cells that hold phones without being one.

    Of a row without, the first cell that isn't empty.
    """
    cells = [national(pl.col([heading])) for heading in headings]
    kept = [pl.when(cell.str.contains(PHONE) | has_unread_phone(cell)).then(cell) for cell in cells]
    phones = pl.concat_list(kept).list.drop_nulls().list.unique()
    return pl.when(phones.list.len() > 0).then(phones).otherwise(pl.concat_list(pl.coalesce(cells)))


def _checked(phones: Iterable[str]) -> pl.DataFrame:
    """The phones in national form, each once. Raises UsageError."""
    given = pl.DataFrame({"phone": list(phones)}, schema={"phone": pl.String}).select(national(pl.col("phone")))
    wrong = given.with_row_index("place", offset=1).filter(~pl.col("phone").str.contains(PHONE))
    if given.is_empty() or wrong.height:
        fault = f"number {wrong['place'][0]} of the phones is not valid" if wrong.height else "no phone was given"
        raise UsageError(f"{fault}; give 11 digits each, or - and one phone a line on standard input")
    return given.unique(maintain_order=True)


def _untimed_opt_outs(phones: pl.DataFrame, settings: Settings) -> int:
    """Number of phones that opted out without a time, in words that no answer has been without since."""
    warehouse = warehouse_of(settings)
    if not warehouse.path.exists():
        return 0
    opt_out, _ = patterns(settings.policy.opt_out_words, settings.policy.ambiguous_opt_out_words)
    with warehouse.read() as connection, registered(connection, removed=phones):
        found = connection.execute(
            "SELECT DISTINCT r.phone FROM core.replies AS r SEMI JOIN removed USING (phone)"
            " LEFT JOIN (SELECT phone, content, max(received_at) AS last_at FROM core.reply_arrivals GROUP BY ALL) AS a"
            " USING (phone, content)"
            " ANTI JOIN core.pulls AS p ON p.kind = 'replies' AND p.outcome = 'ok' AND p.called_at > a.last_at"
            " WHERE NOT r.has_own_time AND regexp_matches(r.plain_content, $opt_out)",
            {"opt_out": opt_out},
        ).fetchall()
    return len(found)


def _latest(phones: pl.DataFrame, landing: Landing, at: datetime) -> datetime:
    """`at`, or the time of the phones' last entry if that is later: the clock may have been set back since.

    A list that can't be read stops only the sending, so that nobody who asked to be left alone has to wait.
    """
    times = read_entries(landing, skip_damaged=True).join(phones, on="phone", how="semi")["since_at"].drop_nulls()
    latest: datetime = max([at, *times])
    return latest


def _land(entries: pl.DataFrame, name: str, settings: Settings, at: datetime) -> ListSummary:
    source_file = land_entries(landing_of(settings), entries, name=name, at=at)
    return ListSummary(source_file, entries.filter(pl.col("phone").str.contains(PHONE))["phone"].n_unique())
