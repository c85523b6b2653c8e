"""The journal's statements, for SQLite and PostgreSQL alike; where these differ, one text for each by its dialect."""

from typing import Any, Final

from sqlalchemy import BindParameter, Column, Select, bindparam, insert, select, text

from pipelines.campaign.journal.tables import CAMPAIGNS, EVENTS, HOLDERS

# Begin a transaction that writes, and one whose reads all see one moment.
BEGIN: Final = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN"}
BEGIN_READING: Final = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"}

REGISTER: Final = insert(CAMPAIGNS).inline()
ALL_CAMPAIGNS: Final = select(CAMPAIGNS).order_by(CAMPAIGNS.c.planned_at, CAMPAIGNS.c.campaign_id)
ONE_CAMPAIGN: Final = select(CAMPAIGNS).where(CAMPAIGNS.c.campaign_id == bindparam("campaign_id"))
CAMPAIGN_KEYS: Final = select(CAMPAIGNS.c.campaign_id, CAMPAIGNS.c.campaign_key)

TAKE_OVER: Final = text(
    "INSERT INTO holders (campaign_id, epoch) VALUES (:campaign_id, 1)"
    " ON CONFLICT (campaign_id) DO UPDATE SET epoch = holders.epoch + 1 RETURNING epoch"
)

TAKE_OVER_ALL: Final = text(
    "INSERT INTO holders (campaign_id, epoch) SELECT campaign_id, 1 FROM campaigns WHERE true"
    " ON CONFLICT (campaign_id) DO UPDATE SET epoch = holders.epoch + 1"
)

_APPENDED: Final = [column for column in EVENTS.c if column is not EVENTS.c.event_id]


def _bound(column: Column[Any]) -> BindParameter[Any]:
    return bindparam(column.name, type_=column.type)


def _held(*columns: Any) -> Select[Any]:
    """One row if the campaign is held under this epoch, else none.

    FOR SHARE makes whoever takes it over wait until the transaction ends, so that nobody misses a request that is
    leaving; SQLite has one writer at a time anyway.
    """
    return (
        select(*columns)
        .where(HOLDERS.c.campaign_id == bindparam("campaign_id"), HOLDERS.c.epoch == bindparam("epoch"))
        .with_for_update(read=True)
    )


# Inserts nothing, and its row count is 0, if somebody else has taken the campaign over.
APPEND_IF_HELD: Final = (
    insert(EVENTS)
    .inline()
    .from_select([column.name for column in _APPENDED], _held(*map(_bound, _APPENDED)))
    .execution_options(preserve_rowcount=True)
)
NOTHING: Final = {column.name: None for column in _APPENDED}
IS_HELD: Final = _held(HOLDERS.c.epoch)

APPEND: Final = insert(EVENTS).inline()

UNANSWERED: Final = text(
    "SELECT batch_num FROM events WHERE campaign_id = :campaign_id GROUP BY batch_num"
    " HAVING count(*) = 1 AND max(event) = 'sending'"
)

BATCHES: Final = text(
    """
    SELECT sent.batch_num, sent.campaign_id, sent.planned_batch, sent.first_position, sent.last_position,
        sent.attempt, coalesce(outcome.event, 'in_doubt') AS state, outcome.error_code, outcome.http_status,
        CASE WHEN outcome.event IS NULL THEN 'no answer yet' ELSE outcome.detail END AS detail,
        sent.happened_at AS sent_at, outcome.happened_at AS answered_at, outcome.answer_ms,
        outcome.decided_by
    FROM events AS sent
    LEFT JOIN events AS outcome ON outcome.event_id = (
        SELECT max(event_id) FROM events AS later
        WHERE later.batch_num = sent.batch_num AND later.event <> 'sending' AND later.event <> 'repeating'
    )
    WHERE sent.campaign_id = :campaign_id AND sent.event = 'sending'
    ORDER BY sent.event_id
    """
)

LAST_BATCH: Final = text(
    "SELECT max(batch_num) FROM events WHERE batch_num BETWEEN :first AND :last AND event <> 'repeating'"
)

_IS_OURS: Final = {
    "sqlite": "GLOB '???????B[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]'",
    "postgresql": "~ '^.{7}B[0-9]{8}$'",
}

# The last batch of each campaign key, by jumping in the index from the last one of a key to that of the key before it;
# numbers that aren't of our form are passed one by one.
LAST_BATCHES: Final = {
    dialect: text(
        f"""
        WITH RECURSIVE lasts (batch_num) AS (
            SELECT max(batch_num) FROM events WHERE event <> 'repeating'
            UNION ALL
            SELECT (
                SELECT max(batch_num) FROM events
                WHERE event <> 'repeating' AND batch_num < CASE
                    WHEN lasts.batch_num {is_ours} THEN substr(lasts.batch_num, 1, 7)
                    ELSE lasts.batch_num
                END
            )
            FROM lasts WHERE lasts.batch_num IS NOT NULL
        )
        SELECT batch_num FROM lasts WHERE batch_num IS NOT NULL
        """  # noqa: S608  texts of ours
    )
    for dialect, is_ours in _IS_OURS.items()
}

LAST_PAUSE_OR_REQUEST: Final = text(
    "SELECT event, detail FROM events WHERE campaign_id = :campaign_id AND event IN ('paused', 'sending', 'repeating')"
    " ORDER BY event_id DESC LIMIT 1"
)
LAST_EVENT_ID: Final = text("SELECT coalesce(max(event_id), 0) FROM events")
EVENT_COUNT: Final = text("SELECT count(*) FROM events")
CHANGED_SINCE: Final = text("SELECT DISTINCT campaign_id FROM events WHERE event_id > :event_id ORDER BY campaign_id")

ANSWERS_AND_DETAILS: Final = select(EVENTS.c.event_id, EVENTS.c.answer, EVENTS.c.detail).where(
    EVENTS.c.answer.is_not(None) | EVENTS.c.detail.is_not(None)
)
REDACT: Final = text("UPDATE events SET answer = :answer, detail = :detail WHERE event_id = :event_id")
REMOVE: Final = text("DELETE FROM events WHERE campaign_id = :campaign_id")

# No byte of what was changed or removed stays in the tables' files.
REWRITE: Final = {
    "sqlite": ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"),
    "postgresql": ("VACUUM FULL events",),
}

# After events with ids of their own: the next id is counted from the highest one, as SQLite does by itself.
AFTER_OWN_IDS: Final = {
    "sqlite": (),
    "postgresql": (text("SELECT setval(pg_get_serial_sequence('events', 'event_id'), max(event_id)) FROM events"),),
}
