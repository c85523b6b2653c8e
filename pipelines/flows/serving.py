"""All deployments in one process: registered with the Prefect server and run when they are due."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import httpx
from prefect.client.orchestration import get_client
from prefect.runner import Runner
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    get_current_settings,
    temporary_settings,
)

from pipelines.errors import UsageError
from pipelines.files import make_folder
from pipelines.flows.deployments import deployments
from pipelines.flows.server import STOP_SIGNALS, bypass_proxies
from pipelines.gateway.client import STEPS
from pipelines.settings import Settings

LOGINS: Final = (PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_CLIENT_CUSTOM_HEADERS)
POLL_SECONDS: Final = 2.0  # a run that is started in the UI waits no longer
SECONDS_TO_END: Final = 10.0  # for a run to end, beyond the longest wait for an answer
_REFUSED: Final = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def serve(settings: Settings, print_line: Callable[[str], None]) -> None:
    """Run the deployments when they are due, until Ctrl-C or SIGTERM.

    Schedules stay active: runs that become due afterwards start when serving starts again. A campaign that is being
    sent waits for the answers to its requests in flight, is paused, and can be resumed; a second signal does not wait,
    and ends in a KeyboardInterrupt.
    Raises UsageError for a schedule that is not a cron expression.
    """
    runner = Runner(pause_on_shutdown=False, limit=settings.schedule.concurrent_runs, query_seconds=POLL_SECONDS)
    make_folder(settings.prefect_folder)
    # Prefect's own choice is a folder in the temporary folder, which belongs to the first user of the machine.
    runner._tmp_dir = settings.prefect_folder.absolute() / "runner" / runner._tmp_dir.name
    for deployment in deployments(settings.schedule):
        runner.add_deployment(deployment)
    asyncio.run(_until_stopped(runner, settings.gateway.timeout_seconds * STEPS + SECONDS_TO_END, print_line))


async def _until_stopped(runner: Runner, patience_seconds: float, print_line: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, asked.put_nowait, number)
    runner.handle_sigterm = lambda *_, **__: None  # type: ignore[method-assign]  # it kills runs; the loop hears SIGTERM too
    serving = asyncio.create_task(runner.start())
    stopped = asyncio.create_task(asked.get())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)  # removing the loop's would let one signal kill in between
    if stopped.done():
        # A signal to a process group has reached the runs already, and a second one of the same kind would kill them.
        other = STOP_SIGNALS[1 - STOP_SIGNALS.index(stopped.result())]
        await _runs_ended(runner, other, patience_seconds, print_line)
        serving.cancel()
    stopped.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def _runs_ended(
    runner: Runner, number: signal.Signals, patience_seconds: float, print_line: Callable[[str], None]
) -> None:
    """Send all runs this signal, and wait until they have ended and the server knows it."""
    runner._scheduled_run_poller.stopping = True
    runs = runner._process_manager._process_map
    if runs:
        print_line(f"stopping {len(runs)} flow runs as soon as their answers have come; press Ctrl-C again not to wait")
    for handle in [*runs.values()]:
        if handle.pid:
            with suppress(ProcessLookupError):
                os.kill(handle.pid, number)
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_seconds):
            while runs:  # noqa: ASYNC110  the runner removes a run once the server knows how it ended
                await asyncio.sleep(0.1)


def ui_url(*, accept_open_server: bool) -> str:
    """The address of the Prefect UI.

    Raises UsageError unless a Prefect server answers our calls; also if it answers without a log-in, unless that is
    accepted: everybody who reaches it can change what a deployment runs, and so act as the user of this process.
    """
    settings = get_current_settings()
    if not settings.api.url:
        raise UsageError("no Prefect server is configured; set PREFECT_API_URL, or start a server with --with-server")
    bypass_proxies(settings.api.url)
    try:
        with get_client(sync_client=True) as client:
            client.hello()
        if not accept_open_server:
            _require_login(settings.api.url)
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in _REFUSED:
            raise _no_answer(settings.api.url, error) from None
        raise UsageError(
            f"the Prefect server at {settings.api.url} asks for a password; set PREFECT_API_AUTH_STRING to the"
            " PREFECT_SERVER_API_AUTH_STRING of the server, which is the line in data/prefect/login for --with-server"
        ) from None
    except httpx.HTTPError as error:
        raise _no_answer(settings.api.url, error) from None
    except OSError:
        raise UsageError(
            "the certificates that PREFECT_API_SSL_CERT_FILE or SSL_CERT_FILE names can't be read; correct or unset it"
        ) from None
    except (ImportError, ValueError):  # httpx can't use the kind of proxy, such as SOCKS
        raise UsageError(
            f"the Prefect server at {settings.api.url} can't be reached by the proxy of ALL_PROXY or HTTP_PROXY; unset"
            " them, or set NO_PROXY='*'"
        ) from None
    return settings.ui_url or settings.api.url.removesuffix("/api")


def _require_login(api_url: str) -> None:
    with temporary_settings(restore_defaults=LOGINS), get_client(sync_client=True) as client:
        try:
            client.hello()
        except httpx.HTTPStatusError as error:
            if error.response.status_code in _REFUSED:
                return
            raise
    raise UsageError(
        f"the Prefect server at {api_url} has no log-in: who reaches it can run commands as you; set"
        " PREFECT_SERVER_API_AUTH_STRING for it and PREFECT_API_AUTH_STRING here, or add --accept-open-server"
    )


def _no_answer(api_url: str, error: httpx.HTTPError) -> UsageError:
    return UsageError(
        f"the Prefect server at {api_url} does not answer ({type(error).__name__}); start it, or start another one with"
        " --with-server"
    )
