"""Importing a file exported from the vendor's console: a proposal of its columns' meaning, then landing and loading.

Nothing is landed before the operator has agreed to the proposal, which is the command line's part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import InputRefused, UsageError
from pipelines.landing.imports import Import
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.progress import Progress, no_progress
from pipelines.settings import Settings
from pipelines.tabular.mapping import ExportKind, MappedColumn, MappingError, map_columns, missing_fields
from pipelines.tabular.sheet import RowNumber, Sheet, UnreadableExport, read_sheet
from pipelines.times import Clock
from pipelines.warehouse.loading.imports import Checked, check


@dataclass(frozen=True)
class RejectedRow:
    """A row that can't be used: its number as an editor or Excel shows it, and why."""

    row: RowNumber
    reason: str


@dataclass(frozen=True)
class Proposal:
    """A file that was read, the fields that its columns are thought to hold, and its rows as they would be loaded."""

    imported: Import
    columns: list[MappedColumn]
    sheet: Sheet = field(repr=False)
    checked: Checked = field(repr=False)

    @property
    def rejected_rows(self) -> list[RejectedRow]:
        """All rows that would be rejected, in the order of the file."""
        numbers = self.sheet.row_numbers
        return [RejectedRow(numbers[position], reason) for position, reason in self.checked.bad.iter_rows()]


@dataclass(frozen=True)
class ImportSummary:
    """Counts of an import; `new_count` are the reports or replies that weren't in the warehouse before.

    `borrowed_time_counts` are the accepted failures without a time of their own, by where it was taken from.
    """

    kind: ExportKind
    file_name: str
    source_file: str
    row_count: int
    accepted_count: int
    rejected_count: int
    new_count: int
    is_repeated: bool  # the same file with the same mapping had been imported before
    borrowed_time_counts: dict[str, int]
    left_out: tuple[str, ...]  # other parts of the file, in words
    rejected_rows: list[RejectedRow] = field(repr=False)


def propose_import(file: Path, kind: ExportKind, *, mapping: Sequence[str], clock: Clock) -> Proposal:
    """Read a file and find out which column holds which field; nothing is written.

    Raises InputRefused if the file can't be read as an export of this kind, and UsageError if `mapping` is not valid.
    """
    try:
        body = file.read_bytes()
        sheet = read_sheet(body)
        columns = map_columns(kind, sheet.frame, mapping)
        sheet.refuse_inexact(each.heading for each in columns)
    except UnreadableExport as error:
        raise InputRefused(f"{file}: {error}") from None
    except MappingError as error:
        raise UsageError(f"--mapping: {error}") from None
    except OSError as error:
        raise InputRefused(f"{file}: can't be read ({error.strerror}); give a readable file") from None
    if lacking := missing_fields(kind, columns):
        raise InputRefused(
            f"{file}: has no column for {', '.join(lacking)}; name it with --mapping {lacking[0]}=HEADING"
        )
    if not sheet.row_count:
        raise InputRefused(f"{file}: has no rows; export again")
    imported = Import(kind, clock(), file.name, {each.field: each.heading for each in columns}, body)
    checked = check(imported, sheet, "imports/")
    if checked.good.is_empty():
        reason, *_ = checked.reason_counts
        first = sheet.row_numbers[0]
        raise InputRefused(
            f"{file}: no row can be read as {kind}, from row {first} on ({reason}); correct that, or the --mapping"
        )
    return Proposal(imported, columns, sheet, checked)


def apply_import(proposal: Proposal, *, settings: Settings, progress: Progress = no_progress) -> ImportSummary:
    """Land the file and load it. Run again after a failure it continues, and no row counts twice."""
    landing = landing_of(settings)
    daily.load(
        settings, progress=progress
    )  # all other files first, so that the new rows of the next load are this file's
    landed_before = landing.imports.names()
    source_file = landing.imports.land(proposal.imported)
    loaded = daily.load(settings, progress=progress)
    return ImportSummary(
        kind=proposal.imported.kind,
        file_name=proposal.imported.file_name,
        source_file=source_file,
        row_count=proposal.sheet.row_count,
        accepted_count=proposal.checked.good.height,
        rejected_count=proposal.checked.bad.height,
        new_count=loaded.new_report_count + loaded.new_reply_count,
        is_repeated=source_file in landed_before,
        borrowed_time_counts=proposal.checked.borrowed_time_counts,
        left_out=proposal.sheet.left_out,
        rejected_rows=proposal.rejected_rows,
    )
