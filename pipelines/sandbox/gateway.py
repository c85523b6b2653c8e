"""The five calls of the gateway, without HTTP: access, sends, queries."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from pipelines.sandbox.answers import ACCEPTED, SYSTEM_ERROR, AnswerWriter, Body, Format
from pipelines.sandbox.faults import FaultSource
from pipelines.sandbox.outcomes import DELIVERED_CODES, day_text, draw_outcomes
from pipelines.sandbox.rules import Refusal, Submission, read_submission
from pipelines.sandbox.settings import CallKind, Fault, SandboxSettings
from pipelines.sandbox.truth import HandOut, IssuedReply, IssuedReport, Truth

SENDS = ("sendSms", "sendTplSms")
QUERIES = ("querySmsCount", "queryStatusReport", "queryMoRecord")

_DRAWN_AT_ONCE = 5000  # messages; other requests run in between
REPORT_COLUMNS = ("missionNum", "destId", "sendStatus", "receiveStatus", "receiveRealStatus", "batchNum", "statTime")
REPLY_COLUMNS = ("srcId", "content", "destId", "moTime")


class Call(NamedTuple):
    """A parsed request, not validated yet."""

    endpoint: str
    format: Format
    fields: Mapping[str, str]
    peer: str


@dataclass
class CallLimit:
    """A limit of calls a second, with a burst of one second's worth."""

    per_second: float | None
    calls: deque[float] = field(default_factory=deque)

    def admit(self) -> bool:
        """Count a call; False if it exceeds the limit."""
        if self.per_second is None:
            return True
        now = time.monotonic()
        span = max(1.0, 1 / self.per_second)
        while self.calls and self.calls[0] <= now - span:
            self.calls.popleft()
        if len(self.calls) >= self.per_second * span:
            return False
        self.calls.append(now)
        return True


class Gateway:
    """One account of the gateway, with its truth."""

    def __init__(self, settings: SandboxSettings, truth: Truth) -> None:
        self.settings = settings
        self.truth = truth
        self.clock_shift_seconds = settings.clock_shift_seconds
        self.call_limit = CallLimit(settings.requests_per_second)
        self.faults = FaultSource(
            settings.seed, settings.fault_kinds, {"send": settings.fault_rate, "query": settings.query_fault_rate}
        )
        self._writer = AnswerWriter(settings)
        self._phone_sends: dict[str, deque[float]] = {}
        self._drawing = asyncio.Lock()
        self._query_count = 0

    def now(self) -> float:
        """The gateway's clock in seconds since 1970, shifted by `clock_shift_seconds`."""
        return time.time() + self.clock_shift_seconds

    async def answer(self, call: Call) -> tuple[Body, Fault | None]:
        """The answer to `call`, and the fault that is to spoil it on its way."""
        kind: CallKind = "send" if call.endpoint in SENDS else "query"
        fault = self.faults.take(kind, self._identity(call))
        if fault is not None and not fault.is_accepted:
            self._note(call, error_code=None, fault=fault)
            body = self._writer.plain(call.format, SYSTEM_ERROR)
        else:
            try:
                self._admit(call)
                body = self._send(call, fault) if kind == "send" else await self._query(call, fault)
            except Refusal as refusal:
                self._note(call, error_code=refusal.error_code, fault=fault)
                body = self._writer.plain(call.format, refusal.error_code)
        if fault is not None and fault.kind == "system_error":
            return self._writer.plain(call.format, SYSTEM_ERROR), None
        return body, fault

    def _identity(self, call: Call) -> str:
        """The text that a drawn fault depends on: a send's numbers, or the running number of a query."""
        if call.endpoint in SENDS:
            return call.fields.get("batchNum") or call.fields.get("missionNums") or call.fields.get("phones", "")
        self._query_count += 1
        return str(self._query_count)

    def _admit(self, call: Call) -> None:
        if not call.fields.get("appKey") or not call.fields.get("appSecret"):
            raise Refusal("100001")
        if call.fields["appKey"] != self.settings.app_key:
            raise Refusal("100002")
        if call.fields["appSecret"] != self.settings.app_secret:
            raise Refusal("100003")
        if call.peer not in self.settings.allowed_peers and "*" not in self.settings.allowed_peers:
            raise Refusal("100004")
        if not self.call_limit.admit():
            raise Refusal("100014")

    def _send(self, call: Call, fault: Fault | None) -> Body:
        templates = self.settings.templates if call.endpoint == "sendTplSms" else None
        submission = read_submission(call.fields, templates)
        now = self.now()
        self._check_limits(submission, now)
        with self.truth.transaction():
            request_id = self._note(call, error_code=ACCEPTED, fault=fault, record_count=submission.message_count)
            self.truth.add_batch(request_id, submission, now, [self._is_signed(t.signature) for t in submission.texts])
        return self._writer.plain(call.format, ACCEPTED)

    def _check_limits(self, submission: Submission, now: float) -> None:
        """Check the rules that depend on earlier sends. Raises Refusal."""
        if submission.batch_num and self.truth.has_batch(submission.batch_num):
            raise Refusal("100001")
        if submission.segment_count > self.truth.balance:
            raise Refusal("100009")
        limit = self.settings.daily_limit
        if limit is not None and self.truth.sent_on(day_text(now)) + submission.message_count > limit:
            raise Refusal("100010")
        if self.settings.phone_limit is not None:
            self._check_phone_limit(submission.phones, self.settings.phone_limit, now)

    def _check_phone_limit(self, phones: list[str], limit: int, now: float) -> None:
        """Count the messages of each phone, in memory only: a restart begins at 0. Raises Refusal."""
        since = now - self.settings.phone_limit_seconds
        counts = Counter(phones)
        for phone, count in counts.items():
            sends = self._phone_sends.setdefault(phone, deque())
            while sends and sends[0] <= since:
                sends.popleft()
            if len(sends) + count > limit:
                raise Refusal("100008")
        for phone, count in counts.items():
            self._phone_sends[phone].extend([now] * count)

    def _is_signed(self, signature: str | None) -> bool:
        registered = self.settings.signatures
        return signature is not None and (registered is None or signature in registered)

    async def _query(self, call: Call, fault: Fault | None) -> Body:
        if call.endpoint == "querySmsCount":
            self._note(call, error_code=ACCEPTED, fault=fault)
            return self._writer.balance(call.format, self.truth.balance)
        day = _day(call.fields.get("time", "")) if call.endpoint == "queryStatusReport" else ""
        await self.draw()
        hand_out = HandOut(
            now=self.now(),
            is_snapshot=self.settings.report_mode == "snapshot",
            cap=self.settings.max_records_per_call,
            is_lost=fault is not None,
        )
        columns: tuple[str, ...]
        with self.truth.transaction():
            if call.endpoint == "queryStatusReport":
                by_submission = self.settings.report_day == "submitted"
                reports = self.truth.hand_out_reports(day, by_submission=by_submission, hand_out=hand_out)
                columns, rows = REPORT_COLUMNS, list(map(report_fields, reports))
            else:
                replies = self.truth.hand_out_replies(hand_out)
                columns = REPLY_COLUMNS if self.settings.has_reply_time else REPLY_COLUMNS[:-1]
                rows = [reply_fields(reply)[: len(columns)] for reply in replies]
            self._note(call, error_code=ACCEPTED, fault=fault, record_count=len(rows))
        return self._writer.records(call.format, columns, rows)

    async def draw(self) -> None:
        """Draw the outcomes of messages accepted since the last call."""
        async with self._drawing:
            while messages := self.truth.undrawn(_DRAWN_AT_ONCE):
                outcomes = draw_outcomes(self.settings.seed, self.settings.shares, messages)
                self.truth.add_outcomes(outcomes, last_message=messages[-1].message)
                await asyncio.sleep(0)

    def _note(self, call: Call, *, error_code: str | None, fault: Fault | None, record_count: int = 0) -> int:
        return self.truth.add_request(
            received_at=self.now(),
            endpoint=call.endpoint,
            peer=call.peer,
            batch_num=call.fields.get("batchNum") or None,
            error_code=error_code,
            fault=fault.kind if fault else None,
            is_accepted=error_code == ACCEPTED,
            record_count=record_count,
        )

    def state(self) -> dict[str, Any]:
        """The state that the control endpoint shows."""
        return {
            "now": self.now(),
            "clock_shift_seconds": self.clock_shift_seconds,
            "balance": self.truth.balance,
            "queued_faults": {call: len(faults) for call, faults in self.faults.queued.items()},
            "fault_rate": self.faults.rates["send"],
            "query_fault_rate": self.faults.rates["query"],
            "requests_per_second": self.call_limit.per_second,
            "pushes": self.truth.push_counts(self.now(), self.settings.push_kinds) if self.settings.push_url else None,
        }


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refusal("100001") from None
    if len(text) != 10:  # Python also reads 20171107
        raise Refusal("100001")
    return day.isoformat()


def report_fields(report: IssuedReport) -> tuple[str, ...]:
    """A report as the vendor writes it, in the order of REPORT_COLUMNS."""
    return (
        report.mission_num,
        "86" + report.phone if report.has_country_code else report.phone,
        "SUCCESS",
        "SUCCESS" if report.code in DELIVERED_CODES else "FAIL",
        report.code,
        " " + report.batch_num if report.has_leading_blank else report.batch_num,
        report.stat_time,
    )


def reply_fields(reply: IssuedReply) -> tuple[str, ...]:
    """A reply as the vendor writes it, in the order of REPLY_COLUMNS."""
    return ("86" + reply.phone, reply.content, reply.access_num, reply.mo_time)
