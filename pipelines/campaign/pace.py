"""How fast requests may leave: one pace for all senders of a campaign, slowed down by the gateway's own word."""

import asyncio
import time


class Pace:
    """At most `requests_per_second`, evenly; after `slow_down` nobody sends until the hold is over.

    Holds double from `first_hold` to `longest_hold` seconds while the gateway keeps saying that it is too fast, and
    start anew after an accepted request.
    """

    def __init__(
        self, requests_per_second: float | None, *, first_hold: float = 1.0, longest_hold: float = 60.0
    ) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._first_hold = first_hold
        self._longest_hold = longest_hold
        self._next_at = 0.0
        self._held_until = 0.0
        self.holds_in_a_row = 0

    async def turn(self) -> None:
        """Wait for the turn to send."""
        while (wait := self._next_at - time.monotonic()) > 0:  # noqa: ASYNC110  a hold may lengthen the wait meanwhile
            await asyncio.sleep(wait)
        self._next_at = time.monotonic() + self._interval

    def slow_down(self) -> None:
        """The gateway said 100014; several answers to requests that left together are one hold."""
        now = time.monotonic()
        if now < self._held_until:
            return
        self._held_until = now + min(self._longest_hold, self._first_hold * 2**self.holds_in_a_row)
        self._next_at = max(self._next_at, self._held_until)
        self.holds_in_a_row += 1

    def speed_up(self) -> None:
        """The gateway accepted a request."""
        self.holds_in_a_row = 0
