"""Large answers: memory is bounded by a multiple of the size, and time grows linearly."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.gateway.wire import UnreadableAnswer, read_reports
from tests.fuzz.large import SHAPES
from tests.support.depth import cases

ROOT = Path(__file__).parents[2]

# Limit from landed bytes to loaded rows: a multiple of the body, and what pandera needs for one chunk of rows.
TIMES_THE_BODY = 40
ROWS_AT_ONCE_MIB = 450
BODY_MB = cases(fast=5, deep=20)

# In the fast lane one body of each outcome: accepted as JSON and as XML, rejected, and unreadable.
LARGE = cases(
    fast=("reports", "reports as XML", "numbers", "nul bytes"),
    deep=("reports", "reports as XML", "numbers", "short texts", "unknown fields, sloppy", "one text", "nul bytes"),
)


def cost(name: str, mb: int) -> dict[str, float]:
    """The cost of loading one large body in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz.large", name, str(mb)]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


@pytest.mark.parametrize("name", LARGE)
def test_loading_a_large_body_takes_a_bounded_multiple_of_its_size(name: str) -> None:
    measured = cost(name, BODY_MB)

    assert measured["accepted"] + measured["rejected"] == measured["records"] > 0 or name == "one text"
    assert measured["more_mib"] < TIMES_THE_BODY * measured["body_mib"] + ROWS_AT_ONCE_MIB


@pytest.mark.parametrize("name", SHAPES)
def test_four_times_the_size_takes_about_four_times_the_work(name: str) -> None:
    form = "xml" if SHAPES[name](100).startswith(b"<") else "json"
    size = 500_000
    once, four = (min(work(SHAPES[name](times * size), form) for _ in range(3)) for times in (1, 4))

    assert four < 4 * 2.5 * max(once, 0.004)  # quadratic would be 16 times


def work(body: bytes, form: str) -> float:
    """CPU seconds of this process, so that the load of the machine doesn't count."""
    began = time.process_time()
    try:
        records = read_reports(body, form)  # type: ignore[arg-type]
        records.raw(0) if records.record_count else None
    except UnreadableAnswer:
        pass
    return time.process_time() - began
