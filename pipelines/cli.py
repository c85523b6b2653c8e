"""The command line: one short function a command, no logic.

Results go to standard output, as tables or with --json as one object; progress and errors go to standard error. The
imports are inside the functions, so that --help answers at once.
"""
# ruff: noqa: PLC0415

import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from pipelines import __version__
from pipelines.errors import SmsreconError

if TYPE_CHECKING:
    from pipelines.campaign.submit import Submission
    from pipelines.settings import Settings

app = App(
    name="smsrecon",
    help="Sends SMS campaigns from Parquet files, collects what comes back, and closes the books.",
    help_epilogue=(
        "Exit codes: 0 done and balanced; 2 usage; 10 the input was refused; 11 the gateway refused; 12 the gateway is"
        " unavailable; 13 something is in doubt; 14 the books don't balance or data is missing; 15 busy."
    ),
    version=__version__,
    default_parameter=Parameter(negative=()),
)

Json = Annotated[bool, Parameter(name="--json", help="One JSON object on standard output, and nothing else there.")]
_config: Path | None = None

_WHERE_TO_LOOK = """
Where to look next
  smsrecon --config {folder}/smsrecon.toml status {campaign_id}
  smsrecon --config {folder}/smsrecon.toml sql "FROM code_breakdown"
  {folder}/data/published/analytics.duckdb     for DuckDB, DBeaver, notebooks
  {folder}/data/published/messages             the messages as Parquet, phones masked"""


def main() -> None:
    """The entry point: runs a command and turns every foreseen error into one line and its exit code."""
    try:
        code = app.meta(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        command = " ".join(error.command_chain or ())
        sys.exit(_fail(f"{_one_line(str(error))} See 'smsrecon {command}{' ' * bool(command)}--help'.", 2))
    except SmsreconError as error:
        sys.exit(_fail(str(error), error.exit_code))
    except KeyboardInterrupt:
        sys.exit(_fail("stopped; run the same command again to go on", 130))
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        sys.exit(141)
    sys.exit(code or 0)


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
) -> int:
    """Play the whole story against a sandbox gateway, offline: send, collect, close the books.

    Examples
    --------
    ```
    smsrecon demo
    smsrecon demo --recipients 1000000 --dir big
    ```
    """
    from pipelines.demo import play
    from pipelines.review.terminal import show_report

    report = play(folder, recipient_count=recipients, on_step=_say)
    show_report(report)
    for line in _WHERE_TO_LOOK.format(campaign_id=report.books.campaign_id, folder=folder).splitlines():
        _say(line)
    return 0 if report.books.is_balanced else 14


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
    """Check the configuration, the data folder, the journal, the warehouse and the gateway."""
    from pipelines.doctor import examine
    from pipelines.review.terminal import show_table

    findings = examine(_settings(), clock=_now)
    show_table("Findings", [asdict(finding) for finding in findings], as_json=json, name="findings")
    return next((finding.exit_code for finding in findings if finding.exit_code), 0)


@app.command(sort_key=10)
def submit(
    file: Annotated[Path, Parameter(help="A Parquet file, a folder of them, or a quoted glob.")],
    /,
    *,
    campaign: Annotated[str, Parameter(help="The campaign's id: lower-case letters, digits and '-'; never reused.")],
    content: Annotated[str | None, Parameter(help="One text for all, with its 【signature】.")] = None,
    template_id: Annotated[str | None, Parameter(help="One template for all; the texts are the file's.")] = None,
    dry_run: Annotated[bool, Parameter(help="Plan and show; send nothing, write nothing.")] = False,
    json: Json = False,
) -> int:
    """Send a campaign to every recipient of a file, once.

    Run again after a stop, it goes on where it was; whatever may have been sent is never sent again.

    Examples
    --------
    ```
    smsrecon submit people.parquet --campaign spring-sale --content "【公司】…" --dry-run
    smsrecon submit people.parquet --campaign spring-sale --content "【公司】…"
    smsrecon submit 'parts/*.parquet' --campaign bills-11 --template-id 27
    ```
    """
    from pipelines.campaign.plan import PlanRequest
    from pipelines.campaign.submit import plan_only, submit
    from pipelines.review.progress import sending_progress
    from pipelines.review.terminal import show_plan

    settings = _settings()
    request = PlanRequest(campaign, file, content, template_id)
    if dry_run:
        plan, balance = plan_only(request, settings=settings, clock=_now)
        show_plan(plan, balance=balance, price=settings.billing.price_per_segment, as_json=json)
        return 0
    with sending_progress() as on_progress:
        submission = submit(request, settings=settings, clock=_now, on_progress=on_progress)
    return _submitted(submission, as_json=json)


@app.command(sort_key=11)
def resume(campaign_id: Annotated[str, Parameter(help="The campaign to go on with.")], /, *, json: Json = False) -> int:
    """Send what is still to send of a paused or stopped campaign.

    Examples
    --------
    ```
    smsrecon resume spring-sale
    ```
    """
    from pipelines.campaign.submit import resume
    from pipelines.review.progress import sending_progress

    with sending_progress() as on_progress:
        submission = resume(campaign_id, settings=_settings(), clock=_now, on_progress=on_progress)
    return _submitted(submission, as_json=json)


@app.command(sort_key=12)
def status(
    campaign_id: Annotated[str | None, Parameter(help="The campaign; without it, a line for each.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Show where every row is, now: what has landed is loaded and reconciled first.

    Examples
    --------
    ```
    smsrecon status
    smsrecon status spring-sale --json
    ```
    """
    from pipelines.review.books import all_books, campaign_report
    from pipelines.review.terminal import show_campaigns, show_report

    if campaign_id is None:
        books = all_books(_settings(), clock=_now)
        show_campaigns(books, as_json=json)
        return 0 if all(book.is_balanced for book in books) else 14
    report = campaign_report(_settings(), campaign_id, clock=_now)
    show_report(report, as_json=json)
    return 0 if report.books.is_balanced else 14


@app.command(sort_key=20)
def pull(
    *,
    day: Annotated[date | None, Parameter(help="Only this day, in China's time.")] = None,
    days: Annotated[int | None, Parameter(help="Today and the days before it, so many in all.")] = None,
    json: Json = False,
) -> int:
    """Fetch reports, replies and the balance into the landing.

    Examples
    --------
    ```
    smsrecon pull
    smsrecon pull --day 2026-11-11
    smsrecon pull --days 10
    ```
    """
    from pipelines import daily as steps
    from pipelines.pull import chosen_days
    from pipelines.review.progress import pulling_progress
    from pipelines.review.terminal import show_table

    settings = _settings()
    wanted = chosen_days(day, days, now=_now())
    with pulling_progress() as on_progress:
        summary = steps.pull(settings, clock=_now, days=wanted, on_progress=on_progress)
    show_table("Pulled", [asdict(part) for part in summary.pulled], as_json=json, name="pulled")
    return _verdict([summary.problem] if summary.problem else [])


@app.command(sort_key=21)
def load(*, json: Json = False) -> int:
    """Bring what is new in the landing into the warehouse."""
    from pipelines import daily as steps
    from pipelines.review.progress import loading_progress
    from pipelines.review.terminal import show_lines

    with loading_progress() as on_progress:
        summary = steps.load(_settings(), on_progress=on_progress)
    show_lines("Loaded", asdict(summary), as_json=json)
    return 0


@app.command(sort_key=22)
def reconcile(*, json: Json = False) -> int:
    """Decide every message's status, make the marts, and check that the books balance."""
    from pipelines import daily as steps
    from pipelines.review.terminal import show_lines

    summary = steps.reconcile(_settings(), as_of=_now())
    show_lines("Reconciled", asdict(summary), as_json=json)
    return _verdict(steps.books_problems(summary))


@app.command(sort_key=23)
def publish(*, json: Json = False) -> int:
    """Replace what analysts open: Parquet files and analytics.duckdb, with masked phones."""
    from pipelines import daily as steps
    from pipelines.review.terminal import show_lines

    show_lines("Published", asdict(steps.publish(_settings())), as_json=json)
    return 0


@app.command(sort_key=24)
def daily(*, json: Json = False) -> int:
    """Pull, load, reconcile, publish: all of it, with one verdict. Made to be run every day."""
    from pipelines import daily as steps
    from pipelines.review.progress import pulling_progress
    from pipelines.review.terminal import show_lines

    with pulling_progress() as on_progress:
        summary = steps.daily(_settings(), clock=_now, on_progress=on_progress)
    show_lines("Daily", summary.to_json(), as_json=json)
    return _verdict(summary.problems)


@app.command(sort_key=25)
def rebuild(*, json: Json = False) -> int:
    """Delete the warehouse and make it again, from the landing alone."""
    from pipelines import daily as steps
    from pipelines.review.progress import loading_progress
    from pipelines.review.terminal import show_lines

    with loading_progress() as on_progress:
        summary = steps.rebuild(_settings(), as_of=_now(), on_progress=on_progress)
    show_lines("Loaded", asdict(summary), as_json=json)
    return 0


@app.command(sort_key=30)
def sql(
    query: Annotated[str | None, Parameter(help="One SELECT; without it, the tables and what they hold.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Ask the published tables, as analysts see them: phones are masked.

    Examples
    --------
    ```
    smsrecon sql
    smsrecon sql "SELECT code, sum(message_count) AS n FROM code_breakdown GROUP BY code ORDER BY n DESC"
    ```
    """
    from pipelines.review.query import ask
    from pipelines.review.terminal import show_rows

    show_rows(ask(_settings(), query), as_json=json)
    return 0


@app.command(sort_key=40)
def sandbox(
    *,
    port: Annotated[int, Parameter(help="0 takes any free one.")] = 8026,
    app_key: Annotated[str, Parameter(help="The key that callers must have.")] = "sandbox-key",
    app_secret: Annotated[str, Parameter(help="The secret that callers must have.")] = "sandbox-secret",  # noqa: S107
    seed: Annotated[int, Parameter(help="Decides the fate of every message.")] = 1,
    balance: Annotated[int, Parameter(help="Segments on the account at the start.")] = 1_000_000,
    report_mode: Annotated[
        Literal["snapshot", "drain"], Parameter(help="Reports again and again, or each handed out once.")
    ] = "snapshot",
    max_records_per_call: Annotated[int | None, Parameter(help="Cap of one answer.")] = None,
    fault_rate: Annotated[float, Parameter(help="Share of sends that go wrong on the way.")] = 0.0,
    clock_shift_seconds: Annotated[float, Parameter(help="How far its clock is ahead of this machine's.")] = 0.0,
    truth: Annotated[Path, Parameter(help="The SQLite file of what really happened.")] = Path("sandbox.sqlite"),
) -> int:
    """Run a gateway to try things on, on 127.0.0.1, until Ctrl-C.

    Examples
    --------
    ```
    smsrecon sandbox
    smsrecon sandbox --report-mode drain --fault-rate 0.1 --seed 7
    ```
    """
    from pipelines.gateway.sandbox import SandboxSettings
    from pipelines.gateway.sandbox.server import serve

    settings = SandboxSettings(
        truth=truth,
        port=port,
        app_key=app_key,
        app_secret=app_secret,
        seed=seed,
        balance=balance,
        report_mode=report_mode,
        max_records_per_call=max_records_per_call,
        fault_rate=fault_rate,
        clock_shift_seconds=clock_shift_seconds,
    )
    serve(settings, ready=lambda url: _say(f"SMSRECON_GATEWAY__BASE_URL={url}"))
    return 0


def _settings() -> "Settings":
    from pipelines.settings import load_settings

    return load_settings(_config)


def _now() -> datetime:
    return datetime.now(UTC)


def _submitted(submission: "Submission", *, as_json: bool) -> int:
    from pipelines.review.terminal import show_submission

    show_submission(submission, as_json=as_json)
    return submission.exit_code


def _verdict(problems: list[SmsreconError]) -> int:
    """Say every problem, and return the exit code of the first."""
    for problem in problems:
        _fail(str(problem), problem.exit_code)
    return problems[0].exit_code if problems else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  standard output is where a command's results go


def _fail(message: str, exit_code: int) -> int:
    print(f"smsrecon: {message}", file=sys.stderr)  # noqa: T201
    return exit_code


def _one_line(text: str) -> str:
    return " ".join(text.split())
