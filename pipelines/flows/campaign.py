"""The flows that send: a campaign to every recipient of a file, once; and what is still to send of it.

What is sent, and that nothing is sent twice, is for the journal: a second run of a campaign that is being sent finds
its lock taken and ends at once; a run that was killed is gone on with by the next. Neither is tried again by Prefect.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field, StringConstraints

from pipelines.campaign import submit as submission
from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.submit import Submission
from pipelines.console.results import complaints, plan_as_markdown, submission_in_words
from pipelines.errors import CampaignBusy
from pipelines.flows.artifacts import Bar, show_page
from pipelines.flows.edge import now, settings_of_run
from pipelines.flows.tasks import TaskRunner, redact_errors

CampaignId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern="^[a-z0-9][a-z0-9-]{0,39}$"),
    Field(json_schema_extra={"examples": ["spring-sale"]}),
]
Source = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _name_of_run() -> str:
    given = runtime.flow_run.parameters
    what = "dry run of" if given.get("dry_run") else str(runtime.flow_run.flow_name).removesuffix("-campaign")
    return f"{what} {given.get('campaign_id')}"


@flow(
    name="submit-campaign",
    description="Sends a campaign to every recipient of a file, once. Run again after a stop, it goes on where it was.",
    flow_run_name=_name_of_run,
)
def submit_campaign(
    campaign_id: CampaignId,
    path: Source,
    content: str = "",
    template_id: str = "",
    dry_run: bool = False,
) -> State[None]:
    """Send a campaign to every recipient of a file, once.

    Args:
        campaign_id: The campaign: lower-case letters, digits and '-', such as spring-sale. Never reused.
        path: A Parquet file, a folder of them, or a glob, as the machine that sends sees it.
        content: One text for all, with its 【signature】. Empty where the file has a column content.
        template_id: One template of the vendor's for all; the texts are the file's. Usually empty.
        dry_run: Plan and show; send nothing.
    """
    request = PlanRequest(campaign_id, Path(path), content.strip() or None, template_id.strip() or None)
    if dry_run:
        return _plan(request)
    return _send(campaign_id, lambda **how: submission.submit(request, **how))


@flow(
    name="resume-campaign",
    description="Sends what is still to send of a paused or stopped campaign.",
    flow_run_name=_name_of_run,
)
def resume_campaign(campaign_id: CampaignId) -> State[None]:
    """Send what is still to send of a campaign.

    Args:
        campaign_id: The campaign to go on with.
    """
    return _send(campaign_id, lambda **how: submission.resume(campaign_id, **how))


def _plan(request: PlanRequest) -> State[None]:
    with redact_errors():
        settings = settings_of_run()
    plan, balance = TaskRunner()("plan", partial(submission.plan_only, request, settings=settings, clock=now))
    page = plan_as_markdown(plan, balance=balance, price=settings.billing.price_per_segment)
    show_page(f"plan-{request.campaign_id}", page, f"Dry run of {request.campaign_id}")
    return Completed(message=f"{plan.record.message_count:,} messages; nothing was sent")


def _send(campaign_id: str, send: Callable[..., Submission]) -> State[None]:
    with redact_errors():
        settings = settings_of_run()

    def step() -> Submission:
        with Bar("planning") as bar:
            return send(settings=settings, clock=now, on_progress=bar.sent)

    try:
        return _ended(TaskRunner()(f"send {campaign_id}", step))
    except CampaignBusy as error:
        return Cancelled(message=f"busy: {error}")


def _ended(done: Submission) -> State[None]:
    """How a submission ended, as the UI shows it: with its numbers, and what keeps it from being done."""
    message = "; ".join([submission_in_words(done), *complaints(done)])
    if done.exit_code >= 128:
        return Cancelled(message=f"stopped: {message}")
    if done.exit_code:
        return Failed(message=message)
    return Completed(message=f"paused: {message}" if done.pause else message)
