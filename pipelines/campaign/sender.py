"""The sender: sends the batches of a campaign that are still to be sent, and journals the outcome of each.

    answer                                  batch        then
    000000                                  accepted     next
    100014                                  not_sent     slow down, send again, at most 9 times in a row; then pause
    no connection                           not_sent     the same, at most 5 times in a row
    100007, 100008, 100013                  split        two halves, down to single messages: refused
    100002–4, 100009–11                     not_sent     pause the campaign
    other 1xxxxx                            refused      next
    anything else, or no answer             in_doubt     next; never sent again by itself

Every request has a new batch_num, also when messages are sent again. But if policy.in_doubt is same_batch_num, a batch
in doubt is sent again under its own number, and a refusal as repeated proves that the first one was accepted. Either is
journaled before it leaves. Messages whose phones were put on a suppression list after planning are not sent. One
process sends a campaign at a time: the caller holds its lock and has taken it over. A process that was held up sends
nothing that it journaled a while ago, since another may have taken the campaign over meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import partial
from time import monotonic

import polars as pl

from pipelines.campaign.high_water import HighWater, Mark
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import BatchState, CampaignRecord
from pipelines.campaign.late_suppressions import LateSuppressions
from pipelines.campaign.plan import PlanFile
from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.unsent_ranges import SendRange
from pipelines.errors import (
    CampaignBusy,
    GatewayRefused,
    GatewayUnavailable,
    InDoubt,
    InputRefused,
    OutcomeUnknown,
    SharedUnavailable,
)
from pipelines.gateway.client import Exchange, GatewayClient
from pipelines.gateway.codes import Verdict, verdict, with_meaning
from pipelines.gateway.wire import UnreadableAnswer, read_answer
from pipelines.message_ids import batch_num
from pipelines.settings import Settings
from pipelines.times import CHINA, Clock

TOO_FAST_ATTEMPTS = 9  # with holds of 1 + 2 + 4 + … + 60 + 60 s between them: over three minutes, longer than any burst
CONNECTION_ATTEMPTS = 5  # with 1 + 2 + 4 + 8 s between them
REPEATS = 3  # of a batch in doubt, if the policy repeats them
SECONDS_TO_LEAVE = 5.0  # from before a request is journaled


@dataclass
class SendProgress:
    """Counts of a submission in messages, by state; `total` was left to send when it began."""

    total: int
    counts: dict[BatchState, int] = field(
        default_factory=lambda: dict.fromkeys(("accepted", "refused", "in_doubt", "suppressed"), 0)
    )

    @property
    def done(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Pause:
    """The reason why a campaign is paused, and the exit code of a command that ends so."""

    reason: str
    exit_code: int = 0


def is_open(window: str | None, now: datetime) -> bool:
    """True if `now` is in a send window such as 08:00-21:00, in China's time.

    A window may span midnight; one with equal ends is the whole day.
    """
    if window is None:
        return True
    opens, closes = (time.fromisoformat(part) for part in window.split("-"))
    local = now.astimezone(CHINA).time()
    return opens <= local < closes if opens < closes else local >= opens or local < closes


class Sender:
    """Sends one campaign with several requests in flight; when stopped or paused it lets them finish."""

    def __init__(
        self,
        campaign: CampaignRecord,
        plan: PlanFile,
        waiting: Iterable[SendRange],
        *,
        journal: Journal,
        client: GatewayClient,
        mark: Mark,
        late_suppressions: LateSuppressions,
        settings: Settings,
        clock: Clock,
        rate_limiter: RateLimiter | None = None,
        on_progress: Callable[[SendProgress], None] = lambda _: None,
    ) -> None:
        self._campaign = campaign
        self._plan = plan
        self._journal = journal
        self._client = client
        self._mark = mark
        self._late_suppressions = late_suppressions
        self._settings = settings
        self._clock = clock
        self._rate_limiter = rate_limiter or RateLimiter(settings.gateway.requests_per_second)
        self._on_progress = on_progress
        self._waiting = deque(waiting)
        self._in_flight = 0
        self._journaling = ThreadPoolExecutor(1, "journal")  # one thread: events in their order
        self._next_number = journal.next_batch_number(campaign.campaign_id)
        self._doubts_in_a_row = 0
        self.progress = SendProgress(sum(send_range.message_count for send_range in self._waiting))
        self.progress.counts["in_doubt"] = sum(
            send_range.message_count for send_range in self._waiting if send_range.repeats
        )
        self.pause: Pause | None = None
        self._lost: CampaignBusy | SharedUnavailable | None = None  # why nothing more can be journaled

    async def run(self) -> None:
        """Send all waiting ranges. Afterwards `progress` has the counts, and `pause` the reason if some are left.

        Raises CampaignBusy if another process took the campaign over, and SharedUnavailable if the journal is away.
        """
        self._on_progress(self.progress)
        with self._journaling:
            async with asyncio.TaskGroup() as group:
                self._start_requests(group)
        if self._lost is not None:
            raise self._lost
        if self.progress.done == self.progress.total:
            self.pause = None  # it came after the last message was sent
        if self.pause is not None:
            self._journal.paused(self._campaign.campaign_id, self.pause.reason, at=self._clock())

    def stop(self, pause: Pause) -> None:
        """Let the requests in flight finish, and send no more."""
        self.pause = self.pause or pause
        self._rate_limiter.stop()

    def _start_requests(self, group: asyncio.TaskGroup) -> None:
        """Start requests up to gateway.concurrency, as long as ranges wait."""
        while self._waiting and self.pause is None and self._in_flight < self._settings.gateway.concurrency:
            self._in_flight += 1
            group.create_task(self._send_when_allowed(self._waiting.popleft(), group))

    async def _send_when_allowed(self, send_range: SendRange, group: asyncio.TaskGroup) -> None:
        await self._rate_limiter.acquire()
        if not is_open(self._settings.plan.send_window, self._clock()):
            self.stop(Pause(f"outside the send window {self._settings.plan.send_window}"))
        elif self.pause is None:
            try:
                await self._send(send_range)
            except (CampaignBusy, SharedUnavailable) as error:
                self._lost = error
                self.stop(Pause(str(error), exit_code=error.exit_code))
        self._in_flight -= 1
        self._start_requests(group)

    async def _send(self, send_range: SendRange) -> None:
        """Send one request, journaled before it leaves and after its answer was read."""
        try:
            suppressed = self._late_suppressions.within(send_range.first_position, send_range.last_position)
        except InputRefused as error:  # a list can't be read, so its phones are unknown
            self._waiting.appendleft(send_range)
            self.stop(Pause(str(error), exit_code=InputRefused.exit_code))
            return
        if suppressed and send_range.repeats:
            return  # it stays in doubt: if the first was not accepted, this one would be
        if suppressed:
            await self._suppress(send_range, suppressed)
            return
        messages = self._plan.messages(send_range.first_position, send_range.last_position)
        campaign_id, name = self._campaign.campaign_id, send_range.repeats or self._next_batch_num()
        began = monotonic()
        if send_range.repeats is None:
            await self._journaled(self._begin, send_range, name, self._clock())
        else:
            await self._journaled(self._journal.repeating, campaign_id, name, at=self._clock())
        if monotonic() - began > SECONDS_TO_LEAVE:
            await self._requeue(send_range, name, "not sent, since this process was held up after it was journaled")
            return
        try:
            exchange = await self._request(messages, name)
        except GatewayUnavailable as error:
            reason = f"after {CONNECTION_ATTEMPTS} attempts: {error}"
            self._back_off(CONNECTION_ATTEMPTS, Pause(reason, exit_code=GatewayUnavailable.exit_code))
            await self._requeue(send_range, name, str(error))
        except OutcomeUnknown as error:
            if send_range.repeats is None:
                detail, part = str(error), error.received
                await self._journaled(
                    self._journal.outcome, campaign_id, name, "in_doubt", at=self._clock(), answer=part, detail=detail
                )
            self._mark_in_doubt(send_range, name)
        else:
            await (self._handle_answer if send_range.repeats is None else self._handle_repeat_answer)(
                send_range, name, exchange
            )

    async def _requeue(self, send_range: SendRange, name: str, detail: str) -> None:
        """Put a range back whose request surely did not leave; a batch that was to be repeated stays in doubt."""
        if send_range.repeats:
            self._waiting.append(send_range)
            return
        await self._journaled(
            self._journal.outcome, self._campaign.campaign_id, name, "not_sent", at=self._clock(), detail=detail
        )
        self._waiting.appendleft(send_range.again())

    def _begin(self, send_range: SendRange, name: str, at: datetime) -> None:
        """Journal that a batch is about to leave, then raise the mark; the next number is counted in the same order."""
        self._journal.sending(self._campaign.campaign_id, name, at=at, **send_range.journaled)
        self._mark.raise_to(HighWater.after(name, send_range.last_position))

    async def _suppress(self, send_range: SendRange, suppressed: list[tuple[int, int, str]]) -> None:
        """Journal the messages that must not be sent, and put the others back in the queue."""
        rest, start = [], send_range.first_position
        for first, last, reason in suppressed:
            part = send_range.part(first, last)
            await self._journaled(
                self._journal.suppressed,
                self._campaign.campaign_id,
                self._next_batch_num(),
                reason=reason,
                at=self._clock(),
                **part.journaled,
            )
            self._count(part, "suppressed")
            if start < first:
                rest.append(send_range.part(start, first - 1))
            start = last + 1
        if start <= send_range.last_position:
            rest.append(send_range.part(start, send_range.last_position))
        self._waiting.extendleft(reversed(rest))

    async def _request(self, messages: pl.DataFrame, name: str) -> Exchange:
        first = messages.row(0, named=True)
        phones, mission_nums = messages["phone"].to_list(), messages["mission_num"].to_list()
        if first["template_id"] is None:
            return await self._client.send_sms(
                phones=phones,
                mission_nums=mission_nums,
                content=first["content"],
                batch_num=name,
                extra_num=first["extra_num"],
            )
        return await self._client.send_tpl_sms(
            phones=phones,
            mission_nums=mission_nums,
            contents=messages["content"].to_list(),
            template_id=first["template_id"],
            batch_num=name,
            extra_num=first["extra_num"],
        )

    async def _handle_answer(self, send_range: SendRange, name: str, exchange: Exchange) -> None:
        """React to an answer: slow down or pause first, then journal it, then count or requeue the range."""
        error_code, doubt = self._read(exchange)
        what = Verdict.OUTCOME_UNKNOWN if doubt else verdict(error_code)
        state = _state(what, send_range)
        pause = Pause(
            f"the gateway refused with {with_meaning(error_code)}",
            exit_code=GatewayRefused.exit_code,
        )
        if what is Verdict.TOO_FAST:
            self._back_off(TOO_FAST_ATTEMPTS, pause)
        elif what is Verdict.CAMPAIGN:
            self.stop(pause)
        elif what is not Verdict.OUTCOME_UNKNOWN:
            self._rate_limiter.reset_backoff()
        await self._journaled(
            self._journal.outcome,
            self._campaign.campaign_id,
            name,
            state,
            at=self._clock(),
            error_code=error_code or None,
            http_status=exchange.http_status,
            answer_ms=exchange.answer_ms,
            answer=exchange.body,
            detail=doubt,
        )
        if what is Verdict.OUTCOME_UNKNOWN:
            self._mark_in_doubt(send_range, name)
            return
        self._doubts_in_a_row = 0
        if state == "split":
            self._waiting.extendleft(reversed(send_range.halves()))
        elif state == "not_sent":
            self._waiting.appendleft(send_range.again())
        else:
            self._count(send_range, state)

    async def _handle_repeat_answer(self, send_range: SendRange, name: str, exchange: Exchange) -> None:
        """React to the answer to a repeated batch: the first one was accepted, or is still in doubt."""
        error_code, doubt = self._read(exchange)
        what = Verdict.OUTCOME_UNKNOWN if doubt else verdict(error_code)
        is_proven = not doubt and error_code == self._settings.policy.repeated_code and self._is_alone
        if what is Verdict.ACCEPTED or is_proven:
            await self._journaled(
                self._journal.outcome,
                self._campaign.campaign_id,
                name,
                "accepted",
                at=self._clock(),
                error_code=error_code,
                http_status=exchange.http_status,
                answer_ms=exchange.answer_ms,
                answer=exchange.body,
                detail="refused as repeated, so it had been taken" if is_proven else "taken when it was repeated",
            )
            self._doubts_in_a_row = 0
            self.progress.counts["in_doubt"] -= send_range.message_count
            self._count(send_range, "accepted")
        elif what is Verdict.TOO_FAST:
            self._back_off(TOO_FAST_ATTEMPTS, Pause(f"the gateway refused with {with_meaning(error_code)}"))
            self._waiting.append(send_range)
        elif what is Verdict.OUTCOME_UNKNOWN:
            self._mark_in_doubt(send_range, name)
        # any other refusal concerns the repetition and says nothing about the first

    @property
    def _is_alone(self) -> bool:
        """True if nobody else on the account can have used the campaign's batch numbers.

        Keys without a secret are the same in every data folder of the default installation.
        """
        default = Settings.model_fields["installation"].default
        return self._campaign.has_secret_key or self._settings.installation != default

    def _next_batch_num(self) -> str:
        name = batch_num(self._campaign.campaign_key, self._next_number)
        self._next_number += 1
        return name

    async def _journaled(self, write: Callable[..., None], *values: object, **named: object) -> None:
        """Append to the journal in its thread, so that other requests continue while the disk syncs."""
        await asyncio.get_running_loop().run_in_executor(self._journaling, partial(write, *values, **named))

    def _read(self, exchange: Exchange) -> tuple[str, str | None]:
        """The error code, empty without one, and the reason if the answer can't be trusted."""
        try:
            error_code = read_answer(exchange.body, self._settings.gateway.format).error_code
        except UnreadableAnswer as error:
            return "", f"HTTP status {exchange.http_status}; {error}"
        is_success = 200 <= exchange.http_status < 300
        return error_code, None if is_success else f"HTTP status {exchange.http_status}"

    def _back_off(self, attempts: int, pause: Pause) -> None:
        """Slow down all requests; after `attempts` holds in a row, pause."""
        self._rate_limiter.back_off()
        if self._rate_limiter.consecutive_holds >= attempts:
            self.stop(pause)

    def _mark_in_doubt(self, send_range: SendRange, name: str) -> None:
        if send_range.repeats is None:
            self._count(send_range, "in_doubt")
        if self._settings.policy.in_doubt == "same_batch_num" and send_range.repeat < REPEATS:
            self._waiting.append(send_range.repeated(name))
        self._doubts_in_a_row += 1
        if self._doubts_in_a_row >= self._settings.policy.pause_after_in_doubt:
            reason = f"{self._doubts_in_a_row} batches in a row got no answer that can be trusted"
            self.stop(Pause(reason, exit_code=InDoubt.exit_code))

    def _count(self, send_range: SendRange, state: BatchState) -> None:
        self.progress.counts[state] += send_range.message_count
        self._on_progress(self.progress)


def _state(what: Verdict, send_range: SendRange) -> BatchState:
    """The state of a batch after an answer."""
    if what is Verdict.SOME_MESSAGES:
        return "split" if send_range.message_count > 1 else "refused"
    return _STATES[what]


_STATES: dict[Verdict, BatchState] = {
    Verdict.ACCEPTED: "accepted",
    Verdict.TOO_FAST: "not_sent",
    Verdict.CAMPAIGN: "not_sent",
    Verdict.REFUSED: "refused",
    Verdict.OUTCOME_UNKNOWN: "in_doubt",
}
