"""All requests of a campaign keep one rate limit, and a hold delays all of them."""

import asyncio
import time
from itertools import pairwise

from pipelines.campaign.rate_limit import RateLimiter

SLACK = 0.004  # seconds by which clocks and timers may be early


async def turns(rate_limiter: RateLimiter, count: int, senders: int = 3) -> list[float]:
    """Times in seconds from now at which `count` requests may start, taken by several senders together."""
    begun = time.monotonic()
    left = iter(range(count))
    taken: list[float] = []

    async def send() -> None:
        for _ in left:
            await rate_limiter.acquire()
            taken.append(time.monotonic() - begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(senders):
            group.create_task(send())
    return taken


def test_requests_leave_evenly_and_never_faster_than_the_rate() -> None:
    taken = asyncio.run(turns(RateLimiter(50), 8))

    assert all(later - earlier >= 0.02 - SLACK for earlier, later in pairwise(taken))


def test_without_a_rate_requests_do_not_wait() -> None:
    assert asyncio.run(turns(RateLimiter(None), 1000))[-1] < 1


def test_after_too_fast_no_sender_sends_until_the_hold_is_over() -> None:
    rate_limiter = RateLimiter(None, first_hold=0.1)
    rate_limiter.back_off()

    assert asyncio.run(turns(rate_limiter, 3))[0] >= 0.1 - SLACK


def test_a_hold_also_delays_waiting_requests() -> None:
    async def run() -> float:
        rate_limiter = RateLimiter(20, first_hold=0.2)
        await rate_limiter.acquire()
        begun = time.monotonic()
        waiting = asyncio.create_task(rate_limiter.acquire())
        await asyncio.sleep(0)
        rate_limiter.back_off()
        await waiting
        return time.monotonic() - begun

    assert asyncio.run(run()) >= 0.2 - SLACK


def test_answers_to_requests_that_left_together_are_one_hold() -> None:
    rate_limiter = RateLimiter(None, first_hold=5)
    for _ in range(4):
        rate_limiter.back_off()

    assert rate_limiter.consecutive_holds == 1


def test_holds_double_up_to_the_longest_and_start_again_after_an_accepted_request() -> None:
    async def holds(rate_limiter: RateLimiter, count: int) -> list[float]:
        return [await hold(rate_limiter) for _ in range(count)]

    async def hold(rate_limiter: RateLimiter) -> float:
        begun = time.monotonic()
        rate_limiter.back_off()
        await rate_limiter.acquire()
        return time.monotonic() - begun

    async def run() -> None:
        rate_limiter = RateLimiter(None, first_hold=0.02, longest_hold=0.05)
        for took, expected in zip(await holds(rate_limiter, 4), (0.02, 0.04, 0.05, 0.05), strict=True):
            assert took >= expected - SLACK
        assert rate_limiter.consecutive_holds == 4
        rate_limiter.reset_backoff()
        assert rate_limiter.consecutive_holds == 0
        assert await hold(rate_limiter) >= 0.02 - SLACK
        assert rate_limiter.consecutive_holds == 1

    asyncio.run(run())


def test_a_hold_shorter_than_the_interval_does_not_shorten_it() -> None:
    async def run() -> float:
        rate_limiter = RateLimiter(5, first_hold=0.01)
        await rate_limiter.acquire()
        begun = time.monotonic()
        rate_limiter.back_off()
        await rate_limiter.acquire()
        return time.monotonic() - begun

    assert asyncio.run(run()) >= 0.2 - SLACK


def test_after_a_stop_waits_end() -> None:
    async def run() -> float:
        rate_limiter = RateLimiter(None, first_hold=60)
        rate_limiter.back_off()
        begun = time.monotonic()
        waiting = [asyncio.create_task(rate_limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0.01)
        rate_limiter.stop()
        await asyncio.gather(*waiting)
        return time.monotonic() - begun

    assert asyncio.run(run()) < 5
