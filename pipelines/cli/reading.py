"""Commands that only read: status, report, sql."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipelines.cli import invocation
from pipelines.cli.invocation import Json, report_findings


def status(
    campaign_id: Annotated[str | None, Parameter(help="Campaign id; without it, all campaigns are listed.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Load and reconcile, then show the books of a campaign or of all.

    For example:

      smsrecon status
      smsrecon status spring --json
    """
    from pipelines.console.campaign_page import show_campaign, show_overview
    from pipelines.console.progress import working
    from pipelines.review.status import campaign_status, overview

    with working("loading and reconciling"):
        if campaign_id is None:
            all_campaigns = overview(invocation.settings(), clock=invocation.now)
        else:
            figures = campaign_status(invocation.settings(), campaign_id, clock=invocation.now)
    if campaign_id is None:
        show_overview(all_campaigns, as_json=json)
        return report_findings(all_campaigns.findings)
    show_campaign(figures, as_json=json)
    return report_findings(figures.findings)


def report(
    campaign_id: Annotated[str, Parameter(help="Campaign id.")],
    /,
    *,
    html: Annotated[Path | None, Parameter(help="Write one self-contained HTML file with charts.")] = None,
    json: Json = False,
) -> int:
    """Show a campaign from the published tables, or write it as HTML.

    For example:

      smsrecon report spring
      smsrecon report spring --html spring.html
    """
    from pipelines.console.progress import working
    from pipelines.review.figures import campaign_review, published_campaign

    settings = invocation.settings()
    if html is None:
        from pipelines.console.campaign_page import show_campaign

        with working("reading"):
            figures = published_campaign(settings.published_folder, campaign_id)
        show_campaign(figures, as_json=json)
        return report_findings(figures.findings)
    from pipelines.console.terminal import show_lines
    from pipelines.review.html import page, write

    with working("drawing"):
        review = campaign_review(
            settings.published_folder, campaign_id, min_message_count=settings.alerts.min_message_count
        )
        size = write(page(review, language=settings.review.language), html)
    show_lines({"campaign_id": campaign_id, "html": str(html), "bytes": size}, as_json=json)
    return 0


def sql(
    query: Annotated[str | None, Parameter(help="One SELECT; without it, tables and functions are listed.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Query the published tables.

    For example:

      smsrecon sql
      smsrecon sql "FROM code_breakdown WHERE responsible_party = 'vendor'"
      smsrecon sql "SELECT status, count(*) FROM messages GROUP BY status" --json
    """
    from pipelines.console.query import ask
    from pipelines.console.terminal import show_table

    show_table(ask(invocation.settings(), query).to_dicts(), as_json=json, name="rows")
    return 0
