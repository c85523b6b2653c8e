"""A submission: takes the campaign's lock, plans, checks the balance, sends, and counts the result."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from pipelines.campaign.high_water import HighWater, Mark, refuse_older_journal
from pipelines.campaign.holding import campaign_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.late_suppressions import LateSuppressions
from pipelines.campaign.plan import (
    Plan,
    PlanFile,
    PlanRequest,
    check_campaign_id,
    make_plan,
    planned_campaign,
    read_plan,
)
from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.sender import Pause, Sender, SendProgress
from pipelines.campaign.unsent_ranges import doubts_to_repeat, unsent_ranges
from pipelines.errors import GatewayError, GatewayRefused, InDoubt, UsageError
from pipelines.gateway.client import GatewayClient
from pipelines.gateway.codes import Verdict, verdict
from pipelines.landing.data_folder import check_data_folder
from pipelines.landing.landing import Landing, landing_of
from pipelines.pull import CALL_ATTEMPTS, Puller
from pipelines.settings import Settings, require_credentials
from pipelines.times import Clock

OnProgress = Callable[[SendProgress], None]


@dataclass(frozen=True)
class Submission:
    """Result of a submission; counts are messages of this run only."""

    plan: Plan
    progress: SendProgress
    pause: Pause | None
    in_doubt_batch_count: int  # of the whole campaign, with earlier runs
    refused_batch_count: int  # of this run, refused for an error in the request

    @property
    def exit_code(self) -> int:
        """The highest that applies: 128 + signal, 13 in doubt, 12 or 11 for the pause, 11 for refused batches, or 0."""
        return max(
            self.pause.exit_code if self.pause else 0,
            InDoubt.exit_code if self.in_doubt_batch_count else 0,
            GatewayRefused.exit_code if self.refused_batch_count else 0,
        )


def plan_only(
    request: PlanRequest, *, settings: Settings, clock: Clock, accept_unreadable: bool = False
) -> tuple[Plan, int | None]:
    """The plan that `submit` would send, and the balance, or None if it can't be read. Writes no plan, sends nothing.

    Raises InputRefused and UsageError.
    """
    check_data_folder(settings.data_dir)
    landing = landing_of(settings)
    refuse_older_journal(landing)
    plan = make_plan(
        request,
        landing=landing,
        settings=settings,
        at=clock(),
        is_dry_run=True,
        accept_unreadable=accept_unreadable,
    )

    async def ask() -> int:
        async with GatewayClient(settings.gateway) as client:
            return await Puller(client, landing, settings=settings, clock=clock).balance()

    try:
        require_credentials(settings.gateway)
        return plan, asyncio.run(ask())
    except (UsageError, GatewayError):
        return plan, None


def submit(
    request: PlanRequest,
    *,
    settings: Settings,
    clock: Clock,
    on_progress: OnProgress = lambda _: None,
    rate_limiter: RateLimiter | None = None,
    accept_unreadable: bool = False,
) -> Submission:
    """Plan a campaign unless it has a plan, and send the messages that are still to be sent.

    `rate_limiter` replaces that of the settings. With `accept_unreadable`, entries of suppression lists that are no
    phones do not stop the sending. Raises InputRefused, UsageError, CampaignBusy, BooksError if the journal isn't
    the newest one, and GatewayError if the gateway can't be reached or refuses before the first message is sent.
    """
    require_credentials(settings.gateway)
    check_campaign_id(request.campaign_id)
    check_data_folder(settings.data_dir)
    landing = landing_of(settings)
    with campaign_lock(landing, request.campaign_id):
        refuse_older_journal(landing)
        plan = make_plan(request, landing=landing, settings=settings, at=clock(), accept_unreadable=accept_unreadable)
        return _send(
            plan,
            landing=landing,
            settings=settings,
            clock=clock,
            on_progress=on_progress,
            rate_limiter=rate_limiter,
            accept_unreadable=accept_unreadable,
        )


def resume(
    campaign_id: str,
    *,
    settings: Settings,
    clock: Clock,
    on_progress: OnProgress = lambda _: None,
    rate_limiter: RateLimiter | None = None,
    accept_unreadable: bool = False,
) -> Submission:
    """Send the messages of a planned campaign that are still to be sent. Raises as `submit` does."""
    require_credentials(settings.gateway)
    landing = landing_of(settings)
    landing.catch_up()
    refuse_older_journal(landing)
    record = planned_campaign(campaign_id, landing)
    with campaign_lock(landing, campaign_id):
        landing.campaigns.refuse_purged(campaign_id)
        plan = read_plan(record, landing)
        return _send(
            plan,
            landing=landing,
            settings=settings,
            clock=clock,
            on_progress=on_progress,
            rate_limiter=rate_limiter,
            accept_unreadable=accept_unreadable,
        )


def _send(
    plan: Plan,
    *,
    landing: Landing,
    settings: Settings,
    clock: Clock,
    on_progress: OnProgress,
    rate_limiter: RateLimiter | None,
    accept_unreadable: bool,
) -> Submission:
    """Send the ranges that the journal has as unsent. The caller holds the campaign's lock."""
    campaign_id = plan.record.campaign_id
    file = PlanFile(landing.campaigns.plan_path(campaign_id))

    async def run() -> Sender:
        async with GatewayClient(settings.gateway) as client:
            if waiting:
                puller = Puller(client, landing, settings=settings, clock=clock)
                ranges = ((send_range.first_position, send_range.last_position) for send_range in waiting)
                _check_balance(await puller.balance(attempts=CALL_ATTEMPTS), file.segment_count(ranges))
            sender = Sender(
                plan.record,
                file,
                waiting,
                journal=journal,
                client=client,
                mark=mark,
                late_suppressions=LateSuppressions(landing, file, accept_unreadable=accept_unreadable),
                settings=settings,
                clock=clock,
                on_progress=on_progress,
                rate_limiter=rate_limiter,
            )
            with _stopped_by_signal(sender):
                await sender.run()
            return sender

    with ExitStack() as opened:
        journal = opened.enter_context(Journal.open(landing.journal))
        journal.take_over(campaign_id)
        journal.doubt_unanswered(campaign_id, at=clock())
        known = journal.batches(campaign_id)
        mark = opened.enter_context(Mark.open(landing, campaign_id, at_least=HighWater.of(known)))
        waiting = unsent_ranges(file.batches(), known)
        if settings.policy.in_doubt == "same_batch_num":
            waiting += doubts_to_repeat(known)
        sender = asyncio.run(run())
        batches = journal.batches(campaign_id)
    return Submission(
        plan=plan,
        progress=sender.progress,
        pause=sender.pause,
        in_doubt_batch_count=sum(batch.state == "in_doubt" for batch in batches),
        refused_batch_count=sum(
            batch.state == "refused" and verdict(batch.error_code or "") is Verdict.REFUSED
            for batch in batches[len(known) :]
        ),
    )


def _check_balance(balance: int, segment_count: int) -> None:
    if balance < segment_count:
        raise GatewayRefused(
            f"the balance is {balance:,} segments and {segment_count:,} are to be sent; top up, then submit again",
            error_code="100009",
        )


@contextmanager
def _stopped_by_signal(sender: Sender) -> Iterator[None]:
    """Stop the sender at the first Ctrl-C or SIGTERM; a second one has its usual effect."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield
        return
    loop = asyncio.get_running_loop()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: FrameType | None) -> None:
        received = signal.Signals(number)
        signal.signal(received, before[received])
        pause = Pause(f"stopped by {received.name}", exit_code=128 + received)
        loop.call_soon_threadsafe(sender.stop, pause)  # a signal can interrupt any statement

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
