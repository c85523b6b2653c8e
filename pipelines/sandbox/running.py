"""A sandbox as a child process, for the tests and the demo."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from pipelines.addresses import http_url
from pipelines.errors import UsageError
from pipelines.sandbox.settings import SandboxSettings

_ROOT = Path(__file__).parents[2]  # so that the child finds the package even if it isn't installed


class RunningSandbox:
    """A context manager that starts the sandbox and stops it; the child also ends with this process, however that ends.

    After `kill()` or `stop()`, `start()` continues with the same truth on the same port.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = replace(settings, truth=settings.truth.absolute())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"{http_url(self.settings.host, self.settings.port)}/api/v2/"

    def start(self) -> None:
        """Start, and return when it accepts connections. Raises UsageError if it could not start."""
        if self._process is not None:
            raise UsageError("the sandbox runs already; stop it first")
        command = [sys.executable, "-m", "pipelines.sandbox"]
        process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        self._process = process
        answer = json.loads(_exchange(process, self.settings.to_json()) or b'{"error": "the sandbox did not start"}')
        if "error" in answer:
            self.kill()
            raise UsageError(answer["error"])
        self.settings = replace(self.settings, port=urlsplit(answer["base_url"]).port or 0)

    def stop(self) -> None:
        """Stop it; requests under way have one second to finish."""
        self._end(is_kill=False)

    def kill(self) -> None:
        """Kill it with SIGKILL, as a power cut would."""
        self._end(is_kill=True)

    def _end(self, *, is_kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if is_kill:
            process.kill()
        process.communicate()  # closes its standard input, which stops it

    def control(self, **changes: Any) -> Mapping[str, Any]:
        """Change the running sandbox by fields of app.Changes; returns its state. Raises UsageError."""
        connection = HTTPConnection(self.settings.host, self.settings.port, timeout=30)
        try:
            connection.request("POST", "/sandbox/control", json.dumps(changes, default=asdict))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise UsageError(f"the sandbox refused the change: {body.decode()}; see pipelines/sandbox/app.py")
        state: Mapping[str, Any] = json.loads(body)
        return state

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _exchange(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Write a line to the child and read its answer, keeping its input open; empty if the child has ended."""
    if process.stdin is None or process.stdout is None:
        return b""
    process.stdin.write(line + b"\n")
    process.stdin.flush()
    return process.stdout.readline()
