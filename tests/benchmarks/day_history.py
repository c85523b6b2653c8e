"""A new day, a hundredth of a long history of 50 campaigns, on top of that, against the same day on a tenth of it."""

from pathlib import Path

from tests.benchmarks.history import Place, timed
from tests.benchmarks.new_day import CLOSED_AT, SHARE, land_day
from tests.benchmarks.quiet_history import prepare

__all__ = ["floor", "prepare", "real"]


def real(folder: Path, rows: int) -> float:
    return seconds_of_day(folder, "long", rows // SHARE)


def floor(folder: Path, rows: int) -> float:
    return seconds_of_day(folder, "short", rows // SHARE)


def seconds_of_day(folder: Path, history: str, rows: int) -> float:
    """Seconds of the run that finds a new day of so many messages beside a history."""
    place = Place(folder / history).copied_to(folder / "day")
    land_day(place, rows)
    return timed(place, CLOSED_AT)
