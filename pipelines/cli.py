"""The command line: one short function a command, no logic.

Results go to standard output, as tables or with --json as one object; progress and errors go to standard error. The
imports are inside the functions, so that --help answers at once.
"""
# ruff: noqa: PLC0415

import logging
import os
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from pipelines import __version__
from pipelines.exits import ended_by, fail, prepare_output, tell

if TYPE_CHECKING:
    from pipelines.alerts.findings import Finding
    from pipelines.campaign.submit import Submission
    from pipelines.settings import Settings

app = App(
    name="smsrecon",
    help="Sends SMS campaigns from Parquet files, collects what comes back, and closes the books.",
    help_epilogue="""Exit codes
   0  done and balanced            12  the gateway is unavailable
   2  usage                        13  something is in doubt
  10  the input was refused        14  books don't balance, or data missing
  11  the gateway refused          15  busy: another process is at it
                                  16  an alert: a figure crossed a bound
What went wrong is a line on standard error, with the next step.""",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=()),
)

Json = Annotated[
    bool, Parameter(name="--json", show_default=False, help="One JSON object on standard output, nothing else there.")
]
_config: Path | None = None

_WHERE_TO_LOOK = """
Where to look next
  smsrecon --config {folder}/smsrecon.toml status
  smsrecon --config {folder}/smsrecon.toml sql "FROM code_breakdown"
  {folder}/data/published/analytics.duckdb  for DuckDB, DBeaver, notebooks
  {folder}/data/published/messages          the messages as Parquet, phones masked"""


def main() -> None:
    """The entry point: runs a command and ends with its exit code."""
    prepare_output()
    os.umask(0o077)  # what a command makes is for its owner alone, also what DuckDB and SQLite make by themselves
    logging.getLogger("stamina").addHandler(logging.NullHandler())  # a retry is no news
    try:
        code = app.meta(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  what is not foreseen is raised again
        code = ended_by(error)
    sys.exit(code or 0)


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="The configuration to use instead of ./smsrecon.toml.")] = None,
) -> int | None:
    global _config  # noqa: PLW0603  one process, one configuration
    _config = config
    code: int | None = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return code


@app.command(sort_key=1)
def demo(
    *,
    recipients: Annotated[int, Parameter(help="Rows of the input file.")] = 20_000,
    folder: Annotated[
        Path, Parameter(name="--dir", help="Where everything is written; an earlier demo there is replaced.")
    ] = Path("demo"),
    json: Json = False,
) -> int:
    """Play the whole story offline, against a sandbox gateway.

    For example:

      smsrecon demo
      smsrecon demo --recipients 1000000 --dir big
    """
    from pipelines.demo import play
    from pipelines.review.page import show_report

    report = play(folder, recipient_count=recipients, on_step=tell if json else _say)
    show_report(report, as_json=json)
    if not json:
        _say(_WHERE_TO_LOOK.format(folder=folder))
    return _verdict(report.findings)


@app.command(sort_key=2)
def init() -> int:
    """Write a configuration to fill in, ./smsrecon.toml."""
    from pipelines.settings import CONFIG_FILE, write_template

    path = _config or CONFIG_FILE
    write_template(path)
    _say(f"{path} is written: fill in app_key and app_secret, then try 'smsrecon doctor'")
    return 0


@app.command(sort_key=3)
def doctor(*, json: Json = False) -> int:
    """Check settings, data folder, journal, warehouse and gateway."""
    from pipelines.doctor import examine
    from pipelines.review.terminal import show_table

    findings = examine(_settings(), clock=_now)
    show_table([finding.to_json() for finding in findings], as_json=json, name="findings")
    wrong = [finding for finding in findings if finding.exit_code]
    if not wrong:
        return 0
    names = ", ".join(finding.name for finding in wrong)
    return fail(f"not in order: {names}; do what stands beside it, then look again", wrong[0].exit_code)


@app.command(sort_key=10)
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
    from pipelines.review.progress import sending, working
    from pipelines.review.steps import show_plan

    settings = _settings()
    request = PlanRequest(campaign, file, content, template_id)
    if dry_run:
        with working("planning"):
            plan, balance = plan_only(request, settings=settings, clock=_now)
        show_plan(plan, balance=balance, price=settings.billing.price_per_segment, as_json=json)
        return 0
    with sending() as on_progress:
        submission = submit(request, settings=settings, clock=_now, on_progress=on_progress)
    return _submitted(submission, as_json=json)


@app.command(sort_key=11)
def resume(campaign_id: Annotated[str, Parameter(help="The campaign to go on with.")], /, *, json: Json = False) -> int:
    """Send what is still to send of a paused or stopped campaign.

    For example:

      smsrecon resume spring
    """
    from pipelines.campaign.submit import resume
    from pipelines.review.progress import sending

    with sending() as on_progress:
        submission = resume(campaign_id, settings=_settings(), clock=_now, on_progress=on_progress)
    return _submitted(submission, as_json=json)


@app.command(sort_key=12)
def status(
    campaign_id: Annotated[str | None, Parameter(help="The campaign; without it, a line for each.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Show where every row is, after loading what has landed.

    For example:

      smsrecon status
      smsrecon status spring --json
    """
    from pipelines.review.books import campaign_report, overview
    from pipelines.review.page import show_overview, show_report
    from pipelines.review.progress import working

    with working("loading and reconciling"):
        if campaign_id is None:
            all_campaigns = overview(_settings(), clock=_now)
        else:
            report = campaign_report(_settings(), campaign_id, clock=_now)
    if campaign_id is None:
        show_overview(all_campaigns, as_json=json)
        return _verdict(all_campaigns.findings)
    show_report(report, as_json=json)
    return _verdict(report.findings)


@app.command(sort_key=13)
def report(
    campaign_id: Annotated[str, Parameter(help="The campaign.")],
    /,
    *,
    html: Annotated[Path | None, Parameter(help="Write it there, as one file that stands alone, with charts.")] = None,
    json: Json = False,
) -> int:
    """Show a campaign as it is published, on a page or as HTML.

    For example:

      smsrecon report spring
      smsrecon report spring --html spring.html
    """
    from pipelines.review.figures import of_campaign
    from pipelines.review.progress import working

    settings = _settings()
    with working("reading"):
        figures = of_campaign(settings.data_dir, campaign_id, min_message_count=settings.alerts.min_message_count)
    if html is None:
        from pipelines.review.page import show_report
        from pipelines.review.published import report_of

        page = report_of(figures)
        show_report(page, as_json=json)
        return _verdict(page.findings)
    from pipelines.review.html import write
    from pipelines.review.terminal import show_lines

    with working("drawing"):
        size = write(figures, html, language=settings.review.language)
    show_lines({"campaign_id": campaign_id, "html": str(html), "bytes": size}, as_json=json)
    return 0


@app.command(sort_key=13)
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
    from pipelines.doubts import decisions, doubts_of, settle
    from pipelines.errors import InDoubt
    from pipelines.review.doubts import confirm, show_decisions, show_doubts
    from pipelines.review.progress import working

    settings = _settings()
    with working("reconciling"):
        doubts = doubts_of(campaign_id, settings=settings, clock=_now)
    made = decisions(doubts, accept=accept, resend=resend)
    rest = doubts.filter(~doubts["batch_num"].is_in([name for decision in made for name in decision.batch_nums]))
    if made and not doubts.is_empty():
        if not yes:
            confirm(made, is_shown=not json)
        settle(campaign_id, made, reason=reason, settings=settings, clock=_now)
        show_decisions(made, rest, campaign_id, as_json=json)
    else:
        show_doubts(doubts, campaign_id, as_json=json)
    if rest.is_empty():
        return 0
    return fail(f"{rest.height} batches of {campaign_id} are in doubt", InDoubt.exit_code)


@app.command(sort_key=20)
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
    from pipelines import daily as steps
    from pipelines.pull import chosen_days
    from pipelines.review.progress import working
    from pipelines.review.steps import show_pull

    wanted = chosen_days(day, days, now=_now())
    with working("pulling") as tell:
        summary = steps.pull(_settings(), clock=_now, days=wanted, tell=tell)
    show_pull(summary, as_json=json)
    return _verdict(summary.findings)


@app.command(sort_key=21)
def load(*, json: Json = False) -> int:
    """Bring what is new in the landing into the warehouse."""
    from pipelines import daily as steps
    from pipelines.review.progress import working
    from pipelines.review.terminal import show_lines

    with working("loading") as tell:
        summary = steps.load(_settings(), tell=tell)
    show_lines(asdict(summary), as_json=json)
    return 0


@app.command(sort_key=22)
def reconcile(*, json: Json = False) -> int:
    """Decide every message's status and check that the books balance."""
    from pipelines import daily as steps
    from pipelines.review.progress import working
    from pipelines.review.terminal import show_lines

    with working("reconciling"):
        summary = steps.reconcile(_settings(), as_of=_now())
    show_lines(steps.books_as_json(summary), as_json=json)
    return _verdict(steps.books_findings(summary))


@app.command(sort_key=23)
def publish(*, json: Json = False) -> int:
    """Replace what analysts open: Parquet and analytics.duckdb."""
    from pipelines import daily as steps
    from pipelines.review.progress import working
    from pipelines.review.terminal import show_lines

    with working("publishing"):
        summary = steps.publish(_settings())
    show_lines(asdict(summary), as_json=json)
    return 0


@app.command(sort_key=24)
def daily(*, json: Json = False) -> int:
    """Pull, load, reconcile, publish and alert, with one verdict."""
    from pipelines import daily as steps
    from pipelines.review.progress import working
    from pipelines.review.terminal import show_lines

    with working("pulling") as tell:
        summary = steps.daily(_settings(), clock=_now, tell=tell)
    show_lines(summary.to_json(), as_json=json)
    return _verdict(summary.findings)


@app.command(sort_key=25)
def balance(*, json: Json = False) -> int:
    """Ask how many segments are left, and alert if too few."""
    from pipelines import daily as steps
    from pipelines.review.terminal import show_lines

    summary = steps.watch_balance(_settings(), clock=_now)
    show_lines({"balance": summary.balance}, as_json=json)
    return _verdict(summary.findings)


@app.command(sort_key=26)
def rebuild(*, json: Json = False) -> int:
    """Make the warehouse again, from the landing alone."""
    from pipelines import daily as steps
    from pipelines.review.progress import working
    from pipelines.review.terminal import show_lines

    with working("loading") as tell:
        loaded, books = steps.rebuild(_settings(), as_of=_now(), tell=tell)
    show_lines(asdict(loaded) | steps.books_as_json(books), as_json=json)
    return _verdict(steps.books_findings(books))


@app.command(sort_key=27)
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
    from pipelines.imports import carry_out, propose
    from pipelines.review.imports import confirm, show_import, show_proposal
    from pipelines.review.progress import working

    settings = _settings()
    proposal = propose(file, "replies" if replies else "reports", told=mapping, clock=_now)
    if dry_run or not json:
        show_proposal(proposal, as_json=json)
    if dry_run:
        return 0
    if not yes:
        confirm(is_shown=not json)
    with working("loading") as tell:
        summary = carry_out(proposal, settings=settings, tell=tell)
    show_import(summary, as_json=json)
    return 0


@app.command(sort_key=30)
def sql(
    query: Annotated[str | None, Parameter(help="One SELECT; without it, the tables and what they hold.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Ask the published tables, as analysts see them.

    For example:

      smsrecon sql
      smsrecon sql "FROM code_breakdown WHERE whose_move = 'vendor'"
      smsrecon sql "SELECT status, count(*) FROM messages GROUP BY status" --json
    """
    from pipelines.review.query import ask
    from pipelines.review.terminal import show_table

    show_table(ask(_settings(), query).to_dicts(), as_json=json, name="rows")
    return 0


@app.command(sort_key=35)
def serve(
    *,
    with_server: Annotated[
        bool, Parameter(show_default=False, help="Start a Prefect server, too, on 127.0.0.1.")
    ] = False,
    port: Annotated[int, Parameter(help="Where that server listens.")] = 4200,
) -> int:
    """Run the Prefect deployments, on their schedules, until Ctrl-C.

    For example:

      smsrecon serve --with-server
      PREFECT_API_URL=http://127.0.0.1:4200/api smsrecon serve
    """
    from pipelines.flows.server import be_quiet, running_server
    from pipelines.settings import hand_on

    settings = _settings()
    hand_on(_config)
    be_quiet()
    with running_server(settings.data_dir / "prefect", port, tell) if with_server else nullcontext():
        from pipelines.flows.deployments import schedules
        from pipelines.flows.serving import serve, ui_url
        from pipelines.review.steps import show_serving

        show_serving(ui_url(), schedules(settings.schedule))
        serve(settings, tell)
    return 0


@app.command(sort_key=36)
def receive(
    *, port: Annotated[int | None, Parameter(help="Where it listens, instead of receive.port; 0: any free one.")] = None
) -> int:
    """Take what the gateway pushes to us, until Ctrl-C.

    For example:

      SMSRECON_RECEIVE__PATH_SECRET=$(openssl rand -hex 16) smsrecon receive
    """
    from pipelines.receive.server import serve

    def ready(url: str) -> None:
        tell(f"pushes go to {url}/push/<receive.path_secret>")

    serve(_settings(), port=port, clock=_now, ready=ready)
    return 0


@app.command(sort_key=29)
def forget(
    phone: Annotated[str, Parameter(allow_leading_hyphen=True, help="11 digits; - reads them from standard input.")],
    /,
    *,
    keep_suppressed: Annotated[
        bool, Parameter(show_default=False, help="Leave them on the lists of who must not be written to.")
    ] = False,
    yes: Annotated[bool, Parameter(show_default=False, help="Don't ask.")] = False,
    json: Json = False,
) -> int:
    """Take a person out of everything that is kept, for good.

    The books stay as they are: a tombstone stands where the phone stood. Who is off
    the lists, too, can be written to again by a campaign that has their phone.

    For example:

      smsrecon forget - --keep-suppressed
    """
    from pipelines.forgetting import forget as forget_person
    from pipelines.review.progress import working
    from pipelines.review.steps import confirm_forgetting
    from pipelines.review.terminal import show_lines

    settings = _settings()
    (number,) = _given((phone,)) or [""]
    if not yes:
        confirm_forgetting(is_shown=not json and phone != "-")
    with working("looking") as tell:
        done = forget_person(number, keep_suppressed=keep_suppressed, settings=settings, clock=_now, tell=tell)
    show_lines(asdict(done), as_json=json)
    return 0


@app.command(sort_key=29)
def purge(
    *,
    older_than: Annotated[int, Parameter(help="Days since the last message of a campaign.")],
    dry_run: Annotated[bool, Parameter(show_default=False, help="Show what would go; remove nothing.")] = False,
    yes: Annotated[bool, Parameter(show_default=False, help="Don't ask.")] = False,
    json: Json = False,
) -> int:
    """Remove old campaigns, and the calls and imports of their time, for good.

    A campaign stays while something of it is to be sent, in doubt or still to be
    reported, and with it all that came since it began. The final figures are kept,
    and its id: it is never sent again.

    For example:

      smsrecon purge --older-than 365 --dry-run
      smsrecon purge --older-than 365
    """
    from pipelines.purging import carry_out, look
    from pipelines.review.progress import working
    from pipelines.review.purging import confirm_purge, show_purge

    settings = _settings()
    with working("reconciling"):
        found = look(older_than, settings=settings, as_of=_now())
    is_to_be_done = not (dry_run or found.is_empty)
    if not json:
        show_purge(found, is_done=is_to_be_done, as_json=False)
    if is_to_be_done:
        if not yes:
            confirm_purge(found, is_shown=not json)
        with working("removing") as tell:
            carry_out(found, settings=settings, clock=_now, tell=tell)
        if not json:
            _say("\nAll of that is gone.")
    if json:
        show_purge(found, is_done=is_to_be_done, as_json=True)
    return 0


suppress = App(name="suppress", help="Say who must not be written to, or may be again.", sort_key=28)
app.command(suppress)

Phones = Annotated[
    str, Parameter(allow_leading_hyphen=True, help="11 digits each; - reads them from standard input, one a line.")
]
Reason = Annotated[str, Parameter(help="Why, in a word: it is shown wherever the phone is left out.")]


@suppress.command(name="add")
def suppress_add(*phones: Phones, reason: Reason = "by_hand", json: Json = False) -> int:
    """Put phones on a list: no campaign writes to them from now on.

    For example:

      smsrecon suppress add 13800000000 --reason complained
      smsrecon suppress add - < phones.txt
    """
    from pipelines.review.terminal import show_lines
    from pipelines.suppress import add

    listed = add(_given(phones), reason=reason, settings=_settings(), at=_now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="remove")
def suppress_remove(*phones: Phones, json: Json = False) -> int:
    """Take phones off all lists: campaigns planned from now on write to them."""
    from pipelines.review.terminal import show_lines
    from pipelines.suppress import remove

    listed = remove(_given(phones), settings=_settings(), at=_now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="import")
def suppress_import(
    file: Annotated[Path, Parameter(help="CSV, Excel or Parquet with phones, and reason and since_at if it has them.")],
    /,
    *,
    reason: Reason = "imported",
    json: Json = False,
) -> int:
    """Put the phones of a file on a list."""
    from pipelines.review.terminal import show_lines
    from pipelines.suppress import bring

    listed = bring(file, reason=reason, settings=_settings(), at=_now())
    show_lines(asdict(listed), as_json=json)
    return 0


@suppress.command(name="list")
def suppress_list(*, json: Json = False) -> int:
    """Show who is on a list now, with the phone masked, and why."""
    from pipelines.campaign.suppressions import suppressed_phones
    from pipelines.daily import landing_of
    from pipelines.review.steps import show_suppressed

    show_suppressed(suppressed_phones(landing_of(_settings())), as_json=json)
    return 0


app.command(
    "pipelines.gateway.sandbox.command:app",
    name="sandbox",
    help="Run a gateway to try things on, on 127.0.0.1, until Ctrl-C.",
    sort_key=40,
)


def _settings() -> "Settings":
    from pipelines.settings import load_settings

    return load_settings(_config)


def _given(phones: tuple[str, ...]) -> list[str]:
    """The phones of the command line, or of standard input."""
    return sys.stdin.read().split() if phones == ("-",) else [*phones]


def _now() -> datetime:
    return datetime.now(UTC)


def _submitted(submission: "Submission", *, as_json: bool) -> int:
    from pipelines.review.steps import complaints, show_submission

    show_submission(submission, as_json=as_json)
    for complaint in complaints(submission):
        fail(complaint, submission.exit_code)
    return submission.exit_code


def _verdict(findings: "Iterable[Finding]") -> int:
    """Say everything that was found, and return the exit code of the first."""
    codes = [fail(finding.message, finding.exit_code) for finding in findings]
    return codes[0] if codes else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  standard output is where a command's results go
