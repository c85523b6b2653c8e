"""Limits of the endpoint's connections: whoever sends no whole request in time, or is one too many, is cut off.

uvicorn has a time limit for idle connections only, and answers 503 to everybody once there are too many. Here a new
connection takes the place of the one that has been waited for longest. A genuine push comes in whole within
milliseconds, so it is answered however many silent connections are opened around it.
"""

import asyncio
import logging
import resource
import time
from functools import partial
from typing import Any, Final, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipelines.receive.metrics import Metrics

MAX_CONNECTIONS = 1000
REQUEST_SECONDS = 30.0  # a push of 1 MB comes in time on a line of 35 KB a second
_OWN_FILES: Final = 100  # descriptors for everything but connections: segments, the log, libraries
_MAX_ACCEPTED: Final = 128  # connections that asyncio accepts at once, before it does anything else
_ROUNDS: Final = 6  # of accepting that go by until an old connection is closed for one of the first
_LOG_SECONDS: Final = 60.0


class ConnectionLimits:
    """The connections whose request is not whole yet, the oldest first, and how many there may be."""

    def __init__(self, metrics: Metrics) -> None:
        room = _descriptors(MAX_CONNECTIONS + _ROUNDS * _MAX_ACCEPTED + _OWN_FILES) - _OWN_FILES
        self.max_accepted = max(1, min(_MAX_ACCEPTED, room // 2 // _ROUNDS, MAX_CONNECTIONS // 2))
        self.max_connections = max(1, min(MAX_CONNECTIONS, room - _ROUNDS * self.max_accepted))
        self.waited_for: dict[_Connection, None] = {}
        self._closed = metrics.closed

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol of uvicorn that keeps to these limits."""
        return cast("type[asyncio.Protocol]", partial(_Connection, self))

    def cut_off(self, connection: "_Connection", reason: str) -> None:
        """Close a connection at once, whatever it still has to send or to read."""
        self._closed.labels(reason).inc()
        self.waited_for.pop(connection, None)
        connection.transport.abort()


class _Connection(H11Protocol):
    """One connection, with a deadline from its first moment, or the first byte of a later request, to its last byte."""

    def __init__(self, limits: ConnectionLimits, config: uvicorn.Config, *others: Any, **named: Any) -> None:
        super().__init__(config, *others, **named)
        self._limits = limits
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self._limits.max_connections:
            self._limits.cut_off(next(iter(self._limits.waited_for)), "crowded")

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._wait_no_longer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self.conn.their_state is h11.DONE:  # another request came with the last
            return
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._wait()
        else:  # idle, for as long as uvicorn keeps it
            self._limits.waited_for[self] = None

    def _wait(self) -> None:
        """Wait for the rest of a request; the deadline of one that has begun stays."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._limits.cut_off, self, "slow")
            self._limits.waited_for[self] = None

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._limits.waited_for.pop(self, None)


def _descriptors(wanted: int) -> int:
    """The number of files that this process may open, raised to `wanted` if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


class Sparing(logging.Filter):
    """Lets each message through once a minute, with the number of times it was left out since.

    Anybody can make the server log a line with every connection, and so fill the disk that pushes are kept on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left_out: dict[str, int] = {}
        self._logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)  # without its arguments, so that there are as many as places in the code
        now = time.monotonic()
        if now < self._logged_at.get(message, -_LOG_SECONDS) + _LOG_SECONDS:
            self._left_out[message] = self._left_out.get(message, 0) + 1
            return False
        self._logged_at[message] = now
        if left_out := self._left_out.pop(message, 0):
            record.msg = f"{message} ({left_out:,} times more since the last of these lines)"
        return True
