"""The charts of one campaign: one function a chart, from its figures to a picture whose title says the finding."""

from datetime import timedelta
from math import log
from statistics import median
from typing import Any, Final

import altair as alt
import polars as pl

from pipelines.formatting import count, percent
from pipelines.review.books import Books, Rate
from pipelines.review.chart_style import (
    BLACK,
    BLUE,
    FAINT,
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
    finished,
    intervals,
    percents,
    rows_height,
)
from pipelines.review.figures import CampaignReview

MOST_CODES = 12

# The rows of the file, what of them was not accepted, and what of the accepted was not delivered.
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
MOVER_COLOURS: Final = {
    "campaign_owner": BLUE,
    "operator": PURPLE,
    "vendor": VERMILION,
    "carrier": ORANGE,
    "recipient": SKY,
    "unknown": GREY,
}
_SECONDS: Final = (1, 10, 60, 600, 3600, 6 * 3600, 86400, 3 * 86400)


def books(figures: CampaignReview, context: ChartContext) -> Picture:
    """From the rows of the file down to the delivered: what is left, and where the others went."""
    steps = books_steps(figures.books)
    words, rows = context.words, figures.books.rows
    frame = steps.with_columns(
        pl.Series("label", [words(name) for name in steps["name"]]),
        pl.Series(
            "value",
            [
                f"{'' if is_total else '−'}{count(number)} · {percent(number / rows)}"
                for number, is_total in steps.select("row_count", "is_total").iter_rows()
            ],
        ),
    )
    delivered = figures.books.statuses["delivered"]
    found = words("books_found", rows=count(rows), delivered=count(delivered), share=percent(delivered / rows))
    if not figures.books.is_balanced:
        found = words("books_wrong")
    chart = bars(frame, context, whole=rows)
    return finished(chart, context, found=found, note=words("books_note"), height=rows_height(frame))


def books_steps(books: Books) -> pl.DataFrame:
    """name, row_count, is_total, start, end, colour: what is left over after each step, and what each step takes away.

    Steps that take nothing are left out.
    """
    steps: list[tuple[str, int, bool, int, int, str]] = []
    left = books.rows
    steps.append(("rows", left, True, 0, left, BLUE))
    for names, total in ((NOT_ACCEPTED, "taken"), (NOT_DELIVERED, "delivered")):
        for name in names:
            number = books.statuses[name]
            if number:
                steps.append((name, number, False, left - number, left, STATUS_COLOURS[name]))
                left -= number
        steps.append((total, left, True, 0, left, BLUE if total == "taken" else GREEN))
    return pl.DataFrame(steps, schema=["name", "row_count", "is_total", "start", "end", "colour"], orient="row")


def rates(figures: CampaignReview, context: ChartContext) -> Picture:
    """The three rates with their intervals, against the median of earlier campaigns."""
    words, earlier = context.words, figures.earlier
    known = {name: rate for name, rate in figures.books.rates.items() if rate.value is not None}
    if not known:
        return Picture(words("rates_none"))
    medians = {name: median(earlier[name].drop_nulls()) for name in known} if earlier.height else {}
    frame = pl.DataFrame(
        {
            "rate": [rate.value for rate in known.values()],
            "rate_low": [rate.low for rate in known.values()],
            "rate_high": [rate.high for rate in known.values()],
            "median": pl.Series([medians.get(name) for name in known], dtype=pl.Float64),
            "label": [words(name) for name in known],
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
    found = words("rates_found", rate=percent(rate))
    if medians:
        found += _against(rate - medians["delivered_of_accepted_rate"], context)
    note = words("rates_note_earlier", number=str(earlier.height)) if medians else words("rates_note")
    return finished(chart, context, found=found, note=note, height=rows_height(frame))


def sending(figures: CampaignReview, context: ChartContext) -> Picture:
    """The delivery rate over the sending, part by part."""
    words, frame = context.words, figures.sending
    if not frame.height:
        return Picture(words("rates_none"))
    low, high = bounds(*frame["rate_low"], *frame["rate_high"])
    if _lasted(frame["first_submitted_at"]) > timedelta(minutes=10):
        x = alt.X("first_submitted_at:T", title=words("sent_time"))
        frame = frame.with_columns(pl.col("first_submitted_at").dt.replace_time_zone(None))  # China's, wherever it is
    else:
        frame = frame.drop("first_submitted_at")
        x = alt.X("so_far_count:Q", title=words("sent_messages"), axis=alt.Axis(format=",d", tickCount=5))
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
    found = words("sending_found", low=percent(_lowest(frame["rate"])), high=percent(_highest(frame["rate"])))
    return finished(chart, context, found=found, note=words("sending_note", rate=percent(whole)), height=220)


def latency(figures: CampaignReview, context: ChartContext) -> Picture:
    """How many of the delivered messages had come after how long."""
    words, frame = context.words, figures.latency
    percentiles = {name: seconds for name, seconds in figures.books.latency_seconds.items() if seconds is not None}
    if not percentiles:
        return Picture(words("latency_none"))
    names = dict(zip(_SECONDS, words("latency_axis").split("|"), strict=True))
    longest = max(60.0, _highest(frame["within_seconds"]))
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
            "label": [f"{int(name[1:])}% · {words.duration(seconds)}" for name, seconds in percentiles.items()],
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
    p50, p99 = (words.duration(percentiles[name]) for name in ("p50", "p99"))
    return finished(
        chart, context, found=words("latency_found", p50=p50, p99=p99), note=words("latency_note"), height=240
    )


def codes(figures: CampaignReview, context: ChartContext) -> Picture:
    """Why messages failed: the most frequent codes, coloured by whose move it is, and the rest as one."""
    words, some, rest = context.words, figures.codes.head(MOST_CODES), figures.codes.slice(MOST_CODES)
    if not some.height:
        return Picture(words("codes_none"))
    rows = [
        (
            f"{row['code']}  {words.of(row, 'meaning')}",
            row["message_count"],
            row["of_failed_rate"],
            row["cost"],
            row["whose_move"],
        )
        for row in some.iter_rows(named=True)
    ]
    if rest.height:
        more = words("more", number=str(rest.height))
        cost = None if rest["cost"].has_nulls() else rest["cost"].sum()
        rows.append((more, rest["message_count"].sum(), rest["of_failed_rate"].sum(), cost, "unknown"))
    frame = pl.DataFrame(
        {
            "label": [label for label, *_ in rows],
            "value": [_code_value(number, share, cost, context) for _, number, share, cost, _ in rows],
            "message_count": [number for _, number, *_ in rows],
            "start": 0,
            "end": [number for _, number, *_ in rows],
            "colour": [MOVER_COLOURS.get(mover, GREY) for *_, mover in rows],
        }
    )
    first = some.row(0, named=True)
    found = words(
        "codes_found",
        meaning=words.of(first, "meaning"),
        number=str(figures.codes.height),
        share=percent(first["of_failed_rate"]),
    )
    chart = bars(frame, context, whole=_highest(frame["end"]))
    return finished(chart, context, found=found, note=words("codes_note"), height=rows_height(frame))


def movers(figures: CampaignReview, context: ChartContext) -> Picture:
    """Who can do something about the failures, and what would help most."""
    words = context.words
    if not figures.codes.height:
        return Picture(words("codes_none"))
    frame = (
        figures.codes.group_by("whose_move", "what_to_do")
        .agg(pl.sum("message_count", "of_failed_rate"))
        .sort("message_count", "what_to_do", descending=[True, False])
        .group_by("whose_move", maintain_order=True)
        .agg(pl.sum("message_count", "of_failed_rate"), pl.first("what_to_do"))
        .sort("message_count", "whose_move", descending=[True, False])
    )
    frame = frame.with_columns(
        label=pl.Series(
            [f"{words(mover)}: {words.to_do(do)}" for mover, do in frame.select("whose_move", "what_to_do").iter_rows()]
        ),
        value=pl.Series(
            [
                f"{count(number)} · {percent(share)}"
                for number, share in frame.select("message_count", "of_failed_rate").iter_rows()
            ]
        ),
        start=0,
        end=pl.col("message_count"),
        colour=pl.col("whose_move").replace_strict(MOVER_COLOURS, default=BLACK),
    )
    first = frame.row(0, named=True)
    found = words("movers_found", share=percent(first["of_failed_rate"]), mover=words(first["whose_move"]))
    chart = bars(frame, context, whole=_highest(frame["end"]))
    return finished(chart, context, found=found, note=words("movers_note"), height=rows_height(frame))


def owner(column: str, groups: pl.DataFrame, context: ChartContext) -> Picture:
    """The delivery rate by the values of a column of the owner's, the best first."""
    words = context.words
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
    found = words(
        "owner_apart" if is_apart else "owner_alike",
        column=column,
        best=best["value"],
        high=percent(best["rate"]),
        worst=worst["value"],
        low=percent(worst["rate"]),
    )
    chart = intervals(frame, context, low=low, high=high)
    return finished(chart, context, found=found, note=words("owner_note"), height=rows_height(frame))


def carriers(figures: CampaignReview, context: ChartContext) -> Picture:
    """The delivery rate by carrier of the number range."""
    return _by_range(figures.carriers, "carriers_note", context)


def provinces(figures: CampaignReview, context: ChartContext) -> Picture:
    """The delivery rate by province of the number range."""
    return _by_range(figures.provinces, "provinces_note", context)


def replies(figures: CampaignReview, context: ChartContext) -> Picture:
    """When replies came, and which of them opt out."""
    words, books = context.words, figures.books
    if not figures.replies.height:
        return Picture(words("replies_none"))
    frame = figures.replies.with_columns(pl.col("replied_at").dt.replace_time_zone(None))
    is_long = _lasted(frame["replied_at"]) > timedelta(days=4)
    if is_long:
        frame = frame.group_by(pl.col("replied_at").dt.truncate("1d"), "is_opt_out").agg(pl.sum("reply_count"))
    names = {True: words("opts_out"), False: words("other_reply")}
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
    found = words(
        "replies_found",
        replies=count(books.reply_count),
        share=_share(books.reply_count, accepted),
        opt_outs=count(books.opt_out_count),
        opt_out_share=_share(books.opt_out_count, accepted),
    )
    note = words("replies_note_days" if is_long else "replies_note")
    return finished(chart, context, found=found, note=note, height=180)


def _rate_value(rate: Rate, median_rate: float | None, context: ChartContext) -> str:
    value = percent(rate.value)
    if median_rate is not None:
        return f"{value} · {context.words('median', rate=percent(median_rate))}"
    if context.is_narrow:
        return value
    return f"{value} · {context.words('of', part=count(rate.numerator), whole=count(rate.denominator))}"


def _code_value(number: int, share: float, cost: float | None, context: ChartContext) -> str:
    value = f"{count(number)} · {percent(share)}"
    return (
        value
        if cost is None or context.is_narrow
        else f"{value} · {context.words('cost_of_code', cost=f'{cost:,.2f}')}"
    )


def _owner_value(row: dict[str, Any], context: ChartContext) -> str:
    words = context.words
    return (
        f"{percent(row['rate'])} · {count(row['accepted_total_count'])}"
        if context.is_narrow
        else words(
            "row_of_owner",
            share=percent(row["rate"]),
            number=count(row["accepted_total_count"]),
            replies=f"{count(row['reply_count'])}",
            opt_outs=f"{count(row['opt_out_count'])}",
        )
    )


def _by_range(groups: pl.DataFrame, note: str, context: ChartContext) -> Picture:
    words = context.words
    frame = groups.sort("rate", "range_name", descending=[True, False])
    rows = [*frame.iter_rows(named=True)]
    frame = frame.with_columns(
        label=pl.Series([words.of(row, "range_name") for row in rows]),
        value=pl.Series([f"{percent(row['rate'])} · {count(row['accepted_total_count'])}" for row in rows]),
        colour=pl.lit(GREEN),
    )
    low, high = bounds(*frame["rate_low"], *frame["rate_high"])
    best, worst = rows[0], rows[-1]
    found = words(
        "ranges_found" if len(rows) > 1 else "range_found",
        best=words.of(best, "range_name"),
        high=percent(best["rate"]),
        worst=words.of(worst, "range_name"),
        low=percent(worst["rate"]),
    )
    chart = intervals(frame, context, low=low, high=high)
    return finished(chart, context, found=found, note=words(note), height=rows_height(frame))


def _against(difference: float, context: ChartContext) -> str:
    if abs(difference) < 0.0005:
        return context.words("points_same")
    return context.words("points_above" if difference > 0 else "points_below", points=context.words.points(difference))


def _earlier(dots: pl.DataFrame) -> alt.Chart:
    marks: alt.Chart = alt.Chart(dots).mark_circle(color=GREY, opacity=0.45, size=40, yOffset=9)
    return marks.encode(x="rate:Q", y=alt.Y("place:O", axis=None))


def _medians(frame: pl.DataFrame) -> alt.Chart:
    marks: alt.Chart = alt.Chart(frame.with_row_index("place")).mark_tick(color=BLACK, thickness=2, size=18, yOffset=9)
    return marks.encode(x="median:Q", y=alt.Y("place:O", axis=None))


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else None)


def _lasted(instants: pl.Series) -> timedelta:
    lasted: timedelta = instants.max() - instants.min()  # type: ignore[operator, assignment]
    return lasted


def _lowest(values: pl.Series) -> float:
    return float(values.min())  # type: ignore[arg-type]


def _highest(values: pl.Series) -> float:
    return float(values.max())  # type: ignore[arg-type]
