"""Processes that fork others on demand: they have imported all that the forks need."""

import atexit
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def forker(script: Path) -> socket.socket:
    """The connection to the process of a script, one for all forks that this process asks for.

    It is the script's standard input, whose end ends it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, str(script)], stdin=theirs)

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours
