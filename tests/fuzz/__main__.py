"""Reads many spoilt answers: `make fuzz CASES=1000000`.

Every case that breaks a law is printed with its number, which reproduces it. The exit code is 1 if there is one.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.fuzz.entity_target import serving_target
from tests.fuzz.tally import Tally, add, run

AT_ONCE = 1000


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--cases", type=int, default=100_000)
    arguments.add_argument("--first", type=int, default=0, help="the number of the first case")
    arguments.add_argument("--processes", type=int, default=os.cpu_count())
    chosen = arguments.parse_args()
    began = time.perf_counter()
    total = Tally()
    starts = range(chosen.first, chosen.first + chosen.cases, AT_ONCE)
    with tempfile.TemporaryDirectory() as folder, serving_target(Path(folder)) as (target, touched):
        with ProcessPoolExecutor(chosen.processes, get_context("spawn")) as pool:
            for tally in pool.map(partial(run, target), parts(starts, chosen.first + chosen.cases)):
                add(total, tally)
        total.broken += [f"an entity was fetched {touched()} times"] * bool(touched())
    show(total, chosen.cases, time.perf_counter() - began)
    return int(bool(total.broken))


def parts(starts: range, end: int) -> Iterator[range]:
    for start in starts:
        yield range(start, min(start + AT_ONCE, end))


def show(total: Tally, count: int, seconds: float) -> None:
    print(f"{count:,} cases in {seconds:,.0f} s; peak {total.peak_mib} MiB; broken laws: {len(total.broken)}")
    print(f"slowest case: {total.slowest[0]:.3f} s, number {total.slowest[1]}")
    for name, number in [*total.outcomes.most_common(), *total.changes.most_common()]:
        print(f"  {number:>12,}  {name}")
    for broken in total.broken[:20]:
        print(broken)


if __name__ == "__main__":
    sys.exit(main())
