"""The client against a server on a real socket that sends exactly the bytes of the test."""

import asyncio
import logging
import socket
import struct
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qs, unquote

import httpx
import pytest

from pipelines.errors import GatewayError, GatewayUnavailable, OutcomeUnknown, UsageError
from pipelines.gateway.client import OUTCOMES, Exchange, GatewayClient, outcome_of
from pipelines.settings import GatewaySettings
from tests.support.ports import free_port

SECRET = "canary-secret-5f0c"
PHONE = "13800138000"
CONTENT = "【云锋网络】canary 100%, a+b=c&d"
BODY = '{"errorCode":"000000","errorMsg":"提交成功"}'.encode()


@dataclass
class Server:
    """Requests received: heads and forms, connections, and the largest number of open requests."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    connection_count: int = 0
    open_count: int = 0
    most_open: int = 0

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, (value,) in parse_qs(self.forms[-1], strict_parsing=True).items()}


Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[Server]:
    """Serve each request with `reply`; the connection stays open until `reply` closes it."""
    server = Server()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connection_count += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
                size = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
                server.heads.append(head)
                server.forms.append((await reader.readexactly(size)).decode("ascii"))
                server.open_count += 1
                server.most_open = max(server.most_open, server.open_count)
                try:
                    await reply(writer)
                finally:
                    server.open_count -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client disconnected, or the test ended
        finally:
            writer.close()

    listener = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/api/v2/"
        yield server


def whole(body: bytes = BODY, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json;charset=UTF-8\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def respond(*chunks: bytes, pause: float = 0.0) -> Reply:
    """Send the chunks with a pause after each, and keep the connection."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


def respond_and_close(*chunks: bytes) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        await respond(*chunks)(writer)
        writer.close()

    return reply


async def reset_connection(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a crashed gateway does."""
    peer: socket.socket = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def settings(url: str, **changes: object) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {"base_url": url, "app_key": "key", "app_secret": SECRET, "timeout_seconds": 5.0} | changes
    )


async def send(client: GatewayClient, content: str = CONTENT) -> Exchange:
    return await client.send_sms(phones=[PHONE], mission_nums=["m1"], content=content, batch_num="b1", extra_num=None)


async def send_tpl(client: GatewayClient) -> Exchange:
    return await client.send_tpl_sms(
        phones=[PHONE, "13900139000"],
        mission_nums=["m1", "m2"],
        contents=[CONTENT, "【云锋网络】b"],
        template_id="27",
        batch_num="b1",
        extra_num="001",
    )


Ask = Callable[[GatewayClient], Awaitable[Exchange]]


def exchange(reply: Reply, ask: Ask = send, **changes: object) -> tuple[Exchange, Server]:
    """The outcome of one request to a server with this reply."""

    async def main() -> tuple[Exchange, Server]:
        async with serving(reply) as server, GatewayClient(settings(server.url, **changes)) as client:
            return await ask(client), server

    return asyncio.run(main())


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ENDPOINTS: dict[str, tuple[Ask, dict[str, str]]] = {
    "sendSms": (send, {"phones": PHONE, "missionNums": "m1", "content": CONTENT, "batchNum": "b1"}),
    "querySmsCount": (lambda client: client.query_sms_count(), {}),
    "queryStatusReport": (lambda client: client.query_status_report(date(2017, 11, 7)), {"time": "2017-11-07"}),
    "queryMoRecord": (lambda client: client.query_mo_record(), {}),
}


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_gets_its_form_by_post(endpoint: str, form: str) -> None:
    ask, fields = ENDPOINTS[endpoint]
    answer, server = exchange(respond(whole()), ask, format=form)
    assert answer.body == BODY
    assert server.heads[0].startswith(f"POST /api/v2/{endpoint}.{form} HTTP/1.1\r\n")
    assert "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n" in server.heads[0].lower()
    assert server.form == {"appKey": "key", "appSecret": SECRET} | fields


def test_each_text_of_a_template_is_encoded_by_itself_and_again_with_the_form() -> None:
    _, server = exchange(respond(whole()), send_tpl)
    form = server.form
    assert [unquote(text, errors="strict") for text in form.pop("content").split(",")] == [CONTENT, "【云锋网络】b"]
    assert form == {
        "appKey": "key",
        "appSecret": SECRET,
        "phones": f"{PHONE},13900139000",
        "missionNums": "m1,m2",
        "templateId": "27",
        "batchNum": "b1",
        "extraNum": "001",
    }
    assert server.heads[0].startswith("POST /api/v2/sendTplSms.json ")


def test_the_secret_is_in_the_body_only() -> None:
    _, server = exchange(respond(whole()))
    assert SECRET in server.forms[0]
    assert SECRET not in server.heads[0]


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert exchange(respond(whole()))[0].http_status == 200


@pytest.mark.parametrize(
    "url",
    [
        "https:///api",
        "http://[::1/",
        "http://host:port/",
        "http://host:99999/",
        "http://xn--/",
        "https://me:pass@host/",
        "https://host/?a=b",
        "https://host/#a",
    ],
)
def test_a_base_url_that_is_not_a_gateways_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(UsageError, match="base_url must look like"):
        GatewayClient(settings(url))


@pytest.mark.parametrize(
    "host",
    ["gateway.example.com", "198.51.100.7", "127.0.0.1.example.com", "localhost.example.com", "[::2]"],
)
def test_clear_text_beyond_this_machine_is_refused_unless_it_is_allowed_by_name(host: str) -> None:
    clear = settings(f"http://{host}:8080/api/v2/")
    with pytest.raises(UsageError, match=r"gateway\.base_url leads to http://.*gateway\.allow_clear_text = true"):
        GatewayClient(clear)
    GatewayClient(clear.model_copy(update={"allow_clear_text": True}))
    GatewayClient(settings(f"https://{host}/"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_clear_text_within_this_machine_is_no_risk(host: str) -> None:
    GatewayClient(settings(f"http://{host}:8080/api/v2/"))


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["200 OK", "204 Odd", "302 Found", "403 Forbidden", "500 Oops", "502 Bad Gateway"])
def test_any_whole_answer_is_an_exchange_and_no_redirect_is_followed(status: str) -> None:
    body = b"" if status.startswith("204") else b"<html>x</html>"
    answer, server = exchange(respond(whole(body, status, "Location: /elsewhere\r\n")))
    assert (answer.http_status, answer.body) == (int(status[:3]), body)
    assert answer.content_type == "application/json;charset=UTF-8"
    assert len(server.heads) == 1


def test_the_bytes_of_an_answer_stay_as_received() -> None:
    body = b"\xef\xbb\xbf\r\n \x00\xff\xfe" + bytes(range(256))
    assert exchange(respond(whole(body, headers="Content-Encoding: gzip\r\n")))[0].body == body


def test_an_answer_in_chunks_without_a_type_is_whole() -> None:
    answer, _ = exchange(
        respond(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"0\r\n\r\n")
    )
    assert (answer.body, answer.content_type) == (b"ab", None)


def test_the_time_of_the_answer_is_measured() -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.06)
        await respond(whole())(writer)

    assert 50 <= exchange(late)[0].answer_ms < 5000


def test_concurrency_is_limited_and_connections_are_reused() -> None:
    async def main() -> Server:
        async with (
            serving(respond(whole(), pause=0.005)) as server,
            GatewayClient(settings(server.url, concurrency=3)) as client,
        ):
            await asyncio.gather(*(send(client) for _ in range(30)))
            return server

    server = asyncio.run(main())
    assert len(server.heads) == 30
    assert server.connection_count <= 3
    assert server.most_open <= 3


def test_a_connection_that_was_closed_while_idle_is_not_a_lost_answer() -> None:
    async def main() -> list[int]:
        async with serving(respond_and_close(whole())) as server, GatewayClient(settings(server.url)) as client:
            statuses = []
            for _ in range(5):
                statuses.append((await send(client)).http_status)
                await asyncio.sleep(0.02)
            return statuses

    assert asyncio.run(main()) == [200] * 5


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def ask_at(url: str, **changes: object) -> Exchange:
    async def main() -> Exchange:
        async with GatewayClient(settings(url, **changes)) as client:
            return await send(client)

    return asyncio.run(main())


def test_a_refused_connection_is_surely_not_sent() -> None:
    with pytest.raises(GatewayUnavailable, match="nothing was sent") as caught:
        ask_at(f"http://127.0.0.1:{free_port()}/")
    assert caught.value.failure == "ConnectError"


def test_an_unknown_host_is_surely_not_sent() -> None:
    with pytest.raises(GatewayUnavailable, match="ConnectError"):
        ask_at("https://gateway.invalid/")


def test_a_failed_tls_handshake_is_surely_not_sent() -> None:
    async def main() -> Exchange:
        async with (
            await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as listener,
            GatewayClient(settings(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")) as client,
        ):
            return await send(client)

    with pytest.raises(GatewayUnavailable, match="ConnectError"):
        asyncio.run(main())


def test_a_connection_timeout_is_surely_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # One connection waits in the queue, and no other is accepted.
        with socket.create_connection(full.getsockname()), pytest.raises(GatewayUnavailable, match="ConnectTimeout"):
            ask_at(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout_seconds=0.2)


def test_a_full_pool_is_surely_not_sent_and_does_not_disturb_the_others() -> None:
    slowly = respond(whole()[:-3], *(bytes([last]) for last in BODY[-3:]), pause=0.2)

    async def main() -> tuple[Exchange | BaseException, Exchange | BaseException, Server]:
        async with (
            serving(slowly) as server,
            GatewayClient(settings(server.url, concurrency=1, timeout_seconds=0.5)) as client,
        ):
            first, second = await asyncio.gather(send(client), send(client), return_exceptions=True)
            return first, second, server

    first, second, server = asyncio.run(main())
    assert isinstance(first, Exchange)
    assert isinstance(second, GatewayUnavailable)
    assert second.failure == "PoolTimeout"
    assert len(server.forms) == 1


LOST: dict[str, tuple[Reply, bytes]] = {
    "closed at once": (respond_and_close(), b""),
    "reset": (reset_connection, b""),
    "silence": (respond(pause=0.0), b""),
    "half a status line": (respond_and_close(b"HTTP/1."), b""),
    "garbage": (respond_and_close(f"{PHONE} {CONTENT}\r\n\r\n".encode()), b""),
    "garbage in the head": (respond_and_close(f"HTTP/1.1 200 OK\r\n{PHONE}\r\n\r\n".encode()), b""),
    "cut body": (respond_and_close(whole()[:-5]), BODY[:-5]),
    "cut chunks": (respond_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), b"hello"),
    "silence in the body": (respond(whole()[:-5]), BODY[:-5]),
}


def timeout_for(way: str) -> float:
    """Short only for cases that wait for the timeout."""
    return 0.2 if way.startswith("silence") else 5.0


@pytest.mark.parametrize("way", LOST)
def test_an_answer_that_is_lost_after_the_request_left_may_have_been_sent(way: str) -> None:
    reply, received = LOST[way]
    with pytest.raises(OutcomeUnknown) as caught:
        exchange(reply, timeout_seconds=timeout_for(way))
    assert caught.value.received == received


def test_a_request_that_stalls_half_way_may_have_been_sent() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()

        async def main() -> Exchange:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
            async with GatewayClient(settings(url, timeout_seconds=0.3)) as client:
                return await send(client, "x" * 20_000_000)

        with pytest.raises(OutcomeUnknown, match="WriteTimeout"):
            asyncio.run(main())


def exceptions_of_httpx() -> set[type[Exception]]:
    found = {each for each in vars(httpx).values() if isinstance(each, type) and issubclass(each, Exception)}
    while below := {sub for each in found for sub in each.__subclasses__() if sub.__module__ == "httpx"} - found:
        found |= below
    return found


def test_every_exception_of_httpx_is_in_the_table() -> None:
    assert set(OUTCOMES) == exceptions_of_httpx()


def test_after_an_exception_outside_the_table_it_may_have_been_sent() -> None:
    class NewConnectError(httpx.ConnectError):
        pass

    assert outcome_of(NewConnectError("")) is OutcomeUnknown
    assert outcome_of(OSError()) is OutcomeUnknown


# ── Endless answers ───────────────────────────────────────────────────────────────────────────────────────────────────

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"  # without a length the body ends with the connection


def flood(chunk: bytes) -> Reply:
    """Send the chunk until the client disconnects."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while True:
            writer.write(chunk)
            await writer.drain()

    return reply


def drip(start: bytes, byte: bytes = b"x") -> Reply:
    """Send single bytes without end, each well before the timeout."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(0.02)

    return reply


def balance(client: GatewayClient) -> Awaitable[Exchange]:
    return client.query_sms_count()


def reports(client: GatewayClient) -> Awaitable[Exchange]:
    return client.query_status_report(date(2017, 11, 7))


@pytest.mark.parametrize(("ask", "most_mb"), [(send, 1), (send_tpl, 1), (balance, 1), (reports, 3)])
def test_an_endless_answer_is_given_up_and_its_beginning_kept(ask: Ask, most_mb: int) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        exchange(flood(b"0123456789abcdef" * 4096), ask, max_answer_mb=3)
    assert caught.value.failure == "AnswerTooLarge"
    assert caught.value.received == b"0123456789abcdef" * (most_mb * 2**16)


DRIPS = {
    "body": (drip(HEAD), b"x"),
    "head": (drip(b"HTTP/1.1 200 OK\r\nX: "), b""),
    "promises": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), b""),
}


@pytest.mark.parametrize("way", DRIPS)
@pytest.mark.parametrize(("ask", "seconds"), [(send, 0.8), (balance, 0.8), (reports, 0.5)])
def test_a_slow_answer_is_given_up_though_no_byte_is_late(way: str, ask: Ask, seconds: float) -> None:
    reply, first = DRIPS[way]
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown) as caught:
        exchange(reply, ask, timeout_seconds=0.2, max_answer_seconds=0.5)
    assert caught.value.failure == "TimeoutError"
    assert caught.value.received.startswith(first)
    assert seconds <= time.monotonic() - began < seconds + 5


def test_after_an_endless_answer_other_requests_still_work() -> None:
    turns = iter([flood(b"x" * 65536), drip(HEAD), respond(whole())])

    async def in_turn(writer: asyncio.StreamWriter) -> None:
        await next(turns)(writer)

    async def main() -> tuple[list[str | None], Exchange]:
        async with (
            serving(in_turn) as server,
            GatewayClient(settings(server.url, concurrency=1, timeout_seconds=0.2)) as client,
        ):
            lost = await asyncio.gather(send(client), return_exceptions=True)
            lost += await asyncio.gather(send(client), return_exceptions=True)
            return [getattr(error, "failure", None) for error in lost], await send(client)

    failures, heard = asyncio.run(main())
    assert failures == ["AnswerTooLarge", "TimeoutError"]
    assert heard.body == BODY


# ── Privacy ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["answered", "refused connection", *LOST])
def test_neither_logs_nor_errors_nor_reprs_hold_secret_phone_or_text(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    try:
        if way == "answered":
            shown = repr(exchange(respond(whole(f"{PHONE} {CONTENT} {SECRET}".encode())), send_tpl)[0])
        elif way == "refused connection":
            ask_at(f"http://127.0.0.1:{free_port()}/")
        else:
            exchange(LOST[way][0], timeout_seconds=timeout_for(way))
    except GatewayError as error:
        shown = repr(error) + "".join(traceback.format_exception(error))
    assert shown
    for canary in (SECRET, PHONE, "canary 100", "canary%20100", "canary+100"):
        assert canary not in shown
        assert canary not in caplog.text
