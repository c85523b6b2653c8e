"""All deployments in one process: registered with the Prefect server, and run when they are due."""

import httpx
from prefect import serve as serve_deployments
from prefect.settings import get_current_settings

from pipelines.errors import UsageError
from pipelines.flows.deployments import deployments
from pipelines.settings import ScheduleSettings

SECONDS_BETWEEN_LOOKS = 2.0  # for what is due: who presses a button waits no longer


def serve(settings: ScheduleSettings) -> None:
    """Run what is due, until stopped; schedules go on, and what was due meanwhile is run at the next serving.

    Raises UsageError for a schedule that is no cron.
    """
    serve_deployments(
        *deployments(settings),
        pause_on_shutdown=False,
        print_starting_message=False,
        limit=settings.concurrent_runs,
        query_seconds=SECONDS_BETWEEN_LOOKS,
    )


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
