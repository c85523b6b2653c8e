"""How many worlds a law is tried on: TESTS_WORLDS says it (`make laws`), or the lane does."""

import os

from hypothesis import HealthCheck, Phase, settings

from tests.support.depth import cases


def on(*, fast: int, deep: int) -> settings:
    """The number of worlds; only `make laws` makes a world that breaks a law as small as possible, for minutes."""
    told = os.environ.get("TESTS_WORLDS")
    return settings(
        max_examples=int(told or cases(fast=fast, deep=deep)),
        phases=set(Phase) if told else set(Phase) - {Phase.shrink, Phase.explain},
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
