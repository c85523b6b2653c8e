"""Asks the gateway for reports, replies and the balance; lands every answer before anybody reads it.

How a pull hands out its records is not documented (the whole day each time? each record once? capped?), so a day is
asked for again until a call brings nothing new, and each day of a trailing window is asked for at every run. Nothing
here loads: what a call brought is decoded only to know whether to call again.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import polars as pl
import stamina

from pipelines.errors import GatewayError, GatewayRefused, GatewayUnavailable, MaySent, UsageError
from pipelines.gateway.client import Exchange, GatewayClient
from pipelines.gateway.codes import ERROR_MEANINGS
from pipelines.gateway.document import Format
from pipelines.gateway.wire import Records, UnreadableAnswer, read_answer, read_replies, read_reports
from pipelines.landing import Call, CallKind, Landing
from pipelines.settings import Settings

CHINA = ZoneInfo("Asia/Shanghai")
Clock = Callable[[], datetime]

CALL_ATTEMPTS = 4
PASSING_CODES = frozenset({"100014", "999999"})  # too fast, system error: asking again may help and harms nobody


@dataclass(frozen=True)
class Pulled:
    """What the calls for one day of reports, or for the replies (`day` is None), brought."""

    kind: CallKind
    day: date | None
    call_count: int
    record_count: int
    problem: GatewayError | None = None  # why the last call failed; None: complete

    @property
    def is_complete(self) -> bool:
        return self.problem is None


OnProgress = Callable[[Pulled], None]
Ask = Callable[[], Awaitable[Exchange]]
Read = Callable[[bytes, Format], Records]


def window(days: int, now: datetime) -> list[date]:
    """Today, in China, and the days before it: `days` of them, the earliest first."""
    today = now.astimezone(CHINA).date()
    return [today - timedelta(days=back) for back in range(days - 1, -1, -1)]


def chosen_days(day: date | None, days: int | None, *, now: datetime) -> list[date] | None:
    """What an operator asks for: one day, a window of days, or None for what is set. Raises UsageError."""
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
    """Calls the gateway's queries and lands what they answer."""

    def __init__(self, client: GatewayClient, landing: Landing, *, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._landing = landing
        self._format = settings.gateway.format
        self._max_calls = settings.pull.max_calls_per_day
        self._clock = clock

    async def balance(self) -> int:
        """Messages left. Raises GatewayRefused, GatewayUnavailable, or MaySent where no answer can be read."""
        call = await self._call("balance", None, self._client.query_sms_count)
        with _unreadable_as_error():
            answer = read_answer(call.body, self._format)
        _raise_refusal(answer.error_code)
        if answer.count is None:
            raise MaySent("the gateway's answer to querySmsCount has no count; see the newest file in landing/balance")
        return answer.count

    async def reports(self, days: Sequence[date], on_progress: OnProgress = lambda _: None) -> list[Pulled]:
        """Pull every day; one that fails does not keep the others from being pulled."""
        pulled = []
        for day in days:
            ask = partial(self._client.query_status_report, day)
            pulled.append(await self._until_nothing_new("reports", day, ask, read_reports, on_progress))
        return pulled

    async def replies(self, on_progress: OnProgress = lambda _: None) -> Pulled:
        """Pull all replies that the gateway has for us."""
        return await self._until_nothing_new("replies", None, self._client.query_mo_record, read_replies, on_progress)

    async def _until_nothing_new(
        self, kind: CallKind, day: date | None, ask: Ask, read: Read, on_progress: OnProgress
    ) -> Pulled:
        seen = pl.Series([], dtype=pl.UInt64)
        pulled = Pulled(kind, day, 0, 0)
        while pulled.call_count < self._max_calls:
            try:
                found = await self._records(kind, day, ask, read)
            except GatewayError as error:
                return replace(pulled, problem=error)
            hashes = pl.DataFrame(found.columns).hash_rows().unique()
            new = hashes.filter(~hashes.is_in(seen.implode()))
            seen.append(new)
            pulled = replace(pulled, call_count=pulled.call_count + 1, record_count=len(seen))
            on_progress(pulled)
            if new.is_empty():
                return pulled
        problem = GatewayError(f"the gateway had more after {self._max_calls} calls; raise pull.max_calls_per_day")
        return replace(pulled, problem=problem)

    async def _records(self, kind: CallKind, day: date | None, ask: Ask, read: Read) -> Records:
        """One call's records; what may pass is tried again, since a query reaches nobody."""
        async for attempt in stamina.retry_context(
            on=_may_pass, attempts=CALL_ATTEMPTS, wait_initial=0.5, wait_max=20.0, timeout=None
        ):
            with attempt:
                call = await self._call(kind, day, ask)
                with _unreadable_as_error():
                    found = read(call.body, self._format)
                _raise_refusal(found.error_code)
        return found

    async def _call(self, kind: CallKind, day: date | None, ask: Ask) -> Call:
        """Ask, and land what came back, or that nothing did."""
        called_at = self._clock()
        call = Call(kind, called_at, 0, self._format, day)
        try:
            exchange = await ask()
        except GatewayError as error:
            elapsed = (self._clock() - called_at) // timedelta(milliseconds=1)
            self._landing.land_call(replace(call, answer_ms=elapsed, failure=type(error.__cause__ or error).__name__))
            raise
        call = replace(
            call,
            answer_ms=exchange.answer_ms,
            http_status=exchange.http_status,
            content_type=exchange.content_type,
            body=exchange.body,
        )
        self._landing.land_call(call)
        return call


def _may_pass(error: Exception) -> bool:
    if isinstance(error, GatewayRefused):
        return error.error_code in PASSING_CODES
    return isinstance(error, GatewayUnavailable | MaySent)


def _raise_refusal(error_code: str) -> None:
    if error_code != "000000":
        meaning = ERROR_MEANINGS.get(error_code, "a code that is in no table")
        raise GatewayRefused(f"the gateway refused with {error_code} ({meaning}); see 'smsrecon doctor'", error_code)


@contextmanager
def _unreadable_as_error() -> Iterator[None]:
    """The bytes are landed already; whoever mends the decoder can load them later."""
    try:
        yield
    except UnreadableAnswer:
        raise MaySent("the gateway's answer can't be read; its bytes are kept in the landing") from None
