"""One request to the gateway, and its answer as bytes: nothing is read, repeated or slowed down here.

Every way in which a request can fail is sorted by one question: may it have been sent? No answer is taken in without
end: one that is too large, or that drips, is given up. Neither errors nor logs hold phones, texts or the secret, which
travels in the POST body only.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import httpx

from pipelines.errors import GatewayError, GatewayUnavailable, OutcomeUnknown, UsageError
from pipelines.failpoints import reach
from pipelines.settings import GatewaySettings

OUTCOMES: Mapping[type[Exception], type[GatewayUnavailable] | type[OutcomeUnknown]] = MappingProxyType(
    {
        # No connection came about, or no request: no byte of it left.
        httpx.ConnectError: GatewayUnavailable,
        httpx.ConnectTimeout: GatewayUnavailable,
        httpx.PoolTimeout: GatewayUnavailable,
        httpx.ProxyError: GatewayUnavailable,  # raised only while the tunnel is asked for
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
        # The branches of httpx's tree, raised by nobody today.
        httpx.HTTPError: OutcomeUnknown,
        httpx.RequestError: OutcomeUnknown,
        httpx.TransportError: OutcomeUnknown,
        httpx.TimeoutException: OutcomeUnknown,
        httpx.NetworkError: OutcomeUnknown,
        httpx.ProtocolError: OutcomeUnknown,
        httpx.StreamError: OutcomeUnknown,
    }
)
"""Every exception of httpx by name; one that isn't here may have been sent."""

# At DEBUG httpcore quotes the bytes of an answer that it can't read, whatever they hold.
logging.getLogger("httpcore").setLevel(logging.INFO)


class AnswerTooLarge(Exception):
    """More came than an answer may have."""


# An OSError: also the TimeoutError of a request that took too long as a whole.
_FAILURES = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, OSError, AnswerTooLarge)

_SHORT_ANSWER_BYTES = 2**20  # of a send or a balance, which have some hundred
STEPS = 4  # get a connection, open it, send, hear the answer: httpx lets each of them, and each byte, take a time-out

# A kept connection that the gateway closes just as a request leaves on it looks like a lost answer, and puts a batch in
# doubt. So idle ones are let go well before a server does: common limits are 5 s (Apache, Node, uvicorn) and more.
_IDLE_SECONDS = 2.0

_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    "Accept-Encoding": "identity",  # so that the bytes of an answer are the answer
    "User-Agent": "smsrecon",
}


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, unread."""

    http_status: int
    content_type: str | None
    body: bytes = field(repr=False)
    answer_ms: int


class GatewayClient:
    """The five endpoints over one connection pool; an async context manager.

    Every method returns the Exchange whatever its HTTP status. It raises GatewayUnavailable where surely nothing was
    sent, and OutcomeUnknown where the request left and no whole answer came.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        """Raises UsageError if `base_url` can't be one of a gateway."""
        self._base_url = _checked(settings.base_url)
        self._format = settings.format
        self._long_answer_bytes = settings.max_answer_mb * 2**20
        self._long_answer_seconds = settings.max_answer_seconds
        self._short_answer_seconds = settings.timeout_seconds * STEPS
        self._credentials = {"appKey": settings.app_key, "appSecret": settings.app_secret.get_secret_value()}
        self._http = httpx.AsyncClient(
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
        """Submit one text for all phones; `mission_nums` in the order of the phones."""
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
        """Submit one text a phone, all of one template; `mission_nums` and `contents` in the order of the phones."""
        fields = {
            "phones": ",".join(phones),
            "missionNums": ",".join(mission_nums),
            "content": ",".join(quote(content, safe="") for content in contents),  # and once more, with the form
            "templateId": template_id,
        }
        return await self._post("sendTplSms", fields | _batch_fields(batch_num, extra_num))

    async def query_sms_count(self) -> Exchange:
        """Ask for the balance, in messages."""
        return await self._post("querySmsCount", {})

    async def query_status_report(self, day: date) -> Exchange:
        """Ask for the reports of one day in China."""
        return await self._post("queryStatusReport", {"time": day.isoformat()}, is_long=True)

    async def query_mo_record(self) -> Exchange:
        """Ask for the replies."""
        return await self._post("queryMoRecord", {}, is_long=True)

    async def _post(self, endpoint: str, fields: dict[str, str], *, is_long: bool = False) -> Exchange:
        # Commas stay as they are: the form means the same, and a thousand phones encode 20 times faster.
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
            raise self._failure(endpoint, error, bytes(received)) from None  # what httpx says may quote the answer
        reach("gateway.answer_read")
        answer_ms = round((time.perf_counter() - started) * 1000)
        return Exchange(response.status_code, response.headers.get("Content-Type"), bytes(received), answer_ms)

    def _failure(self, endpoint: str, error: Exception, received: bytes) -> GatewayError:
        name = type(error).__name__
        failure: GatewayError
        if outcome_of(error) is GatewayUnavailable:
            failure = GatewayUnavailable(
                f"no connection to the gateway at {self._base_url} ({name}: {error}); nothing was sent; "
                "see that gateway.base_url and the network are right, then try again"
            )
        else:
            failure = OutcomeUnknown(
                f"{endpoint}: the request left and no whole answer came back ({name}); it may have been carried out: "
                "ask again if it was a query, wait for its reports if it was a submission",
                received,
            )
        failure.failure = name
        return failure


def outcome_of(error: Exception) -> type[GatewayUnavailable] | type[OutcomeUnknown]:
    """What a failed request means. Only an exception that the table names, itself and no parent, is surely not sent."""
    return OUTCOMES.get(type(error), OutcomeUnknown)


def _batch_fields(batch_num: str, extra_num: str | None) -> dict[str, str]:
    return {"batchNum": batch_num} if extra_num is None else {"batchNum": batch_num, "extraNum": extra_num}


def _checked(base_url: str) -> str:
    """The base with its final slash: a host and a path, and no credentials, since logs show it."""
    try:
        url = httpx.URL(base_url)
        is_usable = bool(url.host) and (url.port or 0) < 2**16 and not (url.userinfo or url.query or url.fragment)
    except (httpx.InvalidURL, UnicodeError):
        is_usable = False
    if not is_usable:
        raise UsageError("gateway.base_url must look like https://host/api/v2/; correct it in smsrecon.toml")
    return str(url).rstrip("/") + "/"
