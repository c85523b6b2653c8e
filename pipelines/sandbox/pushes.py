"""Pushes: reports and replies sent to the client's URL as they become due by the gateway's clock.

A packet is XML as on the vendor's page; every attempt sends the same bytes. It is in the truth before it leaves, so
neither a kill nor an unreachable client loses one. A packet that is not answered 200 is retried after each of
`push_retry_seconds` and then given up; a share of those answered 200 is sent once more.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable, Sequence
from hashlib import blake2b, md5
from html import escape

import httpx

from pipelines.sandbox.answers import SNAKE_CASE
from pipelines.sandbox.gateway import REPLY_COLUMNS, REPORT_COLUMNS, Gateway, reply_fields, report_fields
from pipelines.sandbox.outcomes import stat_time_text
from pipelines.sandbox.settings import PushKind, SandboxSettings
from pipelines.sandbox.truth import Attempt, Due, IssuedReply, IssuedReport, Packet

_PAGE = 200  # records or packets at once, so that memory and the delay of other requests are bounded
_POLL_SECONDS = 0.1  # between polls when nothing was due
_NOTE_SECONDS = 0.02  # between commits of attempts: a commit for each would be the slowest part
_HEADERS = {"Content-Type": "text/xml;charset=UTF-8"}


class Pusher:
    """Pushes the reports and replies of `gateway`."""

    def __init__(self, gateway: Gateway, url: str) -> None:
        self._gateway = gateway
        self._truth = gateway.truth
        self._settings = gateway.settings
        self._url = url
        self._packets: asyncio.Queue[Packet] = asyncio.Queue(maxsize=1)
        self._attempts: list[Attempt] = []

    async def run(self) -> None:
        """Push until cancelled."""
        self._truth.reopen_pushes()
        count = self._settings.push_connections
        limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
        async with (
            httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client,  # noqa: S113  timed in _post
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._note_on())
            for _ in range(count):
                group.create_task(self._push_on(client))
            while True:
                packets = await self._next_packets()
                for packet in packets:
                    await self._packets.put(packet)
                if not packets:
                    await asyncio.sleep(_POLL_SECONDS)

    async def _next_packets(self) -> list[Packet]:
        """Packets due for another attempt, or else new ones."""
        packets = self._truth.take_pushes(time.time(), _PAGE)
        if packets:
            return packets
        await self._gateway.draw()
        self._make_packets()
        return self._truth.take_pushes(time.time(), _PAGE)

    def _make_packets(self) -> None:
        settings, now = self._settings, self._gateway.now()
        due = self._truth.due(now, settings.push_kinds, max(_PAGE, settings.push_records))
        with self._truth.transaction():
            for group in _groups(due, settings.push_records):
                nonce_str = secrets.token_hex(12)
                stamp = now if settings.push_stamp == "made" else group[-1].due_at
                body = write_packet(settings, stamp, nonce_str, [each.record for each in group])
                kind: PushKind = "reports" if isinstance(group[0].record, IssuedReport) else "replies"
                self._truth.add_push(kind, nonce_str, now, body, [each.record_id for each in group])

    async def _push_on(self, client: httpx.AsyncClient) -> None:
        while True:
            packet = await self._packets.get()
            self._attempts.append(self._judged(packet, await self._post(client, packet.body)))

    async def _note_on(self) -> None:
        """Keep the results of attempts. After a kill those not kept are pushed again, as if their answers were lost."""
        try:
            while True:
                await asyncio.sleep(_NOTE_SECONDS)
                self._note()
        finally:
            self._note()

    def _note(self) -> None:
        if self._attempts:
            self._truth.note_attempts(self._attempts)
            self._attempts.clear()

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> int | None:
        """The HTTP status of the answer; None if none came in time."""
        try:
            async with asyncio.timeout(self._settings.push_timeout_seconds):
                answer = await client.post(self._url, content=body, headers=_HEADERS)
        except (httpx.HTTPError, TimeoutError):
            return None
        return answer.status_code

    def _judged(self, packet: Packet, http_status: int | None) -> Attempt:
        """The result of an attempt, and when the next one is due."""
        waits = self._settings.push_retry_seconds
        is_given_up, next_attempt_at = False, None
        if http_status == 200 and packet.answered_count == 0 and self._is_repeated(packet):
            next_attempt_at = 0.0
        elif http_status != 200 and packet.answered_count == 0:
            is_given_up = packet.attempt_count >= len(waits)
            next_attempt_at = None if is_given_up else time.time() + waits[packet.attempt_count]
        return Attempt(packet.push_id, http_status, self._gateway.now(), next_attempt_at, is_given_up)

    def _is_repeated(self, packet: Packet) -> bool:
        """True if the packet is to be sent once more though it was answered 200, drawn from the seed and its number."""
        digest = blake2b(f"{self._settings.seed}/push/{packet.push_id}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little") < self._settings.push_duplicate_rate * 2**32


def _groups(due: Sequence[Due], size: int) -> list[list[Due]]:
    """Packets in order of time: `size` reports together, each reply alone."""
    reports = [each for each in due if isinstance(each.record, IssuedReport)]
    groups = [reports[start : start + size] for start in range(0, len(reports), size)]
    groups += [[each] for each in due if isinstance(each.record, IssuedReply)]
    return sorted(groups, key=lambda group: group[-1].due_at)


def write_packet(
    settings: SandboxSettings, stamp: float, nonce_str: str, records: Sequence[IssuedReport | IssuedReply]
) -> bytes:
    """The bytes of one push, line by line as on the vendor's page: reports, or one reply."""
    head = {
        "app_key": settings.app_key,
        "time_stamp": "".join(filter(str.isdigit, stat_time_text(stamp))),
        "nonce_str": nonce_str,
    }
    signed = settings.push_sign_text.format(**head, app_secret=settings.app_secret)
    head["sign"] = md5(signed.encode()).hexdigest()  # noqa: S324  32 digits, as the vendor's
    written = [_element(record) for record in records]
    if isinstance(records[0], IssuedReport):
        written = ["<records>", *written, "</records>"]
    lines = ["<xml>", "<head>", *_fields(head.items()), "</head>", "<body>", *written, "</body>", "</xml>"]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *lines]).encode()


def _element(record: IssuedReport | IssuedReply) -> str:
    if isinstance(record, IssuedReport):
        return _named("record", REPORT_COLUMNS, report_fields(record))
    return _named("dest", REPLY_COLUMNS[:-1], reply_fields(record)[:-1])  # the vendor's page has no moTime here


def _named(name: str, columns: Sequence[str], values: Sequence[str]) -> str:
    fields = _fields(zip((SNAKE_CASE[column] for column in columns), values, strict=True))
    return "\n".join([f"<{name}>", *fields, f"</{name}>"])


def _fields(values: Iterable[tuple[str, str]]) -> list[str]:
    return [f"<{name}>{escape(value, quote=False)}</{name}>" for name, value in values]
