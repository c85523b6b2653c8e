"""A new day on top of a long history of 50 campaigns, against the same day on a tenth of it."""

from pathlib import Path

from tests.benchmarks.history import CAMPAIGNS, Place, history, timed
from tests.benchmarks.new_day import CLOSED_AT, day_rows, land_day


def prepare(folder: Path, rows: int) -> None:
    for size in (rows, rows // 10):
        history(folder, campaigns=CAMPAIGNS, size=size // CAMPAIGNS)


def before_real(folder: Path, rows: int) -> None:
    land_on(folder, rows, day_rows(rows))


def before_floor(folder: Path, rows: int) -> None:
    land_on(folder, rows // 10, day_rows(rows))


def real(folder: Path, _: int) -> float:
    return timed(Place(folder / "day"), CLOSED_AT)


floor = real


def land_on(folder: Path, rows: int, new: int) -> None:
    """Land a new day of so many messages beside a copy of a history of `rows`."""
    place = history(folder, campaigns=CAMPAIGNS, size=rows // CAMPAIGNS).copied_to(folder / "day")
    land_day(place, new)
