"""The daily way of the data, step by step: pull, load, reconcile, publish, alert, and all of them with one verdict.

Each step is a plain function of settings and clock, the same for the command line and for any scheduler; each can be
run again at any time. Nothing here asks, loads or counts by itself.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

from pipelines.alerts import rules, webhook
from pipelines.alerts import sent_alerts as told
from pipelines.alerts.findings import Finding
from pipelines.campaign.suppressions import land_entries
from pipelines.errors import BooksError, GatewayError, SmsreconError
from pipelines.gateway.client import GatewayClient
from pipelines.landing.landing import landing_of
from pipelines.progress import Progress, no_progress
from pipelines.pull import CALL_ATTEMPTS, Pulled, Puller, window
from pipelines.settings import Settings, require_credentials
from pipelines.times import Clock
from pipelines.warehouse import publish as publishing
from pipelines.warehouse import reconcile as reconciling
from pipelines.warehouse.database import warehouse_of
from pipelines.warehouse.loading import load as loading
from pipelines.warehouse.loading.load import LoadSummary
from pipelines.warehouse.publish import PublishSummary
from pipelines.warehouse.reconcile import ReconcileSummary

Brought = TypeVar("Brought")


class Run(Protocol):
    """Runs a step of a day under its name: here at once, in a flow as a task."""

    def __call__(self, name: str, step: Callable[[], Brought], /) -> Brought: ...


def _at_once(_: str, step: Callable[[], Brought]) -> Brought:
    return step()


@dataclass(frozen=True)
class PullSummary:
    """What was pulled: a row a day of reports, and one for the replies."""

    pulled: list[Pulled]
    balance: int | None = None  # where it was asked for, and answered

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

    def checked(self) -> "PullSummary":
        """Itself, where all came. Raises what `problem` is."""
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


@dataclass(frozen=True)
class BooksSummary:
    """What closing the books did; a step that failed is None, and a finding."""

    load: LoadSummary | None
    reconcile: ReconcileSummary | None
    publish: PublishSummary | None
    findings: list[Finding]


@dataclass(frozen=True)
class DailySummary:
    """What every step of a day did, and all that is wrong, the books first."""

    pull: PullSummary
    books: BooksSummary
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        load, reconcile = self.books.load, self.books.reconcile
        return {
            "pulled_record_count": sum(part.record_count for part in self.pull.pulled),
            "loaded_record_count": load.record_count if load else None,
            "rejected_record_count": load.rejected_count if load else None,
            "new_report_count": load.new_report_count if load else None,
            "new_reply_count": load.new_reply_count if load else None,
            "statuses": reconcile.statuses if reconcile else None,
            "is_balanced": reconcile.is_balanced if reconcile else None,
            "balance": self.pull.balance,
            "problems": [finding.message for finding in self.findings],
        }


@dataclass(frozen=True)
class BalanceSummary:
    """Segments left, whether that is too little, and what of that is news."""

    balance: int
    findings: list[Finding]
    news: list[Finding]


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
    return PullSummary(_asked(settings, clock, lambda puller: puller.reports(wanted, progress)))


def pull_replies(settings: Settings, *, clock: Clock, progress: Progress = no_progress) -> PullSummary:
    """Pull all replies that the gateway has for us into the landing."""
    pulled = _asked(settings, clock, lambda puller: puller.replies(progress))
    return PullSummary([pulled])


def read_balance(settings: Settings, *, clock: Clock, attempts: int = 1) -> int:
    """Ask for the segments left, and land the answer. Raises GatewayError where none comes that can be read."""
    return _asked(settings, clock, lambda puller: puller.balance(attempts=attempts))


def load(settings: Settings, *, progress: Progress = no_progress) -> LoadSummary:
    """Bring what is new in the landing into the warehouse, and clear away what killed processes left half-written."""
    landing = landing_of(settings)
    landing.remove_drafts()
    return loading.load(landing, warehouse_of(settings), progress=progress)


def reconcile(settings: Settings, *, as_of: datetime) -> ReconcileSummary:
    """Decide every message's status, make the marts and run the checks."""
    return reconciling.reconcile(
        warehouse_of(settings),
        as_of=as_of,
        report_window_hours=settings.policy.report_window_hours,
        hard_failures=settings.policy.hard_failures,
        price_per_segment=settings.billing.price_per_segment,
        opt_out_words=settings.policy.opt_out_words,
    )


def publish(settings: Settings, *, keep_old: bool = True) -> PublishSummary:
    """Replace what analysts open; what is old stays for who has it open, unless `keep_old` is off."""
    key = landing_of(settings).phone_hash_key()
    published = settings.published_folder
    with _readable_by_all():
        return publishing.publish(warehouse_of(settings), published, phone_hash_key=key, keep_old=keep_old)


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """Let whoever may pass the data folder read what is made meanwhile; all else that a command makes is private."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def look_at_figures(settings: Settings, *, as_of: datetime) -> list[Finding]:
    """What the rules of [alerts] find in the reconciled warehouse."""
    return rules.examine(
        warehouse_of(settings), settings.alerts, as_of=as_of, report_window_hours=settings.policy.report_window_hours
    )


def suppress(settings: Settings, *, clock: Clock, reasons: Collection[str] | None = None) -> int:
    """List who should get no more messages, for the `reasons` that policy.suppress names; returns how many are new.

    The next load brings the list into the warehouse.
    """
    with warehouse_of(settings).read() as connection:
        found = connection.sql(
            "SELECT phone, reason, since_at, FALSE AS is_removed FROM core.phones_to_suppress"
            " WHERE list_contains($reasons, reason) ORDER BY phone",
            params={"reasons": [*(settings.policy.suppress if reasons is None else reasons)]},
        ).pl()
    if not found.is_empty():
        land_entries(landing_of(settings), found, name="found", at=clock())
    return int(found.height)


def close_books(
    settings: Settings, *, clock: Clock, progress: Progress = no_progress, run: Run = _at_once
) -> BooksSummary:
    """Load, reconcile and publish, each whatever became of the one before."""
    day = _Steps(run)
    progress("loading")
    loaded = day.step("load", lambda: load(settings, progress=progress))
    progress("reconciling")
    reconciled = day.step("reconcile", lambda: reconcile(settings, as_of=clock()))
    if reconciled:
        day.step("suppress", lambda: suppress(settings, clock=clock))
    progress("publishing")
    published = day.step("publish", lambda: publish(settings))
    findings = [*day.findings, *(books_findings(reconciled) if reconciled else [])]
    return BooksSummary(loaded, reconciled, published, findings)


def daily(settings: Settings, *, clock: Clock, progress: Progress = no_progress, run: Run = _at_once) -> DailySummary:
    """All steps, each whatever the one before brought, and one verdict, of which the webhook is told."""
    day = _Steps(run)
    pulls: dict[str, PullSummary] = {}

    def keep(summary: PullSummary, kind: str) -> None:
        pulls[kind] = summary  # also where a part is missing
        summary.checked()

    day.step("pull reports", lambda: keep(pull_reports(settings, clock=clock, progress=progress), "reports"))
    day.step("pull replies", lambda: keep(pull_replies(settings, clock=clock, progress=progress), "replies"))
    balance = day.step("read balance", lambda: read_balance(settings, clock=clock, attempts=CALL_ATTEMPTS))
    books = close_books(settings, clock=clock, progress=progress, run=run)
    if books.reconcile:
        day.findings += day.step("look at figures", lambda: look_at_figures(settings, as_of=clock())) or []
    low = rules.low_balance(balance, settings.alerts) if balance is not None else []
    findings = [*books.findings, *day.findings, *low]
    if findings and settings.alerts.webhook_url.get_secret_value():
        telling = _Steps(run)
        telling.step("tell", lambda: _tell(settings, findings, at=clock()))
        findings += telling.findings
    together = [part for summary in pulls.values() for part in summary.pulled]
    return DailySummary(PullSummary(together, balance), books, findings)


def watch_balance(settings: Settings, *, clock: Clock) -> BalanceSummary:
    """Ask for the balance; of one that is too low the webhook is told once, and again after `alerts.repeat_hours`.

    Raises GatewayError where no answer comes, and AlertRaised where the webhook can't be told.
    """
    balance = read_balance(settings, clock=clock, attempts=CALL_ATTEMPTS)
    findings = rules.low_balance(balance, settings.alerts)
    with told.due_alerts(
        findings,
        rules={"low_balance"},
        path=settings.sent_alerts_path,
        at=clock(),
        repeat_hours=settings.alerts.repeat_hours,
    ) as news:
        _tell(settings, news, at=clock())
    return BalanceSummary(balance, findings, news)


def rebuild(
    settings: Settings, *, as_of: datetime, progress: Progress = no_progress
) -> tuple[LoadSummary, ReconcileSummary]:
    """Delete the warehouse and make it again from the landing alone."""
    warehouse_of(settings).delete()
    loaded = load(settings, progress=progress)
    progress("reconciling")
    return loaded, reconcile(settings, as_of=as_of)


def books_as_json(summary: ReconcileSummary) -> dict[str, Any]:
    return {**asdict(summary), "is_balanced": summary.is_balanced}


def check_findings(summary: ReconcileSummary) -> list[Finding]:
    """A finding for every check that found something."""
    return [
        Finding.of(
            "check_failed",
            BooksError(f"check {check.name}: {check.message} ({check.row_count} rows); try 'smsrecon rebuild'"),
        )
        for check in summary.failed_checks
    ]


def books_findings(summary: ReconcileSummary) -> list[Finding]:
    """What keeps the books from being closed: failed checks, and days whose reports were never pulled."""
    findings = check_findings(summary)
    if summary.missing_days:
        days = ", ".join(str(day) for day in summary.missing_days)
        error = BooksError(f"no reports were ever pulled for {days}; run 'smsrecon pull --day' for each")
        findings.append(Finding.of("day_not_pulled", error))
    return findings


class _Steps:
    """Runs steps one after the other: what fails is a finding, and keeps no other from running."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.findings: list[Finding] = []

    def step(self, name: str, step: Callable[[], Brought]) -> Brought | None:
        try:
            return self._run(name, step)
        except SmsreconError as error:
            if str(error) not in {finding.message for finding in self.findings}:  # busy is busy: said once
                self.findings.append(Finding.of(f"{name.replace(' ', '_')}_failed", error))
            return None


def _tell(settings: Settings, findings: Sequence[Finding], *, at: datetime) -> None:
    webhook.send(findings, settings.alerts, installation=settings.installation, at=at)


def _asked(settings: Settings, clock: Clock, ask: Callable[[Puller], Awaitable[Brought]]) -> Brought:
    """What the gateway answers. Raises UsageError without credentials."""
    require_credentials(settings.gateway)

    async def run() -> Brought:
        async with GatewayClient(settings.gateway) as client:
            return await ask(Puller(client, landing_of(settings), settings=settings, clock=clock))

    return asyncio.run(run())
