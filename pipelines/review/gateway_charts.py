"""The charts of the gateway's health over the last days: one function a chart, as in campaign_charts.py."""

from typing import Any, Final

import altair as alt
import polars as pl

from pipelines.formatting import count, percent
from pipelines.review.chart_style import (
    BLUE,
    GREEN,
    ORANGE,
    SKY,
    VERMILION,
    Chart,
    ChartContext,
    Picture,
    bars,
    highest,
    rows_height,
    styled,
)
from pipelines.review.figures import GatewayFigures

MOST_CODES = 15

_DAYS: Final[dict[str, Any]] = {"format": "%m-%d", "labelOverlap": True}
_DAILY: Final = alt.TimeIntervalStep(interval="day", step=1)  # labels only at the beginning of a day

PULL_COLOURS: Final = {"complete": GREEN, "so_far": SKY, "not_yet": ORANGE, "missing": VERMILION}


def code_days(figures: GatewayFigures, context: ChartContext) -> Picture:
    """The share of each failing code on each day of sending."""
    text, frame = context.text, figures.code_days
    if not frame.height:
        return Picture(text("no_codes"))
    codes = _by_code(frame).head(MOST_CODES)
    days = frame.unique("submitted_on")
    first = codes.row(0, named=True)
    title = text(
        "code_days_title",
        failed=percent(_sum(frame["message_count"]) / _sum(days["reported_count"])),
        number=str(days.height),
        meaning=text.of(first, "meaning"),
    )
    shown = frame.filter(pl.col("code").is_in(codes["code"].implode()))
    shown = shown.with_columns(text=pl.Series([percent(share) for share in shown["share"]]))
    chart = _squares(shown, context, row="code", order=codes["code"].to_list(), shade="share")
    return styled(chart, context, title=title, note=text("code_days_note"), height=26 * codes.height + 40)


def unknown_codes(figures: GatewayFigures, context: ChartContext) -> Picture:
    """The failure codes that our tables do not know."""
    text = context.text
    codes = _by_code(figures.code_days)
    unknown = codes.filter(~pl.col("is_known"))
    if not unknown.height:
        return Picture(text("no_unknown_codes"))
    failed, of_these = _sum(codes["message_count"]), _sum(unknown["message_count"])
    title = text("unknown_codes_title", number=str(unknown.height), share=percent(of_these / failed))
    some = unknown.head(MOST_CODES)
    frame = some.select(
        label=pl.col("code"),
        value=pl.Series([f"{count(number)} · {percent(number / failed)}" for number in some["message_count"]]),
        start=pl.lit(0),
        end=pl.col("message_count"),
        colour=pl.lit(VERMILION),
    )
    chart = bars(frame, context, whole=float(unknown["message_count"][0]))
    return styled(chart, context, title=title, note=text("unknown_codes_note"), height=rows_height(frame))


def answer_times(figures: GatewayFigures, context: ChartContext) -> Picture:
    """The time that the gateway took to answer, by day."""
    text, frame = context.text, figures.answer_times
    if not frame.height:
        return Picture(text("no_answers"))
    lines = {"p50_ms": text("half_of_answers"), "p95_ms": text("most_answers")}
    shown = frame.unpivot([*lines], index="submitted_on", variable_name="name", value_name="ms")
    chart = (
        alt.Chart(shown.with_columns(pl.col("name").replace_strict(lines)))
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X("yearmonthdate(submitted_on):T", title=None, axis=alt.Axis(**_DAYS, tickCount=_DAILY, grid=False)),
            y=alt.Y("ms:Q", title=None, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5, format=",d")),
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=[*lines.values()], range=[BLUE, VERMILION]),
                legend=alt.Legend(orient="top", title=None),
            ),
        )
    )
    slowest = highest(frame["p95_ms"])
    title = text("answers_title", p95=f"{slowest:,.0f} ms" if slowest < 2000 else text.duration(slowest / 1000))
    return styled(chart, context, title=title, note=text("answers_note"), height=220)


def error_codes(figures: GatewayFigures, context: ChartContext) -> Picture:
    """The batches that were not accepted, by day and error code."""
    text, frame = context.text, figures.error_codes
    if not frame.height:
        return Picture(text("no_errors"))
    codes = frame.group_by("error_code", "meaning", "meaning_zh").agg(pl.sum("batch_count"))
    codes = codes.sort("batch_count", "error_code", descending=[True, False])
    first = codes.row(0, named=True)
    title = text(
        "errors_title",
        number=count(_sum(frame["batch_count"])),
        whole=count(figures.batch_count),
        meaning=text.of(first, "meaning"),
    )
    shown = frame.with_columns(text=pl.col("batch_count").cast(pl.String))
    chart = _squares(shown, context, row="error_code", order=codes["error_code"].to_list(), shade="batch_count")
    return styled(chart, context, title=title, note=text("errors_note"), height=26 * codes.height + 40)


def pull_days(figures: GatewayFigures, context: ChartContext) -> Picture:
    """The new reports of each day, and whether the day was pulled completely."""
    text, frame = context.text, figures.pull_days
    if not frame.height:
        return Picture(text("no_pulls"))
    missing = frame.filter(state="missing")
    title = text("pulls_title")
    if missing.height:
        title = text("pulls_missing", number=str(missing.height), day=str(missing["pulled_on"][0]))
    states = [state for state in PULL_COLOURS if state in frame["state"]]
    shown = frame.with_columns(
        name=pl.col("state").replace_strict({state: text(f"pull_{state}") for state in states}),
        top=pl.col("new_record_count"),
    )
    base = alt.Chart(shown).encode(x=_each_day("pulled_on"))
    y = alt.Y(
        "top:Q",
        title=None,
        axis=alt.Axis(format=",d", tickCount=5),
        scale=alt.Scale(
            domain=[0, max(5, highest(frame["new_record_count"]))], nice=True
        ),  # at least 5, so that the ticks are whole numbers
    )
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(
            domain=[text(f"pull_{state}") for state in states], range=[PULL_COLOURS[state] for state in states]
        ),
        legend=alt.Legend(orient="top", title=None),
    )
    chart = alt.layer(
        base.mark_bar().encode(y=y, color=colour),
        base.mark_square(size=90, opacity=1).encode(y=alt.datum(0), color=colour),
    )
    return styled(chart, context, title=title, note=text("pulls_note"), height=180)


def balance(figures: GatewayFigures, context: ChartContext) -> Picture:
    """The balance at each check; changes that the sent messages do not explain are orange."""
    text, frame = context.text, figures.balances
    last = frame["closing_balance_count"][-1]
    strange = frame.filter(~pl.col("is_explained")).height
    title = (
        text("balance_unexplained", balance=count(last), number=count(strange), whole=count(frame.height))
        if strange
        else text("balance_title", balance=count(last))
    )
    shown = frame.with_columns(
        ended_at=pl.col("ended_at").dt.replace_time_zone(None),
        colour=pl.when("is_explained").then(pl.lit(BLUE)).otherwise(pl.lit(ORANGE)),
    )
    base = alt.Chart(shown).encode(
        x=alt.X("ended_at:T", title=None, axis=alt.Axis(format="%m-%d %H:%M", tickCount=4, labelOverlap=True)),
        y=alt.Y("closing_balance_count:Q", title=None, axis=alt.Axis(format=",d", tickCount=5)),
    )
    chart = alt.layer(
        base.mark_line(color=BLUE, interpolate="step-after"),
        base.mark_circle(size=60, opacity=1).encode(color=alt.Color("colour:N", scale=None)),
    )
    return styled(chart, context, title=title, note=text("balance_note"), height=180)


def _by_code(code_days: pl.DataFrame) -> pl.DataFrame:
    codes = code_days.group_by("code", "meaning", "meaning_zh", "is_known").agg(pl.sum("message_count"))
    return codes.sort("message_count", "code", descending=[True, False])


def _squares(frame: pl.DataFrame, context: ChartContext, *, row: str, order: list[str], shade: str) -> Chart:
    """One square per row and day, darker for more, with its text if there is room."""
    base = alt.Chart(frame).encode(
        x=_each_day("submitted_on"),
        y=alt.Y(f"{row}:N", sort=order, title=None, axis=alt.Axis(labelLimit=110, domain=False, ticks=False)),
    )
    darkest = highest(frame[shade])
    square = base.mark_rect(stroke="white").encode(
        color=alt.Color(f"{shade}:Q", scale=alt.Scale(domain=[0, darkest], range=["#E8F1F8", BLUE]), legend=None)
    )
    if frame["submitted_on"].n_unique() * 45 > context.width:
        return alt.layer(square)
    text = base.mark_text(fontSize=11).encode(
        text="text:N",
        color=alt.condition(f"datum.{shade} > {darkest * 0.6}", alt.value("white"), alt.value("#222222")),
    )
    return alt.layer(square, text)


def _sum(counts: pl.Series) -> int:
    return int(counts.sum())


def _each_day(column: str) -> alt.X:
    """An axis of days, all of the same width."""
    return alt.X(f"yearmonthdate({column}):O", title=None, axis=alt.Axis(**_DAYS, labelAngle=0))
