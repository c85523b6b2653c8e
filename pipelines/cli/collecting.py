"""Commands that collect what comes back and close the books: pull to publish, and daily."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipelines.cli import invocation
from pipelines.cli.invocation import Json, verdict


def pull(
    *,
    day: Annotated[date | None, Parameter(help="Only this day, in China's time.")] = None,
    days: Annotated[int | None, Parameter(help="Today and the days before it, so many in all.")] = None,
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
    from pipelines.operations import daily as steps
    from pipelines.pull import chosen_days

    wanted = chosen_days(day, days, now=invocation.now())
    with working("pulling") as tell:
        summary = steps.pull(invocation.settings(), clock=invocation.now, days=wanted, tell=tell)
    show_pull(summary, as_json=json)
    return verdict(summary.findings)


def load(*, json: Json = False) -> int:
    """Bring what is new in the landing into the warehouse."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("loading") as tell:
        summary = steps.load(invocation.settings(), tell=tell)
    show_lines(asdict(summary), as_json=json)
    return 0


def reconcile(*, json: Json = False) -> int:
    """Decide every message's status and check that the books balance."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("reconciling"):
        summary = steps.reconcile(invocation.settings(), as_of=invocation.now())
    show_lines(steps.books_as_json(summary), as_json=json)
    return verdict(steps.books_findings(summary))


def publish(*, json: Json = False) -> int:
    """Replace what analysts open: Parquet and analytics.duckdb."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("publishing"):
        summary = steps.publish(invocation.settings())
    show_lines(asdict(summary), as_json=json)
    return 0


def daily(*, json: Json = False) -> int:
    """Pull, load, reconcile, publish and alert, with one verdict."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("pulling") as tell:
        summary = steps.daily(invocation.settings(), clock=invocation.now, tell=tell)
    show_lines(summary.to_json(), as_json=json)
    return verdict(summary.findings)


def balance(*, json: Json = False) -> int:
    """Ask how many segments are left, and alert if too few."""
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    summary = steps.watch_balance(invocation.settings(), clock=invocation.now)
    show_lines({"balance": summary.balance}, as_json=json)
    return verdict(summary.findings)


def rebuild(*, json: Json = False) -> int:
    """Make the warehouse again, from the landing alone."""
    from pipelines.console.progress import working
    from pipelines.console.terminal import show_lines
    from pipelines.operations import daily as steps

    with working("loading") as tell:
        loaded, books = steps.rebuild(invocation.settings(), as_of=invocation.now(), tell=tell)
    show_lines(asdict(loaded) | steps.books_as_json(books), as_json=json)
    return verdict(steps.books_findings(books))


def import_reports(
    file: Annotated[Path, Parameter(help="A CSV, Excel or Parquet file from the vendor's console.")],
    /,
    *,
    replies: Annotated[bool, Parameter(show_default=False, help="It holds replies, not reports.")] = False,
    mapping: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="FIELD=HEADING, several with commas; what is not said is guessed."),
    ] = (),
    yes: Annotated[bool, Parameter(show_default=False, help="The mapping is right; don't ask.")] = False,
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show the mapping; import nothing.")] = False,
    json: Json = False,
) -> int:
    """Take in reports exported from the vendor's console.

    For example:

      smsrecon import-reports export.xlsx --dry-run
      smsrecon import-reports export.csv --mapping phone=手机号,code=状态
      smsrecon import-reports replies.csv --replies --yes
    """
    from pipelines.console.import_file import confirm, show_import, show_proposal
    from pipelines.console.progress import working
    from pipelines.operations.import_file import apply_import, propose_import

    settings = invocation.settings()
    proposal = propose_import(file, "replies" if replies else "reports", told=mapping, clock=invocation.now)
    if dry_run or not json:
        show_proposal(proposal, as_json=json)
    if dry_run:
        return 0
    if not yes:
        confirm(is_shown=not json)
    with working("loading") as tell:
        summary = apply_import(proposal, settings=settings, tell=tell)
    show_import(summary, as_json=json)
    return 0
