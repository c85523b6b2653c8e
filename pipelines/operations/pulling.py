"""Pulling: reports, replies and the balance from the gateway into the landing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from pipelines.alerts.findings import Finding
from pipelines.errors import BooksError, GatewayError, SmsreconError
from pipelines.gateway.client import GatewayClient
from pipelines.landing.landing import landing_of
from pipelines.progress import Progress, no_progress
from pipelines.pull import Pulled, Puller, window
from pipelines.settings import Settings, require_credentials
from pipelines.times import Clock

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PullSummary:
    """Result of a pull: one entry for each day of reports, and one for the replies."""

    pulled: list[Pulled]
    balance: int | None = None  # None: not asked for, or not answered

    @property
    def problem(self) -> SmsreconError | None:
        """The gateway's error if every part failed, BooksError if some did, None if all is complete."""
        failed = [part for part in self.pulled if part.problem is not None]
        if not failed:
            return None
        if len(failed) == len(self.pulled):
            return failed[0].problem
        parts = ", ".join(str(part.day or part.kind) for part in failed)
        return BooksError(f"not pulled: {parts} ({failed[0].problem}); then run 'smsrecon pull' again")

    def checked(self) -> "PullSummary":
        """This summary. Raises `problem` if there is one."""
        if self.problem:
            raise self.problem
        return self

    @property
    def findings(self) -> list[Finding]:
        return [Finding.of("not_pulled", self.problem)] if self.problem else []

    def to_json(self) -> dict[str, Any]:
        return {
            "pulled": [
                {
                    "kind": part.kind,
                    "day": part.day,
                    "call_count": part.call_count,
                    "record_count": part.record_count,
                    "is_complete": part.is_complete,
                    "problem": None if part.problem is None else str(part.problem),
                }
                for part in self.pulled
            ],
            "balance": self.balance,
        }


def pull(
    settings: Settings, *, clock: Clock, days: Sequence[date] | None = None, progress: Progress = no_progress
) -> PullSummary:
    """Pull the reports of `days` (default: the trailing window), the replies and the balance into the landing."""
    reports = pull_reports(settings, clock=clock, days=days, progress=progress)
    replies = pull_replies(settings, clock=clock, progress=progress)
    try:
        balance = read_balance(settings, clock=clock)
    except GatewayError:  # landed like every call; the books don't need it
        balance = None
    return PullSummary([*reports.pulled, *replies.pulled], balance)


def pull_reports(
    settings: Settings, *, clock: Clock, days: Sequence[date] | None = None, progress: Progress = no_progress
) -> PullSummary:
    """Pull the reports of `days` (default: the trailing window) into the landing."""
    wanted = days or window(settings.pull.days, clock())
    return PullSummary(_ask_gateway(settings, clock, lambda puller: puller.reports(wanted, progress)))


def pull_replies(settings: Settings, *, clock: Clock, progress: Progress = no_progress) -> PullSummary:
    """Pull all replies that the gateway holds into the landing."""
    return PullSummary([_ask_gateway(settings, clock, lambda puller: puller.replies(progress))])


def read_balance(settings: Settings, *, clock: Clock, attempts: int = 1) -> int:
    """Ask for the segments left, and land the answer. Raises GatewayError if no readable answer comes."""
    return _ask_gateway(settings, clock, lambda puller: puller.balance(attempts=attempts))


def _ask_gateway(settings: Settings, clock: Clock, ask: Callable[[Puller], Awaitable[Answer]]) -> Answer:
    """Run one conversation with the gateway. Raises UsageError if the credentials are not set."""
    require_credentials(settings.gateway)

    landing = landing_of(settings)

    async def run() -> Answer:
        async with GatewayClient(settings.gateway) as client:
            return await ask(Puller(client, landing, settings=settings, clock=clock))

    try:
        return asyncio.run(run())
    finally:
        landing.put_new()
