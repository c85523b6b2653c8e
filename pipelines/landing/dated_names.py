"""Names of landed files by their instant: a folder for the day, then the time of day, so that names sort by time."""

from datetime import UTC, datetime


def dated(at: datetime) -> str:
    """The beginning of a name below the folder of its kind, in UTC: `2026-11-20/080000.000000Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%d/%H%M%S.%f}Z"


def instant_of(name: str) -> datetime:
    """The instant that the last two parts of a name begin with. Raises ValueError for any other name."""
    *_, day, time_of_day = f"/{name}".split("/")
    return datetime.strptime(f"{day}/{time_of_day[:13]}+0000", "%Y-%m-%d/%H%M%S.%f%z")
