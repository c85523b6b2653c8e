"""Loading: the new files of the landing become typed, checked, deduplicated rows of core.

The same landing gives the same rows, in any order and however often it is loaded; core.files lists the loaded files.
Files are read outside of transactions and written some at a time. The modules calls, pushes, imports, suppressions and
campaigns turn each kind of file into rows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import duckdb
import polars as pl

from pipelines.campaign.high_water import Loaded, raise_to_loaded, refuse_older_journal
from pipelines.contracts.core import Files, Replies, Reports
from pipelines.failpoints import reach
from pipelines.landing.calls import CALL_KINDS, CallKind
from pipelines.landing.landing import Landing
from pipelines.progress import Progress, no_progress
from pipelines.sql_files import statement
from pipelines.warehouse.database import Warehouse, insert, registered
from pipelines.warehouse.loading.calls import ReadCall, read_call, tables_of_calls
from pipelines.warehouse.loading.campaigns import load_campaigns
from pipelines.warehouse.loading.imports import tables_of_import
from pipelines.warehouse.loading.journal_age import loaded_of, raise_to_new_reports
from pipelines.warehouse.loading.pushes import tables_of_segment
from pipelines.warehouse.loading.rows import Tables
from pipelines.warehouse.loading.suppressions import tables_of_suppressions

# About 300,000 reports: decoding them takes less than 1 GiB, and opening the database for each part doesn't count.
BYTES_PER_TRANSACTION: Final = 64 * 2**20


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


def load(landing: Landing, warehouse: Warehouse, *, progress: Progress = no_progress) -> LoadSummary:
    """Load the files that are not loaded yet.

    Raises WarehouseBusy, and BooksError if a plan is missing or the journal isn't the newest one. Files committed
    before an error stay loaded, and the next load continues after them.
    """
    totals, from_journal = load_files(landing, warehouse, progress=progress)
    refuse_older_journal(landing, from_journal)
    with warehouse.write() as connection:  # after the reports, so that the batch of every loaded report is known
        totals["campaign_count"] = load_campaigns(connection, landing)
    return LoadSummary(**{field.name: totals[field.name] for field in fields(LoadSummary)})


def load_files(
    landing: Landing, warehouse: Warehouse, *, progress: Progress = no_progress
) -> tuple[Counter[str], Loaded]:
    """Load the new files, all but the journal and the plans, and raise the marks to what is proven by then.

    Returns counts named as in LoadSummary, and what was loaded from the journal before.
    """
    with warehouse.write() as connection:
        from_journal = loaded_of(connection, landing)
        loaded = {name for (name,) in connection.execute("SELECT source_file FROM core.files").fetchall()}
    raise_to_loaded(landing, from_journal)
    calls = {kind: [name for name in landing.calls.names(kind) if name not in loaded] for kind in CALL_KINDS}
    lists = [name for name in landing.suppressions.names() if name not in loaded]
    imports = [name for name in landing.imports.names() if name not in loaded]
    pushes = [name for name in landing.pushes.names() if name not in loaded]
    file_count = len(lists) + len(imports) + len(pushes) + sum(map(len, calls.values()))
    totals: Counter[str] = Counter()
    done = 0
    for tables in _read(landing, calls, pushes, lists, imports):
        raise_to_new_reports(tables, landing)  # before they count as loaded
        with warehouse.write() as connection:
            totals.update(_write(connection, tables))
        done += tables[Files].height
        progress(f"loading: {done:,} of {file_count:,} files", done / file_count)
    landing.pushes.note_loaded(loaded.union(pushes))
    landing.pushes.pack()
    return totals, from_journal


def _read(
    landing: Landing, calls: dict[CallKind, list[str]], pushes: list[str], lists: list[str], imports: list[str]
) -> Iterator[Tables]:
    """The rows of all files, some files at a time."""
    for name in lists:
        yield tables_of_suppressions(landing, name)
    for kind, names in calls.items():
        for group in _read_calls(landing, kind, names):
            yield tables_of_calls(kind, group)
    for name in pushes:
        yield tables_of_segment(landing, name)
    for name in imports:
        yield tables_of_import(landing, name)


def _read_calls(landing: Landing, kind: CallKind, names: list[str]) -> Iterator[list[ReadCall]]:
    """All calls of one kind, in groups of about BYTES_PER_TRANSACTION."""
    group: list[ReadCall] = []
    size = 0
    for name in names:
        read = read_call(landing, kind, name)
        group.append(read)
        size += len(read.call.body) if read.call is not None else 0
        if size >= BYTES_PER_TRANSACTION:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write(connection: duckdb.DuckDBPyConnection, tables: Tables) -> dict[str, int]:
    """Write the rows of some files; returns counts named as in LoadSummary."""
    tables = _without_loaded(connection, tables)
    before = _row_counts(connection)
    for contract, frame in tables.items():
        reach("load.between_tables")
        if contract in _MERGES:
            with registered(connection, incoming=frame):
                connection.execute(statement(_MERGES[contract]))
            for deletion in _DELETIONS[contract]:
                connection.execute(statement(deletion))
        else:
            insert(connection, contract, frame)
    connection.execute(statement("load/count_new_records"))
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


_MERGES: Final = {Reports: "load/merge_reports", Replies: "load/merge_replies"}
_DELETIONS: Final = {
    Reports: ("load/delete_subsumed_reports", "load/delete_borrowed_times"),
    Replies: ("load/delete_subsumed_replies",),
}


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
