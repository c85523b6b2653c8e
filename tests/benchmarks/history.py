"""Data folders with a history: made as SQL, so that it takes seconds, and loaded as far as load can see.

`make_history` writes rows of the loaded tables, and what load compares with them: journal, marks, and the names of
plans and answers. These files are empty, since nothing reads again what is loaded. `history` makes each history once
for all benchmarks of a run.
"""

import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from pipelines.campaign.high_water import HighWater, make_mark
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import BatchRecord, CampaignRecord
from pipelines.contracts import validation  # noqa: F401  imported by the first load, else its second were measured
from pipelines.landing.landing import Landing
from pipelines.message_ids import key_text
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.computed import last_computed
from pipelines.warehouse.database import Warehouse, registered
from pipelines.warehouse.loading.load import load
from pipelines.warehouse.publish import publish
from pipelines.warehouse.reconcile import reconcile
from pipelines.warehouse.version_note import PhoneHash

BEGUN_AT: Final = datetime(2026, 10, 31, 23, tzinfo=UTC)  # the first campaign; each day has one
DAYS: Final = 50
CAMPAIGNS: Final = 50
AS_OF: Final = BEGUN_AT + timedelta(days=DAYS + 10)
PHONE_HASH: Final = PhoneHash("0123456789abcdef" * 4)
MEMORY_LIMIT: Final = "BENCH_MEMORY_LIMIT"  # the variable that hands `--memory-limit` to the processes

_CAMPAIGNS = """
INSERT INTO core.campaigns
SELECT campaign_id, campaign_key, planned_at, size, size, size, (size + 999) // 1000, FALSE, FALSE, NULL, TRUE, 0, 0
FROM made
"""
_RECIPIENTS = """
INSERT INTO core.recipients
SELECT campaign_id, i, campaign_key * 268435456 + i, 'planned', NULL, NULL, (13000000000 + n)::VARCHAR,
    printf('%s%09d', key_text, i), (i // 1000)::INTEGER, '【云鋒網絡】秋季会员日开始了', NULL, NULL, 1,
    '{"city":"上海"}', (1300000 + n // 10000)::INTEGER, 0
FROM (SELECT *, (i * 7919 + k) % 6000000000 AS n FROM made, range((SELECT max(size) FROM made)) AS t (i) WHERE i < size)
ORDER BY k, i
"""
_BATCHES = """
INSERT INTO core.batches
SELECT printf('%sB%08d', key_text, b + 1), campaign_id, b, campaign_key * 268435456 + b * 1000,
    campaign_key * 268435456 + least(b * 1000 + 999, size - 1), least(1000, size - b * 1000), 1,
    CASE b % 200 WHEN 7 THEN 'in_doubt' WHEN 9 THEN 'refused' ELSE 'accepted' END,
    CASE b % 200 WHEN 9 THEN '100001' WHEN 7 THEN NULL ELSE '000000' END, 200, NULL,
    planned_at + to_hours(1) + to_milliseconds(b * 200), (planned_at + to_hours(1))::DATE,
    planned_at + to_hours(1) + to_milliseconds(b * 200 + 50), 50, NULL, 0
FROM made, range((SELECT (max(size) + 999) // 1000 FROM made)) AS t (b)
WHERE b * 1000 < size
"""
_REPORTS = """
INSERT INTO core.reports
WITH sent AS (
    SELECT r.message_id, r.mission_num, r.phone, b.batch_num, b.submitted_at, hash(r.message_id) AS h
    FROM core.recipients AS r INNER JOIN core.batches AS b USING (campaign_id, planned_batch)
    WHERE b.state <> 'refused'
), reported AS (
    SELECT *, CASE WHEN h % 100 < 85 THEN 'DELIVRD' WHEN h % 100 < 93 THEN '0'
            ELSE ['MK:0001', 'MK:0010', 'MI:0012', '2:1', '2:10', 'YF:03', 'YF:13', 'XX:99'][1 + (h // 100 % 8)::INT]
        END AS code,
        date_trunc('second', submitted_at + to_seconds((3 + h // 1000 % 400)::BIGINT)) AS stat_time
    FROM sent WHERE h // 7 % 1000 >= 15
), issued AS (
    SELECT message_id, mission_num, phone, code, stat_time, batch_num FROM reported
    UNION ALL
    SELECT message_id, mission_num, phone, 'MK:0010', stat_time + to_seconds(60), batch_num
    FROM reported WHERE h // 13 % 50 = 0
    UNION ALL
    SELECT NULL, 'Z' || mission_num, phone, code, stat_time, batch_num FROM reported WHERE h // 17 % 200 = 0
)
SELECT message_id, mission_num, phone, code, stat_time, batch_num, code IN ('0', 'DELIVRD'), 'SUCCESS',
    CASE WHEN code IN ('0', 'DELIVRD') THEN 'SUCCESS' ELSE 'FAIL' END, date_trunc('hour', stat_time) + to_hours(1),
    'reports/' || strftime(stat_time, '%Y-%m-%d/%H') || '0000.000000Z.call', NULL, TRUE, FALSE, FALSE, 0
FROM issued ORDER BY stat_time
"""
_CALLS = """
INSERT INTO core.pulls
SELECT source_file, 'reports', min(received_at)::DATE, min(received_at), 'ok', 200, '000000', 900, count(*), 0,
    count(*), 0
FROM core.reports GROUP BY source_file
"""
_FILES = """
INSERT INTO core.files
SELECT source_file, kind, record_count, record_count, 0, 0 FROM core.pulls
UNION ALL SELECT 'campaigns/' || campaign_id || '/plan.parquet', 'plan', row_count, row_count, 0, 0 FROM core.campaigns
UNION ALL SELECT 'journal.sqlite', 'journal', $events, $events, 0, 0
"""


@dataclass(frozen=True)
class Place:
    """A data folder: its landing, its warehouse and its published copy."""

    folder: Path

    @property
    def landing(self) -> Landing:
        return Landing(self.folder / "landing")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.folder / "warehouse.duckdb", warehouse_settings())

    def close_books(self, as_of: datetime = AS_OF) -> int:
        """Load, reconcile and publish, as a run does; returns the rows in the books."""
        load(self.landing, self.warehouse)
        summary = reconcile(self.warehouse, as_of=as_of, report_window_hours=72)
        publish(self.warehouse, self.folder / "published", phone_hash=PHONE_HASH)
        return summary.row_count

    def copied_to(self, folder: Path) -> "Place":
        """A copy at `folder`, in place of what is there; files that never change are shared."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=_shared_or_copied)
        return Place(folder)


def warehouse_settings() -> WarehouseSettings:
    """The settings of every benchmark's warehouse: the memory is what `--memory-limit` says."""
    return WarehouseSettings(memory_limit=os.environ.get(MEMORY_LIMIT))


def history(folder: Path, *, campaigns: int, size: int, is_closed: bool = True) -> Place:
    """A history that a benchmark with this folder may copy but must not change, made by the first one that needs it.

    It lies beside the folder, where the whole run keeps what it makes. `is_closed` says if it is reconciled and
    published.
    """
    made = Place(folder.parent / "histories" / f"{campaigns}-{size}")
    if not _mark(made).exists():
        make_history(made.folder, campaigns=campaigns, size=size)
        _mark(made).touch()
    if not is_closed:
        return made
    closed = Place(made.folder.with_name(f"{made.folder.name}-closed"))
    if not _mark(closed).exists():
        made.copied_to(closed.folder).close_books()
        _mark(closed).touch()
    return closed


def _mark(made: Place) -> Path:
    """The file that says that a history is complete."""
    return made.folder.with_name(f"{made.folder.name}.made")


def _shared_or_copied(source: str, copy: str) -> None:
    if source.endswith((".parquet", ".call", ".zip")):
        Path(copy).hardlink_to(source)
    else:
        shutil.copy2(source, copy)


def timed(place: Place, as_of: datetime | None = None) -> float:
    """Seconds of a run, which must leave every planned row in the books; its clock is an hour after the run before."""
    with place.warehouse.read() as connection:
        before = last_computed(connection)
    as_of = as_of or (before.as_of + timedelta(hours=1) if before else AS_OF)
    with Journal.read_only(place.landing.journal_path) as journal:
        rows = sum(campaign.row_count for campaign in journal.campaigns())
    started = time.perf_counter()
    booked = place.close_books(as_of)
    seconds = time.perf_counter() - started
    if booked != rows:
        raise SystemExit(f"the run booked {booked:,} rows of {rows:,}")
    return seconds


def make_history(folder: Path, *, campaigns: int, size: int) -> Place:
    """A data folder in which so many campaigns of `size` messages each were loaded, but never reconciled.

    2 % of the reports are a second one of a message, 0.5 % belong to no message; one batch in 200 is in doubt and one
    refused.
    """
    place = Place(folder)
    place.landing.choose_number_key("bench")
    with place.warehouse.write() as connection:
        fill(connection, campaigns=campaigns, size=size)
        event_count = 2 * connection.sql("FROM core.batches").shape[0]
        connection.execute(_CALLS)
        connection.execute(_FILES, {"events": event_count})
        _land(place.landing, connection)
    return place


def fill(connection: duckdb.DuckDBPyConnection, *, campaigns: int, size: int) -> None:
    """Insert campaigns, recipients, batches and reports."""
    keys = [123_456_789 + number * 777_777 for number in range(campaigns)]
    made = pl.DataFrame(
        {
            "k": range(campaigns),
            "campaign_id": [f"campaign-{number}" for number in range(campaigns)],
            "campaign_key": keys,
            "key_text": [key_text(key) for key in keys],
            "planned_at": [
                BEGUN_AT + timedelta(days=number % DAYS, seconds=number // DAYS) for number in range(campaigns)
            ],
            "size": [size] * campaigns,
        }
    )
    with registered(connection, made=made):
        for statement in (_CAMPAIGNS, _RECIPIENTS, _BATCHES, _REPORTS):
            connection.execute(statement)


def _land(landing: Landing, connection: duckdb.DuckDBPyConnection) -> None:
    """Journal, marks, and the names of plans and answers, as of the rows of a warehouse."""
    batches = [BatchRecord(*row) for row in connection.execute(_JOURNALED).fetchall()]
    marks: dict[str, list[BatchRecord]] = {}
    for batch in batches:
        marks.setdefault(batch.campaign_id, []).append(batch)
    campaigns = [CampaignRecord(*row) for row in connection.execute(_REGISTERED).fetchall()]
    with Journal.open(landing.journal_path) as journal:
        journal.restore(campaigns, batches, [], after_event_id=0, at=BEGUN_AT)
    for campaign in campaigns:
        make_mark(landing, campaign.campaign_id, HighWater.of(marks[campaign.campaign_id]))
        landing.campaigns.plan_path(campaign.campaign_id).touch()
    for (name,) in connection.execute("SELECT source_file FROM core.pulls").fetchall():
        path = landing.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


_JOURNALED = """
SELECT batch_num, campaign_id, planned_batch, first_message_id % 268435456, last_message_id % 268435456, attempt, state,
    error_code, http_status, detail, submitted_at, answered_at, answer_ms, decided_by
FROM core.batches ORDER BY submitted_at
"""
_REGISTERED = """
SELECT campaign_id, campaign_key, planned_at, campaign_id, row_count, message_count, segment_count, planned_batch_count,
    has_own_mission_nums, has_secret_key
FROM core.campaigns
"""
