"""HTTP client of the gateway: sends one request and returns its answer as bytes.

Nothing is interpreted, retried or throttled here. Every failure is classified by one question: may the request have
been sent? An answer that is too large or too slow is given up. Neither errors nor logs hold phones, texts or the
secret, which travels in the POST body only.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import httpx

from pipelines.errors import GatewayError, GatewayUnavailable, OutcomeUnknown, UsageError
from pipelines.failpoints import reach
from pipelines.settings import GatewaySettings, refuse_clear_text

OUTCOMES: Mapping[type[Exception], type[GatewayUnavailable] | type[OutcomeUnknown]] = MappingProxyType(
    {
        # No connection was made, or no request built: no byte of it left.
        httpx.ConnectError: GatewayUnavailable,
        httpx.ConnectTimeout: GatewayUnavailable,
        httpx.PoolTimeout: GatewayUnavailable,
        httpx.ProxyError: GatewayUnavailable,  # raised only while the tunnel is being opened
        httpx.UnsupportedProtocol: GatewayUnavailable,
        httpx.InvalidURL: GatewayUnavailable,
        # Bytes of the request left, or may have.
        httpx.ReadTimeout: OutcomeUnknown,
        httpx.ReadError: OutcomeUnknown,
        httpx.WriteTimeout: OutcomeUnknown,
        httpx.WriteError: OutcomeUnknown,
        httpx.CloseError: OutcomeUnknown,
        httpx.LocalProtocolError: OutcomeUnknown,  # also raised in the middle of a body
        httpx.RemoteProtocolError: OutcomeUnknown,
        httpx.DecodingError: OutcomeUnknown,
        httpx.TooManyRedirects: OutcomeUnknown,
        httpx.HTTPStatusError: OutcomeUnknown,
        httpx.CookieConflict: OutcomeUnknown,
        httpx.StreamConsumed: OutcomeUnknown,
        httpx.StreamClosed: OutcomeUnknown,
        httpx.ResponseNotRead: OutcomeUnknown,
        httpx.RequestNotRead: OutcomeUnknown,
        # Base classes, which httpx itself does not raise today.
        httpx.HTTPError: OutcomeUnknown,
        httpx.RequestError: OutcomeUnknown,
        httpx.TransportError: OutcomeUnknown,
        httpx.TimeoutException: OutcomeUnknown,
        httpx.NetworkError: OutcomeUnknown,
        httpx.ProtocolError: OutcomeUnknown,
        httpx.StreamError: OutcomeUnknown,
    }
)
"""The meaning of every exception of httpx. After one that isn't listed, the request may have been sent."""

# At DEBUG httpcore logs the bytes of an answer that it can't parse, which may hold phones.
logging.getLogger("httpcore").setLevel(logging.INFO)


class AnswerTooLarge(Exception):
    """The answer exceeds its limit of bytes."""


# OSError covers the TimeoutError of a request that took too long as a whole.
_FAILURES = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, OSError, AnswerTooLarge)

_SHORT_ANSWER_BYTES = 2**20  # limit for a send or a balance, whose answers have some hundred

# Waiting for a connection, opening it, sending, receiving: httpx allows each of them, and each byte, the whole timeout.
STEPS = 4

# If the gateway closes an idle connection just as a request leaves on it, the answer seems lost and the batch is in
# doubt. So idle connections are closed well before a server does so: common limits are 5 s (Apache, Node, uvicorn) and
# more.
_IDLE_SECONDS = 2.0

_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    "Accept-Encoding": "identity",  # so that the bytes of an answer are the answer
    "User-Agent": "smsrecon",
}


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, not interpreted."""

    http_status: int
    content_type: str | None
    body: bytes = field(repr=False)
    answer_ms: int


class GatewayClient:
    """The gateway's five endpoints over one connection pool; an async context manager.

    Every method returns the Exchange whatever its HTTP status. It raises GatewayUnavailable if surely nothing was sent,
    and OutcomeUnknown if the request left and no whole answer came.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        """Raises UsageError if `base_url` is not an HTTP URL without credentials, query and fragment, or if it is in
        clear text beyond this machine and that is not allowed."""
        self._base_url = _checked(settings.base_url)
        if not settings.allow_clear_text:
            refuse_clear_text(
                self._base_url,
                "app_secret, phones and texts would cross the network for others to read; give an https:// address, or"
                " take the risk with gateway.allow_clear_text = true",
                setting="gateway.base_url",
            )
        self._format = settings.format
        self._long_answer_bytes = settings.max_answer_mb * 2**20
        self._long_answer_seconds = settings.max_answer_seconds
        self._short_answer_seconds = settings.timeout_seconds * STEPS
        self._credentials = {"appKey": settings.app_key, "appSecret": settings.app_secret.get_secret_value()}
        self._http = httpx.AsyncClient(
            verify=_tls_context(),
            headers=_HEADERS,
            timeout=settings.timeout_seconds,
            follow_redirects=False,
            trust_env=False,  # a proxy would change the address that the gateway's white list holds
            limits=httpx.Limits(
                max_connections=settings.concurrency,
                max_keepalive_connections=settings.concurrency,
                keepalive_expiry=_IDLE_SECONDS,
            ),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    async def send_sms(
        self,
        *,
        phones: Sequence[str],
        mission_nums: Sequence[str],
        content: str,
        batch_num: str,
        extra_num: str | None,
    ) -> Exchange:
        """Submit one text to all phones; `mission_nums` in the order of the phones."""
        fields = {"phones": ",".join(phones), "missionNums": ",".join(mission_nums), "content": content}
        return await self._post("sendSms", fields | _batch_fields(batch_num, extra_num))

    async def send_tpl_sms(
        self,
        *,
        phones: Sequence[str],
        mission_nums: Sequence[str],
        contents: Sequence[str],
        template_id: str,
        batch_num: str,
        extra_num: str | None,
    ) -> Exchange:
        """Submit a text for each phone, all of one template; `mission_nums` and `contents` in the phones' order."""
        fields = {
            "phones": ",".join(phones),
            "missionNums": ",".join(mission_nums),
            "content": ",".join(quote(content, safe="") for content in contents),  # encoded again with the form
            "templateId": template_id,
        }
        return await self._post("sendTplSms", fields | _batch_fields(batch_num, extra_num))

    async def query_sms_count(self) -> Exchange:
        """Query the balance, in messages."""
        return await self._post("querySmsCount", {})

    async def query_status_report(self, day: date) -> Exchange:
        """Query the reports of one day in China."""
        return await self._post("queryStatusReport", {"time": day.isoformat()}, is_long=True)

    async def query_mo_record(self) -> Exchange:
        """Query the replies."""
        return await self._post("queryMoRecord", {}, is_long=True)

    async def _post(self, endpoint: str, fields: dict[str, str], *, is_long: bool = False) -> Exchange:
        # Unescaped commas mean the same in a form, and a thousand phones encode 20 times faster.
        form = urlencode(self._credentials | fields, safe=",").encode()
        url = f"{self._base_url}{endpoint}.{self._format}"
        most_bytes = self._long_answer_bytes if is_long else _SHORT_ANSWER_BYTES
        most_seconds = self._long_answer_seconds if is_long else self._short_answer_seconds
        received = bytearray()
        started = time.perf_counter()
        reach("gateway.before_request")
        try:
            async with asyncio.timeout(most_seconds), self._http.stream("POST", url, content=form) as response:
                reach("gateway.answer_begun")
                async for chunk in response.aiter_raw():
                    received += chunk[: most_bytes - len(received)]
                    if len(received) == most_bytes:
                        raise AnswerTooLarge
        except _FAILURES as error:
            raise self._failure(endpoint, error, bytes(received)) from None  # the message of httpx may quote the answer
        reach("gateway.answer_read")
        answer_ms = round((time.perf_counter() - started) * 1000)
        return Exchange(response.status_code, response.headers.get("Content-Type"), bytes(received), answer_ms)

    def _failure(self, endpoint: str, error: Exception, received: bytes) -> GatewayError:
        name = type(error).__name__
        failure: GatewayError
        if outcome_of(error) is GatewayUnavailable:
            failure = GatewayUnavailable(
                f"no connection to the gateway at {self._base_url} ({name}: {error}); nothing was sent; "
                "check gateway.base_url and the network, then try again"
            )
        else:
            failure = OutcomeUnknown(
                f"{endpoint}: the request left and no whole answer came back ({name}); it may have been processed: "
                "repeat a query; for a submission, wait for its reports",
                received,
            )
        failure.failure = name
        return failure


def outcome_of(error: Exception) -> type[GatewayUnavailable] | type[OutcomeUnknown]:
    """The meaning of a failed request. Only an exception whose own class OUTCOMES lists can mean surely not sent."""
    return OUTCOMES.get(type(error), OutcomeUnknown)


def _batch_fields(batch_num: str, extra_num: str | None) -> dict[str, str]:
    return {"batchNum": batch_num} if extra_num is None else {"batchNum": batch_num, "extraNum": extra_num}


@cache
def _tls_context() -> ssl.SSLContext:
    """The trusted certificates, read once in a process: that takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def _checked(base_url: str) -> str:
    """The base URL with its final slash. It must hold no credentials, since logs show it."""
    try:
        url = httpx.URL(base_url)
        is_usable = bool(url.host) and (url.port or 0) < 2**16 and not (url.userinfo or url.query or url.fragment)
    except (httpx.InvalidURL, UnicodeError):
        is_usable = False
    if not is_usable:
        raise UsageError("gateway.base_url must look like https://host/api/v2/; correct it in smsrecon.toml")
    return str(url).rstrip("/") + "/"
