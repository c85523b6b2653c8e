"""Charts of why messages failed, and of who can act on it."""

from typing import Final

import polars as pl

from pipelines.formatting import count, percent
from pipelines.review.chart_style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    ChartContext,
    Picture,
    bars,
    highest,
    rows_height,
    styled,
)
from pipelines.review.figures import CampaignReview

MOST_CODES: Final = 12

PARTY_COLOURS: Final = {
    "campaign_owner": BLUE,
    "operator": PURPLE,
    "vendor": VERMILION,
    "carrier": ORANGE,
    "recipient": SKY,
    "unknown": GREY,
}


def codes(figures: CampaignReview, context: ChartContext) -> Picture:
    """Why messages failed: the most frequent codes, coloured by who can act on them, and the others as one row."""
    text, some, rest = context.text, figures.codes.head(MOST_CODES), figures.codes.slice(MOST_CODES)
    if not some.height:
        return Picture(text("no_codes"))
    rows = [
        (
            f"{row['code']}  {text.of(row, 'meaning')}",
            row["message_count"],
            row["of_failed_rate"],
            row["cost"],
            row["responsible_party"],
        )
        for row in some.iter_rows(named=True)
    ]
    if rest.height:
        more = text("more_codes", number=str(rest.height))
        cost = None if rest["cost"].has_nulls() else rest["cost"].sum()
        rows.append((more, rest["message_count"].sum(), rest["of_failed_rate"].sum(), cost, "unknown"))
    frame = pl.DataFrame(
        {
            "label": [label for label, *_ in rows],
            "value": [_code_value(number, share, cost, context) for _, number, share, cost, _ in rows],
            "message_count": [number for _, number, *_ in rows],
            "start": 0,
            "end": [number for _, number, *_ in rows],
            "colour": [PARTY_COLOURS.get(party, GREY) for *_, party in rows],
        }
    )
    first = some.row(0, named=True)
    title = text(
        "codes_title",
        meaning=text.of(first, "meaning"),
        number=str(figures.codes.height),
        share=percent(first["of_failed_rate"]),
    )
    chart = bars(frame, context, whole=highest(frame["end"]))
    return styled(chart, context, title=title, note=text("codes_note"), height=rows_height(frame))


def responsible_parties(figures: CampaignReview, context: ChartContext) -> Picture:
    """Failures by the party that can act on them, with the most frequent next step of each party."""
    text = context.text
    if not figures.codes.height:
        return Picture(text("no_codes"))
    frame = (
        figures.codes.group_by("responsible_party", "what_to_do")
        .agg(pl.sum("message_count", "of_failed_rate"))
        .sort("message_count", "what_to_do", descending=[True, False])
        .group_by("responsible_party", maintain_order=True)
        .agg(pl.sum("message_count", "of_failed_rate"), pl.first("what_to_do"))
        .sort("message_count", "responsible_party", descending=[True, False])
    )
    frame = frame.with_columns(
        label=pl.Series(
            [
                text("party_label", party=text(f"party_{party}"), step=text.next_step(step))
                for party, step in frame.select("responsible_party", "what_to_do").iter_rows()
            ]
        ),
        value=pl.Series(
            [
                f"{count(number)} · {percent(share)}"
                for number, share in frame.select("message_count", "of_failed_rate").iter_rows()
            ]
        ),
        start=0,
        end=pl.col("message_count"),
        colour=pl.col("responsible_party").replace_strict(PARTY_COLOURS, default=BLACK),
    )
    first = frame.row(0, named=True)
    title = text(
        "responsible_parties_title",
        share=percent(first["of_failed_rate"]),
        party=text(f"party_{first['responsible_party']}"),
    )
    chart = bars(frame, context, whole=highest(frame["end"]))
    return styled(chart, context, title=title, note=text("responsible_parties_note"), height=rows_height(frame))


def _code_value(number: int, share: float, cost: float | None, context: ChartContext) -> str:
    value = f"{count(number)} · {percent(share)}"
    return (
        value if cost is None or context.is_narrow else f"{value} · {context.text('cost_of_code', cost=f'{cost:,.2f}')}"
    )
