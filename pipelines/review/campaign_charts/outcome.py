"""Charts of a campaign's outcome: where its rows went, and its rates."""

from statistics import median
from typing import Final

import altair as alt
import polars as pl

from pipelines.formatting import count, percent
from pipelines.review.books import Books, Rate
from pipelines.review.chart_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    ChartContext,
    Picture,
    bars,
    bounds,
    intervals,
    rows_height,
    styled,
)
from pipelines.review.figures import CampaignReview
from pipelines.review.translations import Texts

# Statuses of rows that were not accepted, and of accepted messages that were not delivered.
NOT_ACCEPTED: Final = ("invalid", "duplicate", "suppressed", "planned", "refused", "in_doubt")
NOT_DELIVERED: Final = ("accepted", "unreported", "failed")

STATUS_COLOURS: Final = {
    "invalid": GREY,
    "duplicate": GREY,
    "suppressed": GREY,
    "planned": SKY,
    "refused": PURPLE,
    "in_doubt": ORANGE,
    "accepted": SKY,
    "unreported": ORANGE,
    "failed": VERMILION,
}


def books(figures: CampaignReview, context: ChartContext) -> Picture:
    """The steps from the rows of the file down to the delivered messages, with the rows that each status takes away."""
    steps = books_steps(figures.books)
    text, rows = context.text, figures.books.rows
    frame = steps.with_columns(
        pl.Series("label", [_step_label(name, text) for name in steps["name"]]),
        pl.Series(
            "value",
            [
                f"{'' if is_total else '−'}{count(number)} · {percent(number / rows)}"
                for number, is_total in steps.select("row_count", "is_total").iter_rows()
            ],
        ),
    )
    delivered = figures.books.statuses["delivered"]
    title = text("books_title", rows=count(rows), delivered=count(delivered), share=percent(delivered / rows))
    if not figures.books.is_balanced:
        title = text("books_unbalanced")
    chart = bars(frame, context, whole=rows)
    return styled(chart, context, title=title, note=text("books_note"), height=rows_height(frame))


def books_steps(books: Books) -> pl.DataFrame:
    """One row per step: name, row_count, is_total, start, end, colour; `start` and `end` are the ends of its bar.

    A status takes its rows away from the total above it; statuses without rows are left out.
    """
    steps: list[tuple[str, int, bool, int, int, str]] = []
    left = books.rows
    steps.append(("rows", left, True, 0, left, BLUE))
    for names, total in ((NOT_ACCEPTED, "accepted_total"), (NOT_DELIVERED, "delivered")):
        for name in names:
            number = books.statuses[name]
            if number:
                steps.append((name, number, False, left - number, left, STATUS_COLOURS[name]))
                left -= number
        steps.append((total, left, True, 0, left, BLUE if total == "accepted_total" else GREEN))
    return pl.DataFrame(steps, schema=["name", "row_count", "is_total", "start", "end", "colour"], orient="row")


def rates(figures: CampaignReview, context: ChartContext) -> Picture:
    """The three rates with their intervals, compared with the median of earlier campaigns."""
    text, earlier = context.text, figures.earlier
    known = {name: rate for name, rate in figures.books.rates.items() if rate.value is not None}
    if not known:
        return Picture(text("no_rates"))
    medians = {name: median(earlier[name].drop_nulls()) for name in known} if earlier.height else {}
    frame = pl.DataFrame(
        {
            "rate": [rate.value for rate in known.values()],
            "rate_low": [rate.low for rate in known.values()],
            "rate_high": [rate.high for rate in known.values()],
            "median": pl.Series([medians.get(name) for name in known], dtype=pl.Float64),
            "label": [text(name) for name in known],
            "value": [_rate_value(rate, medians.get(name), context) for name, rate in known.items()],
            "colour": GREEN,
        }
    )
    dots = pl.DataFrame(
        {
            "place": [place for place, name in enumerate(known) for _ in earlier[name]],
            "rate": [rate for name in known for rate in earlier[name]],
        },
        schema={"place": pl.Int64, "rate": pl.Float64},
    )
    low, high = bounds(*frame["rate_low"], *frame["rate_high"], *medians.values(), *dots["rate"].drop_nulls())
    chart = intervals(frame, context, low=low, high=high)
    if medians:
        chart = alt.layer(_earlier(dots), chart, _medians(frame))
    rate = frame["rate"][0]
    title = text("rates_title", rate=percent(rate))
    if medians:
        title += _compared(rate - medians["delivered_of_accepted_rate"], context)
    note = text("rates_note_earlier", number=str(earlier.height)) if medians else text("rates_note")
    return styled(chart, context, title=title, note=note, height=rows_height(frame))


def _step_label(name: str, text: Texts) -> str:
    if name in STATUS_COLOURS:
        return text("status_label", name=text(f"status_{name}"), meaning=text(f"status_{name}_meaning"))
    return text("status_delivered" if name == "delivered" else name)


def _rate_value(rate: Rate, median_rate: float | None, context: ChartContext) -> str:
    value = percent(rate.value)
    if median_rate is not None:
        return f"{value} · {context.text('median', rate=percent(median_rate))}"
    if context.is_narrow:
        return value
    return f"{value} · {context.text('of', part=count(rate.numerator), whole=count(rate.denominator))}"


def _compared(difference: float, context: ChartContext) -> str:
    if abs(difference) < 0.0005:
        return context.text("points_same")
    return context.text("points_above" if difference > 0 else "points_below", points=context.text.points(difference))


def _earlier(dots: pl.DataFrame) -> alt.Chart:
    marks: alt.Chart = alt.Chart(dots).mark_circle(color=GREY, opacity=0.45, size=40, yOffset=9)
    return marks.encode(x="rate:Q", y=alt.Y("place:O", axis=None))


def _medians(frame: pl.DataFrame) -> alt.Chart:
    marks: alt.Chart = alt.Chart(frame.with_row_index("place")).mark_tick(color=BLACK, thickness=2, size=18, yOffset=9)
    return marks.encode(x="median:Q", y=alt.Y("place:O", axis=None))
