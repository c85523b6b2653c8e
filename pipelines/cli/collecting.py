"""Commands that collect reports and replies, and close the books."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipelines.cli import invocation
from pipelines.cli.invocation import Json, Yes, report_findings


def pull(
    *,
    day: Annotated[date | None, Parameter(help="Fetch the reports of this day only (China time).")] = None,
    days: Annotated[int | None, Parameter(help="Number of days to fetch, today included.")] = None,
    json: Json = False,
) -> int:
    """Fetch reports, replies and the balance into the landing.

    For example:

      smsrecon pull
      smsrecon pull --day 2026-11-11
      smsrecon pull --days 10
    """
    from pipelines.console.progress import working
    from pipelines.console.results import show_pull
    from pipelines.operations import pulling
    from pipelines.pull import chosen_days

    wanted = chosen_days(day, days, now=invocation.now())
    with working("pulling") as progress:
        summary = pulling.pull(invocation.settings(), clock=invocation.now, days=wanted, progress=progress)
    show_pull(summary, as_json=json)
    return report_findings(summary.findings)


def load(*, json: Json = False) -> int:
    """Load new files of the landing into the warehouse."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("loading") as progress:
        summary = steps.load(invocation.settings(), progress=progress)
    show_lines(asdict(summary), as_json=json)
    return 0


def reconcile(*, json: Json = False) -> int:
    """Compute all statuses, and check that the books balance."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("reconciling"):
        summary = steps.reconcile(invocation.settings(), as_of=invocation.now())
    show_lines(steps.books_as_json(summary), as_json=json)
    return report_findings(steps.books_findings(summary))


def publish(*, json: Json = False) -> int:
    """Update the published tables: Parquet and analytics.duckdb."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("publishing"):
        summary = steps.publish(invocation.settings())
    show_lines(asdict(summary), as_json=json)
    return 0


def daily(*, json: Json = False) -> int:
    """Pull, load, reconcile, publish and raise alerts, in one run."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily_run

    with working("pulling") as progress:
        summary = daily_run.daily(invocation.settings(), clock=invocation.now, progress=progress)
    show_lines(summary.to_json(), as_json=json)
    return report_findings(summary.findings)


def balance(*, json: Json = False) -> int:
    """Show the balance in segments; raise an alert if it is low."""
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily_run

    summary = daily_run.watch_balance(invocation.settings(), clock=invocation.now)
    show_lines({"balance": summary.balance}, as_json=json)
    return report_findings(summary.findings)


def rebuild(*, json: Json = False) -> int:
    """Delete the warehouse and build it again from the landing."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("loading") as progress:
        loaded, books = steps.rebuild(invocation.settings(), as_of=invocation.now(), progress=progress)
    show_lines(asdict(loaded) | steps.books_as_json(books), as_json=json)
    return report_findings(steps.books_findings(books))


def audit(
    *,
    from_landing: Annotated[
        bool, Parameter(show_default=False, help="Load the bytes again too, and compare the loaded tables.")
    ] = False,
    json: Json = False,
) -> int:
    """Compute every table again, and compare.

    The warehouse and what is published are only read. For example:

      smsrecon audit --json
      smsrecon audit --from-landing
    """
    from pipelines.cli.exits import stopped_by_sigterm
    from pipelines.console.audit import show_audit
    from pipelines.console.progress import working
    from pipelines.operations import audit as auditing

    with stopped_by_sigterm(), working("reading") as progress:
        summary = auditing.audit(invocation.settings(), from_landing=from_landing, progress=progress)
    show_audit(summary, as_json=json)
    return report_findings(summary.findings)


def import_reports(
    file: Annotated[Path, Parameter(help="CSV, Excel or Parquet file from the vendor's console.")],
    /,
    *,
    replies: Annotated[bool, Parameter(show_default=False, help="The file holds replies, not reports.")] = False,
    mapping: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="FIELD=HEADING, separated by commas; other fields are guessed."),
    ] = (),
    yes: Yes = False,
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show the mapping; import nothing.")] = False,
    json: Json = False,
) -> int:
    """Import reports or replies from the vendor's console.

    For example:

      smsrecon import-reports export.xlsx --dry-run
      smsrecon import-reports export.csv --mapping phone=手机号,code=状态
      smsrecon import-reports replies.csv --replies --yes
    """
    from pipelines.console.import_file import confirm, show_import, show_proposal
    from pipelines.console.progress import working
    from pipelines.operations.import_file import apply_import, propose_import

    settings = invocation.settings()
    proposal = propose_import(file, "replies" if replies else "reports", mapping=mapping, clock=invocation.now)
    if dry_run or not json:
        show_proposal(proposal, as_json=json)
    if dry_run:
        return 0
    if not yes:
        confirm(is_shown=not json)
    with working("loading") as progress:
        summary = apply_import(proposal, settings=settings, progress=progress)
    show_import(summary, as_json=json)
    return 0
