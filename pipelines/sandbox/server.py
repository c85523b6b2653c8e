"""Serves the sandbox with uvicorn until a signal or `stopper` stops it."""

import logging
import re
from collections.abc import Callable
from contextlib import closing, suppress

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipelines.addresses import http_url
from pipelines.listening import listen
from pipelines.sandbox.app import make_app
from pipelines.sandbox.faults import TRANSPORT
from pipelines.sandbox.gateway import Gateway
from pipelines.sandbox.settings import SandboxSettings
from pipelines.sandbox.truth import Truth

_LONGEST_HEAD = 1 << 20  # bytes: 1000 phones in a query string make a long request line
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def serve(
    settings: SandboxSettings,
    *,
    ready: Callable[[str], None] = lambda _: None,
    stopper: Callable[[Callable[[], None]], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    `ready` gets the base URL as soon as connections are accepted; `stopper` gets a function that stops the server from
    any thread. Raises UsageError if the port or the truth file can't be opened.
    """
    with (
        listen(settings.host, settings.port, advice="choose another port") as listening,
        closing(Truth(settings.truth, balance=settings.balance)) as truth,
    ):
        server = uvicorn.Server(
            uvicorn.Config(
                _with_transport(make_app(Gateway(settings, truth))),
                http=_Connection,
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=_LONGEST_HEAD,
            )
        )

        # Requests cut off by an orderly stop are not errors.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)

        def stop() -> None:
            server.should_exit = True

        stopper(stop)
        ready(f"{http_url(settings.host, listening.getsockname()[1])}/api/v2/")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after a clean end
            server.run(sockets=[listening])


class _Connection(H11Protocol):
    """A connection that accepts a query string in unescaped UTF-8, as in the vendor's sample URL."""

    def data_received(self, data: bytes) -> None:
        if self.conn.their_state is h11.IDLE:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not head.isascii():
                data = _NOT_ASCII.sub(lambda match: b"%%%02X" % match[0][0], head) + end + rest
        super().data_received(data)


def _with_transport(app: ASGIApp) -> ASGIApp:
    """Give faults access to the connection, which uvicorn exposes only through the object that `send` belongs to."""

    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[TRANSPORT] = send.__self__.transport  # type: ignore[attr-defined]
        await app(scope, receive, send)

    return with_transport
