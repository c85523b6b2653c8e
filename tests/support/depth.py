"""How many cases the tests try: few in the fast lane (`make test`), many in the deep lane (`make test-deep`).

`pytest --deep` chooses the deep lane, and hands it to the processes that tests start by the variable TESTS_DEEP.
"""

import os
from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

import pytest
from hypothesis import settings

VARIABLE = "TESTS_DEEP"

T = TypeVar("T")


def is_deep() -> bool:
    return os.environ.get(VARIABLE) == "1"


def cases(*, fast: T, deep: T) -> T:
    """The value of the lane that runs: a number of cases, or the cases themselves."""
    return deep if is_deep() else fast


def choose_hypothesis_profile() -> None:
    """Fewer examples in the fast lane; in CI its examples are the same in every run, the deep lane finds new ones."""
    is_ci = bool(os.environ.get("CI"))
    settings.register_profile("fast", max_examples=25, deadline=None, derandomize=is_ci, database=None)
    settings.register_profile("deep", max_examples=200, deadline=None, derandomize=False, print_blob=True)
    settings.load_profile(cases(fast="fast", deep="deep"))


def case_count(item: pytest.Item) -> int:
    """How many cases a test tries: its marker `cases`, hypothesis' examples, or one."""
    if marker := item.get_closest_marker("cases"):
        return int(marker.args[0])
    chosen = getattr(getattr(item, "function", None), "_hypothesis_internal_use_settings", None)
    return int(chosen.max_examples) if chosen else 1


def kind_of(nodeid: str) -> str:
    """The folder of a test below tests/."""
    return nodeid.split("/")[1]


def table_of(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Lines with kind, tests, cases and seconds; `reports` are those of all phases, so that fixtures count as time."""
    tests: defaultdict[str, int] = defaultdict(int)
    tried: defaultdict[str, int] = defaultdict(int)
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        kind = kind_of(report.nodeid)
        seconds[kind] += report.duration
        if report.when == "call":
            tests[kind] += 1
            tried[kind] += dict(report.user_properties).get("cases", 1)
    rows = [(kind, tests[kind], tried[kind], seconds[kind]) for kind in sorted(seconds)]
    rows.append(("all", sum(tests.values()), sum(tried.values()), sum(seconds.values())))
    return [f"{'kind':<14}{'tests':>8}{'cases':>10}{'seconds':>10}"] + [
        f"{kind:<14}{count:>8,}{number:>10,}{took:>10,.1f}" for kind, count, number, took in rows
    ]
