"""Serves the endpoint with uvicorn until a signal stops it."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import uvicorn

from pipelines.errors import UsageError
from pipelines.listening import http_url, listen
from pipelines.receive.app import make_app
from pipelines.settings import Settings, require_receive

LAST_PORT = 65535


def serve(
    settings: Settings,
    *,
    port: int | None = None,
    clock: Callable[[], datetime],
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished and the open segment is sealed.

    `port` overrides the setting. `ready` gets the URL as soon as connections are accepted. Raises UsageError if the
    secret path or the app key is not set, or the port is taken or forbidden.
    """
    require_receive(settings)
    host = settings.receive.host
    port = settings.receive.port if port is None else port
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"--port {port} is not a port; give one from 0 to {LAST_PORT}")
    with listen(host, port, advice="set receive.host, or give another --port") as listening:
        server = uvicorn.Server(
            uvicorn.Config(
                make_app(settings, clock),
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the gate decides which proxies to trust
                limit_concurrency=1000,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )

        # Requests cut off by an orderly stop are not errors.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
        ready(http_url(host, listening.getsockname()[1]))
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean end
            server.run(sockets=[listening])
