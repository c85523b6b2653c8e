"""Serves the endpoint with uvicorn until it is told to stop."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import uvicorn

from pipelines.errors import UsageError
from pipelines.listening import listen
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
    """Serve until SIGINT or SIGTERM; requests under way are finished, and what they brought is sealed.

    `port` goes before that of the settings. `ready` gets the address as soon as connections are taken. Raises
    UsageError if the secret path or the app key is not set, or the port can't be had.
    """
    require_receive(settings)
    host = settings.receive.host
    port = settings.receive.port if port is None else port
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"--port {port} is none; give one from 0 to {LAST_PORT}")
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
                proxy_headers=False,  # who called is our question, and only some proxies are believed
                limit_concurrency=1000,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )

        # Once it is told to stop, requests that it cuts off are no errors.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
        ready(f"http://{host}:{listening.getsockname()[1]}")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean end
            server.run(sockets=[listening])
