"""A Prefect server in a child process: it listens on this machine only and keeps its files in the data folder.

Who can call its API can change what a deployment runs, and so run any command as the operator. Therefore it has a
log-in, which the operator alone can read, and takes calls by its own address only (server_process.py).

Prefect reads its settings when it is imported, so this module, which sets them, does not import it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError
from pydantic_settings import SettingsError

from pipelines.addresses import is_loopback
from pipelines.errors import UsageError
from pipelines.files import make_folder, secret_kept_in

HOST = "127.0.0.1"
LOGIN = "login"  # the file with what the UI asks for, user:password in one
SERVER_LOGIN = "PREFECT_SERVER_API_AUTH_STRING"
START_SECONDS = 180.0  # the first start creates the database
STOP_SECONDS = 20.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Variables of another server that would lead elsewhere.
OF_ANOTHER = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_API_KEY", "PREFECT_SERVER_API_BASE_PATH")

# Without these the server calls the network at every start, and often locks its database while it does.
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def disable_telemetry() -> None:
    """Set the variables that keep Prefect, imported later, from reporting this installation."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def require_prefect() -> None:
    """Import Prefect, which reads its settings. Raises UsageError for one that it can't read, or without a home."""
    try:
        with redirect_stderr(StringIO()):  # it also prints what it raises, with the values
            from prefect.settings import get_current_settings  # noqa: PLC0415
        get_current_settings()
    except RuntimeError:
        raise UsageError("Prefect finds no home folder of this user; set HOME to a folder") from None
    except ValidationError as error:
        wrong = (each for each in error.errors() if each["type"] != "default_factory_not_called")
        names = ", ".join(".".join(map(str, each["loc"])) for each in wrong)
        raise _bad_setting(f"{names} of {error.title}") from None
    except SettingsError as error:  # its message ends in the source
        raise _bad_setting(str(error).partition(" from source")[0]) from None


def _bad_setting(name: str) -> UsageError:
    return UsageError(f"Prefect can't read its settings ({name}); correct or unset that PREFECT_… variable")


def bypass_proxies(api_url: str) -> None:
    """Reach a Prefect API on this machine without a proxy; nothing else that a flow run calls uses one.

    NO_PROXY with the address alone is not enough: httpx prepares every proxy, and fails for SOCKS, which it can't use.
    """
    if _is_this_machine(urlsplit(api_url).hostname or ""):
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


def _is_this_machine(host: str) -> bool:
    """True also for the address that servers listen on everywhere, and for names of localhost that clients resolve."""
    return is_loopback(host) or host in ("0.0.0.0", "::", "localhost.") or host.endswith(".localhost")  # noqa: S104


@contextmanager
def running_server(folder: Path, port: int, print_line: Callable[[str], None]) -> Iterator[str]:
    """Run a server with its database, log-in and log in `folder`, and point Prefect, imported later, to it.

    Yields in words where its log-in is found: the log-in itself is never printed.

    Raises UsageError if the port is not free, if others can read the log-in, or if the server does not start.
    """
    _require_free(port)
    make_folder(folder)
    login = os.environ.get(SERVER_LOGIN, "")
    found = f"the value of {SERVER_LOGIN}" if login else f"the line in {folder / LOGIN}"
    login = login or _login_kept_in(folder)
    try:
        Path.home()
    except RuntimeError:  # a user without an entry on this machine, as in a container
        os.environ["HOME"] = str(folder.absolute())
    os.environ |= _variables(folder.absolute(), f"http://{HOST}:{port}", login)
    for name in OF_ANOTHER:
        os.environ.pop(name, None)
    bypass_proxies(os.environ["PREFECT_API_URL"])
    log = folder / "server.log"
    process = None
    try:
        with log.open("ab") as output, signals_deferred():
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "pipelines.flows.server_process", str(port)],
                env=os.environ | {SERVER_LOGIN: login},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C must not reach it: it is stopped last
                umask=0o077,
            )
        print_line(f"starting a Prefect server, its database in {folder}")
        with signals_deferred():
            require_prefect()
        _wait_for_answer(process, port, log)
        yield found
    finally:
        if process:
            _stop(process)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait for the end of the block.

    A process that is being started can't be stopped yet, and a library that is being imported may catch whatever is
    raised, the KeyboardInterrupt of a signal too, so that nothing would stop.
    """
    received: list[int] = []
    before = {each: signal.signal(each, lambda number, _: received.append(number)) for each in STOP_SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in received:
            signal.raise_signal(number)


def _variables(folder: Path, url: str, login: str) -> dict[str, str]:
    """The variables that point Prefect to this server, whatever another one has left in the environment.

    Other users can read the arguments of a process, but not its environment, which flow runs inherit.
    """
    return {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),  # Prefect's own choice is beside its code
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_API_AUTH_STRING": login,
        "PREFECT_UI_URL": url,
        "PREFECT_UI_API_URL": f"{url}/api",
    }


def _login_kept_in(folder: Path) -> str:
    path = folder / LOGIN
    login = secret_kept_in(path, "smsrecon:").strip()
    file = path.stat()
    if not login or file.st_mode & 0o077 or file.st_uid not in (0, os.geteuid()):
        raise UsageError(f"{path} is empty, or others can read or write it; delete it, and a new log-in is made")
    return login


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
    with httpx.Client(timeout=5, trust_env=False) as client:
        while time.monotonic() < give_up_at and process.poll() is None:
            with suppress(httpx.HTTPError):
                if client.get(f"http://{HOST}:{port}/api/health").is_success:
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
