"""All deployments in one process: registered with the Prefect server, and run when they are due."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import httpx
from prefect.runner import Runner
from prefect.settings import get_current_settings

from pipelines.errors import UsageError
from pipelines.flows.deployments import deployments
from pipelines.gateway.client import STEPS
from pipelines.settings import Settings

SECONDS_BETWEEN_LOOKS: Final = 2.0  # for what is due: who presses a button waits no longer
SECONDS_TO_END: Final = 10.0  # of a run, beyond the longest wait for an answer
STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings, tell: Callable[[str], None]) -> None:
    """Run what is due, until Ctrl-C or SIGTERM; schedules go on, and what was due meanwhile is run at the next serving.

    A campaign that is being sent then gets the answers of what is on its way, is paused, and can be resumed; a second
    signal does not wait for that. Raises UsageError for a schedule that is no cron.
    """
    runner = Runner(
        pause_on_shutdown=False, limit=settings.schedule.concurrent_runs, query_seconds=SECONDS_BETWEEN_LOOKS
    )
    for deployment in deployments(settings.schedule):
        runner.add_deployment(deployment)
    with suppress(KeyboardInterrupt):
        asyncio.run(_until_stopped(runner, settings.gateway.timeout_seconds * STEPS + SECONDS_TO_END, tell))


async def _until_stopped(runner: Runner, patience_seconds: float, tell: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(runner.start())
    await asyncio.sleep(0)  # the runner has set its handler, with which runs are killed at once
    asked: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in STOPPING:
        loop.add_signal_handler(number, asked.put_nowait, number)
    stopped = asyncio.create_task(asked.get())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for number in STOPPING:
        loop.remove_signal_handler(number)
    if stopped.done():
        # Who signals a group of processes has told the runs already, and a second of the same would end them at once.
        other = STOPPING[1 - STOPPING.index(stopped.result())]
        await _runs_ended(runner, other, patience_seconds, tell)
        serving.cancel()
    stopped.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def _runs_ended(
    runner: Runner, number: signal.Signals, patience_seconds: float, tell: Callable[[str], None]
) -> None:
    """Ask all runs to end, by this signal, and wait until they have, and have told the server so."""
    runner._scheduled_run_poller.stopping = True
    runs = runner._process_manager._process_map
    if runs:
        tell(f"stopping {len(runs)} of what runs, once its answers have come; Ctrl-C again does not wait")
    for handle in [*runs.values()]:
        if handle.pid:
            with suppress(ProcessLookupError):
                os.kill(handle.pid, number)
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_seconds):
            while runs:  # noqa: ASYNC110  the runner takes each out when it has told the server how it ended
                await asyncio.sleep(0.1)


def ui_url() -> str:
    """Where to look. Raises UsageError unless a Prefect server answers."""
    settings = get_current_settings()
    if not settings.api.url:
        raise UsageError("no Prefect server is named: set PREFECT_API_URL, or start one with --with-server")
    try:
        httpx.get(f"{settings.api.url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise UsageError(
            f"the Prefect server at {settings.api.url} does not answer ({type(error).__name__}); start it, or one of"
            " your own with --with-server"
        ) from None
    return settings.ui_url or settings.api.url.removesuffix("/api")
