"""Asserts that a page shows a campaign as the published tables hold it: each title, label and number, and each mark."""

import re
from collections.abc import Iterable
from math import log10
from typing import Any

from pipelines.review.translations import Texts
from tests.browser.marts import RATES, Marts, Row
from tests.browser.reading import Picture, joined, number
from tests.browser.shown import assert_bars, assert_intervals, assert_same, is_near

MOST_CODES = 12
NOT_ACCEPTED = ("invalid", "duplicate", "suppressed", "planned", "refused", "in_doubt")
NOT_DELIVERED = ("accepted", "unreported", "failed")
PARTS = {  # of which counts a rate is the quotient
    "delivered_of_accepted_rate": ("delivered_count", "accepted_total_count"),
    "delivered_of_reported_rate": ("delivered_count", "reported_count"),
    "coverage_rate": ("reported_count", "accepted_total_count"),
}
SECONDS = (1, 10, 60, 600, 3600, 6 * 3600, 86400, 3 * 86400)  # what the labels of the latency stand for


def assert_campaign_is_shown(
    pictures: list[Picture], tables: list[list[tuple[str, ...]]], marts: Marts, campaign: str, text: Texts
) -> None:
    """The eleven charts and the table of a campaign with the owner's columns city and variant."""
    books, rates, codes, parties, sending, latency, carriers, provinces, city, variant, replies = pictures
    delivery = marts.delivery(campaign)
    _books(books, delivery, text)
    _rates(rates, delivery, marts.earlier(campaign), marts.medians(campaign), text)
    _codes(codes, parties, marts.codes(campaign), text)
    _parties(parties, marts.parties(campaign), delivery["failed_count"], text)
    _sending(sending, delivery, marts.sending(campaign), text)
    _latency(latency, delivery, text)
    for picture, kind in ((carriers, "carrier"), (provinces, "province")):
        _ranges(picture, marts.ranges(campaign, kind), text)
    for picture, column in ((city, "city"), (variant, "variant")):
        _owned(picture, column, marts.owned(campaign, column), text)
    _replies(replies, delivery, marts.replies(campaign), text)

    (exceptions,) = tables
    assert exceptions == [
        (text(f"exception_{kind}"), f"{times:,}", text(f"exception_{kind}_step"))
        for kind, times in ((row["kind"], row["n"]) for row in marts.exceptions(campaign))
    ]


def _books(picture: Picture, delivery: Row, text: Texts) -> None:
    left = whole = delivery["row_count"]
    wanted = [("rows", whole, False)]
    for statuses, total in ((NOT_ACCEPTED, "accepted_total"), (NOT_DELIVERED, "delivered")):
        taken = [(status, delivery[f"{status}_count"], True) for status in statuses if delivery[f"{status}_count"]]
        left -= sum(count for _, count, _ in taken)
        wanted += [*taken, (total, left, False)]

    assert picture.title == joined(
        text("books_title", rows=f"{whole:,}", delivered=f"{left:,}", share=f"{left / whole:.1%}")
    )
    assert [(row.label, row.value) for row in picture.chart.rows()] == [
        (joined(_step_label(name, text)), joined(f"{'−' * is_step}{count:,} · {count / whole:.1%}"))
        for name, count, is_step in wanted
    ]
    edge = picture.chart.plot.right  # where the former step ended
    for row, (name, count, is_step) in zip(picture.chart.rows(), wanted, strict=True):
        (bar,) = row.bars
        assert is_near(bar.right, edge), name
        assert is_near(bar.width, count / whole * picture.chart.plot.width), name
        edge = bar.left if is_step else bar.right


def _step_label(name: str, text: Texts) -> str:
    if name in (*NOT_ACCEPTED, *NOT_DELIVERED):
        return text("status_label", name=text(f"status_{name}"), meaning=text(f"status_{name}_meaning"))
    return text("status_delivered" if name == "delivered" else name)


def _rates(picture: Picture, delivery: Row, earlier: list[Row], medians: Row, text: Texts) -> None:
    rate = delivery["delivered_of_accepted_rate"]
    title = text("rates_title", rate=f"{rate:.1%}")
    if medians:
        points = rate - medians["delivered_of_accepted_rate"]
        title += text("points_above" if points > 0 else "points_below", points=f"{abs(points) * 100:.1f}")
    assert picture.title == joined(title)

    scale = picture.chart.axes["x"].scale(number)
    for name, row in zip(RATES, picture.chart.rows(), strict=True):
        beside = ""
        if medians:
            beside = f" · {text('median', rate=f'{medians[name]:.1%}')}"
        elif not picture.chart.is_narrow:
            part, of = (f"{delivery[column]:,}" for column in PARTS[name])
            beside = f" · {text('of', part=part, whole=of)}"
        assert (row.label, row.value) == (joined(text(name)), joined(f"{delivery[name]:.1%}{beside}"))

        *others, point = sorted(row.points, key=lambda each: each.width)
        (rule,) = row.rules
        read = [scale(rule.left), scale(point.x), scale(rule.right)]
        assert_same(read, [delivery[f"{name}_low"], delivery[name], delivery[f"{name}_high"]], scale)
        assert_same([scale(each.x) for each in row.bars], [medians[name]] if medians else [], scale)
        assert_same(sorted(scale(each.x) for each in others), sorted(each[name] for each in earlier), scale)


def _codes(picture: Picture, parties: Picture, codes: list[Row], text: Texts) -> None:
    failed, some, rest = sum(row["message_count"] for row in codes), codes[:MOST_CODES], codes[MOST_CODES:]
    wanted = [(f"{row['code']}  {text.of(row, 'meaning')}", row["message_count"]) for row in some]
    if rest:
        wanted.append((text("more_codes", number=str(len(rest))), sum(row["message_count"] for row in rest)))

    assert picture.title == joined(
        text(
            "codes_title",
            meaning=text.of(some[0], "meaning"),
            number=str(len(codes)),
            share=f"{some[0]['message_count'] / failed:.1%}",
        )
    )
    assert_bars(picture, wanted, failed)
    colours = {re.split("[:：]", row.label)[0]: row.bars[0].colour for row in parties.chart.rows()}
    for row, code in zip(picture.chart.rows(), some, strict=False):
        assert row.bars[0].colour == colours[joined(text(f"party_{code['responsible_party']}"))], code


def _parties(picture: Picture, parties: list[Row], failed: int, text: Texts) -> None:
    first = parties[0]
    assert picture.title == joined(
        text(
            "responsible_parties_title",
            share=f"{first['message_count'] / failed:.1%}",
            party=text(f"party_{first['responsible_party']}"),
        )
    )
    assert_bars(
        picture,
        [
            (
                text(
                    "party_label",
                    party=text(f"party_{row['responsible_party']}"),
                    step=text.next_step(row["what_to_do"]),
                ),
                row["message_count"],
            )
            for row in parties
        ],
        failed,
    )


def _sending(picture: Picture, delivery: Row, parts: list[Row], text: Texts) -> None:
    rates = [part["rate"] for part in parts]
    assert picture.title == joined(text("sending_title", low=f"{min(rates):.1%}", high=f"{max(rates):.1%}"))

    scale = picture.chart.axes["y"].scale(number)
    (whole,) = (rule for rule in picture.chart.rules if not rule.height)
    intervals = sorted((rule for rule in picture.chart.rules if rule.height), key=lambda rule: rule.left)
    assert_same([scale(whole.y)], [delivery["delivered_of_accepted_rate"]], scale)
    assert_same([scale(point.y) for point in sorted(picture.chart.points, key=lambda point: point.x)], rates, scale)
    assert_same([scale(rule.bottom) for rule in intervals], [part["low"] for part in parts], scale)
    assert_same([scale(rule.top) for rule in intervals], [part["high"] for part in parts], scale)


def _latency(picture: Picture, delivery: Row, text: Texts) -> None:
    wanted = {share: delivery[f"latency_p{share}_seconds"] for share in (50, 90, 99)}
    p50, _, p99 = (text.duration(seconds) for seconds in wanted.values())
    assert picture.title == joined(text("latency_title", p50=p50, p99=p99))
    assert {joined(line.text) for line in picture.chart.marks} == {
        joined(f"{share}% · {text.duration(seconds)}") for share, seconds in wanted.items()
    }

    named = dict(zip(text("latency_axis").split("|"), SECONDS, strict=True))
    across, up = picture.chart.axes["x"].scale(lambda label: log10(named[label])), picture.chart.axes["y"].scale(number)
    points = sorted(picture.chart.points, key=lambda point: point.x)
    assert_same([across(point.x) for point in points], [log10(max(1, seconds)) for seconds in wanted.values()], across)
    assert_same([up(point.y) for point in points], [share / 100 for share in wanted], up)


def _ranges(picture: Picture, groups: list[Row], text: Texts) -> None:
    def name(row: Row) -> str:
        return text.of(row, "name")

    best, worst = groups[0], groups[-1]
    assert picture.title == joined(
        text(
            "ranges_title" if len(groups) > 1 else "range_title",
            best=name(best),
            high=f"{best['rate']:.1%}",
            worst=name(worst),
            low=f"{worst['rate']:.1%}",
        )
    )
    assert_intervals(picture, groups, [(name(row), f"{row['rate']:.1%} · {row['accepted']:,}") for row in groups])


def _owned(picture: Picture, column: str, groups: list[Row], text: Texts) -> None:
    best, worst = groups[0], groups[-1]
    assert picture.title == joined(
        text(
            "owner_apart" if best["low"] > worst["high"] else "owner_alike",
            column=column,
            best=best["name"],
            high=f"{best['rate']:.1%}",
            worst=worst["name"],
            low=f"{worst['rate']:.1%}",
        )
    )

    def value(row: Row) -> str:
        if picture.chart.is_narrow:
            return f"{row['rate']:.1%} · {row['accepted']:,}"
        counts = {"replies": str(row["replies"]), "opt_outs": str(row["opt_outs"])}
        return text("row_of_owner", share=f"{row['rate']:.1%}", number=f"{row['accepted']:,}", **counts)

    assert_intervals(picture, groups, [(row["name"], value(row)) for row in groups])


def _replies(picture: Picture, delivery: Row, replies: list[Row], text: Texts) -> None:
    came, opted_out, accepted = (delivery[f"{each}_count"] for each in ("reply", "opt_out", "accepted_total"))
    assert picture.title == joined(
        text(
            "replies_title",
            replies=f"{came:,}",
            share=f"{came / accepted:.1%}",
            opt_outs=f"{opted_out:,}",
            opt_out_share=f"{opted_out / accepted:.1%}",
        )
    )
    scale = picture.chart.axes["y"].scale(number)
    kinds = {picture.chart.legend[text("opt_out")]: True, picture.chart.legend[text("other_reply")]: False}
    bars = sorted(
        (round(bar.left), kinds[bar.colour], scale(bar.top) - scale(bar.bottom)) for bar in picture.chart.bars
    )
    assert_same([height for _, _, height in bars], [row["n"] for row in replies], scale)
    assert [is_opt_out for _, is_opt_out, _ in bars] == [row["is_opt_out"] for row in replies]
    assert _places(place for place, *_ in bars) == _places(row["hour"] for row in replies)


def _places(of: Iterable[Any]) -> list[int]:
    """Which is the first, which the second, counted without repetitions."""
    every = [*of]
    return [sorted({*every}).index(each) for each in every]
