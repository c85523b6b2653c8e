"""The truth: everything that happened at the gateway, in a SQLite file that any process can read meanwhile.

    requests   one row for each request: endpoint, error code (NULL if a fault struck before), the fault that hit it,
               whether it was accepted
    batches    one row for each accepted send
    messages   one row for each accepted message (a view over phones, texts and batches)
    reports    one row for each report, with its kind; it is available from `due_at`; `handed_out_count` is the number
               of answers that held it, `lost_count` the number of those that a fault spoilt (a delayed answer counts
               as lost, since the delay is meant to exceed the client's timeout)
    replies    one row for each reply, with the same three columns
    pushes     one row for each packet; reports and replies refer to it by `push_id`. `attempt_count` counts attempts
               with a known result, `http_status` is the answer to the last (NULL: no answer), `answered_count` and
               `answered_at` are the number and the first time of answers 200. `body` is kept as long as another
               attempt may follow, at `next_attempt_at` by this machine's unshifted clock; NULL while an attempt is
               under way, and after the last

Instants are seconds since 1970 (UTC); days and stat_time are China time. Accepted sends and handed out records are
committed before the answer leaves. Reports and replies are drawn when first queried, not when a send is accepted, since
they depend on the seed alone. Phones are stored unmasked: the file is as private as the messages sent through it.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.errors import UsageError
from pipelines.sandbox.outcomes import Message, Outcomes, day_text
from pipelines.sandbox.rules import Submission
from pipelines.sandbox.settings import PushKind

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (granted_count INTEGER NOT NULL, last_drawn_message INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    request_id INTEGER PRIMARY KEY, received_at REAL NOT NULL, endpoint TEXT NOT NULL, peer TEXT NOT NULL,
    batch_num TEXT, error_code TEXT, fault TEXT, is_accepted INTEGER NOT NULL, record_count INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batches (
    batch_id INTEGER PRIMARY KEY, request_id INTEGER NOT NULL, batch_num TEXT UNIQUE, accepted_at REAL NOT NULL,
    accepted_on TEXT NOT NULL, message_count INTEGER NOT NULL, segment_count INTEGER NOT NULL,
    extra_num TEXT NOT NULL, template_id TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS texts (
    text_id INTEGER PRIMARY KEY, batch_id INTEGER NOT NULL, content_sha256 TEXT NOT NULL,
    segment_count INTEGER NOT NULL, is_signed INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS phones (
    message INTEGER PRIMARY KEY, text_id INTEGER NOT NULL, phone TEXT NOT NULL, mission_num TEXT NOT NULL
) STRICT;
CREATE VIEW IF NOT EXISTS messages AS
SELECT message, mission_num, phone, batch_num, content_sha256, texts.segment_count, is_signed, accepted_at, batch_id,
       request_id
FROM phones JOIN texts USING (text_id) JOIN batches USING (batch_id);
CREATE TABLE IF NOT EXISTS reports (
    report_id INTEGER PRIMARY KEY, batch_id INTEGER NOT NULL, kind TEXT NOT NULL, mission_num TEXT NOT NULL,
    phone TEXT NOT NULL, code TEXT NOT NULL, stat_time TEXT NOT NULL, batch_num TEXT NOT NULL,
    has_country_code INTEGER NOT NULL, has_leading_blank INTEGER NOT NULL, submitted_on TEXT NOT NULL,
    due_at INTEGER NOT NULL, handed_out_count INTEGER NOT NULL DEFAULT 0, lost_count INTEGER NOT NULL DEFAULT 0,
    push_id INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS reports_by_time ON reports (stat_time);
CREATE INDEX IF NOT EXISTS reports_not_pushed ON reports (due_at) WHERE push_id IS NULL;
CREATE TABLE IF NOT EXISTS replies (
    reply_id INTEGER PRIMARY KEY, phone TEXT NOT NULL, content TEXT NOT NULL, access_num TEXT NOT NULL,
    mo_time TEXT NOT NULL, due_at INTEGER NOT NULL, handed_out_count INTEGER NOT NULL DEFAULT 0,
    lost_count INTEGER NOT NULL DEFAULT 0, push_id INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS replies_not_pushed ON replies (due_at) WHERE push_id IS NULL;
CREATE TABLE IF NOT EXISTS pushes (
    push_id INTEGER PRIMARY KEY, push_kind TEXT NOT NULL, nonce_str TEXT NOT NULL, made_at REAL NOT NULL,
    record_count INTEGER NOT NULL, attempt_count INTEGER NOT NULL DEFAULT 0, http_status INTEGER,
    answered_count INTEGER NOT NULL DEFAULT 0, answered_at REAL, is_given_up INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL, body BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS pushes_to_come ON pushes (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
"""

_INSERT_REPORTS = """
INSERT INTO reports (batch_id, kind, mission_num, phone, code, stat_time, batch_num, has_country_code,
                     has_leading_blank, submitted_on, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UNDRAWN = """
SELECT message, batch_id, coalesce(batch_num, ''), mission_num, phone, accepted_at, is_signed, extra_num
FROM phones JOIN texts USING (text_id) JOIN batches USING (batch_id)
WHERE message > (SELECT last_drawn_message FROM account) ORDER BY message LIMIT ?
"""

# With a cap, records handed out least come first, so that successive calls go through the whole day.
_HAND_OUT_REPORTS = """
UPDATE reports SET handed_out_count = handed_out_count + 1, lost_count = lost_count + :is_lost
WHERE report_id IN (
    SELECT report_id FROM reports
    WHERE {day} AND due_at <= :now AND (:is_snapshot OR handed_out_count = 0 AND NOT EXISTS (
        SELECT * FROM pushes WHERE pushes.push_id = reports.push_id AND answered_count > 0))
    ORDER BY handed_out_count, report_id LIMIT :cap)
RETURNING mission_num, phone, code, stat_time, batch_num, has_country_code, has_leading_blank
"""
_REPORTED = "stat_time >= :day AND stat_time < :day || '~'"
_SUBMITTED = "submitted_on = :day"
_HAND_OUT_REPLIES = """
UPDATE replies SET handed_out_count = handed_out_count + 1, lost_count = lost_count + :is_lost
WHERE reply_id IN (
    SELECT reply_id FROM replies WHERE due_at <= :now AND (:is_snapshot OR handed_out_count = 0 AND NOT EXISTS (
        SELECT * FROM pushes WHERE pushes.push_id = replies.push_id AND answered_count > 0))
    ORDER BY handed_out_count, reply_id LIMIT :cap)
RETURNING phone, content, access_num, mo_time
"""

_DUE = """
SELECT 'reports', report_id, due_at, mission_num, phone, code, stat_time, batch_num, has_country_code, has_leading_blank
FROM reports WHERE push_id IS NULL AND due_at <= :now AND :has_reports
UNION ALL
SELECT 'replies', reply_id, due_at, phone, content, access_num, mo_time, NULL, NULL, NULL
FROM replies WHERE push_id IS NULL AND due_at <= :now AND :has_replies
ORDER BY 3 LIMIT :limit
"""
_SET_PUSH: Mapping[PushKind, str] = {
    "reports": "UPDATE reports SET push_id = ? WHERE report_id = ?",
    "replies": "UPDATE replies SET push_id = ? WHERE reply_id = ?",
}
_TAKE_PUSHES = """
UPDATE pushes SET next_attempt_at = NULL
WHERE push_id IN (SELECT push_id FROM pushes WHERE next_attempt_at <= ? ORDER BY next_attempt_at, push_id LIMIT ?)
RETURNING push_id, body, attempt_count, answered_count
"""
_NOTE_ATTEMPT = """
UPDATE pushes
SET attempt_count = attempt_count + 1, http_status = :http_status,
    answered_count = answered_count + (:http_status IS 200),
    answered_at = coalesce(answered_at, iif(:http_status IS 200, :ended_at, NULL)),
    is_given_up = :is_given_up, next_attempt_at = :next_attempt_at, body = iif(:next_attempt_at IS NULL, NULL, body)
WHERE push_id = :push_id
"""
_PUSH_COUNTS = """
SELECT count(*) AS made, coalesce(sum(body IS NOT NULL), 0) AS waiting,
       count(answered_at) AS answered, coalesce(sum(is_given_up), 0) AS given_up,
       coalesce(sum(attempt_count), 0) AS attempts,
       (SELECT count(*) FROM reports WHERE push_id IS NULL AND due_at <= :now AND :has_reports)
       + (SELECT count(*) FROM replies WHERE push_id IS NULL AND due_at <= :now AND :has_replies)
       + (SELECT count(*) FROM phones WHERE message > (SELECT last_drawn_message FROM account)) AS due
FROM pushes
"""


class IssuedReport(NamedTuple):
    """A report before it is written in the vendor's form."""

    mission_num: str
    phone: str
    code: str
    stat_time: str
    batch_num: str
    has_country_code: int
    has_leading_blank: int


class IssuedReply(NamedTuple):
    """A reply before it is written in the vendor's form."""

    phone: str
    content: str
    access_num: str
    mo_time: str


class Due(NamedTuple):
    """A report or a reply that is due and not in a packet yet."""

    record_id: int
    due_at: int
    record: IssuedReport | IssuedReply


class Packet(NamedTuple):
    """A packet to push, with its attempts so far."""

    push_id: int
    body: bytes
    attempt_count: int
    answered_count: int


class Attempt(NamedTuple):
    """The result of an attempt: the HTTP status, if any, and the time of the next attempt, if any."""

    push_id: int
    http_status: int | None
    ended_at: float
    next_attempt_at: float | None
    is_given_up: bool


class HandOut(NamedTuple):
    """The records that a query may hand out, and whether a fault will spoil the answer."""

    now: float
    is_snapshot: bool
    cap: int | None
    is_lost: bool


class Truth:
    """The file, open for writing by one sandbox."""

    def __init__(self, path: Path, *, balance: int) -> None:
        try:
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(
                "PRAGMA wal_autocheckpoint = 10000"
            )  # pages: seldom, since a checkpoint delays sends
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"{path}: the sandbox can't write its truth there ({error}); choose another file with --truth"
            ) from None
        if self._one("SELECT count(*) FROM account") == 0:
            self._connection.execute("INSERT INTO account VALUES (?, 0)", (balance,))
        self._spent_count: int = self._one("SELECT coalesce(sum(segment_count), 0) FROM batches")
        self._granted_count: int = self._one("SELECT granted_count FROM account")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @property
    def balance(self) -> int:
        return self._granted_count - self._spent_count

    def set_balance(self, balance: int) -> None:
        self._granted_count = balance + self._spent_count
        self._connection.execute("UPDATE account SET granted_count = ?", (self._granted_count,))

    def sent_on(self, day: str) -> int:
        """The number of messages accepted on a day in China."""
        return self._one("SELECT coalesce(sum(message_count), 0) FROM batches WHERE accepted_on = ?", day)

    def has_batch(self, batch_num: str) -> bool:
        return bool(self._one("SELECT count(*) FROM batches WHERE batch_num = ?", batch_num))

    def add_request(
        self, *, received_at: float, endpoint: str, peer: str, batch_num: str | None, error_code: str | None,
        fault: str | None, is_accepted: bool, record_count: int = 0,
    ) -> int:  # fmt: skip
        row = (received_at, endpoint, peer, batch_num, error_code, fault, is_accepted, record_count)
        return self._insert(
            "INSERT INTO requests (received_at, endpoint, peer, batch_num, error_code, fault, is_accepted,"
            " record_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *row,
        )

    def add_batch(self, request_id: int, submission: Submission, accepted_at: float, is_signed: list[bool]) -> None:
        """Insert an accepted send; `is_signed` says for each of its texts whether the signature is registered."""
        batch_id = self._insert(
            "INSERT INTO batches (request_id, batch_num, accepted_at, accepted_on, message_count, segment_count,"
            " extra_num, template_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            request_id,
            submission.batch_num,
            accepted_at,
            day_text(accepted_at),
            submission.message_count,
            submission.segment_count,
            submission.extra_num,
            submission.template_id,
        )
        text_ids = [
            self._insert(
                "INSERT INTO texts (batch_id, content_sha256, segment_count, is_signed) VALUES (?, ?, ?, ?)",
                batch_id,
                text.content_sha256,
                text.segment_count,
                signed,
            )
            for text, signed in zip(submission.texts, is_signed, strict=True)
        ]
        self._connection.executemany(
            "INSERT INTO phones (text_id, phone, mission_num) VALUES (?, ?, ?)",
            zip(
                repeat(text_ids[0]) if len(text_ids) == 1 else text_ids,
                submission.phones,
                submission.mission_nums or repeat(""),
                strict=False,
            ),
        )
        self._spent_count += submission.segment_count

    def undrawn(self, limit: int) -> list[Message]:
        """Accepted messages without drawn outcomes, the oldest first."""
        return list(map(Message._make, self._connection.execute(_UNDRAWN, (limit,))))

    def add_outcomes(self, outcomes: Outcomes, *, last_message: int) -> None:
        """Insert the outcomes of all messages up to the last."""
        with self.transaction():
            self._connection.executemany(_INSERT_REPORTS, outcomes.reports)
            self._connection.executemany(
                "INSERT INTO replies (phone, content, access_num, mo_time, due_at) VALUES (?, ?, ?, ?, ?)",
                outcomes.replies,
            )
            self._connection.execute("UPDATE account SET last_drawn_message = ?", (last_message,))

    def hand_out_reports(self, day: str, *, by_submission: bool, hand_out: HandOut) -> list[IssuedReport]:
        statement = _HAND_OUT_REPORTS.format(day=_SUBMITTED if by_submission else _REPORTED)
        return list(map(IssuedReport._make, self._hand_out(statement, hand_out, day)))

    def hand_out_replies(self, hand_out: HandOut) -> list[IssuedReply]:
        return list(map(IssuedReply._make, self._hand_out(_HAND_OUT_REPLIES, hand_out, "")))

    def _hand_out(self, statement: str, hand_out: HandOut, day: str) -> list[tuple[Any, ...]]:
        parameters = hand_out._asdict() | {"day": day, "cap": -1 if hand_out.cap is None else hand_out.cap}
        return self._connection.execute(statement, parameters).fetchall()

    def due(self, now: float, kinds: Sequence[PushKind], limit: int) -> list[Due]:
        """Reports and replies that are due and in no packet yet, the earliest first."""
        rows = self._connection.execute(_DUE, _which(now, kinds) | {"limit": limit})
        return [
            Due(number, due_at, IssuedReport._make(rest) if kind == "reports" else IssuedReply._make(rest[:4]))
            for kind, number, due_at, *rest in rows
        ]

    def add_push(self, kind: PushKind, nonce_str: str, made_at: float, body: bytes, record_ids: Sequence[int]) -> None:
        """Insert a packet of these records, to be pushed at once."""
        push_id = self._insert(
            "INSERT INTO pushes (push_kind, nonce_str, made_at, record_count, next_attempt_at, body)"
            " VALUES (?, ?, ?, ?, 0, ?)",
            kind,
            nonce_str,
            made_at,
            len(record_ids),
            body,
        )
        self._connection.executemany(_SET_PUSH[kind], zip(repeat(push_id), record_ids, strict=False))

    def reopen_pushes(self) -> None:
        """Make packets that were under way or waiting when the sandbox ended due at once."""
        self._connection.execute("UPDATE pushes SET next_attempt_at = 0 WHERE body IS NOT NULL")

    def take_pushes(self, at: float, limit: int) -> list[Packet]:
        """Take packets that are due, in the order they were made; nobody else gets one until its attempt is noted."""
        return sorted(map(Packet._make, self._connection.execute(_TAKE_PUSHES, (at, limit)).fetchall()))

    def note_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Update packets with the results of attempts; the body of one without a next attempt is dropped."""
        with self.transaction():
            self._connection.executemany(_NOTE_ATTEMPT, [attempt._asdict() for attempt in attempts])

    def push_counts(self, now: float, kinds: Sequence[PushKind]) -> dict[str, int]:
        """Packets made, waiting, answered 200 and given up; attempts; and records due and in no packet yet."""
        row = self._connection.execute(_PUSH_COUNTS, _which(now, kinds))
        return dict(zip((column for column, *_ in row.description), row.fetchone(), strict=True))

    def _insert(self, statement: str, *parameters: object) -> int:
        row = self._connection.execute(statement, parameters).lastrowid
        return row or 0

    def _one(self, statement: str, *parameters: object) -> int:
        value: int = self._connection.execute(statement, parameters).fetchone()[0]
        return value


def _which(now: float, kinds: Sequence[PushKind]) -> dict[str, float]:
    return {"now": now, "has_reports": "reports" in kinds, "has_replies": "replies" in kinds}
