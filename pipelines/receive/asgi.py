"""The endpoint for another ASGI server, in one process: `hypercorn "pipelines.receive.asgi:app()"`."""

from datetime import UTC, datetime

from starlette.applications import Starlette

from pipelines.receive.app import make_app
from pipelines.settings import load_settings, require_receive


def app() -> Starlette:
    """The endpoint with the settings that the commands read. Raises UsageError if they are wrong."""
    settings = load_settings()
    require_receive(settings)
    return make_app(settings, lambda: datetime.now(UTC))
