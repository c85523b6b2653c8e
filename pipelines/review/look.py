"""How every chart looks: its width, its colours, its title, and rows with their label above the bar.

Colours are those of Okabe and Ito, which colour-blind people can tell apart. Which figure a chart shows is decided in
campaign_charts.py and gateway_charts.py.
"""

from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import polars as pl

from pipelines.review.wording import Words

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, GREY = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A",
)  # fmt: skip
INK, FAINT, RULE = "#222222", "#666666", "#DDDDDD"

WIDE, NARROW = 720, 350  # pixels: a page, a phone
FONT: Final = "'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', 'Helvetica Neue', Arial, sans-serif"
ROW = 40  # pixels: a line of text and a bar below it

Chart = alt.Chart | alt.LayerChart | alt.FacetChart  # what altair says that layers may be


@dataclass(frozen=True)
class Look:
    """In which words, and how wide."""

    words: Words
    width: int = WIDE

    @property
    def is_narrow(self) -> bool:
        return self.width < 500


def finished(chart: Chart, look: Look, *, found: str, note: str, height: int) -> Chart:
    """The chart with its finding as title, its note below it, and the look of all charts."""
    title = alt.TitleParams(
        text=wrapped(found, look.width, 8.2),
        subtitle=wrapped(note, look.width, 6.4),
        anchor="start",
        frame="bounds",
        fontSize=15,
        subtitleFontSize=12,
        color=INK,
        subtitleColor=FAINT,
        lineHeight=20,
        subtitleLineHeight=16,
        offset=14,
    )
    complete: Chart = (
        chart.properties(title=title, width=look.width, height=height)
        .configure(
            font=FONT, background="white", padding=4, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
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
        .configure_text(fontSize=12, color=INK)
    )
    return complete


def empty(look: Look, found: str) -> Chart:
    """In place of a chart of which there is nothing to show."""
    nothing = alt.Chart(alt.InlineData(values=[{}])).mark_point(opacity=0)
    return finished(nothing, look, found=found, note="", height=1)


def rows_height(frame: pl.DataFrame) -> int:
    return ROW * max(frame.height, 1)


def bars(frame: pl.DataFrame, look: Look, *, whole: float) -> Chart:
    """A bar a row of `frame`, from `start` to `end` of `whole`, with its `label` and its `value` above it."""
    base = _placed(frame)
    x = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, whole], nice=False, zero=True))
    bar = base.mark_bar(height=11, yOffset=8, strokeWidth=1).encode(
        x=x, x2="end:Q", color=alt.Color("colour:N", scale=None), stroke=alt.Stroke("colour:N", scale=None)
    )
    return alt.layer(bar, *_texts(base, look))


def intervals(frame: pl.DataFrame, look: Look, *, low: float, high: float) -> Chart:
    """A rate a row: a point at `rate`, a line from `rate_low` to `rate_high`, `label` and `value` above them."""
    base = _placed(frame)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    axis = alt.Axis(format=percents(low, high), tickCount=5, title=None, grid=True)
    line = base.mark_rule(strokeWidth=3, yOffset=9, opacity=0.55).encode(
        x=alt.X("rate_low:Q", scale=scale, axis=axis), x2="rate_high:Q", color=alt.Color("colour:N", scale=None)
    )
    point = base.mark_circle(size=90, yOffset=9, opacity=1).encode(
        x=alt.X("rate:Q", scale=scale, axis=axis), color=alt.Color("colour:N", scale=None)
    )
    return alt.layer(line, point, *_texts(base, look))


def bounds(*shares: float) -> tuple[float, float]:
    """From where to where an axis goes that shows these shares: a little beyond them, and inside 0 and 1."""
    low, high = min(shares), max(shares)
    margin = max((high - low) * 0.08, 0.005)
    return max(0.0, low - margin), min(1.0, high + margin)


def percents(low: float, high: float) -> str:
    """How an axis from `low` to `high` writes shares, so that no two of its labels are the same."""
    return ".0%" if high - low > 0.05 else ".1%"


def wrapped(text: str, width: int, letter: float) -> list[str]:
    """The text in lines of `width` pixels, if a letter takes `letter` of them and a Chinese sign twice as many."""
    lines, line, used = [], "", 0.0
    for word in _parts(text):
        size = sum(letter * (1.85 if ord(sign) > 0x2E80 else 1.0) for sign in word)
        if line and used + size > width:
            lines.append(line.rstrip())
            line, used = "", 0.0
        line, used = line + word, used + size
    return [*lines, line.rstrip()]


def _parts(text: str) -> list[str]:
    """Where a line may end: after a blank, and after a Chinese sign that no punctuation follows."""
    parts, part = [], ""
    for sign, following in zip(text, f"{text} "[1:], strict=True):
        part += sign
        if sign == " " or (ord(sign) > 0x2E80 and following not in "，。；：、）”"):
            parts.append(part)
            part = ""
    return [*parts, part] if part else parts


def _placed(frame: pl.DataFrame) -> alt.Chart:
    """Rows below one another, in the order of the frame."""
    placed = frame.with_row_index("place")
    return alt.Chart(placed).encode(y=alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0)))


def _texts(base: alt.Chart, look: Look) -> list[alt.Chart]:
    label: dict[str, Any] = {"align": "left", "baseline": "middle", "dy": -9}
    return [
        base.mark_text(**label, limit=look.width * (0.66 if look.is_narrow else 0.76)).encode(
            x=alt.value(0), text="label:N"
        ),
        base.mark_text(**label | {"align": "right"}, fontWeight="bold").encode(x=alt.value("width"), text="value:N"),
    ]
