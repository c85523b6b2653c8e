"""Commands that send: submit, resume, resolve, and the repair of the journal."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from pipelines.cli import invocation
from pipelines.cli.exits import fail
from pipelines.cli.invocation import Json, Yes, report_findings

if TYPE_CHECKING:
    from pipelines.campaign.submit import Submission

AcceptUnreadable = Annotated[
    bool, Parameter(show_default=False, help="Send even if suppression lists have entries that are no phones.")
]


def submit(
    file: Annotated[
        str, Parameter(help="Parquet file, folder of Parquet files, or quoted glob; also s3://… or https://….")
    ],
    /,
    *,
    campaign: Annotated[str, Parameter(help="New campaign id: lower-case letters, digits and '-'.")],
    content: Annotated[str | None, Parameter(help="Text for all recipients, with its 【signature】.")] = None,
    template_id: Annotated[str | None, Parameter(help="Template for all recipients; the file has the texts.")] = None,
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show the plan; send nothing.")] = False,
    accept_unreadable: AcceptUnreadable = False,
    json: Json = False,
) -> int:
    """Send a campaign to every recipient of a file, once.

    After a stop, run the same command again to continue. A message that may have
    been sent is never sent again.

    For example:

      smsrecon submit list.parquet --campaign spring --content "【云】…" --dry-run
      smsrecon submit list.parquet --campaign spring --content "【云】…"
      smsrecon submit s3://lists/spring/ --campaign spring
      smsrecon submit 'parts/*.parquet' --campaign bills --template-id 27
    """
    from pipelines.campaign.input_address import input_source
    from pipelines.campaign.plan import PlanRequest
    from pipelines.campaign.submit import plan_only, submit
    from pipelines.console.progress import sending, working
    from pipelines.console.results import show_plan

    settings = invocation.settings()
    request = PlanRequest(campaign, input_source(file), content, template_id)
    if dry_run:
        with working("planning"):
            plan, balance = plan_only(
                request, settings=settings, clock=invocation.now, accept_unreadable=accept_unreadable
            )
        show_plan(plan, balance=balance, price=settings.billing.price_per_segment, as_json=json)
        return 0
    with sending() as on_progress:
        submission = submit(
            request,
            settings=settings,
            clock=invocation.now,
            on_progress=on_progress,
            accept_unreadable=accept_unreadable,
        )
    return _submitted(submission, as_json=json)


def resume(
    campaign_id: Annotated[str, Parameter(help="Campaign id.")],
    /,
    *,
    accept_unreadable: AcceptUnreadable = False,
    json: Json = False,
) -> int:
    """Send the rest of a paused or stopped campaign.

    For example:

      smsrecon resume spring
    """
    from pipelines.campaign.submit import resume
    from pipelines.console.progress import sending

    with sending() as on_progress:
        submission = resume(
            campaign_id,
            settings=invocation.settings(),
            clock=invocation.now,
            on_progress=on_progress,
            accept_unreadable=accept_unreadable,
        )
    return _submitted(submission, as_json=json)


def resolve(
    campaign_id: Annotated[str, Parameter(help="Campaign id.")],
    /,
    *,
    accept: Annotated[
        str | None, Parameter(help="Batches that the gateway accepted: batch numbers with commas, or all.")
    ] = None,
    resend: Annotated[
        str | None, Parameter(help="Batches that the gateway did not accept; 'smsrecon resume' sends them again.")
    ] = None,
    reason: Annotated[str | None, Parameter(help="Reason for the decision, kept in the journal.")] = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """List the batches in doubt of a campaign, or settle them.

    For example:

      smsrecon resolve spring
      smsrecon resolve spring --accept all --reason "ticket 4711"
      smsrecon resolve spring --resend 0A1B2C3B00000012 --yes
    """
    from pipelines.console.progress import working
    from pipelines.console.resolve import confirm, show_decisions, show_doubts
    from pipelines.errors import InDoubt
    from pipelines.operations.resolve import apply_decisions, doubtful_batches, parse_decisions

    settings = invocation.settings()
    with working("reconciling"):
        doubts = doubtful_batches(campaign_id, settings=settings, clock=invocation.now)
    decisions = parse_decisions(doubts, accept=accept, resend=resend)
    rest = doubts.filter(~doubts["batch_num"].is_in([name for decision in decisions for name in decision.batch_nums]))
    if decisions and not doubts.is_empty():
        if not yes:
            confirm(decisions, is_shown=not json)
        apply_decisions(campaign_id, decisions, reason=reason, settings=settings, clock=invocation.now)
        show_decisions(decisions, rest, campaign_id, as_json=json)
    else:
        show_doubts(doubts, campaign_id, as_json=json)
    if rest.is_empty():
        return 0
    return fail(
        f"{rest.height} batches of {campaign_id} are in doubt; run 'smsrecon daily' later, which brings reports, or"
        " settle them with --accept or --resend",
        InDoubt.exit_code,
    )


journal = App(
    name="journal",
    help="""Repair a journal that is older than what was sent.

For example:

  smsrecon journal repair --dry-run""",
)


@journal.command(name="repair")
def journal_repair(
    *,
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show the events; write nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Write to the journal what it has lost, so that nothing is sent again.

    Batches come back from the warehouse and from delivery reports. All other
    messages that may have been sent are put in doubt. Restore the newest copy of
    the journal instead, if there is one.

    For example:

      smsrecon journal repair --dry-run
    """
    from pipelines.console.journal_repair import confirm_repair, show_repair
    from pipelines.console.progress import working
    from pipelines.errors import InDoubt
    from pipelines.operations.daily import check_findings
    from pipelines.operations.journal_repair import apply_repair, plan_repair

    settings = invocation.settings()
    with working("loading") as progress:
        found = plan_repair(settings, progress=progress)
    is_to_be_done = found.is_needed and not dry_run
    if not json:
        show_repair(found, is_done=is_to_be_done, as_json=False)
    code = 0
    if is_to_be_done:
        if not yes:
            confirm_repair(found, is_shown=not json)
        with working("rebuilding") as progress:
            books = apply_repair(found, settings=settings, clock=invocation.now, progress=progress)
        code = report_findings(check_findings(books))
    if json:
        show_repair(found, is_done=is_to_be_done, as_json=True)
    if is_to_be_done and found.doubt_count:
        return fail(
            f"{found.doubt_count} batches are in doubt; see 'smsrecon resolve ID' for each of these campaigns",
            InDoubt.exit_code,
        )
    return code


def _submitted(submission: "Submission", *, as_json: bool) -> int:
    from pipelines.console.results import complaints, show_submission

    show_submission(submission, as_json=as_json)
    for complaint in complaints(submission):
        fail(complaint, submission.exit_code)
    return submission.exit_code
