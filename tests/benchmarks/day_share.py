"""A new day on a long history, against all of the history loaded, reconciled and published for the first time.

Loading costs what is loaded, so the full load is that of the day into an empty warehouse, once for each day.
"""

import shutil
import time
from pathlib import Path

from pipelines.warehouse.loading.load import load
from tests.benchmarks.day_history import before_real, real
from tests.benchmarks.history import CAMPAIGNS, Place, history, timed
from tests.benchmarks.new_day import day_rows, land_day

__all__ = ["before_floor", "before_real", "floor", "prepare", "real"]


def prepare(folder: Path, rows: int) -> None:
    history(folder, campaigns=CAMPAIGNS, size=rows // CAMPAIGNS)


def before_floor(folder: Path, rows: int) -> None:
    shutil.rmtree(folder / "day", ignore_errors=True)
    shutil.rmtree(folder / "empty", ignore_errors=True)
    empty = Place(folder / "empty")
    empty.folder.mkdir(parents=True)
    land_day(empty, day_rows(rows))
    history(folder, campaigns=CAMPAIGNS, size=rows // CAMPAIGNS, is_closed=False).copied_to(folder / "full")


def floor(folder: Path, rows: int) -> float:
    empty = Place(folder / "empty")
    started = time.perf_counter()
    load(empty.landing, empty.warehouse)
    seconds_of_load = time.perf_counter() - started
    return rows / day_rows(rows) * seconds_of_load + timed(Place(folder / "full"))
