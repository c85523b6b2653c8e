"""Loading: the new files of the landing become typed, checked, deduplicated rows of core.

The same landing gives the same rows, in any order and however often it is loaded; core.files lists the loaded files.
Files are read outside of transactions and written some at a time. The modules calls, pushes, imports, suppressions and
campaigns turn each kind of file into rows.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import Final, NamedTuple, TypeVar

import duckdb
import polars as pl

from pipelines.campaign.high_water import Loaded, Marks, raise_to_loaded, read_marks, refuse_older_journal
from pipelines.contracts import Contract, table_of
from pipelines.contracts.core import Files, Replies, Reports
from pipelines.failpoints import reach
from pipelines.landing.landing import Landing
from pipelines.progress import Progress, no_progress
from pipelines.sql_files import statement
from pipelines.warehouse.database import Warehouse, insert, registered
from pipelines.warehouse.loading.calls import read_call, tables_of_calls
from pipelines.warehouse.loading.campaigns import has_news, load_campaigns
from pipelines.warehouse.loading.imports import tables_of_import
from pipelines.warehouse.loading.journal_age import check_journal, loaded_of, raise_to_new_reports
from pipelines.warehouse.loading.new_files import NewFiles, files_named, find_campaigns, find_new_files
from pipelines.warehouse.loading.numbers import new_load_num
from pipelines.warehouse.loading.pushes import read_segments, tables_of_segments
from pipelines.warehouse.loading.rows import Tables
from pipelines.warehouse.loading.suppressions import tables_of_suppressions

# About 300,000 reports: decoding them takes less than 1 GiB, and opening the database for each part doesn't count.
BYTES_PER_TRANSACTION: Final = 64 * 2**20

File = TypeVar("File")


@dataclass(frozen=True)
class LoadSummary:
    """Counts of one load; `new` are records that no earlier file had."""

    file_count: int
    record_count: int
    accepted_count: int
    rejected_count: int
    new_report_count: int
    new_reply_count: int
    campaign_count: int  # campaigns with new events in the journal

    def __add__(self, later: "LoadSummary") -> "LoadSummary":
        return LoadSummary(*(first + second for first, second in zip(astuple(self), astuple(later), strict=True)))


def load(landing: Landing, warehouse: Warehouse, *, progress: Progress = no_progress) -> LoadSummary:
    """Load the files that are not loaded yet.

    Raises WarehouseBusy, and BooksError if a plan is missing or the journal isn't the newest one. Files committed
    before an error stay loaded, and the next load continues after them.
    """
    totals, from_journal, marks, purged = load_files(landing, warehouse, progress=progress)
    refuse_older_journal(landing, from_journal, marks)
    if has_news(landing, from_journal, purged):
        with warehouse.write() as connection:  # after the reports, so that the batch of every loaded report is known
            totals["campaign_count"] = load_campaigns(connection, landing)
    return LoadSummary(**{field.name: totals[field.name] for field in fields(LoadSummary)})


def load_files(
    landing: Landing, warehouse: Warehouse, *, progress: Progress = no_progress
) -> tuple[Counter[str], Loaded, Marks | None, set[str]]:
    """Load the new files, all but the journal and the plans, and raise the marks to what is proven by then.

    Drafts that killed processes left in the landing are removed.

    Returns counts named as in LoadSummary, what was loaded from the journal before, the marks, and the campaigns that
    are purged. The marks are None if there were new files, which take time and may have raised some.
    """
    landing.catch_up()
    if landing.erased_in_warehouse.exists():
        check_journal(landing, warehouse)  # before the warehouse goes, which may know the rest
        warehouse.delete()
        landing.erased_in_warehouse.unlink()
    with warehouse.write() as connection:
        from_journal = loaded_of(connection, landing)
        new = find_new_files(connection, landing)
        folders = find_campaigns(connection, landing, from_journal.planned_ids)
    marks = raise_to_loaded(landing, from_journal, read_marks(landing, folders.kept))
    landing.remove_drafts(without=[*new.unchanged, landing.name(landing.campaigns.root)])
    landing.campaigns.remove_drafts(folders.with_drafts)
    totals: Counter[str] = Counter()
    done = 0
    for tables in _read(landing, new):
        raise_to_new_reports(tables, landing)  # before they count as loaded
        with warehouse.write() as connection:
            totals.update(_write(connection, tables))
        done += tables[Files].height
        progress(f"loading: {done:,} of {new.count:,} files", done / new.count)
    landing.pushes.note_loaded(new.segments)
    landing.pushes.pack()
    return totals, from_journal, None if new.count else marks, {*folders.purged}


def load_again(
    landing: Landing, warehouse: Warehouse, names: Collection[str], *, progress: Progress = no_progress
) -> None:
    """Load these files, without journal and plans, into an empty warehouse; nothing in the landing is changed.

    Names that aren't files of the landing are left out, as all files are that landed since.
    """
    done = 0
    for tables in _read(landing, files_named(names, landing)):
        with warehouse.write() as connection:
            _write(connection, tables)
        done += tables[Files].height
        progress(f"loading: {done:,} of {len(names):,} files", done / len(names))


def _read(landing: Landing, new: NewFiles) -> Iterator[Tables]:
    """The rows of all files, some files at a time."""
    for name in new.lists:
        yield tables_of_suppressions(landing, name)
    for kind, names in new.calls.items():
        calls = (read_call(landing, kind, name) for name in names)
        for group in _in_groups(calls, lambda read: len(read.call.body) if read.call is not None else 0):
            yield tables_of_calls(kind, group)
    for segments in _in_groups(read_segments(landing, new.pushes), lambda segment: segment.size):
        yield tables_of_segments(segments)
    for name in new.imports:
        yield tables_of_import(landing, name)


def _in_groups(files: Iterable[File], size_of: Callable[[File], int]) -> Iterator[list[File]]:
    """The files in order, in groups of about BYTES_PER_TRANSACTION."""
    group: list[File] = []
    size = 0
    for file in files:
        group.append(file)
        size += size_of(file)
        if size >= BYTES_PER_TRANSACTION:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write(connection: duckdb.DuckDBPyConnection, tables: Tables) -> dict[str, int]:
    """Write the rows of some files; returns counts named as in LoadSummary."""
    tables = _without_loaded(connection, tables)
    if tables[Files].is_empty():
        return {}
    load_num = new_load_num(connection)
    before = _row_counts(connection)
    moved: Counter[str] = Counter()
    for contract, frame in tables.items():
        reach("load.between_tables")
        if frame.is_empty():
            continue
        if contract in _MERGES:
            moved.update(_merge(connection, contract, frame, load_num))
        else:
            insert(connection, contract, frame, load_num)
    moved_rows = pl.DataFrame(
        [*moved.items()], schema={"source_file": pl.String, "moved_count": pl.Int64}, orient="row"
    )
    with registered(connection, moved=moved_rows):
        connection.execute(statement("load/count_new_records"), {"load_num": load_num})
    after = _row_counts(connection)
    files = tables[Files]
    return {
        "file_count": files.height,
        "record_count": int(files["record_count"].sum()),
        "accepted_count": int(files["accepted_count"].sum()),
        "rejected_count": int(files["rejected_count"].sum()),
        "new_report_count": after[0] - before[0],
        "new_reply_count": after[1] - before[1],
    }


class _Merge(NamedTuple):
    """The statements that merge records into a table, and the temporary table of what they change there."""

    changes: str
    find_changes: str
    merge: str
    deletions: tuple[str, ...]


_MERGES: Final[dict[type[Contract], _Merge]] = {
    Reports: _Merge(
        "report_changes",
        "load/find_report_changes",
        "load/merge_reports",
        ("load/delete_subsumed_reports", "load/delete_borrowed_times"),
    ),
    Replies: _Merge(
        "reply_changes", "load/find_reply_changes", "load/merge_replies", ("load/delete_subsumed_replies",)
    ),
}


def _merge(
    connection: duckdb.DuckDBPyConnection, contract: type[Contract], frame: pl.DataFrame, load_num: int
) -> Counter[str]:
    """Merge checked records into their table; returns how many more rows are there from each file, or fewer.

    Only the records and the rows that share their phone or their instant are looked at, however many there are.
    """
    merge = _MERGES[contract]
    with registered(connection, incoming=frame):
        connection.execute(statement(merge.find_changes))
    connection.execute(statement(merge.merge), {"load_num": load_num})
    moved: Counter[str] = Counter()
    for deletion in merge.deletions:
        deleted = connection.execute(statement(deletion)).fetchall()
        moved.subtract(source_file for source_file, number in deleted if number != load_num)
    former = f"SELECT former_source_file, -count(*) FROM {merge.changes} WHERE row_num IS NOT NULL GROUP BY ALL"  # noqa: S608 - ours
    latter = f"SELECT source_file, count(*) FROM {table_of(contract)} WHERE load_num = ? GROUP BY ALL"  # noqa: S608 - ours
    moved.update(dict(connection.execute(former).fetchall()))
    moved.update(dict(connection.execute(latter, [load_num]).fetchall()))
    return moved


def _without_loaded(connection: duckdb.DuckDBPyConnection, tables: Tables) -> Tables:
    """The tables without files that another process has loaded meanwhile."""
    with registered(connection, incoming=tables[Files]):
        rows = connection.execute(
            "SELECT source_file FROM core.files SEMI JOIN incoming USING (source_file)"
        ).fetchall()
    if not rows:
        return tables
    is_new = ~pl.col("source_file").is_in([name for (name,) in rows])
    return {contract: frame.filter(is_new) for contract, frame in tables.items()}


def _row_counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Rows of core.reports and core.replies."""
    counts = "SELECT (SELECT count(*) FROM core.reports), (SELECT count(*) FROM core.replies)"
    ((reports, replies),) = connection.execute(counts).fetchall()
    return reports, replies
