"""Faults that spoil an answer on its way, on demand or drawn from the seed.

    drop             the connection ends without an answer
    delay            the answer comes after `seconds`, unless the client has disconnected by then
    http_500         status 500 with a plain text
    http_502         status 502 with a proxy's HTML
    truncated        the connection ends in the middle of the body
    garbage          bytes that are neither JSON nor XML
    malformed_json   the vendor's own sample, with its syntax error
    system_error     error code 999999

With `is_accepted` the gateway processes the call before the fault strikes: it accepts the send, or hands out records.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipelines.sandbox.answers import Body
from pipelines.sandbox.settings import CallKind, Fault, FaultKind

TRANSPORT = "sandbox.transport"  # where server.py puts the connection into the scope

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_GARBAGE = bytes(range(128, 256)) * 4
_MALFORMED = '{"err"rCode":"000000","errorMsg":"提交成功"}'.encode()


@dataclass
class FaultSource:
    """Source of faults: those queued on demand first, then those drawn from the seed."""

    seed: int
    kinds: Sequence[FaultKind]
    rates: dict[CallKind, float]
    queued: dict[CallKind, deque[Fault]] = field(default_factory=lambda: {"send": deque(), "query": deque()})

    def queue(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            self.queued[fault.call].append(fault)

    def take(self, call: CallKind, identity: str) -> Fault | None:
        """The fault for this call, if any; a drawn one depends on the seed and `identity` alone."""
        if self.queued[call]:
            return self.queued[call].popleft()
        if not self.rates[call] or not self.kinds:
            return None
        digest = blake2b(f"{self.seed}/{call}/{identity}".encode(), digest_size=9).digest()
        if int.from_bytes(digest[:4], "little") >= self.rates[call] * 2**32:
            return None
        kind = self.kinds[int.from_bytes(digest[4:8], "little") % len(self.kinds)]
        return Fault(kind, is_accepted=digest[8] % 2 == 0, call=call)


async def spoil(fault: Fault, body: Body, request: Request, delay_seconds: float) -> Response:
    """The response to send in place of `body`."""
    content, content_type = body
    replacements: dict[FaultKind, Response] = {
        "drop": BrokenOff(),
        "truncated": BrokenOff(content, media_type=content_type),
        "http_500": Response(b"Internal Server Error", 500, media_type="text/plain"),
        "http_502": Response(_BAD_GATEWAY, 502, media_type="text/html"),
        "garbage": Response(_GARBAGE, media_type=content_type),
        "malformed_json": Response(_MALFORMED, media_type=content_type),
    }
    if fault.kind == "delay":
        await _wait_or_disconnect(request, delay_seconds if fault.seconds is None else fault.seconds)
    return replacements.get(fault.kind) or Response(content, media_type=content_type)


class BrokenOff(Response):
    """A response whose connection ends half-way through the body; without a body, before the first byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.body:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            half = bytes(self.body[: len(self.body) // 2])
            await send({"type": "http.response.body", "body": half, "more_body": True})
        scope[TRANSPORT].close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _wait_or_disconnect(request: Request, seconds: float) -> None:
    """Wait, or return as soon as the client disconnects."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    waiting = asyncio.ensure_future(gone())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
