"""All steps of a day with one verdict: pull, load, reconcile, publish and alert; and the watch over the balance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.alerts import rules, sent_alerts, webhook
from pipelines.alerts.findings import Finding
from pipelines.landing.landing import landing_of
from pipelines.operations.daily import BooksSummary, close_books, examine_figures
from pipelines.operations.pulling import PullSummary, pull_replies, pull_reports, read_balance
from pipelines.operations.steps import RunStep, Steps, call_step
from pipelines.progress import Progress, no_progress
from pipelines.pull import CALL_ATTEMPTS
from pipelines.settings import Settings
from pipelines.times import Clock


@dataclass(frozen=True)
class DailySummary:
    """Results of a day's steps, and all findings, those of the books first."""

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
    """The balance, and whether it is too low."""

    balance: int  # segments left
    findings: list[Finding]
    news: list[Finding]  # the findings that the webhook was sent now


def daily(
    settings: Settings, *, clock: Clock, progress: Progress = no_progress, run_step: RunStep = call_step
) -> DailySummary:
    """Run all steps, and send the findings of all to the webhook; a failed step doesn't stop the next ones.

    Raises UsageError for a data folder that can't be used.
    """
    landing_of(settings)
    steps = Steps(run_step)
    pulls: dict[str, PullSummary] = {}

    def keep(summary: PullSummary, kind: str) -> None:
        pulls[kind] = summary  # kept before `checked` raises
        summary.checked()

    steps.run("pull reports", lambda: keep(pull_reports(settings, clock=clock, progress=progress), "reports"))
    steps.run("pull replies", lambda: keep(pull_replies(settings, clock=clock, progress=progress), "replies"))
    balance = steps.run("read balance", lambda: read_balance(settings, clock=clock, attempts=CALL_ATTEMPTS))
    books = close_books(settings, clock=clock, progress=progress, run_step=run_step)
    if books.reconcile:
        steps.findings += steps.run("look at figures", lambda: examine_figures(settings, as_of=clock())) or []
    low = rules.low_balance(balance, settings.alerts) if balance is not None else []
    findings = [*books.findings, *steps.findings, *low]
    if findings and settings.alerts.webhook_url.get_secret_value():
        alerting = Steps(run_step)
        alerting.run("tell", lambda: _send_alerts(settings, findings, at=clock()))
        findings += alerting.findings
    pulled = [part for summary in pulls.values() for part in summary.pulled]
    return DailySummary(PullSummary(pulled, balance), books, findings)


def watch_balance(settings: Settings, *, clock: Clock) -> BalanceSummary:
    """Ask for the balance; if it is too low, alert the webhook, and again only after `alerts.repeat_hours`.

    Raises GatewayError if no readable answer comes, and AlertRaised if the webhook can't be reached.
    """
    balance = read_balance(settings, clock=clock, attempts=CALL_ATTEMPTS)
    findings = rules.low_balance(balance, settings.alerts)
    with sent_alerts.due_alerts(
        findings,
        rules={"low_balance"},
        path=settings.sent_alerts_path,
        at=clock(),
        repeat_hours=settings.alerts.repeat_hours,
    ) as news:
        _send_alerts(settings, news, at=clock())
    return BalanceSummary(balance, findings, news)


def _send_alerts(settings: Settings, findings: Sequence[Finding], *, at: datetime) -> None:
    webhook.send(findings, settings.alerts, installation=settings.installation, at=at)
