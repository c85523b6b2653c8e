"""The command line: the commands in the order of --help, and the entry point that ends with an exit code.

Results go to standard output, as tables or with --json as one object; progress and errors go to standard error. Each
command is a short function without logic, in a module of its kind; what it imports it imports inside, so that --help
answers at once.
"""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from pipelines import __version__
from pipelines.cli import collecting, people, reading, sending, serving
from pipelines.cli.exits import exit_code_for, prepare_output
from pipelines.cli.invocation import choose_config

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

_COMMANDS: Final[tuple[Callable[..., int] | App, ...]] = (
    serving.demo,
    serving.init,
    serving.doctor,
    sending.submit,
    sending.resume,
    reading.status,
    reading.report,
    sending.resolve,
    collecting.pull,
    collecting.load,
    collecting.reconcile,
    collecting.publish,
    collecting.daily,
    collecting.balance,
    collecting.rebuild,
    collecting.import_reports,
    people.suppress,
    people.forget,
    people.purge,
    reading.sql,
    serving.serve,
    serving.receive,
)
for position, command in enumerate(_COMMANDS):
    if isinstance(command, App):  # a group of commands
        command.sort_key = position
        app.command(command)
    else:
        app.command(command, sort_key=position)
app.command(
    "pipelines.sandbox.command:app",
    name="sandbox",
    help="Run a sandbox gateway on 127.0.0.1 until Ctrl-C.",
    sort_key=len(_COMMANDS),
)


def main() -> None:
    """The entry point: runs a command and ends with its exit code."""
    prepare_output()
    os.umask(0o077)  # what a command makes is for its owner alone, also what DuckDB and SQLite make by themselves
    logging.getLogger("stamina").addHandler(logging.NullHandler())  # a retry is no news
    try:
        code = app.meta(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  what is not foreseen is raised again
        code = exit_code_for(error)
    sys.exit(code or 0)


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="The configuration to use instead of ./smsrecon.toml.")] = None,
) -> int | None:
    choose_config(config)
    code: int | None = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return code
