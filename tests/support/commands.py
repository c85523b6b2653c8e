"""Commands as forks of a process that has imported all that they need: ten times as fast as a new interpreter."""

import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipelines.settings import Settings
from tests.support.forks import forker

STARTER = Path(__file__).with_name("command_starter.py")
_LONGEST_SECONDS = 120


class ForkedCommand:
    """The process of a command, with the methods of subprocess.Popen that tests use.

    `stdout` and `stderr` are descriptors. In the process the clock is `ago_seconds` behind, and constants of modules
    have other values, by their whole names.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        stdout: int,
        stderr: int,
        umask: int = 0o022,
        ago_seconds: float = 0,
        constants: Mapping[str, Any] | None = None,
    ) -> None:
        order = {
            "arguments": [*arguments],
            "folder": str(folder),
            "variables": {**variables},
            "umask": umask,
            "ago_seconds": ago_seconds,
            "constants": {**(constants or {})},
        }
        self.returncode: int | None = None
        self._told, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("rb") as stdin:
            socket.send_fds(forker(STARTER), [b"!"], [stdin.fileno(), stdout, stderr, theirs.fileno()])
        self._told.sendall(json.dumps(order).encode() + b"\n")
        self.pid = self._number()

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or minus the signal, once it has ended. Raises TimeoutError."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            self.returncode = self._number()
            self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(BlockingIOError):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        told = self._told.recv(8)
        assert told, "the process that starts commands has ended"
        return int.from_bytes(told, "big", signed=True)


def run(arguments: Sequence[str], *, kill_after: float | None = None, **order: Any) -> int:
    """Run a command, see ForkedCommand, and kill it after that many seconds; returns its code, or minus the signal."""
    command = ForkedCommand(arguments, **order)
    try:
        return command.wait(_LONGEST_SECONDS if kill_after is None else kill_after)
    except TimeoutError:
        command.kill()
        return command.wait()


def variables_of(settings: Settings) -> dict[str, str]:
    """The environment of a command with these settings; all but those that have their default."""
    found = {"PATH": os.environ.get("PATH", "")}
    for name, value in settings.model_dump(exclude_defaults=True).items():
        named = {f"{name}__{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
        found |= {f"SMSRECON_{each}".upper(): _text(of) for each, of in named.items()}
    return found


def _text(value: object) -> str:
    """A setting as in a variable."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, str | Path) else json.dumps(value)
