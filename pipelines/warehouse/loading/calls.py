"""Landed calls of the gateway, turned into rows; nothing is written here.

Every call becomes one row of core.pulls and one of core.files, and each of its records one checked row or one row of
core.rejects: accepted + rejected = received. A file that can't be read is one record, rejected as a whole.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

import polars as pl

from pipelines.contracts import schema_of, split
from pipelines.contracts.core import Balances, Files, Pulls, Rejects, Replies, ReplyArrivals, Reports
from pipelines.gateway.codes import ACCEPTED_CODE
from pipelines.gateway.wire import Records, UnreadableAnswer, read_answer, read_replies, read_reports
from pipelines.landing.calls import Call, CallKind
from pipelines.landing.header import UNREADABLE_HEADER
from pipelines.landing.landing import Landing
from pipelines.times import CHINA
from pipelines.warehouse.loading.records import clean_replies, clean_reports
from pipelines.warehouse.loading.rows import WHOLE_FILE, LoadedFile, Reject, Tables, frame_of

Outcome = Literal["ok", "refused", "unreadable", "no_answer"]

_RECORDS: Final = {
    "reports": (read_reports, clean_reports, Reports),
    "replies": (read_replies, clean_replies, Replies),
}


@dataclass(frozen=True)
class Received:
    """The records of one answer."""

    source_file: str
    call: Call
    records: Records

    @property
    def frame(self) -> pl.DataFrame:
        """The records as text columns, with channel, source file and time."""
        columns = self.records.columns | {"extra": self.records.extra}
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
            channel=pl.lit("pull"),
            source_file=pl.lit(self.source_file),
            received_at=pl.lit(self.call.called_at.astimezone(CHINA), schema_of(Reports)["received_at"]),
        )


@dataclass(frozen=True)
class ReadCall:
    """One landed call and its decoded answer; `fault` is the reason if the file is rejected as a whole."""

    source_file: str
    call: Call | None
    outcome: Outcome
    error_code: str | None = None
    received: Received | None = None
    balance_count: int | None = None
    fault: str | None = None

    @property
    def record_count(self) -> int:
        """Number of records; a balance is one, and so is a file that can't be read."""
        if self.received is not None:
            return self.received.records.record_count
        return int(self.balance_count is not None or self.fault is not None)


def read_call(landing: Landing, kind: CallKind, source_file: str) -> ReadCall:
    """Read one landed call; one that can't be read is an outcome, never an error."""
    try:
        call = landing.calls.read(source_file)
    except UNREADABLE_HEADER:
        return ReadCall(source_file, None, "unreadable", fault="the file is not a landed call")
    if call.http_status is None:
        return ReadCall(source_file, call, "no_answer")
    try:
        return _read_balance(source_file, call) if kind == "balance" else _read_records(source_file, call, kind)
    except UnreadableAnswer as error:
        return ReadCall(source_file, call, "unreadable", fault=str(error))


def tables_of_calls(kind: CallKind, calls: Sequence[ReadCall]) -> Tables:
    """The rows of core that these calls, all of one kind, hold."""
    tables: Tables = {}
    rejects = [Reject(call.source_file, WHOLE_FILE, kind, call.fault, "") for call in calls if call.fault is not None]
    received = [call.received for call in calls if call.received is not None]
    if received and kind != "balance":
        _, _, contract = _RECORDS[kind]
        tables[contract], bad = split(contract, cleaned(kind, received))
        rejects += _rejects(kind, received, bad)
        if contract is Replies:
            untimed = tables[Replies].filter(~pl.col("has_own_time"))
            tables[ReplyArrivals] = untimed.select(list(schema_of(ReplyArrivals))).unique(maintain_order=True)
    rejected_counts = Counter(reject.source_file for reject in rejects)
    tables[Balances] = frame_of(Balances, _balances(calls))
    tables[Rejects] = frame_of(Rejects, rejects)
    tables[Pulls] = frame_of(Pulls, _pulls(kind, calls, rejected_counts))
    tables[Files] = frame_of(Files, _files(kind, calls, rejected_counts))
    return tables


def cleaned(kind: Literal["reports", "replies"], received: Sequence[Received]) -> pl.DataFrame:
    """The records of some answers in the columns of their table, row for row, not checked yet."""
    _, clean, _ = _RECORDS[kind]
    return clean(pl.concat(answer.frame for answer in received))


def _read_balance(source_file: str, call: Call) -> ReadCall:
    answer = read_answer(call.body, call.format)
    if answer.error_code == ACCEPTED_CODE and answer.count is None:
        raise UnreadableAnswer("the answer holds no balance")
    return ReadCall(source_file, call, _outcome(answer.error_code), answer.error_code, balance_count=answer.count)


def _read_records(source_file: str, call: Call, kind: Literal["reports", "replies"]) -> ReadCall:
    read, _, _ = _RECORDS[kind]
    records = read(call.body, call.format)
    received = Received(source_file, call, records)
    return ReadCall(source_file, call, _outcome(records.error_code), records.error_code, received)


def _outcome(error_code: str) -> Outcome:
    return "ok" if error_code == ACCEPTED_CODE else "refused"


def _rejects(kind: CallKind, received: Sequence[Received], bad: pl.DataFrame) -> list[Reject]:
    """The rejects of all answers, each with its position in its own answer."""
    counts = [answer.records.record_count for answer in received]
    ends = list(accumulate(counts))
    rejects = []
    for row, reason in bad.iter_rows():
        number = bisect_right(ends, row)
        answer, position = received[number], row - (ends[number] - counts[number])
        rejects.append(Reject(answer.source_file, position, kind, reason, answer.records.raw(position)))
    return rejects


def _balances(calls: Sequence[ReadCall]) -> list[tuple[object, ...]]:
    return [
        (read.call.called_at, read.balance_count, read.source_file)
        for read in calls
        if read.call is not None and read.balance_count is not None
    ]


def _pulls(kind: CallKind, calls: Sequence[ReadCall], rejected_counts: Counter[str]) -> list[tuple[object, ...]]:
    return [
        (
            read.source_file,
            kind,
            read.call.day,
            read.call.called_at,
            read.outcome,
            read.call.http_status,
            read.error_code,
            read.call.answer_ms,
            read.record_count,
            rejected_counts[read.source_file],
            0,  # new_record_count is counted after the records are written
        )
        for read in calls
        if read.call is not None
    ]


def _files(kind: CallKind, calls: Sequence[ReadCall], rejected_counts: Counter[str]) -> list[LoadedFile]:
    return [
        LoadedFile.of(read.source_file, kind, read.record_count, rejected_counts[read.source_file]) for read in calls
    ]
