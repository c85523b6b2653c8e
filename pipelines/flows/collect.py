"""The flows that query the gateway for reports, replies and the balance."""

from collections.abc import Callable
from datetime import date
from typing import Annotated

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from pipelines.flows.artifacts import ProgressArtifact
from pipelines.flows.environment import now, run_settings
from pipelines.flows.findings import emit
from pipelines.flows.tasks import TaskRunner, redact_errors
from pipelines.operations import daily_run, pulling
from pipelines.operations.pulling import PullSummary
from pipelines.progress import Progress
from pipelines.pull import chosen_days
from pipelines.settings import Settings

Days = Annotated[int, Field(ge=1)]


def _name_of_run() -> str:
    given = runtime.flow_run.parameters
    days = f"{given['days']} days" if given.get("days") else "the window"
    return f"pull reports of {given.get('day') or days}"


@flow(
    name="pull-reports",
    description="Fetches the delivery reports of one day, or of a window of days, into the landing.",
    flow_run_name=_name_of_run,
)
def pull_reports(day: date | None = None, days: Days | None = None) -> State[None]:
    """Fetch delivery reports into the landing.

    Args:
        day: Fetch the reports of this day only (China time).
        days: Number of days to fetch, today included. If both are empty, pull.days is the number.
    """
    with redact_errors():
        wanted = chosen_days(day, days, now=now())
    return _pulled(
        "pull reports",
        lambda settings, progress: pulling.pull_reports(settings, clock=now, days=wanted, progress=progress),
    )


@flow(
    name="pull-replies",
    description="Fetches the replies that are waiting at the gateway into the landing.",
    flow_run_name="pull replies",
)
def pull_replies() -> State[None]:
    return _pulled(
        "pull replies", lambda settings, progress: pulling.pull_replies(settings, clock=now, progress=progress)
    )


@flow(
    name="watch-balance",
    description="Queries the balance, and raises an alert when it is below alerts.min_balance.",
    flow_run_name="watch balance",
)
def watch_balance() -> State[None]:
    with redact_errors():
        settings = run_settings()
    summary = TaskRunner()("read balance", lambda: daily_run.watch_balance(settings, clock=now))
    emit(summary.news)
    message = f"{summary.balance:,} segments left"
    if summary.news:
        return Failed(message="; ".join(finding.message for finding in summary.news))
    return Completed(message=f"still low: {message}" if summary.findings else message)


def _pulled(name: str, pull: Callable[[Settings, Progress], PullSummary]) -> State[None]:
    with redact_errors():
        settings = run_settings()

    def step() -> PullSummary:
        with ProgressArtifact(name) as progress:
            summary = pull(settings, progress)
            progress("all that was asked for", 1.0)
            return summary.checked()

    summary = TaskRunner(settings.schedule.retry_delays_seconds)(name, step)
    return Completed(message=f"{sum(part.record_count for part in summary.pulled):,} records")
