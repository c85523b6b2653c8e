"""The rate limit shared by all requests of a campaign, slowed down by answers of the gateway."""

import asyncio
import random
import time
from contextlib import suppress


class RateLimiter:
    """Limits to `requests_per_second`, evenly spaced; after `back_off` no request starts until the hold ends.

    Holds double from `first_hold` to `longest_hold` seconds with every `back_off`, plus up to a quarter by chance, and
    start again from `first_hold` after `reset_backoff`.
    """

    def __init__(
        self, requests_per_second: float | None, *, first_hold: float = 1.0, longest_hold: float = 60.0
    ) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._first_hold = first_hold
        self._longest_hold = longest_hold
        self._next_at = 0.0
        self._held_until = 0.0
        self._stopped = asyncio.Event()
        self.consecutive_holds = 0

    async def acquire(self) -> None:
        """Wait until a request may start; returns immediately after `stop`."""
        while not self._stopped.is_set() and (wait := self._next_at - time.monotonic()) > 0:
            with suppress(TimeoutError):  # look again: a hold may have lengthened the wait
                await asyncio.wait_for(self._stopped.wait(), wait)
        self._next_at = time.monotonic() + self._interval

    def back_off(self) -> None:
        """Start a hold, since a request must be tried again later; calls during a hold are ignored."""
        now = time.monotonic()
        if now < self._held_until:
            return
        hold = min(self._longest_hold, self._first_hold * 2**self.consecutive_holds)
        self._held_until = now + hold * random.uniform(1, 1.25)  # noqa: S311  so that several senders don't start together
        self._next_at = max(self._next_at, self._held_until)
        self.consecutive_holds += 1

    def reset_backoff(self) -> None:
        """Make the next hold the shortest again: the gateway accepted the speed of a request."""
        self.consecutive_holds = 0

    def stop(self) -> None:
        """End all waits, since nothing more is to be sent."""
        self._stopped.set()
