"""Where commands are given in these tests: a folder, its variables, and what was printed."""

import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from pipelines.cli.main import main
from pipelines.sandbox import RunningSandbox
from pipelines.times import CHINA
from tests.support import commands

COMMAND = (sys.executable, "-c", "from pipelines.cli.main import main; main()")
CONTENT = "【公司】您好"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """Output of --json: one object and nothing else."""
        value: dict[str, Any] = msgspec.json.decode(self.out)  # strict: no NaN, nothing behind it
        assert isinstance(value, dict)
        return value

    def fails(self, code: int, *words: str) -> None:
        """It ended with this code and one line on standard error that has these words."""
        assert (self.code, self.err.count("\n")) == (code, 1), self.err
        assert self.err.startswith("smsrecon: ")
        assert all(word in self.err for word in words), self.err


@contextmanager
def _same_umask() -> Iterator[None]:
    """A command narrows that of its process, which here goes on to other tests."""
    before = os.umask(0o022)
    os.umask(before)
    try:
        yield
    finally:
        os.umask(before)


@dataclass(frozen=True)
class Place:
    """A folder to give commands in."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, **variables: str) -> Ended:
        """Give a command in this process, which is quicker than in one of its own."""
        out, err = (self.folder.parent / f"{self.folder.name}.{name}" for name in ("out", "err"))
        with (
            _same_umask(),
            chdir(self.folder),
            mock.patch.dict(os.environ, self.variables | variables),
            mock.patch.object(sys, "argv", ["smsrecon", *shlex.split(command)]),
            out.open("w", encoding="utf-8") as stdout,
            err.open("w", encoding="utf-8") as stderr,
            mock.patch.object(sys, "stdout", stdout),
            mock.patch.object(sys, "stderr", stderr),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        return Ended(int(ended.value.code or 0), out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def answer(self, command: str, typed: str) -> Ended:
        """Give a command in this process, at a terminal where this is typed."""
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs) as terminal:
            keyboard.write(typed.encode())
            with mock.patch.object(sys, "stdin", terminal):
                return self.run(command)

    def feed(self, command: str, given: bytes) -> Ended:
        """Give a command in this process, with these bytes on standard input."""
        with TextIOWrapper(BytesIO(given), encoding="ascii") as stdin, mock.patch.object(sys, "stdin", stdin):
            return self.run(command)

    def start(self, command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command as a process of its own."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        variables = os.environ | self.variables | options.pop("variables", {})
        return subprocess.Popen([*COMMAND, *shlex.split(command)], cwd=self.folder, env=variables, **options)

    def die(self, command: str, failpoint: str, umask: int = 0o022, **variables: str) -> None:
        """Give a command in a process of its own, which is killed at this failpoint."""
        with Path(os.devnull).open("wb") as nowhere:
            code = commands.run(
                shlex.split(command),
                folder=self.folder,
                variables=os.environ | self.variables | variables | {"SMSRECON_FAILPOINT": failpoint},
                stdout=nowhere.fileno(),
                stderr=nowhere.fileno(),
                umask=umask,
            )
        assert code == -signal.SIGKILL, (command, failpoint, code)

    def files(self) -> set[str]:
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()}


def ended(process: subprocess.Popen[bytes]) -> Ended:
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, (out or b"").decode(errors="replace"), (err or b"").decode(errors="replace"))


@dataclass(frozen=True)
class Closed:
    """A demo that was played, its gateway, and the phones that nobody may ever see."""

    place: Place
    demo: Ended
    gateway: RunningSandbox
    phones: frozenset[str] = field(repr=False)

    def run(self, command: str, **variables: str) -> Ended:
        """Give a command from another folder than that of the campaign."""
        return self.place.run(f"--config demo/smsrecon.toml {command}", **variables)


def close_books(closed: Closed) -> None:
    """Load, reconcile and publish what other tests have collected, so that all of it is of one state."""
    for command in ("load", "reconcile", "publish"):
        assert closed.run(command).code == 0, command


def gateway_at(base_url: str) -> dict[str, str]:
    return {
        "SMSRECON_GATEWAY__BASE_URL": base_url,
        "SMSRECON_GATEWAY__APP_KEY": "sandbox-key",
        "SMSRECON_GATEWAY__APP_SECRET": "sandbox-secret",
    }


def closed_window() -> str:
    """A send window that is twelve hours away, as in the setting `plan.send_window`."""
    opens_at = datetime.now(CHINA) + timedelta(hours=12)
    return f"{opens_at:%H:%M}-{opens_at + timedelta(minutes=1):%H:%M}"
