"""Sends what the journal says is still to send, and journals what became of every batch.

    answer                                  batch        then
    000000                                  accepted     next
    100014                                  not_sent     all slow down; again, a bounded number of times; then pause
    no connection                           not_sent     the same
    100007, 100008, 100013                  split        two halves, until the guilty ones stand alone: refused
    100002–4, 100009–11                     not_sent     pause the campaign
    other 1xxxxx                            refused      next
    anything else, or no answer             in_doubt     next; never sent again by itself

Every request has a batch_num of its own, also when it is sent again. One process sends a campaign at a time: the caller
holds its lock. Nothing here plans, or checks balances.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import partial

import polars as pl

from pipelines.campaign.journal import SETTLED_STATES, BatchRecord, BatchState, CampaignRecord, Journal
from pipelines.campaign.pace import Pace
from pipelines.campaign.plan import PlanFile, batch_num
from pipelines.errors import GatewayRefused, GatewayUnavailable, InDoubt, MaySent
from pipelines.gateway.client import Exchange, GatewayClient
from pipelines.gateway.codes import ERROR_MEANINGS, Verdict, verdict
from pipelines.gateway.wire import UnreadableAnswer, read_answer
from pipelines.pull import CHINA, Clock
from pipelines.settings import Settings

TOO_FAST_ATTEMPTS = 9  # with holds of 1 + 2 + 4 + … + 60 + 60 s between them: three minutes are more than a burst
CONNECTION_ATTEMPTS = 5  # with 1 + 2 + 4 + 8 s between them


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
    """Whether `now` lies in a send window such as 08:00-21:00, in China's time.

    A window may span midnight; one that closes when it opens is the whole day.
    """
    if window is None:
        return True
    opens, closes = (time.fromisoformat(part) for part in window.split("-"))
    local = now.astimezone(CHINA).time()
    return opens <= local < closes if opens < closes else local >= opens or local < closes


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
        self._in_flight = 0
        self._journaling = ThreadPoolExecutor(1, "journal")  # one thread: events in their order
        self._next_number = journal.next_batch_number(campaign.campaign_id)
        self._doubts_in_a_row = 0
        self.progress = Progress(sum(piece.message_count for piece in self._waiting))
        self.pause: Pause | None = None

    async def run(self) -> None:
        """Send all that waits. Afterwards `progress` counts it, and `pause` tells why some of it is still to send."""
        self._on_progress(self.progress)
        with self._journaling:
            async with asyncio.TaskGroup() as group:
                self._fill(group)
        if self.progress.done == self.progress.total:
            self.pause = None  # whatever it was, it came too late to keep anything back
        if self.pause is not None:
            self._journal.paused(self._campaign.campaign_id, self.pause.reason, at=self._clock())

    def stop(self, pause: Pause) -> None:
        """Let the requests in flight end, and send no more."""
        self.pause = self.pause or pause
        self._pace.stop()

    def _fill(self, group: asyncio.TaskGroup) -> None:
        """Have as many requests in flight as set, as long as something waits."""
        while self._waiting and self.pause is None and self._in_flight < self._settings.gateway.concurrency:
            self._in_flight += 1
            group.create_task(self._send_in_turn(self._waiting.popleft(), group))

    async def _send_in_turn(self, piece: Piece, group: asyncio.TaskGroup) -> None:
        await self._pace.turn()
        if not is_open(self._settings.plan.send_window, self._clock()):
            self.stop(Pause(f"outside the send window {self._settings.plan.send_window}"))
        elif self.pause is None:
            await self._send(piece)
        self._in_flight -= 1
        self._fill(group)

    async def _send(self, piece: Piece) -> None:
        """One request, journaled before it leaves and after its answer was read."""
        messages = self._plan.messages(piece.first_position, piece.last_position)
        campaign_id, name = self._campaign.campaign_id, batch_num(self._campaign.campaign_key, self._next_number)
        self._next_number += 1
        await self._journaled(
            self._journal.sending,
            campaign_id,
            name,
            planned_batch=piece.planned_batch,
            first_position=piece.first_position,
            last_position=piece.last_position,
            attempt=piece.attempt,
            at=self._clock(),
        )
        try:
            exchange = await self._request(messages, name)
        except GatewayUnavailable as error:
            reason = f"after {CONNECTION_ATTEMPTS} attempts: {error}"
            self._hold(CONNECTION_ATTEMPTS, Pause(reason, exit_code=GatewayUnavailable.exit_code))
            await self._journaled(
                self._journal.outcome, campaign_id, name, "not_sent", at=self._clock(), detail=str(error)
            )
            self._waiting.appendleft(piece.again())
        except MaySent as error:
            detail, part = str(error), error.received
            await self._journaled(
                self._journal.outcome, campaign_id, name, "in_doubt", at=self._clock(), answer=part, detail=detail
            )
            self._doubt(piece)
        else:
            await self._take(piece, name, exchange)

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

    async def _take(self, piece: Piece, name: str, exchange: Exchange) -> None:
        """Do what an answer asks of all senders, at once; journal it; then see to the piece."""
        error_code, doubt = self._read(exchange)
        what = Verdict.MAY_SENT if doubt else verdict(error_code)
        state = _state(what, piece)
        pause = Pause(
            f"the gateway refused with {error_code} ({ERROR_MEANINGS.get(error_code)})",
            exit_code=GatewayRefused.exit_code,
        )
        if what is Verdict.TOO_FAST:
            self._hold(TOO_FAST_ATTEMPTS, pause)
        elif what is Verdict.CAMPAIGN:
            self.stop(pause)
        elif what is not Verdict.MAY_SENT:
            self._pace.speed_up()
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
        if what is Verdict.MAY_SENT:
            self._doubt(piece)
            return
        self._doubts_in_a_row = 0
        if state == "split":
            self._waiting.extendleft(reversed(piece.halves()))
        elif state == "not_sent":
            self._waiting.appendleft(piece.again())
        else:
            self._count(piece, state)

    async def _journaled(self, write: Callable[..., None], *values: object, **named: object) -> None:
        """Append to the journal; while the disk syncs, others go on."""
        await asyncio.get_running_loop().run_in_executor(self._journaling, partial(write, *values, **named))

    def _read(self, exchange: Exchange) -> tuple[str, str | None]:
        """The error code, empty if there is none, and why the answer can't be trusted, if it can't."""
        try:
            error_code = read_answer(exchange.body, self._settings.gateway.format).error_code
        except UnreadableAnswer as error:
            return "", f"HTTP status {exchange.http_status}; {error}"
        is_success = 200 <= exchange.http_status < 300
        return error_code, None if is_success else f"HTTP status {exchange.http_status}"

    def _hold(self, attempts: int, pause: Pause) -> None:
        """Slow all down; after so many attempts in a row, pause."""
        self._pace.slow_down()
        if self._pace.holds_in_a_row >= attempts:
            self.stop(pause)

    def _doubt(self, piece: Piece) -> None:
        self._count(piece, "in_doubt")
        self._doubts_in_a_row += 1
        if self._doubts_in_a_row >= self._settings.policy.pause_after_in_doubt:
            reason = f"{self._doubts_in_a_row} batches in a row got no answer that can be trusted"
            self.stop(Pause(reason, exit_code=InDoubt.exit_code))

    def _count(self, piece: Piece, state: BatchState) -> None:
        self.progress.counts[state] += piece.message_count
        self._on_progress(self.progress)


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
    Verdict.MAY_SENT: "in_doubt",
}
