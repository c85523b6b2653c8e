"""Serves the endpoint with uvicorn until a signal stops it."""

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import uvicorn

from pipelines.addresses import http_url
from pipelines.errors import UsageError
from pipelines.listening import BACKLOG, listen
from pipelines.receive.app import make_app
from pipelines.receive.connections import ConnectionLimits, Sparing
from pipelines.settings import Settings, require_receive

LAST_PORT = 65535


class _Server(uvicorn.Server):
    """A server that accepts a few connections at once, while many may wait to be accepted."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)  # makes the system's queue as short as what is accepted at once
        for listening in sockets or ():
            listening.listen(BACKLOG)


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
        app = make_app(settings, clock)
        limits = ConnectionLimits(app.state.metrics)
        server = _Server(
            uvicorn.Config(
                app,
                http=limits.protocol(),
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the gate decides which proxies to trust
                backlog=limits.max_accepted,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )

        # Requests cut off by an orderly stop are not errors.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).addFilter(Sparing())
        ready(http_url(host, listening.getsockname()[1]))
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean end
            server.run(sockets=[listening])
