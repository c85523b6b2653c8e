"""Starts commands of smsrecon, each in a process of its own, five times as fast as a new interpreter.

This process has imported the libraries, and forks. It has imported nothing of smsrecon: each command does that itself,
so that it reads its own environment and failpoint. Orders come as lines of JSON on standard input; each is answered
by a line of JSON with the exit code, or minus the signal. It ends when standard input is closed.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

_LIBRARIES = (
    "asyncio", "cyclopts", "duckdb", "httpx", "lxml.etree", "msgspec", "pandera.polars", "polars", "pyarrow",
    "pydantic_settings", "rich.console", "rich.progress", "rich.table", "sqlite3", "stamina", "zoneinfo",
)  # fmt: skip
_LONGEST_SECONDS = 120


def main() -> None:
    for library in _LIBRARIES:
        __import__(library)
    _say(ready=True)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
        _say(code=_end(pid, order["kill_after"]))


def _end(pid: int, kill_after: float | None) -> int:
    """Wait for the process, or kill it after its time; returns the exit code, or minus the signal."""
    kill_at = time.monotonic() + (_LONGEST_SECONDS if kill_after is None else kill_after)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= kill_at:
            os.kill(pid, signal.SIGKILL)
            kill_at = float("inf")
        time.sleep(0.001)


def _become(order: dict[str, Any]) -> NoReturn:
    """Turn this fork into the process of one command."""
    code = 1
    try:
        os.chdir(order["folder"])
        for number, path in enumerate((os.devnull, order["out"], order["err"])):
            os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
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
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    from pipelines.cli import invocation, main  # noqa: PLC0415

    ago = timedelta(seconds=ago_seconds)
    invocation.now = lambda: datetime.now(UTC) - ago
    main.main()


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
