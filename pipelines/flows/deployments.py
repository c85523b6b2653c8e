"""The deployments: one for each flow, with the schedules of the settings, in China's time.

prefect.yaml declares the same deployments for a work pool, with the default schedules; a test compares the two.

A scheduled flow has one run at a time: a run that is due while the previous one still runs is cancelled, not queued.
The flows that send have no such limit: it would hold for all campaigns together, and while the server is unreachable
Prefect ends a run that holds a limit in the middle of its work. The campaign's own lock prevents a second sender.
"""

from typing import Any, Final, cast

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from pipelines.errors import UsageError
from pipelines.flows.books import audit, daily, reconcile
from pipelines.flows.campaign import resume_campaign, submit_campaign
from pipelines.flows.collect import pull_replies, pull_reports, watch_balance
from pipelines.settings import ScheduleSettings
from pipelines.times import CHINA

TAG: Final = "smsrecon"
TIMEZONE: Final = CHINA.key
ONE_AT_A_TIME: Final = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)

ON_DEMAND: Final[tuple[Flow[..., Any], ...]] = (submit_campaign, resume_campaign, pull_reports, pull_replies)
SCHEDULED: Final[dict[str, Flow[..., Any]]] = {
    "daily": daily,
    "reconcile": reconcile,
    "balance": watch_balance,
    "audit": audit,
}


def schedules(settings: ScheduleSettings) -> dict[str, str]:
    """The cron expression of each deployment by its name, empty if it runs on demand only."""
    crons = {flow.name: "" for flow in ON_DEMAND} | {
        flow.name: getattr(settings, name) for name, flow in SCHEDULED.items()
    }
    return {f"{name}/{name}": cron for name, cron in crons.items()}


def deployments(settings: ScheduleSettings) -> list[RunnerDeployment]:
    """A deployment for every flow. Raises UsageError for a schedule that is not a cron expression."""
    made = [_deployment(flow, [], None) for flow in ON_DEMAND]
    for name, flow in SCHEDULED.items():
        cron = getattr(settings, name)
        try:
            schedule = [CronSchedule(cron=cron, timezone=TIMEZONE)] if cron else []
        except ValidationError:
            raise UsageError(f"schedule.{name} is not a cron expression; write it like 30 2 * * *") from None
        made.append(_deployment(flow, schedule, ONE_AT_A_TIME))
    return made


def _deployment(
    flow: Flow[..., Any], schedule: list[CronSchedule], limit: ConcurrencyLimitConfig | None
) -> RunnerDeployment:
    return cast(  # a coroutine only inside a running event loop
        RunnerDeployment,
        flow.to_deployment(
            flow.name,
            schedules=schedule,
            description=flow.description,
            tags=[TAG],
            concurrency_limit=limit,
            entrypoint_type=EntrypointType.MODULE_PATH,
        ),
    )
