"""The commands by group, in the order of --help, and the entry point, which ends with an exit code.

Results go to standard output, as tables or with --json as one object; progress and errors go to standard error. Each
command is a short function without logic, in the module of its group. It imports what it needs inside, so that --help
answers at once.
"""

import logging
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Group, Parameter

from pipelines import __version__, failpoints
from pipelines.cli import collecting, people, reading, sending, serving, setting_up
from pipelines.cli.exits import exit_code_for, prepare_output
from pipelines.cli.invocation import choose_config
from pipelines.errors import EXIT_CODES, UsageError

_EXIT_CODES: Final = "\n".join(f"  {code:3}  {meaning.replace('`', '')}" for code, (meaning, _) in EXIT_CODES.items())

app = App(
    name="smsrecon",
    help="Sends SMS campaigns from Parquet files, collects delivery reports and replies, and closes the books.",
    help_epilogue=f"""Exit codes
{_EXIT_CODES}
An error is one line on standard error: what is wrong, where, and the next step.""",
    version=__version__,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=()),
)

_COMMANDS: Final[dict[str, tuple[Callable[..., int] | App, ...]]] = {
    "Set up": (setting_up.demo, setting_up.init, setting_up.doctor, setting_up.shared),
    "Send": (sending.submit, sending.resume, sending.resolve, sending.journal),
    "Collect": (
        collecting.daily,
        collecting.pull,
        collecting.load,
        collecting.reconcile,
        collecting.publish,
        collecting.balance,
        collecting.import_reports,
        collecting.rebuild,
        collecting.audit,
    ),
    "Read": (reading.status, reading.report, reading.sql),
    "People and retention": (people.suppress, people.forget, people.purge),
    "Serve": (serving.serve, serving.receive),
}
_EPILOGUE: Final = "'smsrecon --help' lists the exit codes."


def _register(commands: dict[str, tuple[Callable[..., int] | App, ...]]) -> None:
    positions = count()
    for rank, (title, members) in enumerate(commands.items()):
        group = Group(title, sort_key=rank)
        for command in members:
            if isinstance(command, App):  # a command with subcommands
                command.group, command.sort_key, command.help_epilogue = group, next(positions), _EPILOGUE
                app.command(command)
            else:
                app.command(command, group=group, sort_key=next(positions), help_epilogue=_EPILOGUE)
    app.command(  # imported when it runs: the sandbox's options are many
        "pipelines.sandbox.command:app",
        name="sandbox",
        help="Run a sandbox gateway on 127.0.0.1 until Ctrl-C.",
        group=group,
        sort_key=next(positions),
    )


_register(_COMMANDS)
app["--help"].group = app["--version"].group = app.group_parameters


def main() -> None:
    """Run the command of the command line, and end the process with its exit code."""
    prepare_output()
    os.umask(0o077)  # files are their owner's alone, also those that DuckDB and SQLite create by themselves
    logging.getLogger("stamina").addHandler(logging.NullHandler())  # retries are expected: no log lines
    try:
        if problem := failpoints.problem():
            raise UsageError(f"SMSRECON_FAILPOINT: {problem}; choose one of failpoints.POINTS, or unset it")
        code = app.meta(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  every error becomes an exit code
        code = exit_code_for(error)
    sys.exit(code or 0)


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="Configuration file to use instead of ./smsrecon.toml.")] = None,
) -> int | None:
    choose_config(config)
    code: int | None = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return code
