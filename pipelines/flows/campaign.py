"""The flows that send: a campaign to every recipient of a file, once, and the rest of a stopped campaign.

The journal and the campaign's lock, not Prefect, prevent sending twice: a second run of a campaign that is being sent
finds the lock taken and ends at once; the next run continues one that was killed. Prefect retries neither.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field, StringConstraints

from pipelines.campaign import submit as submission
from pipelines.campaign.input_address import Address, input_source
from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.submit import Submission
from pipelines.console.results import complaints, plan_as_markdown, submission_in_words
from pipelines.errors import CampaignBusy, InputRefused
from pipelines.flows.artifacts import ProgressArtifact, show_page
from pipelines.flows.environment import now, run_settings
from pipelines.flows.tasks import TaskRunner, redact_errors

CampaignId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern="^[a-z0-9][a-z0-9-]{0,39}$"),
    Field(json_schema_extra={"examples": ["spring-sale"]}),
]
Source = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    # Prefect refuses others before it stores them: the query of a pre-signed address is a secret. Of addresses only.
    Field(json_schema_extra={"pattern": r"^(?![A-Za-z][A-Za-z0-9+.\-]+://([^/]*@|[^?#]*[?#]))"}),
]


def _name_of_run() -> str:
    given = runtime.flow_run.parameters
    what = "dry run of" if given.get("dry_run") else str(runtime.flow_run.flow_name).removesuffix("-campaign")
    return f"{what} {given.get('campaign_id')}"


@flow(
    name="submit-campaign",
    description="Sends a campaign to every recipient of a file, once. Run it again after a stop to continue.",
    flow_run_name=_name_of_run,
)
def submit_campaign(
    campaign_id: CampaignId,
    path: Source,
    content: str = "",
    template_id: str = "",
    dry_run: bool = False,
    *,
    accept_unreadable: bool = False,
) -> State[None]:
    """Send a campaign to every recipient of a file, once.

    Args:
        campaign_id: New campaign id: lower-case letters, digits and '-', such as spring-sale.
        path: Parquet file, folder or glob on the machine that sends, or an s3:// or https:// address without query.
        content: Text for all recipients, with its 【signature】. Empty if the file has a column content.
        template_id: Template of the vendor for all recipients; the file has the texts. Usually empty.
        dry_run: Show the plan; send nothing.
        accept_unreadable: Send even if suppression lists have entries that are no phones.
    """
    with redact_errors():
        source = input_source(path)
        if isinstance(source, Address) and source.has_secret_parts:
            raise InputRefused(
                f"{source}: was given with a user, a password or a query, which Prefect would store; give s3://… with"
                " credentials in the worker's environment, or use the command 'smsrecon submit'"
            )
    request = PlanRequest(campaign_id, source, content.strip() or None, template_id.strip() or None)
    if dry_run:
        return _plan(request, accept_unreadable=accept_unreadable)
    return _send(campaign_id, partial(submission.submit, request, accept_unreadable=accept_unreadable))


@flow(
    name="resume-campaign",
    description="Sends the rest of a paused or stopped campaign.",
    flow_run_name=_name_of_run,
)
def resume_campaign(campaign_id: CampaignId, *, accept_unreadable: bool = False) -> State[None]:
    """Send the rest of a paused or stopped campaign.

    Args:
        campaign_id: Campaign id.
        accept_unreadable: Send even if suppression lists have entries that are no phones.
    """
    return _send(campaign_id, partial(submission.resume, campaign_id, accept_unreadable=accept_unreadable))


def _plan(request: PlanRequest, *, accept_unreadable: bool) -> State[None]:
    with redact_errors():
        settings = run_settings()
    plan, balance = TaskRunner()(
        "plan",
        partial(submission.plan_only, request, settings=settings, clock=now, accept_unreadable=accept_unreadable),
    )
    page = plan_as_markdown(plan, balance=balance, price=settings.billing.price_per_segment)
    show_page(f"plan-{request.campaign_id}", page, f"Dry run of {request.campaign_id}")
    return Completed(message=f"{plan.record.message_count:,} messages; nothing was sent")


def _send(campaign_id: str, send: Callable[..., Submission]) -> State[None]:
    with redact_errors():
        settings = run_settings()

    def step() -> Submission:
        with ProgressArtifact("planning") as progress:
            return send(settings=settings, clock=now, on_progress=progress.show_sending)

    try:
        return _state_of(TaskRunner()(f"send {campaign_id}", step))
    except CampaignBusy as error:
        return Cancelled(message=f"busy: {error}")


def _state_of(done: Submission) -> State[None]:
    """The state of the flow run for a submission, with its numbers and open problems as the message."""
    message = "; ".join([submission_in_words(done), *complaints(done)])
    if done.exit_code >= 128:
        return Cancelled(message=f"stopped: {message}")
    if done.exit_code:
        return Failed(message=message)
    return Completed(message=f"paused: {message}" if done.pause else message)
