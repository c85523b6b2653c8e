"""Landed exports of a vendor's console, turned into rows; nothing is written here.

Every row of an export is one checked row or one row of core.rejects, as with the records of a call. Columns that are
not mapped stay in the landed bytes.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipelines.contracts import schema_of, split
from pipelines.contracts.core import Files, Rejects, Replies, Reports
from pipelines.landing.header import UNREADABLE_HEADER
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing
from pipelines.tabular.sheet import Sheet, UnreadableExport, read_sheet
from pipelines.tabular.values import replies_of, reports_of, with_borrowed_times
from pipelines.times import CHINA
from pipelines.warehouse.loading.records import clean_replies, clean_reports
from pipelines.warehouse.loading.rows import WHOLE_FILE, LoadedFile, Reject, Tables, frame_of

# Errors of reading a file that isn't a landed import, or isn't an export.
UNREADABLE: Final = (*UNREADABLE_HEADER, pl.exceptions.PolarsError)

_ROWS: Final = {"reports": (reports_of, clean_reports, Reports), "replies": (replies_of, clean_replies, Replies)}


@dataclass(frozen=True)
class Checked:
    """The rows of an export that meet their contract, and position and reason of each that doesn't."""

    good: pl.DataFrame
    bad: pl.DataFrame

    @property
    def borrowed_time_counts(self) -> dict[str, int]:
        """Number of good rows without a time of their own, by where it was taken from: sent_at or imported_at."""
        lenders = self.good["extra"].str.json_path_match("$.stat_time_from").drop_nulls()
        return dict(Counter(lenders).most_common())

    @property
    def reason_counts(self) -> dict[str, int]:
        """Number of bad rows by reason, the most frequent first."""
        return dict(Counter(self.bad["reason"]).most_common())


def check(imported: Import, sheet: Sheet, source_file: str) -> Checked:
    """Check the rows of an export as they would be loaded."""
    _, _, contract = _ROWS[imported.kind]
    good, bad = split(contract, cleaned(imported, sheet, source_file))
    is_overlong = pl.col("position").is_in([*sheet.overlong_rows])
    reason = pl.when(is_overlong).then(pl.lit("the row has more cells than the headings")).otherwise("reason")
    return Checked(good, bad.with_columns(reason=reason))


def cleaned(imported: Import, sheet: Sheet, source_file: str) -> pl.DataFrame:
    """The rows of an export in the columns of their table, row for row, not checked yet."""
    values_of, clean, _ = _ROWS[imported.kind]
    values = values_of(sheet.frame, imported.mapping).with_columns(extra=pl.lit(None, pl.String))
    if imported.kind == "reports":
        values = with_borrowed_times(values, imported.imported_at)
    received = values.with_columns(
        channel=pl.lit("import"),
        source_file=pl.lit(source_file),
        received_at=pl.lit(imported.imported_at.astimezone(CHINA), schema_of(Reports)["received_at"]),
    )
    return clean(received)


def tables_of_import(landing: Landing, source_file: str) -> Tables:
    """The rows of core that one landed export holds."""
    try:
        imported = landing.imports.read(source_file)
        sheet = read_sheet(imported.body)
        checked = check(imported, sheet, source_file)
    except UNREADABLE as error:
        fault = str(error) if isinstance(error, UnreadableExport) else "the file is not a landed import"
        return {
            Rejects: frame_of(Rejects, [Reject(source_file, WHOLE_FILE, "reports", fault, "")]),
            Files: frame_of(Files, [LoadedFile.of(source_file, "reports", 1, 1)]),
        }
    rejects = [
        Reject(source_file, position, imported.kind, reason, sheet.raw(position))
        for position, reason in checked.bad.iter_rows()
    ]
    _, _, contract = _ROWS[imported.kind]
    return {
        contract: checked.good,
        Rejects: frame_of(Rejects, rejects),
        Files: frame_of(Files, [LoadedFile.of(source_file, imported.kind, sheet.row_count, len(rejects))]),
    }
