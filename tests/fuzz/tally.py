"""Counts of cases by outcome and change."""

import resource
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.hostile import EntityTarget, case
from tests.fuzz.laws import read_by_the_laws, rows_by_the_laws


@dataclass
class Tally:
    """The counts, slowest case, peak memory and broken laws of some cases."""

    outcomes: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    peak_mib: int = 0


def run(target: EntityTarget, numbers: range) -> Tally:
    tally = Tally()
    cases = [case(number, target) for number in numbers]
    for each in cases:
        began = time.perf_counter()
        try:
            found = read_by_the_laws(each)
            tally.outcomes["unreadable" if found is None else f"an answer ({each.kind})"] += 1
        except Exception:  # noqa: BLE001  the test is that nothing is raised
            tally.broken.append(f"{each}\n{traceback.format_exc()}")
        tally.changes.update(each.changes or ("none",))
        tally.slowest = max(tally.slowest, (time.perf_counter() - began, each.number))
    try:
        rows_by_the_laws(cases)
    except Exception:  # noqa: BLE001
        tally.broken.append(f"rows of cases {numbers}\n{traceback.format_exc()}")
    tally.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return tally


def add(total: Tally, tally: Tally) -> None:
    total.outcomes += tally.outcomes
    total.changes += tally.changes
    total.broken += tally.broken
    total.slowest = max(total.slowest, tally.slowest)
    total.peak_mib = max(total.peak_mib, tally.peak_mib)
