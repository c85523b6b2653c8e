"""Starts commands of smsrecon, each in a process of its own, ten times as fast as a new interpreter.

This process has imported all that the commands need, and forks. Of smsrecon only the failpoints read the environment
when they are imported: each fork imports them again. Orders come as lines of JSON on standard input; each is answered
by a line of JSON with the exit code, or minus the signal. It ends when standard input is closed.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb

from pipelines import failpoints, sql_files
from pipelines.cli import invocation
from pipelines.cli import main as cli
from pipelines.warehouse import statements

# What the commands that tests give here, and the libraries, import when they first need it.
_IMPORTED_LATE = (
    "anyio._backends._asyncio", "httpcore", "pandera.strategies.base_strategies", "pipelines.campaign.submit",
    "pipelines.console.progress", "pipelines.console.resolve", "pipelines.console.results",
    "pipelines.console.terminal", "pipelines.contracts.validation", "pipelines.operations.daily_run",
    "pipelines.operations.resolve", "pipelines.operations.suppression_lists", "rich._emoji_codes",
    "pandera.backends.polars.builtin_checks", "pandera.backends.polars.container", "pandera.backends.register_checks",
    "pipelines.console.campaign_page", "pipelines.review.status", "prometheus_client", "pyarrow.parquet", "tomllib",
)  # fmt: skip
_LONGEST_SECONDS = 120


def main() -> None:
    for module in _IMPORTED_LATE:
        importlib.import_module(module)
    _read_statements()
    gc.freeze()  # or each fork would copy the modules when it first collects garbage
    _say(ready=True)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        lives, dies = os.pipe()  # closed by the end of the fork, the only one that keeps the other end
        pid = os.fork()
        if pid == 0:
            _become(order)
        os.close(dies)
        _say(code=_end(pid, lives, order["kill_after"]))


def _read_statements() -> None:
    """Parse the statements that a reconcile needs: each fork knows them."""
    folders = ("core", "marts", "checks", "totals", "touching", "placing", "scope", "published")
    with duckdb.connect(config={"threads": 1}) as connection:
        for name in (name for folder in folders for name in sql_files.names_in(folder)):
            statements.parsed(connection, sql_files.statement(name))


def _end(pid: int, lives: int, kill_after: float | None) -> int:
    """Wait for the process, or kill it after its time; returns the exit code, or minus the signal."""
    has_ended, _, _ = select.select([lives], [], [], _LONGEST_SECONDS if kill_after is None else kill_after)
    if not has_ended:
        os.kill(pid, signal.SIGKILL)
    os.close(lives)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(order: dict[str, Any]) -> NoReturn:
    """Turn this fork into the process of one command."""
    code = 1
    try:
        os.chdir(order["folder"])
        for number, path in enumerate((os.devnull, order["out"], order["err"])):
            os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.umask(order.get("umask", 0o022))
        os.environ.clear()
        os.environ.update(order["variables"])
        sys.argv = ["smsrecon", *order["arguments"]]
        _run(order["ago_seconds"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001  as an interpreter ends
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(ago_seconds: float) -> None:
    ago = timedelta(seconds=ago_seconds)
    invocation.now = lambda: datetime.now(UTC) - ago
    importlib.reload(failpoints)
    cli.main()


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
