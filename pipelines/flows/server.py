"""A Prefect server in a child process: it listens on this machine only and keeps its files in the data folder.

Prefect reads its settings when it is imported, so this module, which sets them, does not import it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pipelines.errors import UsageError
from pipelines.files import make_folder

HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost", "::1")
START_SECONDS = 180.0  # the first start creates the database
STOP_SECONDS = 20.0

# Without these the server calls the network at every start, and often locks its database while it does.
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def disable_telemetry() -> None:
    """Set the variables that keep Prefect, imported later, from reporting this installation."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def bypass_proxies(api_url: str) -> None:
    """Reach a Prefect API on this machine without a proxy; nothing else that a flow run calls uses one.

    NO_PROXY with the address alone is not enough: httpx prepares every proxy, and fails for SOCKS, which it can't use.
    """
    if urlsplit(api_url).hostname in LOOPBACK:
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


@contextmanager
def running_server(folder: Path, port: int, print_line: Callable[[str], None]) -> Iterator[None]:
    """Run a server with its database and log in `folder`, and point Prefect, imported later, to it.

    Raises UsageError if the port is not free, or if the server does not start.
    """
    _require_free(port)
    make_folder(folder)
    os.environ["PREFECT_HOME"] = os.environ.get("PREFECT_HOME") or str(folder.absolute())
    os.environ["PREFECT_API_URL"] = f"http://{HOST}:{port}/api"
    ui_folder = os.environ.get("PREFECT_SERVER_UI_STATIC_DIRECTORY") or str(folder.absolute() / "ui")
    os.environ["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = ui_folder  # Prefect's own choice is beside its code
    bypass_proxies(os.environ["PREFECT_API_URL"])
    log = folder / "server.log"
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: else the server would be left
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C must not reach it: it is stopped last
            umask=0o077,
        )
    try:
        print_line(f"starting a Prefect server, its database in {folder}")
        _wait_for_answer(process, port, log)
        yield
    finally:
        _stop(process)
        signal.signal(signal.SIGTERM, before)


def _require_free(port: int) -> None:
    if not 0 < port < 65536:
        raise UsageError(f"--port {port} is not a port; choose one from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} is not free ({error.strerror}); if a Prefect server runs there, set"
                f" PREFECT_API_URL=http://{HOST}:{port}/api and omit --with-server; else choose another --port"
            ) from None


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://{HOST}:{port}/api/health", timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.2)
    raise UsageError(f"the Prefect server did not start; look at the end of {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and its child processes: by SIGTERM, then by SIGKILL."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
