"""An import: a file exported from the vendor's console, what is thought of its columns, and the way into the landing.

Nothing is landed before somebody has seen the mapping and agreed; who that is and how is the command line's business.
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
from pipelines.tabular.mapping import ExportKind, Mapped, MappingFault, map_columns, missing
from pipelines.tabular.sheet import Sheet, UnreadableExport, read_sheet
from pipelines.times import Clock
from pipelines.warehouse.loading.imports import Checked, check


@dataclass(frozen=True)
class Proposal:
    """A file that was read, what its columns are thought to mean, and what would become of its rows."""

    imported: Import
    columns: list[Mapped]
    sheet: Sheet = field(repr=False)
    checked: Checked = field(repr=False)


@dataclass(frozen=True)
class ImportSummary:
    """What an import brought; `new_count`: reports or replies that nothing had brought before."""

    kind: ExportKind
    file_name: str
    source_file: str
    row_count: int
    accepted_count: int
    rejected_count: int
    new_count: int
    is_repeated: bool  # the same file with the same mapping had been imported before


def propose_import(file: Path, kind: ExportKind, *, told: Sequence[str], clock: Clock) -> Proposal:
    """Read a file and find out which column means what; nothing is written.

    Raises InputRefused for a file that is no export, and UsageError for a mapping that is none.
    """
    try:
        body = file.read_bytes()
        sheet = read_sheet(body)
        columns = map_columns(kind, sheet.frame, told)
    except UnreadableExport as error:
        raise InputRefused(f"{file}: {error}") from None
    except MappingFault as error:
        raise UsageError(f"--mapping: {error}") from None
    except OSError as error:
        raise InputRefused(f"{file}: can't be read ({error.strerror}); give a file that can") from None
    if lacking := missing(kind, columns):
        raise InputRefused(
            f"{file}: no column was found for {', '.join(lacking)}; name it, as in --mapping {lacking[0]}=HEADING"
        )
    if not sheet.row_count:
        raise InputRefused(f"{file}: has no rows; export again")
    imported = Import(kind, clock(), file.name, {each.field: each.heading for each in columns}, body)
    checked = check(imported, sheet, "imports/")
    if checked.good.is_empty():
        reason, *_ = checked.reason_counts
        raise InputRefused(f"{file}: no row can be read as {kind} ({reason}); correct that, or the --mapping")
    return Proposal(imported, columns, sheet, checked)


def apply_import(proposal: Proposal, *, settings: Settings, progress: Progress = no_progress) -> ImportSummary:
    """Land the file and load it. Run again, it goes on where it was, and the same rows count once."""
    landing = landing_of(settings)
    daily.load(settings, progress=progress)  # what has landed before, so that what is new afterwards is the file's
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
    )
