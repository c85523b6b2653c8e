"""The gateway's routes, and the control endpoint beside them.

GET, POST /api/v2/<call>.json|.xml     fields as form, as query string, or both (the form wins)
GET       /sandbox/control             the state
POST      /sandbox/control             changes it by a JSON object with fields of `Changes`; answers the state
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipelines.sandbox.faults import spoil
from pipelines.sandbox.gateway import QUERIES, SENDS, Call, Gateway
from pipelines.sandbox.rules import read_form
from pipelines.sandbox.settings import Fault

_CALLS = f"{', '.join(SENDS + QUERIES)}, each with .json or .xml"


class Changes(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Changes of a running sandbox; an absent field changes nothing."""

    clock_shift_seconds: float | None = None
    balance: int | None = None
    faults: Sequence[Fault] = ()  # queued behind earlier ones
    fault_rate: float | None = None
    query_fault_rate: float | None = None
    requests_per_second: float | None = None


def make_app(gateway: Gateway) -> Starlette:
    """The ASGI app of `gateway`."""

    async def call(request: Request) -> Response:
        endpoint, _, form = request.path_params["call"].rpartition(".")
        if endpoint not in SENDS + QUERIES or form not in ("json", "xml"):
            return PlainTextResponse(f"no such call; the calls are {_CALLS}", 404)
        try:
            fields = read_form(request.scope["query_string"], await request.body())
        except ClientDisconnect:  # in the middle of its request, which therefore has no effect
            return Response()
        peer = request.client.host if request.client else ""
        body, fault = await gateway.answer(Call(endpoint, form, fields, peer))
        if fault is not None:
            return await spoil(fault, body, request, gateway.settings.delay_seconds)
        return Response(body.content, media_type=body.content_type)

    async def control(request: Request) -> Response:
        if request.method == "POST":
            try:
                changes = msgspec.json.decode(await request.body(), type=Changes)
            except msgspec.DecodeError as error:
                return PlainTextResponse(f"not a valid change: {error}", 400)
            apply_changes(gateway, changes)
        return Response(msgspec.json.encode(gateway.state()), media_type="application/json")

    @asynccontextmanager
    async def pushing(_: Starlette) -> AsyncIterator[None]:
        if gateway.settings.push_url is None:
            yield
            return
        from pipelines.sandbox.pushes import Pusher  # noqa: PLC0415  httpx is slow to load, and few push

        async with asyncio.TaskGroup() as group:
            task = group.create_task(Pusher(gateway, gateway.settings.push_url).run())
            yield
            task.cancel()

    return Starlette(
        lifespan=pushing,
        routes=[
            Route("/api/v2/{call}", call, methods=["GET", "POST"]),
            Route("/sandbox/control", control, methods=["GET", "POST"]),
        ],
    )


def apply_changes(gateway: Gateway, changes: Changes) -> None:
    """Change the running gateway."""
    if changes.clock_shift_seconds is not None:
        gateway.clock_shift_seconds = changes.clock_shift_seconds
    if changes.balance is not None:
        gateway.truth.set_balance(changes.balance)
    if changes.fault_rate is not None:
        gateway.faults.rates["send"] = changes.fault_rate
    if changes.query_fault_rate is not None:
        gateway.faults.rates["query"] = changes.query_fault_rate
    if changes.requests_per_second is not None:
        gateway.call_limit.per_second = changes.requests_per_second or None
    gateway.faults.queue(changes.faults)
