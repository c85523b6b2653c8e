"""Numbers, shares, instants and durations as text, the same in terminals, charts and pages."""

from datetime import datetime

from pipelines.times import CHINA


def printable(text: str) -> str:
    """Text from elsewhere without what could steer a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def words(name: str) -> str:
    return name.replace("_", " ")


def count(number: int) -> str:
    return f"{number:,}"


def percent(share: float | None) -> str:
    """A share that says neither none nor all where it is nearly so."""
    if share is None:
        return "–"
    if 0 < share < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 < share < 1 else f"{share:.1%}"


def instant(at: datetime) -> str:
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Seconds in the unit that says most."""
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if minutes < 2:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if days < 2 else f"{days:.1f} days"
