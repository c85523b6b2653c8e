"""Repair of a journal that is older than what was sent, or gone, so that nothing is sent again.

Batches that the warehouse has loaded come back as they were. Messages between the first and the last one that reports
name with a lost batch_num were in that batch, which so was accepted. All others that may have left, by the campaign's
high-water mark, are put in doubt; without an exact mark these are all messages that the journal has not settled.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipelines.campaign.high_water import NOTHING_SENT, Lost, is_shorter, lost_campaigns
from pipelines.campaign.holding import exclusive_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import SETTLED_STATES, BatchRecord, BatchState, CampaignRecord
from pipelines.campaign.plan import PlanFile
from pipelines.campaign.unsent_ranges import unsent_ranges
from pipelines.errors import BooksError, UsageError
from pipelines.landing.landing import Landing, landing_of
from pipelines.message_ids import (
    MAX_MESSAGES,
    MOST_BATCHES,
    POSITION_BITS,
    batch_key_and_number,
    batch_num,
    campaign_key,
    mission_num,
    position_of,
)
from pipelines.operations import daily
from pipelines.progress import Progress, no_progress
from pipelines.settings import Settings
from pipelines.sql_files import statement
from pipelines.times import Clock
from pipelines.warehouse.database import Warehouse, fetched, warehouse_of
from pipelines.warehouse.loading.load import load_files
from pipelines.warehouse.reconcile import ReconcileSummary

PROVEN = "lost from the journal; delivery reports prove it"
DOUBTED = "lost from the journal; the gateway may know its messages under other batch numbers"
ELSEWHERE = "lost from the journal; its messages are in other batches"


@dataclass(frozen=True)
class CampaignRepair:
    """The events that a campaign gets back: batches that the journal lacks, and later states of those that it has."""

    record: CampaignRecord
    is_registered: bool
    batches: tuple[BatchRecord, ...]
    settled: tuple[BatchRecord, ...]

    def message_counts(self) -> Counter[str]:
        """Messages by the state that they get."""
        counts: Counter[str] = Counter()
        for batch in (*self.batches, *self.settled):
            if batch.state in SETTLED_STATES:
                counts[batch.state] += batch.message_count
        return counts

    @property
    def doubts(self) -> list[BatchRecord]:
        return [batch for batch in self.batches if batch.state == "in_doubt"]


@dataclass(frozen=True)
class Repair:
    """A repair as planned; `is_needed` is false if the journal is the newest one."""

    campaigns: tuple[CampaignRepair, ...]
    is_needed: bool
    last_event_id: int = 0  # that the warehouse has loaded

    @property
    def doubt_count(self) -> int:
        return sum(len(repair.doubts) for repair in self.campaigns)


def plan_repair(settings: Settings, *, progress: Progress = no_progress) -> Repair:
    """Plan the repair, after loading all files but the journal; the journal is not changed.

    Raises BooksError if a plan is missing or damaged.
    """
    landing = landing_of(settings)
    if not landing.root.exists():
        return Repair((), is_needed=False)
    warehouse = _readable(warehouse_of(settings))
    _, loaded, *_ = load_files(landing, warehouse, progress=progress)
    lost = {each.campaign_id: each for each in lost_campaigns(landing, loaded)}
    if not lost and not is_shorter(landing, loaded):
        return Repair((), is_needed=False)
    purged = {*landing.campaigns.purged_ids()}
    with warehouse.read() as connection, Journal.read_only(landing.journal) as journal:
        rows = fetched(connection, statement("repairing/batches"))
        remembered = [_batch(row) for row in rows.iter_rows(named=True)]
        repairs: list[CampaignRepair] = []
        for record in [*journal.campaigns(), *(_planned(landing, each, settings) for each in lost.values())]:
            if record.campaign_id in purged or record.campaign_id in {done.record.campaign_id for done in repairs}:
                continue
            first, last = (batch_num(record.campaign_key, number) for number in (1, MOST_BATCHES))
            between = {"first_batch_num": first, "last_batch_num": last, "has_secret_key": record.has_secret_key}
            reports = fetched(connection, statement("repairing/reports"), between)
            repair = repair_of(
                landing,
                record,
                lost.get(record.campaign_id),
                known=journal.batches(record.campaign_id),
                remembered=[batch for batch in remembered if batch.campaign_id == record.campaign_id],
                reports=reports,
            )
            if repair.batches or repair.settled or not repair.is_registered:
                repairs.append(repair)
    return Repair(tuple(repairs), is_needed=True, last_event_id=loaded.last_event_id)


def apply_repair(
    agreed: Repair, *, settings: Settings, clock: Clock, progress: Progress = no_progress
) -> ReconcileSummary:
    """Write the events to the journal, and build the warehouse again from it.

    Raises CampaignBusy, and UsageError if the plan would be another one by now.
    """
    landing = landing_of(settings)
    with exclusive_lock(landing):
        if plan_repair(settings) != agreed:
            raise UsageError("what is to be repaired has changed meanwhile; run the same command again")
        with Journal.open(landing.journal) as journal:
            journal.restore(
                [repair.record for repair in agreed.campaigns if not repair.is_registered],
                [batch for repair in agreed.campaigns for batch in repair.batches],
                [batch for repair in agreed.campaigns for batch in repair.settled],
                after_event_id=agreed.last_event_id,
                at=clock(),
            )
        warehouse_of(settings).delete()  # it may have loaded more events than there are now
    _, books = daily.rebuild(settings, as_of=clock(), progress=progress)
    return books


def _readable(warehouse: Warehouse) -> Warehouse:
    """The warehouse, without its file if that is damaged: the landing has the reports."""
    if warehouse.path.exists():
        try:
            with warehouse.write():
                pass
        except BooksError:
            warehouse.delete()
    return warehouse


def repair_of(
    landing: Landing,
    record: CampaignRecord,
    lost: Lost | None,
    *,
    known: list[BatchRecord],
    remembered: list[BatchRecord],
    reports: pl.DataFrame,
) -> CampaignRepair:
    """The repair of one campaign: of the batches that the journal knows, that a warehouse remembers, and reports.

    `lost` is None if the journal has all batches of the campaign.
    """
    states = {batch.batch_num: batch.state for batch in known}
    settled = [batch for batch in remembered if states.get(batch.batch_num) == "in_doubt" and batch.state != "in_doubt"]
    later = {batch.batch_num: batch for batch in settled}
    have = [later.get(batch.batch_num, batch) for batch in known]
    back = [batch for batch in remembered if batch.batch_num not in states]
    if lost is not None:
        back += _deduced(landing, record, lost, have=have + back, reports=reports)
    return CampaignRepair(record, lost is None or lost.is_registered, tuple(back), tuple(settled))


def _deduced(
    landing: Landing, record: CampaignRecord, lost: Lost, *, have: list[BatchRecord], reports: pl.DataFrame
) -> list[BatchRecord]:
    """The batches that reports prove, and in doubt those of all other messages that may have left."""
    mark = lost.mark or NOTHING_SENT
    reported = _last_number(reports["batch_num"])
    is_exact = lost.mark is not None and reported <= mark.number
    end = mark.end if is_exact else MAX_MESSAGES
    settled = [batch for batch in have if batch.state in SETTLED_STATES]
    names = {batch.batch_num for batch in have}
    proven: list[BatchRecord] = []
    for batch in _proven(landing, record, reports.filter(~pl.col("batch_num").is_in(names))):
        if not any(_overlap(batch, other) for other in settled + proven):
            proven.append(batch)
    names |= {batch.batch_num for batch in proven}
    numbers = range(lost.known_number + 1, MOST_BATCHES)
    free = (name for number in numbers if (name := batch_num(record.campaign_key, number)) not in names)
    file = PlanFile(landing.campaigns.plan_path(record.campaign_id))
    doubts = [
        _lost_batch(record, next(free), "in_doubt", DOUBTED, **part.journaled)
        for send_range in unsent_ranges(file.batches(), have + proven)
        if send_range.first_position < end
        for part in [send_range.part(send_range.first_position, min(send_range.last_position, end - 1))]
    ]
    # The highest number that was used must be in the journal, so that it is never used again.
    last_number = max(mark.number, reported)
    if last_number > _last_number([*names, *(batch.batch_num for batch in doubts)]):
        last = batch_num(record.campaign_key, last_number)
        if doubts:
            doubts[-1] = replace(doubts[-1], batch_num=last)
        else:
            where = {"planned_batch": 0, "first_position": 0, "last_position": 0, "attempt": 1}
            doubts = [_lost_batch(record, last, "not_sent", ELSEWHERE, **where)]
    return proven + doubts


def _proven(landing: Landing, record: CampaignRecord, reports: pl.DataFrame) -> Iterator[BatchRecord]:
    """A batch for each number that reports name, from the first to the last message of a planned batch they name.

    A campaign has each phone once.
    """
    found = (
        _messages(landing, record.campaign_id)
        .join(reports, on="phone")
        .group_by("batch_num", "planned_batch")
        .agg(
            pl.col("position").min().alias("first"), pl.col("position").max().alias("last"), pl.col("reported_at").min()
        )
        .sort("batch_num", "planned_batch")
        .unique("batch_num", keep="first", maintain_order=True)
    )
    for name, planned_batch, first, last, reported_at in found.iter_rows():
        where = {"planned_batch": planned_batch, "first_position": first, "last_position": last, "attempt": 1}
        yield replace(_lost_batch(record, name, "accepted", PROVEN, **where), sent_at=reported_at)


def _planned(landing: Landing, lost: Lost, settings: Settings) -> CampaignRecord:
    """The record of a campaign, from its plan; its input is not known any more, so that only `resume` goes on."""
    path = landing.campaigns.plan_path(lost.campaign_id)
    messages = _messages(landing, lost.campaign_id)
    key = messages["message_id"][0] >> POSITION_BITS
    derived = messages.select(mission_num(key, pl.col("position"))).to_series()
    return CampaignRecord(
        campaign_id=lost.campaign_id,
        campaign_key=key,
        planned_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        input_sha256="",
        row_count=pl.scan_parquet(path, glob=False).select(pl.len()).collect().item(),
        message_count=messages.height,
        segment_count=int(messages["segment_count"].sum()),
        planned_batch_count=messages["planned_batch"].n_unique(),
        has_own_mission_nums=bool((messages["mission_num"] != derived).any()),
        has_secret_key=landing.number_key_path.exists()
        and key == campaign_key(landing.number_key(), settings.installation, lost.campaign_id, taken=()),
    )


def _messages(landing: Landing, campaign_id: str) -> pl.DataFrame:
    """The messages of a campaign's plan, with their positions. Raises BooksError if the plan can't be read."""
    path = landing.campaigns.plan_path(campaign_id)
    try:
        return (
            pl.scan_parquet(path, glob=False)
            .filter(pl.col("message_id").is_not_null())
            .select("message_id", "mission_num", "phone", "planned_batch", "segment_count")
            .with_columns(position=position_of(pl.col("message_id")))
            .collect()
        )
    except (pl.exceptions.PolarsError, OSError):
        raise BooksError(f"{path} is damaged; restore it from a backup, then repair the journal") from None


def _lost_batch(record: CampaignRecord, name: str, state: BatchState, detail: str, **where: int) -> BatchRecord:
    """A batch of unknown time: it left after its campaign was planned."""
    return BatchRecord(
        batch_num=name,
        campaign_id=record.campaign_id,
        **where,
        state=state,
        error_code=None,
        http_status=None,
        detail=detail,
        sent_at=record.planned_at,
        answered_at=None,
        answer_ms=None,
        decided_by=None,
    )


def _batch(row: dict[str, Any]) -> BatchRecord:
    """A batch as the warehouse has it."""
    first, last = (row.pop(f"{end}_message_id") % MAX_MESSAGES for end in ("first", "last"))
    return BatchRecord(**row, first_position=first, last_position=last)


def _last_number(batch_nums: Iterable[str]) -> int:
    """The highest number of these batches of one campaign; 0 without any."""
    return max((number for _, number in filter(None, map(batch_key_and_number, batch_nums))), default=0)


def _overlap(one: BatchRecord, other: BatchRecord) -> bool:
    return one.first_position <= other.last_position and other.first_position <= one.last_position
