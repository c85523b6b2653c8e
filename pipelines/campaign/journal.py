"""The journal: an append-only record of all campaigns and of the state of every batch, in one SQLite file.

A batch is journaled as `sending` before its request leaves, and its outcome after the answer was read. So after any
stop of the process the journal shows which messages may have been sent: a `sending` without an outcome is in doubt.
`repeating` precedes each further request of a batch in doubt under its own number, which stays in doubt.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self

from pipelines.campaign.journal_file import NEVER_CHANGED, NEVER_REMOVED, TABLES, make, upgrade
from pipelines.failpoints import reach
from pipelines.message_ids import MOST_BATCHES, batch_key_and_number, batch_num
from pipelines.times import from_microseconds, to_microseconds

BatchState = Literal["accepted", "refused", "in_doubt", "not_sent", "split", "suppressed"]

# States after which the messages of a batch are not to be sent (again).
SETTLED_STATES: frozenset[BatchState] = frozenset({"accepted", "refused", "in_doubt", "suppressed"})


@dataclass(frozen=True)
class CampaignRecord:
    """A planned campaign; `input_sha256` binds its id to one input permanently.

    `left_out_count` is the number of files beside those of the input that were not read.
    """

    campaign_id: str
    campaign_key: int
    planned_at: datetime
    input_sha256: str
    row_count: int
    message_count: int
    segment_count: int
    planned_batch_count: int
    has_own_mission_nums: bool
    has_secret_key: bool = False
    left_out_count: int = 0


@dataclass(frozen=True)
class BatchRecord:
    """One batch and its state; positions are those of the plan, both ends included."""

    batch_num: str
    campaign_id: str
    planned_batch: int
    first_position: int
    last_position: int
    attempt: int
    state: BatchState
    error_code: str | None
    http_status: int | None
    detail: str | None
    sent_at: datetime
    answered_at: datetime | None
    answer_ms: int | None
    decided_by: str | None

    @property
    def message_count(self) -> int:
        return self.last_position - self.first_position + 1


class Journal:
    """The journal, opened for appending or for reading; reading never disturbs a sender."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.row_factory = sqlite3.Row

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for appending, making the file if it is missing. Every append is synced to disk before it returns."""
        if not path.exists():
            make(path)
        upgrade(path)
        # Opened in one thread and written to in the sender's, never in both at the same time.
        connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return cls(connection)

    @classmethod
    def read_only(cls, path: Path) -> Self:
        """Open for reading; an empty journal if the file is missing."""
        if path.exists():
            upgrade(path)
            return cls(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30))
        connection = sqlite3.connect(":memory:")
        connection.executescript(TABLES)
        return cls(connection)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Campaigns

    def register(self, campaign: CampaignRecord) -> None:
        """Record a campaign, whose id and key can't be used again. Raises sqlite3.IntegrityError if either is taken."""
        self._connection.execute(
            "INSERT INTO campaigns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                campaign.campaign_id,
                campaign.campaign_key,
                to_microseconds(campaign.planned_at),
                campaign.input_sha256,
                campaign.row_count,
                campaign.message_count,
                campaign.segment_count,
                campaign.planned_batch_count,
                int(campaign.has_own_mission_nums),
                int(campaign.has_secret_key),
                campaign.left_out_count,
            ),
        )

    def campaigns(self) -> list[CampaignRecord]:
        rows = self._connection.execute("SELECT * FROM campaigns ORDER BY planned_at, campaign_id")
        return [_campaign(row) for row in rows]

    def campaign_keys(self) -> dict[str, int]:
        """The key of every campaign, by its id."""
        return dict(self._plain_rows("SELECT campaign_id, campaign_key FROM campaigns"))

    def campaign(self, campaign_id: str) -> CampaignRecord | None:
        row = self._connection.execute("SELECT * FROM campaigns WHERE campaign_id = ?", (campaign_id,)).fetchone()
        return _campaign(row) if row else None

    # Events

    def sending(
        self,
        campaign_id: str,
        batch_num: str,
        *,
        planned_batch: int,
        first_position: int,
        last_position: int,
        attempt: int,
        at: datetime,
        event_id: int | None = None,
    ) -> None:
        """Record that a request is about to leave. Raises sqlite3.IntegrityError if the batch_num was ever used."""
        self._leaving(
            "INSERT INTO events (event_id, happened_at, campaign_id, event, batch_num, planned_batch, first_position,"
            " last_position, attempt) VALUES (?, ?, ?, 'sending', ?, ?, ?, ?, ?)",
            (
                event_id,
                to_microseconds(at),
                campaign_id,
                batch_num,
                planned_batch,
                first_position,
                last_position,
                attempt,
            ),
        )

    def repeating(self, campaign_id: str, batch_num: str, *, at: datetime) -> None:
        """Record that the request of a batch in doubt is about to leave once more, under the same batch_num."""
        self._leaving(
            "INSERT INTO events (happened_at, campaign_id, event, batch_num) VALUES (?, ?, 'repeating', ?)",
            (to_microseconds(at), campaign_id, batch_num),
        )

    def _leaving(self, insert: str, values: tuple[object, ...]) -> None:
        reach("journal.before_sending")
        self._connection.execute(insert, values)
        reach("journal.after_sending")

    def outcome(
        self,
        campaign_id: str,
        batch_num: str,
        state: BatchState,
        *,
        at: datetime,
        error_code: str | None = None,
        http_status: int | None = None,
        answer_ms: int | None = None,
        answer: bytes | None = None,
        detail: str | None = None,
        decided_by: str | None = None,
        event_id: int | None = None,
    ) -> None:
        """Record the outcome of a batch; `answer` is the body as received."""
        reach("journal.before_outcome")
        self._connection.execute(
            "INSERT INTO events (event_id, happened_at, campaign_id, event, batch_num, error_code, http_status,"
            " answer_ms, answer, detail, decided_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event_id,
                to_microseconds(at),
                campaign_id,
                state,
                batch_num,
                error_code,
                http_status,
                answer_ms,
                answer,
                detail,
                decided_by,
            ),
        )
        reach("journal.after_outcome")

    def paused(self, campaign_id: str, reason: str, *, at: datetime) -> None:
        """Record that the campaign is paused."""
        reach("journal.before_pause")
        self._connection.execute(
            "INSERT INTO events (happened_at, campaign_id, event, detail) VALUES (?, ?, 'paused', ?)",
            (to_microseconds(at), campaign_id, reason),
        )
        reach("journal.after_pause")

    def doubt_unanswered(self, campaign_id: str, *, at: datetime) -> int:
        """Put every `sending` without an outcome in doubt; returns how many. The caller holds the campaign's lock."""
        with self._transaction():
            unanswered = self._connection.execute(
                "SELECT batch_num FROM events WHERE campaign_id = ? GROUP BY batch_num HAVING count(*) = 1"
                " AND max(event) = 'sending'",
                (campaign_id,),
            ).fetchall()
            for (batch_num,) in unanswered:
                self.outcome(campaign_id, batch_num, "in_doubt", at=at, detail="the sender stopped before an answer")
        return len(unanswered)

    def suppressed(self, campaign_id: str, batch_num: str, *, reason: str, at: datetime, **where: int) -> None:
        """Record that a range of the plan is not sent, since its phones are on a suppression list now.

        `where` is the range, as `sending` takes it.
        """
        with self._transaction():
            self.sending(campaign_id, batch_num, at=at, **where)
            self.outcome(campaign_id, batch_num, "suppressed", at=at, detail=reason)

    def decide(
        self,
        campaign_id: str,
        batch_nums: Sequence[str],
        state: Literal["accepted", "not_sent"],
        *,
        by: str,
        reason: str | None,
        at: datetime,
    ) -> None:
        """Record the decision of an operator about batches in doubt, all or none. The caller holds the campaign's lock.

        Raises ValueError if one of them is not in doubt.
        """
        with self._transaction():
            doubts = {batch.batch_num: batch for batch in self.batches(campaign_id) if batch.state == "in_doubt"}
            if not doubts.keys() >= set(batch_nums):
                raise ValueError("a batch is not in doubt")
            for batch in (doubts[batch_num] for batch_num in batch_nums):
                self.outcome(
                    campaign_id,
                    batch.batch_num,
                    state,
                    at=at,
                    error_code=batch.error_code,  # of the answer, if there was one
                    http_status=batch.http_status,
                    answer_ms=batch.answer_ms,
                    detail=reason,
                    decided_by=by,
                )

    def restore(
        self,
        campaigns: Iterable[CampaignRecord],
        batches: Iterable[BatchRecord],
        settled: Iterable[BatchRecord],
        *,
        after_event_id: int,
        at: datetime,
    ) -> None:
        """Record campaigns, batches and later states of batches that the journal had lost, all or none.

        The events get ids after `after_event_id`, the last that a warehouse has loaded. An outcome of unknown time has
        the time `at`. The caller holds all campaigns' locks.
        """
        with self._transaction():
            event_ids = count(max(after_event_id, self.last_event_id()) + 1)
            for campaign in campaigns:
                self.register(campaign)
            for batch in batches:
                self.sending(
                    batch.campaign_id,
                    batch.batch_num,
                    planned_batch=batch.planned_batch,
                    first_position=batch.first_position,
                    last_position=batch.last_position,
                    attempt=batch.attempt,
                    at=batch.sent_at,
                    event_id=next(event_ids),
                )
                self._outcome_of(batch, at, next(event_ids))
            for batch in settled:
                self._outcome_of(batch, at, next(event_ids))

    def _outcome_of(self, batch: BatchRecord, at: datetime, event_id: int) -> None:
        self.outcome(
            batch.campaign_id,
            batch.batch_num,
            batch.state,
            at=batch.answered_at or at,
            error_code=batch.error_code,
            http_status=batch.http_status,
            answer_ms=batch.answer_ms,
            detail=batch.detail,
            decided_by=batch.decided_by,
            event_id=event_id,
        )

    def answers_and_details(self) -> Iterator[bytes]:
        """The bodies of all answers, as received, and the details of all events."""
        for answer, detail in self._connection.execute("SELECT answer, detail FROM events"):
            yield answer or b""
            yield (detail or "").encode()

    def redact(self, redacted: Callable[[bytes], bytes]) -> None:
        """Replace every answer and detail by its redacted form; no byte of the former ones stays in the file."""
        with self._transaction():
            self._connection.execute("DROP TRIGGER no_event_is_changed")
            for event_id, answer, detail in self._connection.execute(
                "SELECT event_id, answer, detail FROM events WHERE answer IS NOT NULL OR detail IS NOT NULL"
            ).fetchall():
                changed = (
                    None if answer is None else redacted(answer),
                    None if detail is None else redacted(detail.encode()).decode(),
                )
                if changed != (answer, detail):
                    self._connection.execute(
                        "UPDATE events SET answer = ?, detail = ? WHERE event_id = ?", (*changed, event_id)
                    )
            self._connection.execute(NEVER_CHANGED)
        self._rewrite_file()

    def remove(self, campaign_ids: Iterable[str]) -> None:
        """Remove all events of campaigns; no byte of them stays in the file. Their ids and keys stay taken."""
        with self._transaction():
            self._connection.execute("DROP TRIGGER no_event_is_removed")
            self._connection.executemany("DELETE FROM events WHERE campaign_id = ?", [(each,) for each in campaign_ids])
            self._connection.execute(NEVER_REMOVED)
        self._rewrite_file()

    def _rewrite_file(self) -> None:
        """Rewrite the file without the bytes of removed rows."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # Reading events

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let all reads of the block see the events of one moment, while others append."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def copy_until(self, event_id: int, path: Path, *, campaign_ids: Iterable[str]) -> None:
        """Write a copy to the new file `path` with these campaigns alone, and their events up to this one."""
        with closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            copy.executescript("DROP TRIGGER no_event_is_removed; DROP TRIGGER no_campaign_is_removed")
            copy.execute("CREATE TEMP TABLE kept (campaign_id TEXT)")
            copy.executemany("INSERT INTO kept VALUES (?)", [(campaign_id,) for campaign_id in campaign_ids])
            for table in ("events", "campaigns"):
                copy.execute(f"DELETE FROM {table} WHERE campaign_id NOT IN (SELECT campaign_id FROM kept)")  # noqa: S608
            copy.execute("DELETE FROM events WHERE event_id > ?", (event_id,))
            copy.commit()

    def batches(self, campaign_id: str) -> list[BatchRecord]:
        """Every batch_num of the campaign, in the order of sending; one without an answer is in doubt."""
        rows = self._connection.execute(
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
            WHERE sent.campaign_id = ? AND sent.event = 'sending'
            ORDER BY sent.event_id
            """,
            (campaign_id,),
        )
        return [_batch(row) for row in rows]

    def next_batch_number(self, campaign_id: str) -> int:
        """The number of the campaign's next batch, one more than the highest that it ever used."""
        row = self._connection.execute(
            "SELECT campaign_key FROM campaigns WHERE campaign_id = ?", (campaign_id,)
        ).fetchone()
        if row is None:
            return 1
        first, last = (batch_num(row["campaign_key"], number) for number in (1, MOST_BATCHES))
        (used,) = self._connection.execute(
            "SELECT max(batch_num) FROM events WHERE batch_num BETWEEN ? AND ? AND event <> 'repeating'", (first, last)
        ).fetchone()
        found = batch_key_and_number(used or "")
        return found[1] + 1 if found else 1

    def last_batch_numbers(self) -> dict[int, int]:
        """The highest number that a batch of each campaign ever had, by campaign key; of one without a batch, none.

        The same as `next_batch_number` for each, by jumping in the index from the last batch of a key to that of the
        key before it; numbers that aren't of our form are passed one by one.
        """
        rows = self._plain_rows(
            """
            WITH RECURSIVE lasts (batch_num) AS (
                SELECT max(batch_num) FROM events WHERE event <> 'repeating'
                UNION ALL
                SELECT (
                    SELECT max(batch_num) FROM events
                    WHERE event <> 'repeating' AND batch_num < iif(
                        lasts.batch_num GLOB '???????B[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]',
                        substr(lasts.batch_num, 1, 7),
                        lasts.batch_num
                    )
                )
                FROM lasts WHERE lasts.batch_num IS NOT NULL
            )
            SELECT batch_num FROM lasts WHERE batch_num IS NOT NULL
            """
        )
        return dict(found for (number,) in rows if (found := batch_key_and_number(number)))

    def paused_reason(self, campaign_id: str) -> str | None:
        """The reason of the campaign's pause, or None if it isn't paused."""
        row = self._connection.execute(
            "SELECT event, detail FROM events WHERE campaign_id = ? AND event IN ('paused', 'sending', 'repeating')"
            " ORDER BY event_id DESC LIMIT 1",
            (campaign_id,),
        ).fetchone()
        return row["detail"] if row and row["event"] == "paused" else None

    def last_event_id(self) -> int:
        """The id of the newest event, or 0 without events."""
        (event_id,) = self._connection.execute("SELECT coalesce(max(event_id), 0) FROM events").fetchone()
        return int(event_id)

    def campaigns_changed_since(self, event_id: int) -> list[str]:
        """The campaigns that have an event after `event_id`."""
        rows = self._connection.execute(
            "SELECT DISTINCT campaign_id FROM events WHERE event_id > ? ORDER BY campaign_id", (event_id,)
        )
        return [row["campaign_id"] for row in rows]

    def _plain_rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """The rows as tuples, which takes less time for thousands."""
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor.execute(query)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        reach("journal.before_commit")
        self._connection.execute("COMMIT")
        reach("journal.after_commit")


def _campaign(row: sqlite3.Row) -> CampaignRecord:
    values = dict(row)
    values["planned_at"] = from_microseconds(row["planned_at"])
    for name in ("has_own_mission_nums", "has_secret_key"):
        values[name] = bool(row[name])
    return CampaignRecord(**values)


def _batch(row: sqlite3.Row) -> BatchRecord:
    values = dict(row)
    values["sent_at"] = from_microseconds(row["sent_at"])
    values["answered_at"] = None if row["answered_at"] is None else from_microseconds(row["answered_at"])
    return BatchRecord(**values)
