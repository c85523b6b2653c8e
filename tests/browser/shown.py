"""Rules for all charts. Places are compared within a pixel and a half: an axis is drawn on whole pixels."""

from collections.abc import Callable

from tests.browser.marts import Row
from tests.browser.reading import Picture, joined, number

NEAR = 1.5


def assert_bars(picture: Picture, wanted: list[tuple[str, int]], whole: int) -> None:
    """Each label with its count and the count's share of the whole; bars from the left edge, the longest the widest."""
    longest = max(count for _, count in wanted)
    for row, (label, count) in zip(picture.chart.rows(), wanted, strict=True):
        assert _says(row.label, joined(label), picture), label
        assert row.value == joined(f"{count:,} · {count / whole:.1%}"), label
        (bar,) = row.bars
        assert is_near(bar.left, picture.chart.plot.left), label
        assert is_near(bar.width, count / longest * picture.chart.plot.width), label


def assert_intervals(picture: Picture, groups: list[Row], wanted: list[tuple[str, str]]) -> None:
    """A point at the rate of each group, and a line over its interval."""
    scale = picture.chart.axes["x"].scale(number)
    assert [(row.label, row.value) for row in picture.chart.rows()] == [
        (joined(one), joined(two)) for one, two in wanted
    ]
    for row, group in zip(picture.chart.rows(), groups, strict=True):
        (point,), (rule,) = row.points, row.rules
        read = [scale(rule.left), scale(point.x), scale(rule.right)]
        assert_same(read, [group["low"], group["rate"], group["high"]], scale)


def assert_same(read: list[float], wanted: list[float], scale: Callable[[float], float]) -> None:
    """Asserts that values read from the scale equal the expected ones, to a pixel."""
    near = NEAR * abs(scale(1) - scale(0))
    assert len(read) == len(wanted)
    for one, two in zip(read, wanted, strict=True):
        assert abs(one - two) < near, (read, wanted)


def is_near(one: float, two: float) -> bool:
    return abs(one - two) < NEAR


def _says(shown: str, wanted: str, picture: Picture) -> bool:
    """A label that is too long for a phone ends in dots."""
    return shown == wanted or (picture.chart.is_narrow and shown.endswith("…") and wanted.startswith(shown[:-1]))
