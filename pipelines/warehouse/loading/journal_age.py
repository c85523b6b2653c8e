"""Proofs that the journal is older than what was sent: from the warehouse, and from new reports."""

from contextlib import suppress

import duckdb
import polars as pl

from pipelines.campaign.high_water import (
    NOTHING_LOADED,
    HighWater,
    Loaded,
    raise_to_reported,
    refuse_older_journal,
)
from pipelines.contracts.core import Reports
from pipelines.errors import BooksError, UsageError
from pipelines.landing.landing import Landing
from pipelines.message_ids import MAX_MESSAGES, batch_key_and_number
from pipelines.sql_files import statement
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.rows import Tables


def loaded_of(connection: duckdb.DuckDBPyConnection, landing: Landing) -> Loaded:
    """The rows that the warehouse has of the journal."""
    batches = connection.execute(statement("load/last_batches")).fetchall()
    journal_file = landing.journal_name
    files = connection.execute(
        "SELECT source_file, record_count FROM core.files WHERE kind IN ('plan', 'journal')"
    ).fetchall()
    return Loaded(
        marks={
            campaign_id: HighWater.after(batch_num, last_message_id % MAX_MESSAGES)
            for campaign_id, batch_num, last_message_id in batches
        },
        last_event_id=dict(files).get(journal_file, 0),
        planned_ids=frozenset(name.split("/")[-2] for name, _ in files if name != journal_file),
    )


def raise_to_new_reports(tables: Tables, landing: Landing) -> None:
    """Raise the marks where a report names a batch of ours that the journal doesn't know."""
    if Reports not in tables:
        return
    reports, is_pushed_only = tables[Reports], ~pl.col("is_pulled") & ~pl.col("is_imported")
    raise_to_reported(
        landing,
        confirmed=_highest(reports.filter(~is_pushed_only)["batch_num"]),
        pushed=_highest(reports.filter(is_pushed_only)["batch_num"]),
    )


def _highest(batch_nums: pl.Series) -> dict[int, int]:
    """The highest number that these batches have, by campaign key."""
    numbers: dict[int, int] = {}
    for key, number in filter(None, map(batch_key_and_number, batch_nums.unique())):
        numbers[key] = max(numbers.get(key, 0), number)
    return numbers


def check_journal(landing: Landing, warehouse: Warehouse) -> None:
    """Raise BooksError if marks or warehouse prove that the journal isn't the newest one.

    A warehouse that can't be opened proves nothing.
    """
    loaded = NOTHING_LOADED
    if warehouse.path.exists():
        with suppress(BooksError, UsageError), warehouse.read() as connection:
            loaded = loaded_of(connection, landing)
    refuse_older_journal(landing, loaded)
