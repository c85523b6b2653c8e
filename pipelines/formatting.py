"""Numbers, shares, instants and durations as text for terminals, charts and pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pipelines.times import CHINA

MOST_LISTED: Final = 5  # so that a line stays a line


def printable(text: str) -> str:
    """Text with U+FFFD for characters that could control a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def words(name: str) -> str:
    """A name such as in_doubt with blanks."""
    return name.replace("_", " ")


def count(number: int) -> str:
    return f"{number:,}"


def first_of(items: Sequence[object]) -> str:
    """The first items, and how many more there are: 1, 3, 4, 8, 9 and 12 more."""
    more = len(items) - MOST_LISTED
    return ", ".join(map(str, items[:MOST_LISTED])) + (f" and {count(more)} more" if more > 0 else "")


def percent(share: float | None) -> str:
    """A share with one digit after the point; <0.1% and >99.9% instead of a rounded 0 or 100 %."""
    if share is None:
        return "–"
    if 0 < share < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 < share < 1 else f"{share:.1%}"


def instant(at: datetime) -> str:
    """An instant in China's time, to the minute."""
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """A duration in seconds, minutes, hours or days."""
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if minutes < 2:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if days < 2 else f"{days:.1f} days"
