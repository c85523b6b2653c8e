"""The daily way of the data, step by step: pull, load, reconcile, publish, and all of them with one verdict.

Each step is a plain function of settings and clock, the same for the command line and for any scheduler; each can be
run again at any time. Nothing here asks, loads or counts by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from pipelines.errors import BooksError, GatewayError, InDoubt, SmsreconError
from pipelines.gateway.client import GatewayClient
from pipelines.landing import Landing
from pipelines.pull import Clock, Pulled, Puller, window
from pipelines.settings import Settings, require_credentials
from pipelines.warehouse import load as loading
from pipelines.warehouse import publish as publishing
from pipelines.warehouse import reconcile as reconciling
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.load import LoadSummary
from pipelines.warehouse.publish import PublishSummary
from pipelines.warehouse.reconcile import ReconcileSummary

Tell = Callable[[str], None]  # is told what is being done, for whoever looks on


def _nobody(_: str) -> None:
    """Whom to tell where nobody looks on."""


@dataclass(frozen=True)
class PullSummary:
    """What was pulled: a row a day of reports, one for the replies, and the balance, None if it was not to be had."""

    pulled: list[Pulled]
    balance: int | None

    @property
    def problem(self) -> SmsreconError | None:
        """What is wrong: the gateway's own error if nothing came, missing data if a part did."""
        failed = [part for part in self.pulled if part.problem is not None]
        if not failed:
            return None
        if len(failed) == len(self.pulled):
            return failed[0].problem
        parts = ", ".join(str(part.day or part.kind) for part in failed)
        return BooksError(f"not pulled: {parts} ({failed[0].problem}); then run 'smsrecon pull' again")

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


@dataclass(frozen=True)
class DailySummary:
    """What every step of a day did; `problems` are in the order of their weight."""

    pull: PullSummary | None
    load: LoadSummary
    reconcile: ReconcileSummary
    publish: PublishSummary
    problems: list[SmsreconError]

    def to_json(self) -> dict[str, Any]:
        pulled = self.pull.pulled if self.pull else []
        return {
            "pulled_record_count": sum(part.record_count for part in pulled),
            "loaded_record_count": self.load.record_count,
            "rejected_record_count": self.load.rejected_count,
            "new_report_count": self.load.new_report_count,
            "new_reply_count": self.load.new_reply_count,
            "statuses": self.reconcile.statuses,
            "is_balanced": self.reconcile.is_balanced,
            "balance": self.pull.balance if self.pull else None,
            "problems": [str(problem) for problem in self.problems],
        }


def landing_of(settings: Settings) -> Landing:
    return Landing(settings.data_dir / "landing")


def warehouse_of(settings: Settings) -> Warehouse:
    return Warehouse(settings.data_dir / "warehouse.duckdb", settings.warehouse)


def pull(
    settings: Settings,
    *,
    clock: Clock,
    days: Sequence[date] | None = None,
    tell: Tell = _nobody,
) -> PullSummary:
    """Pull the reports of `days` (default: the trailing window), the replies and the balance into the landing."""
    require_credentials(settings.gateway)

    def on_progress(pulled: Pulled) -> None:
        what = f"reports of {pulled.day}" if pulled.day else pulled.kind
        tell(f"{what}: {pulled.record_count:,} records in {pulled.call_count} calls")

    async def run() -> PullSummary:
        async with GatewayClient(settings.gateway) as client:
            puller = Puller(client, landing_of(settings), settings=settings, clock=clock)
            pulled = await puller.reports(days or window(settings.pull.days, clock()), on_progress)
            pulled.append(await puller.replies(on_progress))
            try:
                balance = await puller.balance()
            except GatewayError:  # landed like every call; the day's books don't need it
                balance = None
            return PullSummary(pulled, balance)

    return asyncio.run(run())


def load(settings: Settings, *, tell: Tell = _nobody) -> LoadSummary:
    """Bring what is new in the landing into the warehouse."""
    return loading.load(
        landing_of(settings),
        warehouse_of(settings),
        progress=lambda done, total: tell(f"loading: {done:,} of {total:,} files"),
    )


def reconcile(settings: Settings, *, as_of: datetime) -> ReconcileSummary:
    """Decide every message's status, make the marts and run the checks."""
    return reconciling.reconcile(
        warehouse_of(settings),
        as_of=as_of,
        report_window_hours=settings.policy.report_window_hours,
        price_per_segment=settings.billing.price_per_segment,
    )


def publish(settings: Settings) -> PublishSummary:
    """Replace what analysts open."""
    key = landing_of(settings).phone_hash_key()
    return publishing.publish(warehouse_of(settings), settings.data_dir / "published", phone_hash_key=key)


def daily(settings: Settings, *, clock: Clock, tell: Tell = _nobody) -> DailySummary:
    """All steps, each whatever the one before brought, and one verdict."""
    problems: list[SmsreconError] = []
    pulled = None
    try:
        pulled = pull(settings, clock=clock, tell=tell)
    except SmsreconError as error:
        problems.append(error)
    else:
        if pulled.problem is not None:
            problems.append(pulled.problem)
    tell("loading")
    loaded = load(settings, tell=tell)
    tell("reconciling")
    reconciled = reconcile(settings, as_of=clock())
    tell("publishing")
    published = publish(settings)
    problems = [*books_problems(reconciled), *problems]
    in_doubt = reconciled.statuses.get("in_doubt", 0)
    if in_doubt:
        problems.append(
            InDoubt(f"{in_doubt:,} messages may have been sent and no report has settled that; see 'smsrecon status'")
        )
    return DailySummary(pulled, loaded, reconciled, published, problems)


def rebuild(settings: Settings, *, as_of: datetime, tell: Tell = _nobody) -> tuple[LoadSummary, ReconcileSummary]:
    """Delete the warehouse and make it again from the landing alone."""
    warehouse_of(settings).delete()
    loaded = load(settings, tell=tell)
    tell("reconciling")
    return loaded, reconcile(settings, as_of=as_of)


def books_as_json(summary: ReconcileSummary) -> dict[str, Any]:
    return {**asdict(summary), "is_balanced": summary.is_balanced}


def check_problems(summary: ReconcileSummary) -> list[BooksError]:
    """An error for every check that found something."""
    return [
        BooksError(f"check {check.name}: {check.message} ({check.row_count} rows); try 'smsrecon rebuild'")
        for check in summary.failed_checks
    ]


def books_problems(summary: ReconcileSummary) -> list[SmsreconError]:
    """What keeps the books from being closed: failed checks, and days whose reports were never pulled."""
    problems: list[SmsreconError] = [*check_problems(summary)]
    if summary.missing_days:
        days = ", ".join(str(day) for day in summary.missing_days)
        problems.append(BooksError(f"no reports were ever pulled for {days}; run 'smsrecon pull --day' for each"))
    return problems
