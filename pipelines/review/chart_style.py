"""How every chart looks: its width, its colours, and rows with their label above the bar.

Colours are those of Okabe and Ito, which colour-blind people can tell apart. Which figure a chart shows is decided in
campaign_charts.py and gateway_charts.py.
"""

from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from pipelines.review.translations import Words

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, GREY = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A",
)  # fmt: skip
INK, FAINT, RULE = "#222222", "#666666", "#DDDDDD"

WIDE, NARROW = 720, 350  # pixels: a page, a phone
# A chart's axes are laid out as if in Arial: to look for signs in a large Chinese font takes three times as long.
MEASURED: Final = "Arial"
FONT: Final = "Arial, 'Liberation Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
ROW = 40  # pixels: a line of text and a bar below it

Chart = alt.Chart | alt.LayerChart | alt.FacetChart  # what altair says that layers may be


@dataclass(frozen=True)
class ChartContext:
    """In which words, and how wide."""

    words: Words
    width: int = WIDE

    @property
    def is_narrow(self) -> bool:
        return self.width < 500


@dataclass(frozen=True)
class Picture:
    """What a chart has found, a note on how it counts, and the chart; none where there is nothing to show."""

    found: str
    note: str = ""
    chart: Chart | None = None


def finished(chart: Chart, context: ChartContext, *, found: str, note: str, height: int) -> Picture:
    """The picture of a chart, in the look of all charts.

    Its words stand on the page, not in the chart: the page breaks their lines at any width and in any font.
    """
    complete: Chart = (
        chart.properties(width=context.width, height=height)
        .configure(
            font=MEASURED, background="white", padding=4, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
        )
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=FAINT,
            titleColor=FAINT,
            titleFontWeight="normal",
            gridColor="#EEEEEE",
            domainColor=RULE,
            tickColor=RULE,
            labelFontSize=11,
            titleFontSize=11,
        )
        .configure_axisXQuantitative(labelFlush=20)  # so near to its ends, in pixels, a centred label would be cut off
        .configure_text(fontSize=12, color=INK)
    )
    return Picture(found, note, complete)


def rows_height(frame: pl.DataFrame) -> int:
    return ROW * max(frame.height, 1)


def bars(frame: pl.DataFrame, context: ChartContext, *, whole: float) -> Chart:
    """A bar a row of `frame`, from `start` to `end` of `whole`, with its `label` and its `value` above it."""
    base = _placed(frame, context)
    x = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, whole], nice=False, zero=True))
    bar = base.mark_bar(height=11, yOffset=8, strokeWidth=1).encode(
        x=x, x2="end:Q", color=alt.Color("colour:N", scale=None), stroke=alt.Stroke("colour:N", scale=None)
    )
    return alt.layer(bar, *_texts(base))


def intervals(frame: pl.DataFrame, context: ChartContext, *, low: float, high: float) -> Chart:
    """A rate a row: a point at `rate`, a line from `rate_low` to `rate_high`, `label` and `value` above them."""
    base = _placed(frame, context)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    axis = alt.Axis(format=percents(low, high), tickCount=5, title=None, grid=True)
    line = base.mark_rule(strokeWidth=3, yOffset=9, opacity=0.55).encode(
        x=alt.X("rate_low:Q", scale=scale, axis=axis), x2="rate_high:Q", color=alt.Color("colour:N", scale=None)
    )
    point = base.mark_circle(size=90, yOffset=9, opacity=1).encode(
        x=alt.X("rate:Q", scale=scale, axis=axis), color=alt.Color("colour:N", scale=None)
    )
    return alt.layer(line, point, *_texts(base))


def bounds(*shares: float) -> tuple[float, float]:
    """From where to where an axis goes that shows these shares: a little beyond them, and inside 0 and 1."""
    low, high = min(shares), max(shares)
    margin = max((high - low) * 0.08, 0.005)
    return max(0.0, low - margin), min(1.0, high + margin)


def percents(low: float, high: float) -> str:
    """How an axis from `low` to `high` writes shares, so that no two of its labels are the same."""
    return ".0%" if high - low > 0.05 else ".1%"


def _fitting(text: str, room: float) -> str:
    """The text, cut to `room` pixels."""
    used = 0.0
    for place, sign in enumerate(text):
        used += _width(sign)
        if used > room:
            return f"{text[: max(place - 1, 0)].rstrip()}…"
    return text


def _width(text: str) -> float:
    """How many pixels a text takes, a little too much rather than too little; a Chinese sign is a square."""
    return sum(12.0 if ord(sign) > 0x2E80 else 6.6 for sign in text)


def _placed(frame: pl.DataFrame, context: ChartContext) -> alt.Chart:
    """Rows below one another, in the order of the frame, with labels that end before the longest value begins."""
    room = context.width - max((_width(value) for value in frame["value"]), default=0) - 24
    placed = frame.with_columns(label=pl.Series([_fitting(label, room) for label in frame["label"]]))
    return alt.Chart(placed.with_row_index("place")).encode(
        y=alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    )


def _texts(base: alt.Chart) -> list[alt.Chart]:
    label: dict[str, Any] = {"align": "left", "baseline": "middle", "dy": -9}
    return [
        base.mark_text(**label).encode(x=alt.value(0), text="label:N"),
        base.mark_text(**label | {"align": "right"}, fontWeight="bold").encode(x=alt.value("width"), text="value:N"),
    ]
