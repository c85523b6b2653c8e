"""All senders keep one pace, and the gateway's word slows all of them down."""

import asyncio
import time
from itertools import pairwise

from pipelines.campaign.rate_limit import Pace

SLACK = 0.004  # what a clock or a timer may be early


async def turns(pace: Pace, count: int, senders: int = 3) -> list[float]:
    """When each of `count` turns came, in seconds from now, taken by several senders at once."""
    begun = time.monotonic()
    left = iter(range(count))
    taken: list[float] = []

    async def send() -> None:
        for _ in left:
            await pace.turn()
            taken.append(time.monotonic() - begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(senders):
            group.create_task(send())
    return taken


def test_requests_leave_evenly_and_never_faster_than_the_rate() -> None:
    taken = asyncio.run(turns(Pace(50), 8))

    assert all(later - earlier >= 0.02 - SLACK for earlier, later in pairwise(taken))


def test_without_a_rate_nobody_waits() -> None:
    assert asyncio.run(turns(Pace(None), 1000))[-1] < 1


def test_after_too_fast_no_sender_sends_until_the_hold_is_over() -> None:
    pace = Pace(None, first_hold=0.1)
    pace.slow_down()

    assert asyncio.run(turns(pace, 3))[0] >= 0.1 - SLACK


def test_a_hold_also_keeps_those_back_who_wait_already() -> None:
    async def run() -> float:
        pace = Pace(20, first_hold=0.2)
        await pace.turn()
        begun = time.monotonic()
        waiting = asyncio.create_task(pace.turn())
        await asyncio.sleep(0)
        pace.slow_down()
        await waiting
        return time.monotonic() - begun

    assert asyncio.run(run()) >= 0.2 - SLACK


def test_answers_to_requests_that_left_together_are_one_hold() -> None:
    pace = Pace(None, first_hold=5)
    for _ in range(4):
        pace.slow_down()

    assert pace.holds_in_a_row == 1


def test_holds_double_up_to_the_longest_and_start_anew_after_an_accepted_request() -> None:
    async def holds(pace: Pace, count: int) -> list[float]:
        return [await hold(pace) for _ in range(count)]

    async def hold(pace: Pace) -> float:
        begun = time.monotonic()
        pace.slow_down()
        await pace.turn()
        return time.monotonic() - begun

    async def run() -> None:
        pace = Pace(None, first_hold=0.02, longest_hold=0.05)
        for took, expected in zip(await holds(pace, 4), (0.02, 0.04, 0.05, 0.05), strict=True):
            assert took >= expected - SLACK
        assert pace.holds_in_a_row == 4
        pace.speed_up()
        assert pace.holds_in_a_row == 0
        assert await hold(pace) >= 0.02 - SLACK
        assert pace.holds_in_a_row == 1

    asyncio.run(run())


def test_a_hold_shorter_than_the_pace_does_not_quicken_it() -> None:
    async def run() -> float:
        pace = Pace(5, first_hold=0.01)
        await pace.turn()
        begun = time.monotonic()
        pace.slow_down()
        await pace.turn()
        return time.monotonic() - begun

    assert asyncio.run(run()) >= 0.2 - SLACK


def test_after_a_stop_nobody_waits_any_longer() -> None:
    async def run() -> float:
        pace = Pace(None, first_hold=60)
        pace.slow_down()
        begun = time.monotonic()
        waiting = [asyncio.create_task(pace.turn()) for _ in range(3)]
        await asyncio.sleep(0.01)
        pace.stop()
        await asyncio.gather(*waiting)
        return time.monotonic() - begun

    assert asyncio.run(run()) < 5
