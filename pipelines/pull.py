"""Pulls reports, replies and the balance from the gateway; every answer lands before it is decoded.

The vendor doesn't document how a query hands out its records (the whole day each time? each record once? capped?). So
a day is queried again until a call brings nothing new, and every run queries each day of a trailing window. A call that
repeats all earlier records and adds a few shows that the whole day is handed out each time: the few arrived meanwhile,
and more calls would only chase the next ones. Nothing here loads: answers are decoded only to decide whether to call
again.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

import polars as pl
import stamina

from pipelines.errors import GatewayError, GatewayRefused, GatewayUnavailable, OutcomeUnknown, UsageError
from pipelines.gateway.client import Exchange, GatewayClient
from pipelines.gateway.codes import ACCEPTED_CODE, ERROR_CODES, TEMPORARY_CODES, with_meaning
from pipelines.gateway.document import Format
from pipelines.gateway.wire import Answer, Records, UnreadableAnswer, read_answer, read_replies, read_reports
from pipelines.landing.calls import Call, CallKind
from pipelines.landing.landing import Landing
from pipelines.progress import Progress, no_progress
from pipelines.settings import Settings
from pipelines.times import CHINA, Clock

CALL_ATTEMPTS = 4
_KEPT_OF_TOO_LARGE = 2**20  # bytes: enough to see what the gateway sends
_STEPS_AFTER = {  # failures that a retry would only repeat → the operator's next step
    "AnswerTooLarge": "raise gateway.max_answer_mb if the vendor does send so much",
    "TimeoutError": "it took too long; raise gateway.max_answer_seconds if the vendor is so slow",
}


@dataclass(frozen=True)
class Pulled:
    """The result of pulling one day of reports, or all replies (`day` is None).

    A record that came more than once counts once.
    """

    kind: CallKind
    day: date | None
    call_count: int
    record_count: int
    problem: GatewayError | None = None  # why the last call failed; None if the pull is complete

    @property
    def is_complete(self) -> bool:
        return self.problem is None


Ask = Callable[[], Awaitable[Exchange]]
Found = TypeVar("Found", Answer, Records)
Read = Callable[[bytes, Format], Found]


def window(days: int, now: datetime) -> list[date]:
    """The last `days` days in China up to today, the earliest first."""
    today = now.astimezone(CHINA).date()
    return [today - timedelta(days=back) for back in range(days - 1, -1, -1)]


def chosen_days(day: date | None, days: int | None, *, now: datetime) -> list[date] | None:
    """The days that an operator chose: one day, a window of days, or None for the setting. Raises UsageError."""
    if day is not None and days is not None:
        raise UsageError("--day and --days exclude each other; give one")
    if day is not None:
        if day > now.astimezone(CHINA).date():
            raise UsageError(f"{day} has not come yet in China; give today or a day before")
        return [day]
    if days is not None and days < 1:
        raise UsageError("--days must be 1 or more")
    return None if days is None else window(days, now)


class Puller:
    """Queries the gateway and lands the answers."""

    def __init__(self, client: GatewayClient, landing: Landing, *, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._landing = landing
        self._format = settings.gateway.format
        self._max_calls = settings.pull.max_calls_per_day
        self._clock = clock

    async def balance(self, *, attempts: int = 1) -> int:
        """The balance in messages. Raises GatewayRefused, or another GatewayError if no readable answer came."""
        answer = await self._ask("balance", None, self._client.query_sms_count, read_answer, attempts)
        if answer.count is None:
            raise GatewayError("the gateway's answer holds no balance; see the newest file in landing/balance")
        return answer.count

    async def reports(self, days: Sequence[date], progress: Progress = no_progress) -> list[Pulled]:
        """Pull every day; a day that fails doesn't stop the others, unless the gateway can't be reached."""
        pulled: list[Pulled] = []
        for done, day in enumerate(days):
            if pulled and isinstance(pulled[-1].problem, GatewayUnavailable):  # it can't be reached for this day either
                pulled.append(Pulled("reports", day, 0, 0, pulled[-1].problem))
                continue
            ask = partial(self._client.query_status_report, day)
            show = _shown_as(f"reports of {day}", progress, done / len(days))
            pulled.append(await self._until_nothing_new("reports", day, ask, read_reports, show))
        return pulled

    async def replies(self, progress: Progress = no_progress) -> Pulled:
        """Pull all replies that the gateway holds."""
        show = _shown_as("replies", progress, None)
        return await self._until_nothing_new("replies", None, self._client.query_mo_record, read_replies, show)

    async def _until_nothing_new(
        self, kind: CallKind, day: date | None, ask: Ask, read: Read[Records], show: Callable[[Pulled], None]
    ) -> Pulled:
        seen = pl.Series([], dtype=pl.UInt64)
        pulled = Pulled(kind, day, 0, 0)
        while pulled.call_count < self._max_calls:
            try:
                found = await self._ask(kind, day, ask, read, CALL_ATTEMPTS)
            except GatewayError as error:
                return replace(pulled, problem=error)
            hashes = pl.DataFrame(found.columns, schema=dict.fromkeys(found.columns, pl.String)).hash_rows().unique()
            new = hashes.filter(~hashes.is_in(seen.implode()))
            is_all_again = len(seen) > 0 and len(hashes) - len(new) == len(seen)
            seen.append(new)
            pulled = replace(pulled, call_count=pulled.call_count + 1, record_count=len(seen))
            show(pulled)
            if new.is_empty() or is_all_again:
                return pulled
        problem = GatewayError(f"the gateway had more after {self._max_calls} calls; raise pull.max_calls_per_day")
        return replace(pulled, problem=problem)

    async def _ask(self, kind: CallKind, day: date | None, ask: Ask, read: Read[Found], attempts: int) -> Found:
        """The decoded answer of one query; a temporary failure is retried, since a query sends nothing to anybody."""
        async for attempt in stamina.retry_context(
            on=_may_pass, attempts=attempts, wait_initial=0.5, wait_max=20.0, timeout=None
        ):
            with attempt:
                exchange = await self._landed(kind, day, ask)
                try:
                    found = read(exchange.body, self._format)
                except UnreadableAnswer:
                    raise GatewayError(
                        f"the gateway's answer (HTTP status {exchange.http_status}) can't be read; its bytes are kept:"
                        f" see the newest file in landing/{kind}"
                    ) from None
                _raise_refusal(found.error_code)
        return found

    async def _landed(self, kind: CallKind, day: date | None, ask: Ask) -> Exchange:
        """Make the call and land its answer, or that no whole answer came."""
        call = Call(kind, self._clock(), 0, self._format, day)
        with self._landing.pending_calls.mark(call) as land:
            started = time.perf_counter()
            try:
                exchange = await ask()
            except GatewayError as error:
                part = error.received if isinstance(error, OutcomeUnknown) else b""
                if error.failure == "AnswerTooLarge":  # of one without an end, each run would leave as much again
                    part = part[:_KEPT_OF_TOO_LARGE]
                elapsed = round((time.perf_counter() - started) * 1000)
                land(replace(call, answer_ms=elapsed, failure=error.failure, body=part))
                if isinstance(error, OutcomeUnknown):  # meant for submissions: a query can simply be repeated
                    raise _not_whole(error.failure) from None
                raise
            land(
                replace(
                    call,
                    answer_ms=exchange.answer_ms,
                    http_status=exchange.http_status,
                    content_type=exchange.content_type,
                    body=exchange.body,
                )
            )
        return exchange


def _shown_as(what: str, progress: Progress, share: float | None) -> Callable[[Pulled], None]:
    return lambda pulled: progress(f"{what}: {pulled.record_count:,} records, calls: {pulled.call_count}", share)


def _not_whole(failure: str | None) -> GatewayError:
    step = _STEPS_AFTER.get(failure or "", "run 'smsrecon pull' again")
    error = GatewayError(f"no whole answer came from the gateway ({failure}); {step}")
    error.failure = failure
    return error


def _may_pass(error: Exception) -> bool:
    if isinstance(error, GatewayRefused):
        return error.error_code in TEMPORARY_CODES
    return isinstance(error, GatewayError) and error.failure not in _STEPS_AFTER


def _raise_refusal(error_code: str) -> None:
    if error_code != ACCEPTED_CODE:
        known = ERROR_CODES.get(error_code)
        step = known.query_next_step if known else "ask the vendor"
        raise GatewayRefused(f"the gateway refused with {with_meaning(error_code)}; {step}", error_code)
