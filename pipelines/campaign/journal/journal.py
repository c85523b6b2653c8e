"""The journal itself: over SQLite on one machine, over PostgreSQL for several.

A batch is journaled as `sending` before its request leaves, and its outcome after the answer was read. So after any
stop of the process the journal shows which messages may have been sent: a `sending` without an outcome is in doubt.
`repeating` precedes each further request of a batch in doubt under its own number, which stays in doubt. Both are
recorded only for whoever took the campaign over last: a sender that was held up and thought dead sends nothing more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, Self

from sqlalchemy import Connection, CursorResult, Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import Executable

from pipelines.campaign.journal import database, file, statements
from pipelines.campaign.journal.records import BatchRecord, BatchState, CampaignRecord
from pipelines.campaign.journal.tables import CAMPAIGNS, EVENTS, POSTGRESQL, SQLITE, lifting
from pipelines.errors import CampaignBusy, SharedUnavailable
from pipelines.failpoints import reach
from pipelines.message_ids import MOST_BATCHES, batch_key_and_number, batch_num
from pipelines.times import from_microseconds, to_microseconds

PATIENCE_SECONDS: Final = 60  # for a database that is away while a campaign is sent


class Journal:
    """The journal, opened for appending or for reading; reading never disturbs a sender."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection = connect()
        self._dialect = self._connection.dialect.name
        self._epochs: dict[str, int] = {}  # of the campaigns that this journal has taken over
        self._in_transaction = False
        self._has_given_up = False  # the database was away for too long

    @classmethod
    def open(cls, place: Path | str) -> Self:
        """Open a file, or the database at an address, for appending, making it if it is missing.

        Every append is on disk before it returns.
        """
        return cls(partial(file.writing, place) if isinstance(place, Path) else partial(database.writing, place))

    @classmethod
    def read_only(cls, place: Path | str) -> Self:
        """Open for reading; an empty journal if it is missing."""
        return cls(partial(file.reading, place) if isinstance(place, Path) else partial(database.reading, place))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Campaigns

    def register(self, campaign: CampaignRecord) -> None:
        """Record a campaign, whose id and key can't be used again. Raises IntegrityError if either is taken."""
        values = vars(campaign) | {
            "planned_at": to_microseconds(campaign.planned_at),
            "has_own_mission_nums": int(campaign.has_own_mission_nums),
            "has_secret_key": int(campaign.has_secret_key),
        }
        self._execute(statements.REGISTER, **values)

    def campaigns(self) -> list[CampaignRecord]:
        return [_campaign(row) for row in self._execute(statements.ALL_CAMPAIGNS)]

    def campaign_keys(self) -> dict[str, int]:
        """The key of every campaign, by its id."""
        return {campaign_id: key for campaign_id, key in self._execute(statements.CAMPAIGN_KEYS)}  # noqa: C416

    def campaign(self, campaign_id: str) -> CampaignRecord | None:
        row = self._execute(statements.ONE_CAMPAIGN, campaign_id=campaign_id).one_or_none()
        return _campaign(row) if row else None

    def take_over(self, campaign_id: str) -> None:
        """Let requests of this campaign leave through this journal alone, until somebody else takes it over.

        The caller holds the campaign's lock. A lock can be lost without its holder's knowing; this can't.
        """
        self._epochs[campaign_id] = self._execute(statements.TAKE_OVER, campaign_id=campaign_id).scalar_one()

    def take_over_all(self) -> None:
        """Let no request of any campaign leave through another journal, until it takes the campaign over."""
        self._execute(statements.TAKE_OVER_ALL)

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
    ) -> None:
        """Record that a request is about to leave. Raises IntegrityError if the batch_num was ever used.

        Raises CampaignBusy if somebody else took the campaign over; so do `repeating` and `suppressed`.
        """
        self._leaving(
            campaign_id,
            "sending",
            batch_num,
            at=at,
            planned_batch=planned_batch,
            first_position=first_position,
            last_position=last_position,
            attempt=attempt,
        )

    def repeating(self, campaign_id: str, batch_num: str, *, at: datetime) -> None:
        """Record that the request of a batch in doubt is about to leave once more, under the same batch_num."""
        self._leaving(campaign_id, "repeating", batch_num, at=at)

    def _leaving(
        self,
        campaign_id: str,
        event: Literal["sending", "repeating"],
        batch_num: str,
        *,
        at: datetime,
        **where: int,
    ) -> None:
        reach("journal.before_sending")
        values = {"event": event, "batch_num": batch_num, "happened_at": to_microseconds(at), **where}
        if not self._append_if_held(campaign_id, values):
            raise _taken_over(campaign_id)
        reach("journal.after_sending")

    def _append(self, campaign_id: str, values: Mapping[str, object]) -> bool:
        self._execute(statements.APPEND, campaign_id=campaign_id, **values)
        return True

    def _append_if_held(self, campaign_id: str, values: Mapping[str, object]) -> bool:
        """Append an event of a campaign that this journal took over; false if somebody else has taken it over since."""
        epoch = self._epochs[campaign_id]
        held = {**statements.NOTHING, **values, "campaign_id": campaign_id, "epoch": epoch}
        return self._lasting(lambda: self._execute(statements.APPEND_IF_HELD, **held).rowcount == 1)

    def _require_holder(self, campaign_id: str) -> None:
        """Raise CampaignBusy if somebody else took the campaign over; nobody can before the transaction ends."""
        values = {"campaign_id": campaign_id, "epoch": self._epochs[campaign_id]}
        if self._execute(statements.IS_HELD, **values).one_or_none() is None:
            raise _taken_over(campaign_id)

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
    ) -> None:
        """Record the outcome of a batch; `answer` is the body as received.

        Raises CampaignBusy if somebody else took the campaign over: the batch has been put in doubt then, and may have
        been repeated, so only an acceptance is still recorded.
        """
        reach("journal.before_outcome")
        values = {
            "happened_at": to_microseconds(at),
            "event": state,
            "batch_num": batch_num,
            "error_code": error_code,
            "http_status": http_status,
            "answer_ms": answer_ms,
            "answer": answer,
            "detail": detail,
            "decided_by": decided_by,
        }
        if not self._append_if_held(campaign_id, values):
            if state == "accepted":
                with suppress(IntegrityError):  # it is known already
                    self._append(campaign_id, values)
            raise _taken_over(campaign_id)
        reach("journal.after_outcome")

    def paused(self, campaign_id: str, reason: str, *, at: datetime) -> None:
        """Record that the campaign is paused."""
        reach("journal.before_pause")
        values = {"happened_at": to_microseconds(at), "event": "paused", "detail": reason}
        self._lasting(lambda: self._append(campaign_id, values))
        reach("journal.after_pause")

    def doubt_unanswered(self, campaign_id: str, *, at: datetime) -> int:
        """Put every `sending` without an outcome in doubt; returns how many. The caller has taken the campaign over."""
        with self._transaction():
            unanswered = self._execute(statements.UNANSWERED, campaign_id=campaign_id).scalars().all()
            for batch_num in unanswered:
                self.outcome(campaign_id, batch_num, "in_doubt", at=at, detail="the sender stopped before an answer")
        return len(unanswered)

    def suppressed(self, campaign_id: str, batch_num: str, *, reason: str, at: datetime, **where: int) -> None:
        """Record that a range of the plan is not sent, since its phones are on a suppression list now.

        `where` is the range, as `sending` takes it.
        """

        def append() -> bool:
            with self._transaction():
                self.sending(campaign_id, batch_num, at=at, **where)
                self.outcome(campaign_id, batch_num, "suppressed", at=at, detail=reason)
            return True

        self._lasting(append)

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
        """Record the decision of an operator about batches in doubt, all or none.

        The caller has taken the campaign over. Raises ValueError if one of them is not in doubt, and CampaignBusy.
        """
        with self._transaction():
            self._require_holder(campaign_id)
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
            events = [event for batch in batches for event in (_sending(batch), _outcome(batch, at))]
            events += [_outcome(batch, at) for batch in settled]
            for event in events:
                self._execute(statements.APPEND, event_id=next(event_ids), **event)
            for statement in statements.AFTER_OWN_IDS[self._dialect]:
                self._execute(statement)

    def answers_and_details(self) -> Iterator[bytes]:
        """The bodies of all answers, as received, and the details of all events."""
        for _, answer, detail in self._execute(statements.ANSWERS_AND_DETAILS):
            yield answer or b""
            yield (detail or "").encode()

    def redact(self, redacted: Callable[[bytes], bytes]) -> None:
        """Replace every answer and detail by its redacted form; no byte of the former ones stays in the tables."""
        with self._rewriting():
            for event_id, answer, detail in self._execute(statements.ANSWERS_AND_DETAILS).all():
                changed = (
                    None if answer is None else redacted(answer),
                    None if detail is None else redacted(detail.encode()).decode(),
                )
                if changed != (answer, detail):
                    self._execute(statements.REDACT, event_id=event_id, answer=changed[0], detail=changed[1])

    def remove(self, campaign_ids: Iterable[str]) -> None:
        """Remove all events of campaigns; no byte of them stays in the tables. Their ids and keys stay taken."""
        with self._rewriting():
            for campaign_id in campaign_ids:
                self._execute(statements.REMOVE, campaign_id=campaign_id)

    @contextmanager
    def _rewriting(self) -> Iterator[None]:
        """A transaction in which events can be changed and removed; afterwards none of their bytes is left."""
        lift, put_back = lifting(EVENTS, SQLITE if self._dialect == SQLITE.name else POSTGRESQL)
        with self._transaction():
            for statement in lift:
                self._connection.exec_driver_sql(statement)
            yield
            for statement in put_back:
                self._connection.exec_driver_sql(statement)
        for statement in statements.REWRITE[self._dialect]:
            self._connection.exec_driver_sql(statement)

    # Reading events

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let all reads of the block see the events of one moment, while others append."""
        self._connection.exec_driver_sql(statements.BEGIN_READING[self._dialect])
        try:
            yield
        finally:
            self._connection.exec_driver_sql("ROLLBACK")

    def copy_until(self, event_id: int, path: Path, *, campaign_ids: Iterable[str]) -> None:
        """Write a copy to the new file `path` with these campaigns alone, and their events up to this one."""
        kept = {*campaign_ids}
        with Journal.open(path) as copy:
            self._copy(copy, lambda row: row["campaign_id"] in kept and row.get("event_id", 0) <= event_id)

    def copy_to(self, other: "Journal") -> None:
        """Copy to another journal all campaigns and events that it hasn't, with their ids, all or none."""
        known, last_event_id = other.campaign_keys(), other.last_event_id()
        self._copy(
            other,
            lambda row: row["event_id"] > last_event_id if "event_id" in row else row["campaign_id"] not in known,
        )

    def _copy(self, other: "Journal", is_wanted: Callable[[Mapping[str, Any]], bool]) -> None:
        with self.at_one_moment(), other._transaction():
            for table in (CAMPAIGNS, EVENTS):
                rows = (dict(row) for row in self._execute(table.select()).mappings())
                if found := list(filter(is_wanted, rows)):
                    other._connection.execute(table.insert().inline(), found)
            for statement in statements.AFTER_OWN_IDS[other._dialect]:
                other._execute(statement)

    def batches(self, campaign_id: str) -> list[BatchRecord]:
        """Every batch_num of the campaign, in the order of sending; one without an answer is in doubt."""
        return [_batch(row) for row in self._execute(statements.BATCHES, campaign_id=campaign_id)]

    def next_batch_number(self, campaign_id: str) -> int:
        """The number of the campaign's next batch, one more than the highest that it ever used."""
        campaign = self.campaign(campaign_id)
        if campaign is None:
            return 1
        first, last = (batch_num(campaign.campaign_key, number) for number in (1, MOST_BATCHES))
        used = self._execute(statements.LAST_BATCH, first=first, last=last).scalar_one()
        found = batch_key_and_number(used or "")
        return found[1] + 1 if found else 1

    def last_batch_numbers(self) -> dict[int, int]:
        """The highest number that a batch of each campaign ever had, by campaign key; of one without a batch, none.

        The same as `next_batch_number` for each, in one statement.
        """
        numbers = self._execute(statements.LAST_BATCHES[self._dialect]).scalars()
        return dict(found for number in numbers if (found := batch_key_and_number(number)))

    def paused_reason(self, campaign_id: str) -> str | None:
        """The reason of the campaign's pause, or None if it isn't paused."""
        row = self._execute(statements.LAST_PAUSE_OR_REQUEST, campaign_id=campaign_id).one_or_none()
        return row.detail if row and row.event == "paused" else None

    def last_event_id(self) -> int:
        """The id of the newest event, or 0 without events."""
        return int(self._execute(statements.LAST_EVENT_ID).scalar_one())

    def event_count(self) -> int:
        """The number of all events."""
        return int(self._execute(statements.EVENT_COUNT).scalar_one())

    def campaigns_changed_since(self, event_id: int) -> list[str]:
        """The campaigns that have an event after `event_id`."""
        return list(self._execute(statements.CHANGED_SINCE, event_id=event_id).scalars())

    def _lasting(self, append: Callable[[], bool]) -> bool:
        """Append, over a new connection where the database goes away, for up to a minute.

        If the answer to an append was lost, it may be there: then the next one is refused, as used already.
        """
        try:
            if self._connection.closed:
                self._reconnect()
            return append()
        except SharedUnavailable:
            if self._has_given_up or self._in_transaction:
                raise
        import stamina  # noqa: PLC0415  which most commands never need

        self._has_given_up = True
        for attempt in stamina.retry_context(on=SharedUnavailable, attempts=None, timeout=PATIENCE_SECONDS):
            with attempt:
                self._reconnect()
                try:
                    appended = append()
                except IntegrityError:
                    appended = True
        self._has_given_up = False
        return appended

    def _reconnect(self) -> None:
        with suppress(SharedUnavailable):
            self._connection.close()
        self._connection = self._connect()

    def _execute(self, statement: Executable, **values: object) -> CursorResult[Any]:
        return self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.exec_driver_sql(statements.BEGIN[self._dialect])
        self._in_transaction = True
        try:
            yield
        except BaseException:
            if not self._connection.invalidated:  # else it has ended with its connection
                self._connection.exec_driver_sql("ROLLBACK")
            raise
        finally:
            self._in_transaction = False
        reach("journal.before_commit")
        self._connection.exec_driver_sql("COMMIT")
        reach("journal.after_commit")


def _taken_over(campaign_id: str) -> CampaignBusy:
    return CampaignBusy(
        f"campaign {campaign_id} was taken over by another process, and nothing more is sent here;"
        f" see 'smsrecon status {campaign_id}'"
    )


def _campaign(row: Row[Any]) -> CampaignRecord:
    values = dict(row._mapping)
    values["planned_at"] = from_microseconds(row.planned_at)
    for name in ("has_own_mission_nums", "has_secret_key"):
        values[name] = bool(values[name])
    return CampaignRecord(**values)


def _batch(row: Row[Any]) -> BatchRecord:
    values = dict(row._mapping)
    values["sent_at"] = from_microseconds(row.sent_at)
    values["answered_at"] = None if row.answered_at is None else from_microseconds(row.answered_at)
    return BatchRecord(**values)


def _sending(batch: BatchRecord) -> Mapping[str, object]:
    """The event with which a batch left."""
    return {
        "happened_at": to_microseconds(batch.sent_at),
        "campaign_id": batch.campaign_id,
        "event": "sending",
        "batch_num": batch.batch_num,
        "planned_batch": batch.planned_batch,
        "first_position": batch.first_position,
        "last_position": batch.last_position,
        "attempt": batch.attempt,
    }


def _outcome(batch: BatchRecord, at: datetime) -> Mapping[str, object]:
    """The event with the outcome of a batch; `at` is its time if that is unknown."""
    return {
        "happened_at": to_microseconds(batch.answered_at or at),
        "campaign_id": batch.campaign_id,
        "event": batch.state,
        "batch_num": batch.batch_num,
        "error_code": batch.error_code,
        "http_status": batch.http_status,
        "answer_ms": batch.answer_ms,
        "detail": batch.detail,
        "decided_by": batch.decided_by,
    }
