"""The routes of the endpoint.

POST /push/<receive.path_secret>   a push, whether or not it can be parsed: 200 once its bytes are synced to disk; any
                                   other status asks for a retry
GET  /push/ping                    the question of `smsrecon doctor` whether this is its endpoint; see ping.py
GET  /health                       200 while pushes can be kept, else 503
GET  /metrics                      for Prometheus, on this machine or in receive.allow
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipelines.errors import SmsreconError
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.segments.folder import SegmentFolder
from pipelines.landing.segments.writer import Full, SegmentWriter
from pipelines.receive.gate import Admitted, Gate, Refused
from pipelines.receive.metrics import Metrics
from pipelines.receive.ping import is_signed, signature
from pipelines.settings import Settings

SECONDS_BETWEEN: Final = 10.0  # of putting sealed segments in the bucket


class Endpoint:
    """Writes pushes to the landing."""

    def __init__(self, settings: Settings, landing: Landing, clock: Callable[[], datetime]) -> None:
        self._receive = settings.receive
        self._landing = landing
        self._clock = clock
        self._gate = Gate(settings, clock)
        self.metrics = Metrics()
        self._max_waiting = self._receive.max_waiting_mb * 2**20
        self._max_body = self._receive.max_body_kb * 1024
        self._kept = self._writer(landing.pushes, max_waiting_bytes=self._max_waiting)
        self._apart = self._writer(landing.refused, max_waiting_bytes=2**20)
        self._reading_bytes = 0
        self._written: Future[None] | None = None
        self._awaited: asyncio.Future[None]
        latest = islice(landing.pushes.latest_first(), self._receive.nonce_memory)
        unreadable_bytes = self._gate.recall(frame.body for frame in latest)
        # The room for what may come from anybody who knows the path: refused pushes, and those that can't be parsed.
        self._room = self._receive.max_refused_mb * 2**20 - landing.refused.size() - unreadable_bytes

    def _writer(self, folder: SegmentFolder, *, max_waiting_bytes: int) -> SegmentWriter:
        return SegmentWriter(
            lambda: folder.new_path(self._clock()),
            max_bytes=self._receive.segment_mb * 2**20,
            max_seconds=self._receive.segment_seconds,
            max_waiting_bytes=max_waiting_bytes,
        )

    def _head(self, address: str) -> dict[str, str]:
        """The header of a landed push."""
        return {"received_at": self._clock().astimezone(UTC).isoformat(), "peer": address}

    async def push(self, request: Request) -> Response:
        try:
            await self._take(request)
        except Refused as refused:
            self.metrics.refused.labels(refused.reason).inc()
            headers = {"Retry-After": "1"} if refused.status == 503 else None
            return PlainTextResponse("not taken", refused.status, headers)
        except ClientDisconnect:
            return Response(status_code=400)
        return PlainTextResponse(self._receive.answer)

    async def _take(self, request: Request) -> None:
        peer, forwarded_for = _addresses(request)
        self._gate.check_path(request.path_params["path_secret"])
        address = ""
        body = b""
        try:
            address = self._gate.check_address(peer, forwarded_for)
            body = await self._body(request)
            admitted = self._gate.check_push(body)
        except Refused as refused:
            self._keep_apart(refused.reason, address or peer, body)
            raise
        await self._keep(admitted, address, body)
        self.metrics.received.inc()

    async def _body(self, request: Request) -> bytes:
        """The body. Raises Refused if it is too large, or if all bodies being read exceed the limit of memory."""
        if int(request.headers.get("content-length") or 0) > self._max_body:
            raise Refused("length")
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self._reading_bytes += len(chunk)
                if size > self._max_body:
                    raise Refused("length")
                if self._reading_bytes > self._max_waiting:
                    raise Refused("full")
                chunks.append(chunk)
        finally:
            self._reading_bytes -= size
        return b"".join(chunks)

    async def _keep(self, admitted: Admitted, address: str, body: bytes) -> None:
        """Return when the bytes are on disk."""
        if admitted.is_repeated:
            self.metrics.repeated.inc()
            return
        if admitted.head is None and not self._has_room(body):
            raise Refused("unreadable")
        begun = time.perf_counter()
        try:
            await self._on_disk(self._kept.append(self._head(address), body))
        except Full:
            raise Refused("full") from None
        except OSError:
            raise Refused("disk") from None
        self._gate.remember(admitted.head, body)
        self.metrics.unreadable.inc(admitted.head is None)
        self.metrics.bytes.inc(len(body))
        self.metrics.landing.observe(time.perf_counter() - begun)

    def _on_disk(self, written: Future[None]) -> asyncio.Future[None]:
        """An awaitable for `written`, shared by all pushes written together; a cancelled waiter leaves the others."""
        if written is not self._written:
            self._written, self._awaited = written, asyncio.wrap_future(written)
        return asyncio.shield(self._awaited)

    def _keep_apart(self, reason: str, address: str, body: bytes) -> None:
        """Queue a refused push for writing if there is room left for it; nothing waits for the disk."""
        if body and self._has_room(body):
            with suppress(Full):
                self._apart.append(self._head(address) | {"reason": reason}, body)

    def _has_room(self, body: bytes) -> bool:
        """Take the room for a body if it is left."""
        if self._room <= len(body):
            return False
        self._room -= len(body)
        return True

    async def ping(self, request: Request) -> Response:
        """Prove to somebody who has the path secret that this endpoint has it too; to others this is another path."""
        nonce, given = (request.query_params.get(name, "") for name in ("nonce", "signature"))
        if is_signed(self._receive, "question", nonce, given):
            return PlainTextResponse(signature(self._receive, "answer", nonce))
        return PlainTextResponse("not taken", 404)

    async def health(self, _: Request) -> Response:
        if self._kept.is_writable:
            return PlainTextResponse("ok")
        return PlainTextResponse("pushes can't be written to disk", 503)

    async def measures(self, request: Request) -> Response:
        if not self._gate.may_measure(*_addresses(request)):
            return PlainTextResponse("not taken", 403)
        self.metrics.waiting.set(self._kept.waiting_bytes)
        oldest = await asyncio.to_thread(self._landing.pushes.oldest_unloaded)
        self.metrics.unloaded.set((self._clock() - oldest).total_seconds() if oldest else 0)
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def share_sealed(self) -> None:
        """Put the segments that are sealed in the bucket, for as long as this runs, where machines share one."""
        while self._landing.bucket:
            await asyncio.to_thread(self.share)
            await asyncio.sleep(SECONDS_BETWEEN)

    def share(self) -> None:
        """Put the segments that are sealed in the bucket. Those that can't be put stay here until it can be reached."""
        try:
            for folder in (self._landing.pushes, self._landing.refused):
                self._landing.put_new(folder.root.name)
        except SmsreconError as error:
            logging.getLogger(__name__).warning("%s", error)

    def close(self) -> None:
        self._kept.close()
        self._apart.close()


def _addresses(request: Request) -> tuple[str, str]:
    """The address of the other side, and those that proxies say they act for."""
    peer = request.client.host if request.client else ""
    return peer, ",".join(request.headers.getlist("x-forwarded-for"))  # some proxies add another header line


def make_app(settings: Settings, clock: Callable[[], datetime]) -> Starlette:
    """The endpoint as an ASGI app, for one process."""
    endpoint = Endpoint(settings, landing_of(settings), clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sharing = asyncio.create_task(endpoint.share_sealed())
        yield
        sharing.cancel()
        await asyncio.to_thread(endpoint.close)
        await asyncio.to_thread(endpoint.share)

    app = Starlette(
        routes=[
            Route("/push/{path_secret}", endpoint.push, methods=["POST"]),
            Route("/push/ping", endpoint.ping, methods=["GET"]),
            Route("/health", endpoint.health),
            Route("/metrics", endpoint.measures),
        ],
        lifespan=lifespan,
    )
    app.state.metrics = endpoint.metrics  # the server counts the connections that it closes
    return app
