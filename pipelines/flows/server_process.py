"""The process of the Prefect server: Prefect's own application, which answers its own pages and programs only.

Prefect serves every Host and lets the pages of every origin read its answers. The address is checked here because a
site can give its own name this machine's address, and the origin because CORS stops neither WebSockets nor forms.
"""

import sys
from typing import Final

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_SERVER_CORS_ALLOWED_ORIGINS, temporary_settings
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.flows.server import HOST

NAMES: Final = (HOST, "localhost")


class OwnPagesOnly:
    """Refuses calls from the pages of other origins. Programs send no origin."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_foreign = scope["type"] != "lifespan" and Headers(scope=scope).get("origin") not in (None, *self._origins)
        refusal = PlainTextResponse("this server takes no calls from the pages of others", 403)
        await (refusal if is_foreign else self._app)(scope, receive, send)


def main(port: int) -> None:
    """Serve on 127.0.0.1 until a signal, as 'prefect server start' does."""
    origins = tuple(f"http://{name}:{port}" for name in NAMES)
    with temporary_settings({PREFECT_SERVER_CORS_ALLOWED_ORIGINS: ",".join(origins)}) as settings:
        own = OwnPagesOnly(create_app(final=True), origins)
        uvicorn.run(
            TrustedHostMiddleware(own, allowed_hosts=NAMES, www_redirect=False),
            host=HOST,
            port=port,
            timeout_keep_alive=settings.server.api.keepalive_timeout,
            ws_ping_interval=settings.server.api.websocket_ping_interval,
            ws_ping_timeout=settings.server.api.websocket_ping_timeout,
            log_level=settings.server.logging_level.lower(),
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
