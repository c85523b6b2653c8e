"""Charts over time: the sending, the delivery, the replies."""

from datetime import timedelta
from math import log
from typing import Any, Final

import altair as alt
import polars as pl

from pipelines.formatting import count, percent
from pipelines.review.chart_style import (
    BLUE,
    FAINT,
    GREEN,
    VERMILION,
    ChartContext,
    Picture,
    bounds,
    highest,
    lowest,
    percents,
    styled,
)
from pipelines.review.figures import CampaignReview

_SECONDS: Final = (1, 10, 60, 600, 3600, 6 * 3600, 86400, 3 * 86400)  # of the labels of the latency's axis


def sending(figures: CampaignReview, context: ChartContext) -> Picture:
    """The delivery rate of each twentieth of the messages, in the order of sending."""
    text, frame = context.text, figures.sending
    if not frame.height:
        return Picture(text("no_rates"))
    low, high = bounds(*frame["rate_low"], *frame["rate_high"])
    if _lasted(frame["first_submitted_at"]) > timedelta(minutes=10):
        x = alt.X("first_submitted_at:T", title=text("sent_time"))
        frame = frame.with_columns(pl.col("first_submitted_at").dt.replace_time_zone(None))  # China's, wherever it is
    else:
        frame = frame.drop("first_submitted_at")
        x = alt.X("so_far_count:Q", title=text("sent_messages"), axis=alt.Axis(format=",d", tickCount=5))
    base = alt.Chart(frame).encode(x=x)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    y = alt.Y("rate:Q", scale=scale, axis=alt.Axis(format=percents(low, high), title=None, tickCount=5))
    whole = figures.books.rates["delivered_of_accepted_rate"].value
    line = alt.Chart(pl.DataFrame({"whole": [whole]})).mark_rule(color=FAINT, strokeDash=[4, 3])
    chart = alt.layer(
        line.encode(y=alt.Y("whole:Q", scale=scale)),
        base.mark_rule(color=GREEN, opacity=0.4, strokeWidth=3).encode(
            y=alt.Y("rate_low:Q", scale=scale), y2="rate_high:Q"
        ),
        base.mark_circle(color=GREEN, size=55, opacity=1).encode(y=y),
    )
    title = text("sending_title", low=percent(lowest(frame["rate"])), high=percent(highest(frame["rate"])))
    return styled(chart, context, title=title, note=text("sending_note", rate=percent(whole)), height=220)


def latency(figures: CampaignReview, context: ChartContext) -> Picture:
    """The share of the delivered messages that had arrived, by time since sending."""
    text, frame = context.text, figures.latency
    percentiles = {name: seconds for name, seconds in figures.books.latency_seconds.items() if seconds is not None}
    if not percentiles:
        return Picture(text("no_latency"))
    names = dict(zip(_SECONDS, text("latency_axis").split("|"), strict=True))
    longest = max(60.0, highest(frame["within_seconds"]))
    x = alt.X(
        "within_seconds:Q",
        scale=alt.Scale(type="log", domain=[1, longest], nice=False),
        axis=alt.Axis(
            values=[seconds for seconds in names if seconds <= longest][:: 2 if context.is_narrow else 1],
            labelExpr=f"({names!r})[datum.value]",
            title=None,
            grid=True,
        ),
    )
    marks = pl.DataFrame(
        {
            "within_seconds": [max(1.0, seconds) for seconds in percentiles.values()],
            "share": [int(name[1:]) / 100 for name in percentiles],
            "label": [f"{int(name[1:])}% · {text.duration(seconds)}" for name, seconds in percentiles.items()],
        }
    )
    points = alt.Chart(marks).encode(x=x, y="share:Q")
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", title=None, tickCount=5))
    # A label stands to the right of its point, or where there is no room to the left, the last below the curve.
    is_late, is_last = pl.col("within_seconds").log() > 0.7 * log(longest), pl.col("share") == pl.col("share").max()
    texts = (
        alt.Chart(marks.filter(~is_late)).mark_text(align="left", dx=9, dy=6, fontWeight="bold"),
        alt.Chart(marks.filter(is_late & ~is_last)).mark_text(align="right", dx=-9, dy=6, fontWeight="bold"),
        alt.Chart(marks.filter(is_late & is_last)).mark_text(align="right", dx=-4, dy=16, fontWeight="bold"),
    )
    chart = alt.layer(
        alt.Chart(frame).mark_area(color=GREEN, opacity=0.15, interpolate="monotone").encode(x=x, y=y),
        alt.Chart(frame).mark_line(color=GREEN, interpolate="monotone").encode(x=x, y=y),
        points.mark_circle(color=GREEN, size=80, opacity=1),
        *(text.encode(x=x, y="share:Q", text="label:N") for text in texts),
    )
    p50, p99 = (text.duration(percentiles[name]) for name in ("p50", "p99"))
    return styled(chart, context, title=text("latency_title", p50=p50, p99=p99), note=text("latency_note"), height=240)


def replies(figures: CampaignReview, context: ChartContext) -> Picture:
    """Replies per hour or day, opt-outs apart."""
    text, books = context.text, figures.books
    if not figures.replies.height:
        return Picture(text("no_replies"))
    frame = figures.replies.with_columns(pl.col("replied_at").dt.replace_time_zone(None))
    is_long = _lasted(frame["replied_at"]) > timedelta(days=4)
    if is_long:
        frame = frame.group_by(pl.col("replied_at").dt.truncate("1d"), "is_opt_out").agg(pl.sum("reply_count"))
    names = {True: text("opt_out"), False: text("other_reply")}
    frame = frame.with_columns(kind=pl.col("is_opt_out").replace_strict(names)).sort("replied_at", "is_opt_out")
    unit: Any = "yearmonthdate" if is_long else "yearmonthdatehours"
    form = "%m-%d" if is_long else "%m-%d %H:%M"
    chart = (
        alt.Chart(frame)
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X(
                "replied_at:T", timeUnit=unit, title=None, axis=alt.Axis(format=form, tickCount=4, labelOverlap=True)
            ),
            y=alt.Y("reply_count:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=[*names.values()], range=[VERMILION, BLUE]),
                legend=alt.Legend(orient="top", title=None),
            ),
            order="is_opt_out:N",
        )
    )
    accepted = books.accepted_total_count
    title = text(
        "replies_title",
        replies=count(books.reply_count),
        share=_share(books.reply_count, accepted),
        opt_outs=count(books.opt_out_count),
        opt_out_share=_share(books.opt_out_count, accepted),
    )
    note = text("replies_note_days" if is_long else "replies_note")
    if books.near_opt_out_count:
        note += text("replies_near_opt_outs", number=count(books.near_opt_out_count))
    return styled(chart, context, title=title, note=note, height=180)


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else None)


def _lasted(instants: pl.Series) -> timedelta:
    lasted: timedelta = instants.max() - instants.min()  # type: ignore[operator, assignment]
    return lasted
