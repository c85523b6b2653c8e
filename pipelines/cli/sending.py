"""Commands that send: submit, resume, resolve."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipelines.cli import invocation
from pipelines.cli.exits import fail
from pipelines.cli.invocation import Json

if TYPE_CHECKING:
    from pipelines.campaign.submit import Submission


def submit(
    file: Annotated[Path, Parameter(help="A Parquet file, a folder of them, or a quoted glob.")],
    /,
    *,
    campaign: Annotated[str, Parameter(help="The campaign's id: lower-case letters, digits and '-'; never reused.")],
    content: Annotated[str | None, Parameter(help="One text for all, with its 【signature】.")] = None,
    template_id: Annotated[str | None, Parameter(help="One template for all; the texts are the file's.")] = None,
    dry_run: Annotated[bool, Parameter(show_default=False, help="Plan and show; send nothing.")] = False,
    json: Json = False,
) -> int:
    """Send a campaign to every recipient of a file, once.

    Run again after a stop, it goes on where it was; whatever may have been sent is never sent again.

    For example:

      smsrecon submit people.parquet --campaign spring --content "【公司】…" --dry-run
      smsrecon submit people.parquet --campaign spring --content "【公司】…"
      smsrecon submit 'parts/*.parquet' --campaign bills --template-id 27
    """
    from pipelines.campaign.plan import PlanRequest
    from pipelines.campaign.submit import plan_only, submit
    from pipelines.console.progress import sending, working
    from pipelines.console.results import show_plan

    settings = invocation.settings()
    request = PlanRequest(campaign, file, content, template_id)
    if dry_run:
        with working("planning"):
            plan, balance = plan_only(request, settings=settings, clock=invocation.now)
        show_plan(plan, balance=balance, price=settings.billing.price_per_segment, as_json=json)
        return 0
    with sending() as on_progress:
        submission = submit(request, settings=settings, clock=invocation.now, on_progress=on_progress)
    return _submitted(submission, as_json=json)


def resume(campaign_id: Annotated[str, Parameter(help="The campaign to go on with.")], /, *, json: Json = False) -> int:
    """Send what is still to send of a paused or stopped campaign.

    For example:

      smsrecon resume spring
    """
    from pipelines.campaign.submit import resume
    from pipelines.console.progress import sending

    with sending() as on_progress:
        submission = resume(campaign_id, settings=invocation.settings(), clock=invocation.now, on_progress=on_progress)
    return _submitted(submission, as_json=json)


def resolve(
    campaign_id: str,
    /,
    *,
    accept: Annotated[
        str | None, Parameter(help="Batches that the gateway took: their numbers with commas, or all.")
    ] = None,
    resend: Annotated[
        str | None, Parameter(help="Batches that it surely did not take: they can be sent again.")
    ] = None,
    reason: Annotated[str | None, Parameter(help="Who said so, for the journal.")] = None,
    yes: Annotated[bool, Parameter(show_default=False, help="Don't ask.")] = False,
    json: Json = False,
) -> int:
    """Show what is in doubt, and settle it by your word.

    For example:

      smsrecon resolve spring
      smsrecon resolve spring --accept all --reason "ticket 4711"
      smsrecon resolve spring --resend 0A1B2C3B00000012 --yes
    """
    from pipelines.console.progress import working
    from pipelines.console.resolve import confirm, show_decisions, show_doubts
    from pipelines.errors import InDoubt
    from pipelines.operations.resolve import decisions, doubts_of, settle

    settings = invocation.settings()
    with working("reconciling"):
        doubts = doubts_of(campaign_id, settings=settings, clock=invocation.now)
    made = decisions(doubts, accept=accept, resend=resend)
    rest = doubts.filter(~doubts["batch_num"].is_in([name for decision in made for name in decision.batch_nums]))
    if made and not doubts.is_empty():
        if not yes:
            confirm(made, is_shown=not json)
        settle(campaign_id, made, reason=reason, settings=settings, clock=invocation.now)
        show_decisions(made, rest, campaign_id, as_json=json)
    else:
        show_doubts(doubts, campaign_id, as_json=json)
    if rest.is_empty():
        return 0
    return fail(f"{rest.height} batches of {campaign_id} are in doubt", InDoubt.exit_code)


def _submitted(submission: "Submission", *, as_json: bool) -> int:
    from pipelines.console.results import complaints, show_submission

    show_submission(submission, as_json=as_json)
    for complaint in complaints(submission):
        fail(complaint, submission.exit_code)
    return submission.exit_code
