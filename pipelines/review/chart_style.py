"""The style that all charts share: widths, colours, and rows with their label above the bar.

Colours are those of Okabe and Ito, which colour-blind people can tell apart. The charts themselves are in
campaign_charts/ and gateway_charts.py.
"""

from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from pipelines.review.translations import Texts

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, GREY = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A",
)  # fmt: skip
INK, FAINT, RULE = "#222222", "#666666", "#DDDDDD"

WIDE, NARROW = 720, 350  # pixels: a page, a phone
# Axes are laid out as if in Arial: measuring characters in a large Chinese font takes three times as long.
MEASURED: Final = "Arial"
FONT: Final = "Arial, 'Liberation Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
ROW = 40  # pixels: a line of text and a bar below it

Chart = alt.Chart | alt.LayerChart | alt.FacetChart  # the type that altair gives for a layered chart


@dataclass(frozen=True)
class ChartContext:
    """The language of a chart, and its width in pixels."""

    text: Texts
    width: int = WIDE

    @property
    def is_narrow(self) -> bool:
        return self.width < 500


@dataclass(frozen=True)
class Picture:
    """A title that says what the chart shows, a note on how it counts, and the chart; None if there is no data."""

    title: str
    note: str = ""
    chart: Chart | None = None


def styled(chart: Chart, context: ChartContext, *, title: str, note: str, height: int) -> Picture:
    """The picture of a chart, with the size, font and colours that all charts share.

    Title and note stand on the page, not in the chart: the page breaks their lines at any width and in any font.
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
        .configure_axisXQuantitative(labelFlush=20)  # a centred label within 20 pixels of an end would be cut off
        .configure_text(fontSize=12, color=INK)
    )
    return Picture(title, note, complete)


def rows_height(frame: pl.DataFrame) -> int:
    """The height in pixels of a chart with one row for each row of the frame."""
    return ROW * max(frame.height, 1)


def bars(frame: pl.DataFrame, context: ChartContext, *, whole: float) -> Chart:
    """One bar per row of `frame`, from `start` to `end` on an axis up to `whole`, below its `label` and `value`."""
    base = _placed(frame, context)
    x = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, whole], nice=False, zero=True))
    bar = base.mark_bar(height=11, yOffset=8, strokeWidth=1).encode(
        x=x, x2="end:Q", color=alt.Color("colour:N", scale=None), stroke=alt.Stroke("colour:N", scale=None)
    )
    return alt.layer(bar, *_texts(base))


def intervals(frame: pl.DataFrame, context: ChartContext, *, low: float, high: float) -> Chart:
    """One rate per row of `frame`, below its `label` and `value`: a point at `rate`, a line over its interval."""
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
    """The ends of an axis that shows these shares: a little wider than they are, and inside 0 and 1."""
    low, high = min(shares), max(shares)
    margin = max((high - low) * 0.08, 0.005)
    return max(0.0, low - margin), min(1.0, high + margin)


def percents(low: float, high: float) -> str:
    """The number format of an axis of shares from `low` to `high`: no two of its labels are the same."""
    return ".0%" if high - low > 0.05 else ".1%"


def lowest(values: pl.Series) -> float:
    """The minimum of a column of numbers that is not empty."""
    return float(values.min())  # type: ignore[arg-type]


def highest(values: pl.Series) -> float:
    """The maximum of a column of numbers that is not empty."""
    return float(values.max())  # type: ignore[arg-type]


def _fitting(text: str, room: float) -> str:
    """The text, cut to `room` pixels."""
    used = 0.0
    for place, character in enumerate(text):
        used += _width(character)
        if used > room:
            return f"{text[: max(place - 1, 0)].rstrip()}…"
    return text


def _width(text: str) -> float:
    """An upper estimate of the width of a text in pixels; a Chinese character is as wide as it is high."""
    return sum(12.0 if ord(character) > 0x2E80 else 6.6 for character in text)


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
