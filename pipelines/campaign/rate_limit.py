"""The rate limit that all requests of a campaign share; the gateway's answers slow it down."""

import asyncio
import random
import time
from contextlib import suppress


class RateLimiter:
    """At most `requests_per_second`, evenly; after `back_off` nobody sends until the hold is over.

    Holds double from `first_hold` to `longest_hold` seconds, and last up to a quarter longer by chance, while the
    gateway keeps saying that it is too fast or can't be reached; they start anew after `reset_backoff`.
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
        """Wait for the turn to send; after `stop` nobody waits."""
        while not self._stopped.is_set() and (wait := self._next_at - time.monotonic()) > 0:
            with suppress(TimeoutError):  # then look again: a hold may have lengthened the wait
                await asyncio.wait_for(self._stopped.wait(), wait)
        self._next_at = time.monotonic() + self._interval

    def back_off(self) -> None:
        """A request must be tried again later; several that left together are one hold."""
        now = time.monotonic()
        if now < self._held_until:
            return
        hold = min(self._longest_hold, self._first_hold * 2**self.consecutive_holds)
        self._held_until = now + hold * random.uniform(1, 1.25)  # noqa: S311  so that many senders don't come together
        self._next_at = max(self._next_at, self._held_until)
        self.consecutive_holds += 1

    def reset_backoff(self) -> None:
        """The gateway answered a request, and not that it was too fast."""
        self.consecutive_holds = 0

    def stop(self) -> None:
        """Let nobody wait any longer: there is nothing more to send."""
        self._stopped.set()
