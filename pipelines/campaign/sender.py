"""Sends what the journal says is still to send, and journals what became of every batch.

    answer                                  batch        then
    000000                                  accepted     next
    100014                                  not_sent     all slow down; again, under a new batch_num
    no connection                           not_sent     again with backoff, a bounded number of times; then pause
    100007, 100008, 100013                  split        two halves, until the guilty ones stand alone: refused
    100002–4, 100009–11                     not_sent     pause the campaign
    other 1xxxxx                            refused      next
    anything else, or no answer             in_doubt     next; never sent again by itself

One process sends a campaign at a time: the caller holds its lock. Nothing here plans, checks balances or knows files.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

import stamina

from pipelines.campaign.journal import SETTLED_STATES, BatchRecord, BatchState, CampaignRecord, Journal
from pipelines.campaign.pace import Pace
from pipelines.campaign.plan import PlanFile, batch_num
from pipelines.errors import GatewayRefused, GatewayUnavailable, InDoubt, MaySent
from pipelines.gateway.client import Exchange, GatewayClient
from pipelines.gateway.codes import ERROR_MEANINGS, Verdict, verdict
from pipelines.gateway.wire import Answer, UnreadableAnswer, read_answer
from pipelines.settings import Settings

CHINA = ZoneInfo("Asia/Shanghai")
Clock = Callable[[], datetime]

MAX_HOLDS_IN_A_ROW = 8  # 1 + 2 + … + 60 + 60 s: four minutes of "too fast" are more than a burst
CONNECTION_ATTEMPTS = 5


@dataclass(frozen=True)
class Piece:
    """A range of the plan that is to be sent in one request; both positions included."""

    planned_batch: int
    first_position: int
    last_position: int
    attempt: int = 1

    @property
    def message_count(self) -> int:
        return self.last_position - self.first_position + 1

    def again(self) -> "Piece":
        return Piece(self.planned_batch, self.first_position, self.last_position, self.attempt + 1)

    def halves(self) -> tuple["Piece", "Piece"]:
        middle = (self.first_position + self.last_position) // 2
        return (
            Piece(self.planned_batch, self.first_position, middle, self.attempt + 1),
            Piece(self.planned_batch, middle + 1, self.last_position, self.attempt + 1),
        )


@dataclass
class Progress:
    """How far a submission is, in messages; `total` is what was left to send when it began."""

    total: int
    counts: dict[BatchState, int] = field(default_factory=lambda: dict.fromkeys(("accepted", "refused", "in_doubt"), 0))

    @property
    def done(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Pause:
    """Why a campaign rests; `exit_code` is what a command that ends so ends with."""

    reason: str
    exit_code: int = 0


def still_to_send(planned: Iterable[tuple[int, int, int]], batches: Iterable[BatchRecord]) -> list[Piece]:
    """The parts of the planned batches that no settled batch covers, in the order of the plan."""
    settled: dict[int, list[tuple[int, int]]] = {}
    attempts: dict[int, int] = {}
    for batch in batches:
        attempts[batch.planned_batch] = max(attempts.get(batch.planned_batch, 0), batch.attempt)
        if batch.state in SETTLED_STATES:
            settled.setdefault(batch.planned_batch, []).append((batch.first_position, batch.last_position))
    pieces = []
    for number, first, last in planned:
        attempt = attempts.get(number, 0) + 1
        start = first
        for settled_first, settled_last in sorted(settled.get(number, ())):
            if start < settled_first:
                pieces.append(Piece(number, start, settled_first - 1, attempt))
            start = settled_last + 1
        if start <= last:
            pieces.append(Piece(number, start, last, attempt))
    return pieces


def is_open(window: str | None, now: datetime) -> bool:
    """Whether `now` lies in a send window such as 08:00-21:00, in China's time; one may span midnight."""
    if window is None:
        return True
    opens, closes = (time.fromisoformat(part) for part in window.split("-"))
    local = now.astimezone(CHINA).time()
    return opens <= local < closes if opens <= closes else local >= opens or local < closes


class Sender:
    """Sends one campaign, several requests in flight, and stops in good order when told to or when it must pause."""

    def __init__(
        self,
        campaign: CampaignRecord,
        plan: PlanFile,
        waiting: Iterable[Piece],
        *,
        journal: Journal,
        client: GatewayClient,
        settings: Settings,
        clock: Clock,
        pace: Pace | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._campaign = campaign
        self._plan = plan
        self._journal = journal
        self._client = client
        self._settings = settings
        self._clock = clock
        self._pace = pace or Pace(settings.gateway.requests_per_second)
        self._on_progress = on_progress
        self._waiting = deque(waiting)
        self._next_number = journal.next_batch_number(campaign.campaign_id)
        self._doubts_in_a_row = 0
        self.progress = Progress(sum(piece.message_count for piece in self._waiting))
        self.pause: Pause | None = None

    async def run(self) -> None:
        """Send all that waits. Afterwards `progress` counts it, and `pause` tells whether and why it stopped early."""
        self._on_progress(self.progress)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.gateway.concurrency):
                group.create_task(self._send_waiting())
        if self.pause is not None:
            self._journal.paused(self._campaign.campaign_id, self.pause.reason, at=self._clock())

    def stop(self, pause: Pause) -> None:
        """Let the requests in flight end, and send no more."""
        self.pause = self.pause or pause

    async def _send_waiting(self) -> None:
        while self._waiting and self.pause is None:
            piece = self._waiting.popleft()
            await self._pace.turn()
            if not is_open(self._settings.plan.send_window, self._clock()):
                self.stop(Pause(f"outside the send window {self._settings.plan.send_window}"))
            elif self.pause is None:
                await self._send(piece)

    async def _send(self, piece: Piece) -> None:
        """Send one piece; where surely nothing was sent for want of a connection, try again."""
        retries = stamina.retry_context(
            on=GatewayUnavailable, attempts=CONNECTION_ATTEMPTS, wait_initial=0.5, wait_max=10.0, timeout=None
        )
        try:
            async for attempt in retries:
                with attempt:
                    await self._try(piece if attempt.num == 1 else piece.again())
        except GatewayUnavailable as error:
            self.stop(Pause(f"{error} ({CONNECTION_ATTEMPTS} attempts)", exit_code=GatewayUnavailable.exit_code))

    async def _try(self, piece: Piece) -> None:
        """One request under a batch_num of its own, journaled before it leaves and after its answer was read."""
        name = batch_num(self._campaign.campaign_key, self._next_number)
        self._next_number += 1
        campaign_id = self._campaign.campaign_id
        self._journal.sending(
            campaign_id,
            name,
            planned_batch=piece.planned_batch,
            first_position=piece.first_position,
            last_position=piece.last_position,
            attempt=piece.attempt,
            at=self._clock(),
        )
        try:
            exchange = await self._request(piece, name)
        except GatewayUnavailable as error:
            self._journal.outcome(campaign_id, name, "not_sent", at=self._clock(), detail=str(error))
            raise
        except MaySent as error:
            self._journal.outcome(campaign_id, name, "in_doubt", at=self._clock(), detail=str(error))
            self._count(piece, "in_doubt")
            return
        answer, doubt = self._read(exchange)
        what = Verdict.MAY_SEND if answer is None or doubt else verdict(answer.error_code)
        state = _state(what, piece)
        self._journal.outcome(
            campaign_id,
            name,
            state,
            at=self._clock(),
            error_code=answer.error_code if answer else None,
            http_status=exchange.http_status,
            answer_ms=exchange.answer_ms,
            answer=exchange.body,
            detail=doubt,
        )
        self._follow(piece, state)
        if what is Verdict.TOO_FAST:
            self._slow_down()
        elif what is Verdict.CAMPAIGN and answer is not None:
            meaning = ERROR_MEANINGS[answer.error_code]
            self.stop(
                Pause(f"the gateway refused with {answer.error_code} ({meaning})", exit_code=GatewayRefused.exit_code)
            )

    async def _request(self, piece: Piece, name: str) -> Exchange:
        messages = self._plan.messages(piece.first_position, piece.last_position)
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

    def _read(self, exchange: Exchange) -> tuple[Answer | None, str | None]:
        """The answer, and why it can't be trusted, if it can't."""
        answer = None
        with suppress(UnreadableAnswer):
            answer = read_answer(exchange.body, self._settings.gateway.format)
        if not 200 <= exchange.http_status < 300:
            return answer, f"HTTP status {exchange.http_status}"
        return answer, None if answer else "the answer can't be read"

    def _follow(self, piece: Piece, state: BatchState) -> None:
        """Count what is settled, and put back what is to be sent again."""
        if state == "split":
            self._waiting.extendleft(reversed(piece.halves()))
        elif state == "not_sent":
            self._waiting.appendleft(piece.again())
        else:
            self._count(piece, state)
        if state == "accepted":
            self._pace.speed_up()

    def _slow_down(self) -> None:
        self._pace.slow_down()
        if self._pace.holds_in_a_row > MAX_HOLDS_IN_A_ROW:
            self.stop(
                Pause("the gateway keeps answering 100014 (calling too fast)", exit_code=GatewayRefused.exit_code)
            )

    def _count(self, piece: Piece, state: BatchState) -> None:
        self.progress.counts[state] += piece.message_count
        self._on_progress(self.progress)
        self._doubts_in_a_row = self._doubts_in_a_row + 1 if state == "in_doubt" else 0
        if self._doubts_in_a_row >= self._settings.policy.pause_after_in_doubt:
            reason = f"{self._doubts_in_a_row} batches in a row got no answer that can be trusted"
            self.stop(Pause(reason, exit_code=InDoubt.exit_code))


def _state(what: Verdict, piece: Piece) -> BatchState:
    """The state that an answer puts a batch in."""
    if what is Verdict.SOME_MESSAGES:
        return "split" if piece.message_count > 1 else "refused"
    return _STATES[what]


_STATES: dict[Verdict, BatchState] = {
    Verdict.ACCEPTED: "accepted",
    Verdict.TOO_FAST: "not_sent",
    Verdict.CAMPAIGN: "not_sent",
    Verdict.REFUSED: "refused",
    Verdict.MAY_SEND: "in_doubt",
}
