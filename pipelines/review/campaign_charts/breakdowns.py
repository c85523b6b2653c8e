"""Charts that break the delivery rate down: by a column of the input, by carrier, by province."""

from typing import Any

import polars as pl

from pipelines.formatting import count, percent
from pipelines.review.chart_style import (
    GREEN,
    ChartContext,
    Picture,
    bounds,
    intervals,
    rows_height,
    styled,
)
from pipelines.review.figures import CampaignReview


def owner(column: str, groups: pl.DataFrame, context: ChartContext) -> Picture:
    """The delivery rate by the values of a column of the input, the best first."""
    text = context.text
    frame = groups.sort("rate", "value", descending=[True, False])
    best, worst = frame.row(0, named=True), frame.row(-1, named=True)
    is_apart = best["rate_low"] > worst["rate_high"]
    frame = frame.select(
        "rate",
        "rate_low",
        "rate_high",
        label=pl.col("value"),
        value=pl.Series([_owner_value(row, context) for row in frame.iter_rows(named=True)]),
        colour=pl.lit(GREEN),
    )
    low, high = bounds(*frame["rate_low"], *frame["rate_high"])
    title = text(
        "owner_apart" if is_apart else "owner_alike",
        column=column,
        best=best["value"],
        high=percent(best["rate"]),
        worst=worst["value"],
        low=percent(worst["rate"]),
    )
    chart = intervals(frame, context, low=low, high=high)
    return styled(chart, context, title=title, note=text("owner_note"), height=rows_height(frame))


def carriers(figures: CampaignReview, context: ChartContext) -> Picture:
    """The delivery rate by carrier of the number range."""
    return _by_range(figures.carriers, "carriers_note", context)


def provinces(figures: CampaignReview, context: ChartContext) -> Picture:
    """The delivery rate by province of the number range."""
    return _by_range(figures.provinces, "provinces_note", context)


def _owner_value(row: dict[str, Any], context: ChartContext) -> str:
    text = context.text
    return (
        f"{percent(row['rate'])} · {count(row['accepted_total_count'])}"
        if context.is_narrow
        else text(
            "row_of_owner",
            share=percent(row["rate"]),
            number=count(row["accepted_total_count"]),
            replies=f"{count(row['reply_count'])}",
            opt_outs=f"{count(row['opt_out_count'])}",
        )
    )


def _by_range(groups: pl.DataFrame, note: str, context: ChartContext) -> Picture:
    text = context.text
    frame = groups.sort("rate", "range_name", descending=[True, False])
    rows = [*frame.iter_rows(named=True)]
    frame = frame.with_columns(
        label=pl.Series([text.of(row, "range_name") for row in rows]),
        value=pl.Series([f"{percent(row['rate'])} · {count(row['accepted_total_count'])}" for row in rows]),
        colour=pl.lit(GREEN),
    )
    low, high = bounds(*frame["rate_low"], *frame["rate_high"])
    best, worst = rows[0], rows[-1]
    title = text(
        "ranges_title" if len(rows) > 1 else "range_title",
        best=text.of(best, "range_name"),
        high=percent(best["rate"]),
        worst=text.of(worst, "range_name"),
        low=percent(worst["rate"]),
    )
    chart = intervals(frame, context, low=low, high=high)
    return styled(chart, context, title=title, note=text(note), height=rows_height(frame))
