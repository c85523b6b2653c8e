"""`make torture`: lives full of kills, two at a time, up to a number of kills.

A life that broke a law is shown with its seed, and its folder is kept; `make torture SEED=…` replays it.
"""
# ruff: noqa: T201

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from pathlib import Path

from tests.crash.life import life

KILLS_A_LIFE = 50
AT_ONCE = 2


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    options.add_argument("--kills", type=int, default=5000, help="how many processes are to be killed")
    options.add_argument("--seed", type=int, help="play this life only")
    chosen = options.parse_args()
    if chosen.seed is not None:
        return _shown(*played(chosen.seed, min(chosen.kills, KILLS_A_LIFE)))
    deaths: Counter[str] = Counter()
    failed: list[int] = []
    seeds = count(1000)
    begun = time.monotonic()
    with ProcessPoolExecutor(AT_ONCE) as pool:
        running: set[Future[tuple[int, Counter[str], str]]] = set()
        while running or deaths.total() < chosen.kills:
            left = chosen.kills - deaths.total() - len(running) * KILLS_A_LIFE
            while len(running) < AT_ONCE and left > 0:
                running.add(pool.submit(played, next(seeds), min(left, KILLS_A_LIFE)))
                left -= KILLS_A_LIFE
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for seed, lived, problem in (future.result() for future in done):
                deaths += lived
                if _shown(seed, lived, problem):
                    failed.append(seed)
            print(f"{deaths.total():,} of {chosen.kills:,} kills, {time.monotonic() - begun:,.0f} s", flush=True)
    print(f"\n{deaths.total():,} kills: " + ", ".join(f"{name} {number}" for name, number in sorted(deaths.items())))
    print(f"seeds that broke a law: {failed}" if failed else "every law held")
    return bool(failed)


def played(seed: int, kills: int) -> tuple[int, Counter[str], str]:
    """Play one life; returns its seed, its deaths, and the problem if a law was broken."""
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{seed}-"))
    deaths: Counter[str] = Counter()
    try:
        with life(folder, seed) as lived:
            deaths = lived.deaths
            lived.live(kills)
    except Exception:  # noqa: BLE001  whatever it is, it is shown
        return seed, deaths, f"{traceback.format_exc()}\nits folder is kept: {folder}"
    shutil.rmtree(folder)
    return seed, deaths, ""


def _shown(seed: int, deaths: Counter[str], problem: str) -> int:
    """Print the result of a life; returns 1 if it broke a law."""
    print(f"seed {seed}: {deaths.total()} kills{', and ' + problem if problem else ', every law held'}", flush=True)
    return bool(problem)


if __name__ == "__main__":
    sys.exit(main())
