"""The flows that close the books, `reconcile` from the landing on, `daily` from the gateway on, and their `audit`."""

from collections.abc import Sequence
from datetime import datetime

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from pipelines.alerts.findings import Finding
from pipelines.errors import AlertRaised
from pipelines.flows.artifacts import ProgressArtifact, show_audit, show_books
from pipelines.flows.environment import now, run_settings
from pipelines.flows.findings import emit
from pipelines.flows.tasks import TaskRunner, redact_errors
from pipelines.operations import audit as auditing
from pipelines.operations import daily as steps
from pipelines.operations import daily_run
from pipelines.operations.daily import BooksSummary
from pipelines.settings import Settings
from pipelines.times import CHINA


def _name_with_day() -> str:
    return f"{runtime.flow_run.flow_name} {_due_at():%Y-%m-%d}"


def _name_with_hour() -> str:
    return f"{runtime.flow_run.flow_name} {_due_at():%Y-%m-%d %H:%M}"


def _due_at() -> datetime:
    due_at: datetime = runtime.flow_run.scheduled_start_time
    return due_at.astimezone(CHINA)


@flow(
    name="reconcile",
    description="Loads the landing, computes all statuses, checks that the books balance, and publishes them.",
    flow_run_name=_name_with_hour,
)
def reconcile() -> State[None]:
    with redact_errors():
        settings = run_settings()
    with ProgressArtifact("loading") as progress:
        books = steps.close_books(settings, clock=now, progress=progress, run_step=_tasks(settings))
        progress("all steps", 1.0)
    return _closed(settings, books, books.findings)


@flow(
    name="daily",
    description="Pulls reports and replies, closes the books, publishes them, and raises alerts.",
    flow_run_name=_name_with_day,
)
def daily() -> State[None]:
    with redact_errors():
        settings = run_settings()
    with ProgressArtifact("pulling") as progress:
        summary = daily_run.daily(settings, clock=now, progress=progress, run_step=_tasks(settings))
        progress("all steps", 1.0)
    return _closed(settings, summary.books, summary.findings)


@flow(
    name="audit",
    description="Computes every table again in a scratch folder, and compares what is kept and what is published.",
    flow_run_name=_name_with_day,
)
def audit() -> State[None]:
    with redact_errors():
        settings = run_settings()
    with ProgressArtifact("copying the warehouse") as progress:
        summary = _tasks(settings)("audit", lambda: auditing.audit(settings, progress=progress))
        progress("all tables", 1.0)
    show_audit(summary)
    try:
        TaskRunner()("verdict", lambda: _verdict(summary.findings))
    except AlertRaised as error:
        return Failed(message=str(error))
    return Completed(message=f"no difference: {summary.table_count} tables")


def _tasks(settings: Settings) -> TaskRunner:
    return TaskRunner(settings.schedule.retry_delays_seconds)


def _closed(settings: Settings, books: BooksSummary, findings: Sequence[Finding]) -> State[None]:
    """Show the books, and return the state of the flow run: failed if there are findings."""
    if books.reconcile is not None:
        show_books(settings, steps.check_findings(books.reconcile), as_of=now())
    try:
        TaskRunner()("verdict", lambda: _verdict(findings))
    except AlertRaised as error:
        return Failed(message=str(error))
    rows = books.reconcile.row_count if books.reconcile else 0
    reports = books.load.new_report_count if books.load else 0
    return Completed(message=f"balanced: {rows:,} rows; new reports: {reports:,}")


def _verdict(findings: Sequence[Finding]) -> None:
    emit(findings)
    if findings:
        raise AlertRaised("; ".join(finding.message for finding in findings))
