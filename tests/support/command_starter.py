"""Forks commands of smsrecon, each a process of its own that starts ten times as fast as a new interpreter.

This process has imported all that the commands need. Whenever it gets four file descriptors over standard input, it
forks: three become standard input, output and error, and the fourth is a socket with the order as a line of JSON. It is
answered with the process id, and at the end with the exit code, or minus the signal. Of smsrecon only the failpoints
read the environment when they are imported: each fork imports them again. It ends when standard input is closed.
"""

import gc
import importlib
import json
import os
import selectors
import socket
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb

from pipelines import failpoints, sql_files
from pipelines.cli import invocation
from pipelines.cli import main as cli
from pipelines.gateway.client import _tls_context
from pipelines.warehouse import statements

NUMBER_BYTES: Final = 8  # of each number in an answer

# What the commands that tests give here, and the libraries, import when they first need it.
_IMPORTED_LATE: Final = (
    "anyio._backends._asyncio", "httpcore", "pandera.strategies.base_strategies", "pipelines.campaign.submit",
    "pipelines.console.progress", "pipelines.console.resolve", "pipelines.console.results",
    "pipelines.console.terminal", "pipelines.contracts.validation", "pipelines.operations.daily_run",
    "pipelines.operations.resolve", "pipelines.operations.suppression_lists", "rich._emoji_codes",
    "pandera.backends.polars.builtin_checks", "pandera.backends.polars.checks", "pandera.backends.polars.components",
    "pandera.backends.polars.container", "pandera.backends.register_checks", "polars._utils.parquet",
    "pipelines.console.campaign_page", "pipelines.receive.server", "pipelines.review.status", "prometheus_client",
    "pyarrow.parquet", "tomllib", "uvicorn.lifespan.on", "uvicorn.protocols.http.h11_impl",
)  # fmt: skip


def main() -> None:
    for module in _IMPORTED_LATE:
        importlib.import_module(module)
    _read_statements()
    _tls_context()
    gc.freeze()  # or each fork would copy the modules when it first collects garbage
    orders = socket.socket(fileno=os.dup(0))
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data:
                    selector.unregister(key.fd)
                    _end(key.fd, *key.data)
                elif not _start(orders, selector):
                    return


def _read_statements() -> None:
    """Parse the statements that a reconcile needs: each fork knows them."""
    folders = ("core", "marts", "checks", "totals", "touching", "placing", "scope", "published")
    with duckdb.connect(config={"threads": 1}) as connection:
        for name in (name for folder in folders for name in sql_files.names_in(folder)):
            statements.parsed(connection, sql_files.statement(name))


def _start(orders: socket.socket, selector: selectors.BaseSelector) -> bool:
    """Fork the next command; False if there will be none."""
    order, descriptors, _, _ = socket.recv_fds(orders, 1, 4)
    if not order:
        return False
    *standard, asker = descriptors
    lives, dies = os.pipe()  # closed by the end of the fork, the only one that keeps the other end
    pid = os.fork()
    if pid == 0:
        orders.close()
        _become(standard, socket.socket(fileno=asker))
    for descriptor in (*standard, dies):
        os.close(descriptor)
    os.write(asker, pid.to_bytes(NUMBER_BYTES, "big", signed=True))
    selector.register(lives, selectors.EVENT_READ, (pid, asker))
    return True


def _end(lives: int, pid: int, asker: int) -> None:
    """Tell how the fork has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(asker, code.to_bytes(NUMBER_BYTES, "big", signed=True))
    os.close(asker)
    os.close(lives)


def _become(standard: list[int], asker: socket.socket) -> NoReturn:
    """Turn this fork into the process of one command."""
    code = 1
    try:
        with asker, asker.makefile() as lines:
            order: dict[str, Any] = json.loads(lines.readline())
        os.chdir(order["folder"])
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        os.umask(order["umask"])
        os.environ.clear()
        os.environ.update(order["variables"])
        for name, value in order["constants"].items():
            module, _, constant = name.rpartition(".")
            setattr(importlib.import_module(module), constant, value)
        sys.argv = ["smsrecon", *order["arguments"]]
        _run(timedelta(seconds=order["ago_seconds"]))
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001  as an interpreter ends
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(ago: timedelta) -> None:
    invocation.now = lambda: datetime.now(UTC) - ago
    importlib.reload(failpoints)
    cli.main()


if __name__ == "__main__":
    main()
