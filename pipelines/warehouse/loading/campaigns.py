"""Campaigns, their batches and their recipients, loaded from the journal and the plans.

A plan never changes, so its rows are loaded once. The other rows of a campaign with new events are replaced.
The rows of a purged campaign are removed.
"""

from collections.abc import Set
from glob import escape

import duckdb

from pipelines.campaign.high_water import Loaded
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import BatchRecord, CampaignRecord
from pipelines.contracts.core import Batches, Campaigns, Files
from pipelines.errors import BooksError
from pipelines.landing.landing import Landing
from pipelines.message_ids import message_id
from pipelines.sql_files import statement
from pipelines.times import CHINA
from pipelines.warehouse.database import insert
from pipelines.warehouse.loading.numbers import new_load_num
from pipelines.warehouse.loading.rows import LoadedFile, frame_of
from pipelines.warehouse.statements import called_functions, define_functions


def has_news(landing: Landing, loaded: Loaded, purged: Set[str]) -> bool:
    """True if the journal has campaigns or events that are not loaded, or a loaded campaign was purged."""
    with Journal.read_only(landing.journal) as journal:
        changed = {*journal.campaigns_changed_since(_last_loaded(landing, loaded.last_event_id))}
        known = journal.campaign_keys().keys() - purged
    return bool(purged & loaded.planned_ids or known & changed or known - loaded.planned_ids)


def load_campaigns(connection: duckdb.DuckDBPyConnection, landing: Landing) -> int:
    """Bring core up to date with the journal; returns the number of campaigns with new events.

    Raises BooksError if the plan of a campaign of the journal is missing or isn't the one that was registered.
    """
    loaded = dict(
        connection.execute(
            "SELECT source_file, record_count FROM core.files WHERE kind IN ('plan', 'journal')"
        ).fetchall()
    )
    purged = landing.campaigns.purged_ids()
    _remove(connection, landing, [campaign_id for campaign_id in purged if _plan_file(landing, campaign_id) in loaded])
    journal_file = landing.journal_name
    with Journal.read_only(landing.journal) as journal, journal.at_one_moment():
        last_event_id = journal.last_event_id()  # later events are loaded the next time
        changed = set(journal.campaigns_changed_since(_last_loaded(landing, loaded.get(journal_file, 0))))
        changed_campaigns = [
            campaign
            for campaign in journal.campaigns()
            if campaign.campaign_id not in purged
            and (campaign.campaign_id in changed or _plan_file(landing, campaign.campaign_id) not in loaded)
        ]
        campaign_rows = [
            _campaign_row(campaign, journal.paused_reason(campaign.campaign_id)) for campaign in changed_campaigns
        ]
        batch_rows = [
            _batch_row(campaign, batch)
            for campaign in changed_campaigns
            for batch in journal.batches(campaign.campaign_id)
        ]
    if not changed_campaigns:
        return 0
    load_num = new_load_num(connection)
    campaign_ids = [campaign.campaign_id for campaign in changed_campaigns]
    connection.execute("DELETE FROM core.campaigns WHERE campaign_id = ANY (?)", [campaign_ids])
    connection.execute("DELETE FROM core.batches WHERE campaign_id = ANY (?)", [campaign_ids])
    connection.execute("DELETE FROM core.files WHERE source_file = ?", [journal_file])
    plans = [campaign for campaign in changed_campaigns if _plan_file(landing, campaign.campaign_id) not in loaded]
    for campaign in plans:
        _insert_recipients(connection, landing, campaign, load_num)
    files = [LoadedFile.of(_plan_file(landing, campaign.campaign_id), "plan", campaign.row_count) for campaign in plans]
    files.append(LoadedFile.of(journal_file, "journal", last_event_id))
    insert(connection, Campaigns, frame_of(Campaigns, campaign_rows), load_num)
    insert(connection, Batches, frame_of(Batches, batch_rows), load_num)
    insert(connection, Files, frame_of(Files, files), load_num)
    return len(changed_campaigns)


def _remove(connection: duckdb.DuckDBPyConnection, landing: Landing, campaign_ids: list[str]) -> None:
    if not campaign_ids:
        return
    for table in ("campaigns", "batches", "recipients"):
        connection.execute(f"DELETE FROM core.{table} WHERE campaign_id = ANY (?)", [campaign_ids])  # noqa: S608 - ours
    plans = [_plan_file(landing, campaign_id) for campaign_id in campaign_ids]
    connection.execute("DELETE FROM core.files WHERE source_file = ANY (?)", [plans])


def _last_loaded(landing: Landing, event_id: int) -> int:
    """The last event that surely is loaded, if `event_id` is the highest that was.

    An unfinished purge may have removed the last events, whose ids are then used again.
    """
    return 0 if landing.purging_before() else event_id


def _plan_file(landing: Landing, campaign_id: str) -> str:
    return landing.name(landing.campaigns.plan_path(campaign_id))


def _insert_recipients(
    connection: duckdb.DuckDBPyConnection, landing: Landing, campaign: CampaignRecord, load_num: int
) -> None:
    path = landing.campaigns.plan_path(campaign.campaign_id)
    plan = {"load_num": load_num, "campaign_id": campaign.campaign_id, "plan": escape(str(path))}
    insertion = statement("load/insert_recipients")
    define_functions(connection, called_functions(insertion))
    try:
        inserted = connection.execute(insertion, plan).fetchone()
    except duckdb.Error:  # its message may hold values of the plan
        raise BooksError(f"{path} is missing or can't be read; restore it from a backup") from None
    if inserted != (campaign.row_count,):
        raise BooksError(
            f"{path} does not have the {campaign.row_count} rows that were planned; restore it from a backup"
        )


def _campaign_row(campaign: CampaignRecord, paused_reason: str | None) -> tuple[object, ...]:
    return (
        campaign.campaign_id,
        campaign.campaign_key,
        campaign.planned_at,
        campaign.row_count,
        campaign.message_count,
        campaign.segment_count,
        campaign.planned_batch_count,
        campaign.has_own_mission_nums,
        paused_reason is not None,
        paused_reason,
        campaign.has_secret_key,
        campaign.left_out_count,
    )


def _batch_row(campaign: CampaignRecord, batch: BatchRecord) -> tuple[object, ...]:
    return (
        batch.batch_num,
        batch.campaign_id,
        batch.planned_batch,
        message_id(campaign.campaign_key, batch.first_position),
        message_id(campaign.campaign_key, batch.last_position),
        batch.message_count,
        batch.attempt,
        batch.state,
        batch.error_code,
        batch.http_status,
        batch.detail,
        batch.sent_at,
        batch.sent_at.astimezone(CHINA).date(),
        batch.answered_at,
        batch.answer_ms,
        batch.decided_by,
    )
