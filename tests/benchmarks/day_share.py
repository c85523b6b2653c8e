"""A new day on a long history, against all of the history loaded, reconciled and published for the first time.

Loading costs what is loaded, so the full load is that of the day into an empty warehouse, once for each day.
"""

import shutil
import time
from pathlib import Path

from pipelines.warehouse.loading.load import load
from tests.benchmarks.day_history import seconds_of_day
from tests.benchmarks.history import CAMPAIGNS, Place, make_history, timed
from tests.benchmarks.new_day import SHARE, land_day


def prepare(folder: Path, rows: int) -> None:
    place = make_history(folder / "loaded", campaigns=CAMPAIGNS, size=rows // CAMPAIGNS)
    place.copied_to(folder / "long").close_books()


def real(folder: Path, rows: int) -> float:
    return seconds_of_day(folder, "long", rows // SHARE)


def floor(folder: Path, rows: int) -> float:
    shutil.rmtree(folder / "empty", ignore_errors=True)
    empty = Place(folder / "empty")
    empty.folder.mkdir()
    land_day(empty, rows // SHARE)
    started = time.perf_counter()
    load(empty.landing, empty.warehouse)
    seconds_of_load = time.perf_counter() - started
    return SHARE * seconds_of_load + timed(Place(folder / "loaded").copied_to(folder / "full"))
