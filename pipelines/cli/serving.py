"""Commands that keep running, and those that set up: serve, receive, demo, init, doctor."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipelines.cli import invocation
from pipelines.cli.exits import fail, tell
from pipelines.cli.invocation import Json, say, verdict

_WHERE_TO_LOOK = """
Where to look next
  smsrecon --config {folder}/smsrecon.toml status
  smsrecon --config {folder}/smsrecon.toml sql "FROM code_breakdown"
  {folder}/data/published/analytics.duckdb  for DuckDB, DBeaver, notebooks
  {folder}/data/published/messages          the messages as Parquet, phones masked"""


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
    from pipelines.console.campaign_page import show_report
    from pipelines.operations.demo import CAMPAIGN, play
    from pipelines.review.books import campaign_report

    settings = play(folder, recipient_count=recipients, on_step=tell if json else say)
    report = campaign_report(settings, CAMPAIGN, clock=invocation.now)
    show_report(report, as_json=json)
    if not json:
        say(_WHERE_TO_LOOK.format(folder=folder))
    return verdict(report.findings)


def init() -> int:
    """Write a configuration to fill in, ./smsrecon.toml."""
    from pipelines.operations.config_template import write_template
    from pipelines.settings import CONFIG_FILE

    path = invocation.config() or CONFIG_FILE
    write_template(path)
    say(f"{path} is written: fill in app_key and app_secret, then try 'smsrecon doctor'")
    return 0


def doctor(*, json: Json = False) -> int:
    """Check settings, data folder, journal, warehouse and gateway."""
    from pipelines.console.terminal import show_table
    from pipelines.operations.doctor import examine

    findings = examine(invocation.settings(), clock=invocation.now)
    show_table([finding.to_json() for finding in findings], as_json=json, name="findings")
    wrong = [finding for finding in findings if finding.exit_code]
    if not wrong:
        return 0
    names = ", ".join(finding.name for finding in wrong)
    return fail(f"not in order: {names}; do what stands beside it, then look again", wrong[0].exit_code)


def serve(
    *,
    with_server: Annotated[
        bool, Parameter(show_default=False, help="Start a Prefect server, too, on 127.0.0.1.")
    ] = False,
    port: Annotated[int, Parameter(help="Where that server listens.")] = 4200,
) -> int:
    """Run the Prefect deployments, on their schedules, until Ctrl-C.

    For example:

      PREFECT_API_URL=http://127.0.0.1:4200/api smsrecon serve
      smsrecon serve --with-server
    """
    from pipelines.flows.server import disable_telemetry, running_server
    from pipelines.settings import export_config_path

    settings = invocation.settings()
    export_config_path(invocation.config())
    disable_telemetry()
    with running_server(settings.prefect_folder, port, tell) if with_server else nullcontext():
        from pipelines.console.results import show_serving
        from pipelines.flows.deployments import schedules
        from pipelines.flows.serving import serve, ui_url

        show_serving(ui_url(), schedules(settings.schedule))
        serve(settings, tell)
    return 0


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

    serve(invocation.settings(), port=port, clock=invocation.now, ready=ready)
    return 0
