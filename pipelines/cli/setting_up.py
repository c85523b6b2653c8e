"""Commands that set up and try out: demo, init, doctor."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipelines.cli import invocation
from pipelines.cli.exits import fail, to_stderr
from pipelines.cli.invocation import Json, report_findings, to_stdout

_WHERE_TO_LOOK = """
Where to look next
  smsrecon --config {config} status
  smsrecon --config {config} sql "FROM code_breakdown"
  {published}/analytics.duckdb  for DuckDB, DBeaver, notebooks
  {published}/messages          the messages as Parquet, phones masked"""


def demo(
    *,
    recipients: Annotated[int, Parameter(help="Number of rows of the input file.")] = 20_000,
    folder: Annotated[
        Path, Parameter(name="--dir", help="Folder for all files; an earlier demo in it is replaced.")
    ] = Path("demo"),
    json: Json = False,
) -> int:
    """Send and reconcile a campaign offline, against a sandbox gateway.

    For example:

      smsrecon demo
      smsrecon demo --recipients 1000000 --dir big
    """
    from pipelines.console.campaign_page import show_campaign
    from pipelines.operations.demo import CAMPAIGN, play
    from pipelines.review.status import campaign_status

    write = to_stderr if json else to_stdout
    settings = play(folder, recipient_count=recipients, progress=lambda doing, _=None: write(doing))
    figures = campaign_status(settings, CAMPAIGN, clock=invocation.now)
    show_campaign(figures, as_json=json)
    if not json:
        config, published = (shlex.quote(str(folder / path)) for path in ("smsrecon.toml", "data/published"))
        to_stdout(_WHERE_TO_LOOK.format(config=config, published=published))
    return report_findings(figures.findings)


def init(*, shared: Annotated[bool, Parameter(help="For an installation on several machines.")] = False) -> int:
    """Write a configuration file to fill in, ./smsrecon.toml.

    For example:

      smsrecon init
      smsrecon init --shared
    """
    from pipelines.operations.config_template import write_template
    from pipelines.settings import CONFIG_FILE

    path = invocation.config() or CONFIG_FILE
    write_template(path, is_shared=shared)
    what = "app_key, app_secret, shared.bucket and shared.database" if shared else "app_key and app_secret"
    to_stdout(f"wrote {path}: fill in {what}, then run 'smsrecon doctor'")
    return 0


shared = App(name="shared", help="Share an installation between several machines.")


@shared.command(name="import")
def import_shared(
    data_dir: Annotated[Path, Parameter(help="Data folder of the installation.")], json: Json = False
) -> int:
    """Take over an installation of one machine.

    Its journal goes into shared.database, its landing into shared.bucket. The old
    one is marked as moved, and nobody sends from it again.

    For example:

      smsrecon shared import data
    """
    from pipelines.console.terminal import show_lines
    from pipelines.operations.shared_import import import_installation

    imported = import_installation(
        data_dir, settings=invocation.settings(), progress=lambda doing, _=None: to_stderr(doing)
    )
    show_lines(vars(imported), as_json=json)
    return 0


def doctor(*, json: Json = False) -> int:
    """Check settings, data folder, journal, warehouse and gateway.

    Nothing is changed.
    """
    from pipelines.console.terminal import show_table
    from pipelines.operations.doctor import examine

    findings = examine(invocation.settings(), clock=invocation.now)
    show_table([finding.to_json() for finding in findings], as_json=json, name="findings")
    wrong = [finding for finding in findings if finding.exit_code]
    if not wrong:
        return 0
    names = ", ".join(finding.name for finding in wrong)
    return fail(
        f"problems with: {names}; follow the details above, then run 'smsrecon doctor' again", wrong[0].exit_code
    )
