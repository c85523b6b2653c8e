"""Sandboxes as forks of a process that has imported the sandbox: ten times as fast as a new interpreter."""

import json
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.errors import UsageError
from pipelines.sandbox import RunningSandbox, SandboxSettings
from tests.support.forks import forker

STARTER = Path(__file__).with_name("sandbox_starter.py")


class ForkedSandbox(RunningSandbox):
    """A RunningSandbox whose process is a fork; all else is the same, also its end if this process ends."""

    def __init__(self, settings: SandboxSettings) -> None:
        super().__init__(settings)
        self._fork: tuple[int, socket.socket] | None = None

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(forker(STARTER), [b"!"], [theirs.fileno(), theirs.fileno(), 2])
        pid = int.from_bytes(forker(STARTER).recv(8), "big")
        self._fork = pid, ours
        ours.sendall(self.settings.to_json() + b"\n")
        answer = json.loads(ours.makefile("rb").readline())
        if "error" in answer:
            self.kill()
            raise UsageError(answer["error"])
        self.settings = replace(self.settings, port=urlsplit(answer["base_url"]).port or 0)

    def _end(self, *, is_kill: bool) -> None:
        if self._fork is None:
            return
        (pid, ours), self._fork = self._fork, None
        with ours:
            if is_kill:
                os.kill(pid, signal.SIGKILL)
            ours.shutdown(socket.SHUT_WR)  # closes its standard input, which stops it
            while ours.recv(4096):
                pass
