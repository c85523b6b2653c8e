"""Processes that start commands as forks of themselves, ten times as fast as a new interpreter."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any


class Starter:
    """The process of command_starter.py, which runs one command at a time; the first command starts it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, **order: Any) -> int:
        """Run a command as `order` says (see command_starter.py); returns its exit code, or minus the signal."""
        if self._process is None:
            command = [sys.executable, str(Path(__file__).with_name("command_starter.py"))]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            _answer(self._process)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return int(_answer(self._process)["code"])

    def stop(self) -> None:
        if self._process is not None:
            self._process.communicate()


def _answer(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@contextmanager
def starters(number: int) -> Iterator[list[Starter]]:
    with ExitStack() as stack:
        started = [Starter() for _ in range(number)]
        for starter in started:
            stack.callback(starter.stop)
        yield started
