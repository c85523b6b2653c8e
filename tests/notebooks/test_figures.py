"""The figures behind the charts equal those of the marts, counted here in another way."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.contracts.marts import EXCEPTION_KINDS
from pipelines.contracts.reconciled import STATUSES
from pipelines.errors import UsageError
from pipelines.formatting import count, percent
from pipelines.review import campaign_charts, figures, gateway_charts, html, tables
from pipelines.review.books import PERCENTILES, RATES, Rate
from pipelines.review.campaign_charts.outcome import books_steps
from pipelines.review.chart_style import NARROW, WIDE, ChartContext, Picture, bars, styled
from pipelines.review.figures import CampaignReview, GatewayFigures, read_campaign
from pipelines.review.sources import published, reconciled
from pipelines.review.translations import LANGUAGES, Texts
from pipelines.settings import PUBLISHED_DATABASE
from tests.support.depth import cases
from tests.support.history import CAMPAIGNS, LATEST, PEOPLE, Place

WIDTHS = (WIDE, NARROW)
CONTEXT = ChartContext(Texts("en"))
CHARTS = ("books", "rates", "sending", "latency", "codes", "responsible_parties", "carriers", "provinces", "replies")
GATEWAY_CHARTS = ("code_days", "unknown_codes", "answer_times", "error_codes", "pull_days", "balance")


@pytest.fixture(scope="module")
def marts(place: Place) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(place.settings.published_folder / PUBLISHED_DATABASE), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def campaign(place: Place) -> CampaignReview:
    return figures.campaign_review(place.settings.published_folder, LATEST, min_message_count=100)


@pytest.fixture(scope="module")
def gateway(place: Place) -> GatewayFigures:
    return figures.gateway_figures(place.settings.published_folder, day_count=30)


def test_campaigns_are_listed_the_latest_first(place: Place) -> None:
    assert figures.published_campaigns(place.settings.published_folder) == [*reversed(CAMPAIGNS)]


def test_an_unknown_campaign_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(UsageError, match="campaign nope is not published; 'smsrecon status' lists all"):
        figures.campaign_review(place.settings.published_folder, "nope", min_message_count=100)


def test_the_steps_of_the_books_are_the_counts_of_the_mart_and_end_at_the_delivered(
    campaign: CampaignReview, marts: duckdb.DuckDBPyConnection
) -> None:
    steps = books_steps(campaign.books)
    columns = {"rows": "row_count", "accepted_total": "accepted_total_count"}

    for name, number in steps.select("name", "row_count").iter_rows():
        assert number == _one(marts, columns.get(name, f"{name}_count")), name
    taken = steps.filter(~pl.col("is_total"))["row_count"].sum()
    assert _one(marts, "row_count") - taken == _one(marts, "delivered_count") == steps["end"][-1]
    assert campaign.books.is_balanced


def test_books_that_do_not_balance_are_not_called_accounted_for(campaign: CampaignReview) -> None:
    wrong = replace(campaign, books=replace(campaign.books, is_balanced=False))

    assert "DO NOT BALANCE" in campaign_charts.books(wrong, CONTEXT).title
    assert "accounted for" in campaign_charts.books(campaign, CONTEXT).title


def test_the_figures_of_the_warehouse_and_of_the_published_copy_are_the_same(place: Place) -> None:
    with reconciled(place.settings, as_of=datetime.now(UTC)) as source:
        ours = [read_campaign(source, campaign_id, []) for campaign_id in CAMPAIGNS]
    with published(place.settings.published_folder) as source:
        theirs = [read_campaign(source, campaign_id, []) for campaign_id in CAMPAIGNS]

    for one, two in zip(ours, theirs, strict=True):
        assert {**one.to_json(), "as_of": None} == {**two.to_json(), "as_of": None}
        assert one.books.is_balanced
        assert one.codes.equals(two.codes)
        assert one.refusals.equals(two.refusals)


def test_a_copy_published_before_a_column_was_renamed_gives_the_same_codes(place: Place, tmp_path: Path) -> None:
    now = place.settings.published_folder
    shutil.copy(now / PUBLISHED_DATABASE, tmp_path)
    with duckdb.connect(str(tmp_path / PUBLISHED_DATABASE)) as before:
        before.execute("ALTER TABLE marts.code_breakdown DROP COLUMN responsible_party")

    codes = figures.published_campaign(tmp_path, LATEST).codes
    assert codes.height > 0
    assert codes.equals(figures.published_campaign(now, LATEST).codes)


def test_published_books_balance_only_if_every_row_is_published(place: Place) -> None:
    with published(place.settings.published_folder) as source:
        assert read_campaign(source, LATEST, []).books.is_balanced
        source.connection.execute("CREATE TEMP VIEW messages AS FROM analytics.main.messages WHERE input_row <> 7")
        figures_without_a_row = read_campaign(source, LATEST, [])

    assert figures_without_a_row.books.rows == PEOPLE - 1
    assert not figures_without_a_row.books.is_balanced


def test_the_title_of_the_rates_is_the_rate_and_its_distance_from_the_median(
    campaign: CampaignReview, marts: duckdb.DuckDBPyConnection
) -> None:
    rates = dict(
        marts.execute("SELECT campaign_id, delivered_of_accepted_rate FROM marts.campaign_delivery").fetchall()
    )
    ours = rates.pop(LATEST)
    points = abs(ours - median(rates.values())) * 100

    title = campaign_charts.rates(campaign, CONTEXT).title

    assert title.startswith(f"{percent(ours)} of the accepted messages were delivered")
    side = "above" if ours > median(rates.values()) else "below"
    assert title.endswith(f", {points:.1f} percentage points {side} the median")


def test_fewer_than_three_earlier_campaigns_are_no_median(place: Place) -> None:
    second = figures.campaign_review(place.settings.published_folder, "week-2", min_message_count=100)

    assert not second.earlier.height
    assert "median" not in campaign_charts.rates(second, CONTEXT).title
    assert figures.campaign_review(place.settings.published_folder, LATEST, min_message_count=10**6).earlier.is_empty()


def test_codes_and_responsible_parties_are_those_of_the_mart(
    campaign: CampaignReview, marts: duckdb.DuckDBPyConnection
) -> None:
    codes = _data(campaign_charts.codes(campaign, CONTEXT))
    parties = _data(campaign_charts.responsible_parties(campaign, CONTEXT))
    wanted = marts.execute(
        "SELECT responsible_party, sum(message_count)::BIGINT FROM marts.code_breakdown"
        " WHERE campaign_id = ? AND NOT is_delivered GROUP BY ALL",
        [LATEST],
    ).fetchall()

    assert sum(row["message_count"] for row in codes) == _one(marts, "failed_count")
    assert {row["responsible_party"]: row["message_count"] for row in parties} == dict(wanted)


def test_the_parts_of_the_sending_and_the_curve_of_latency_add_up(
    campaign: CampaignReview, marts: duckdb.DuckDBPyConnection
) -> None:
    assert campaign.sending["accepted_total_count"].sum() == _one(marts, "accepted_total_count")
    assert campaign.sending["delivered_count"].sum() == _one(marts, "delivered_count")
    assert campaign.latency["delivered_count"][-1] == _one(marts, "delivered_count")
    assert campaign.latency["share"][-1] == 1
    half = campaign.latency.filter(pl.col("share") >= 0.5)["within_seconds"][0]
    assert half / 10 ** (1 / 6) <= max(1, _one(marts, "latency_p50_seconds")) <= half


@pytest.mark.parametrize("breakdown", ["city", "variant", "carriers"])
def test_a_breakdown_adds_up_to_the_campaign(
    breakdown: str, campaign: CampaignReview, marts: duckdb.DuckDBPyConnection
) -> None:
    groups = campaign.carriers if breakdown == "carriers" else campaign.owner[breakdown]

    assert groups["accepted_total_count"].sum() == _one(marts, "accepted_total_count")
    assert groups["delivered_count"].sum() == _one(marts, "delivered_count")
    assert groups.filter((pl.col("rate_low") > pl.col("rate")) | (pl.col("rate") > pl.col("rate_high"))).is_empty()


def test_replies_and_opt_outs_are_those_of_the_mart(campaign: CampaignReview, marts: duckdb.DuckDBPyConnection) -> None:
    assert campaign.replies["reply_count"].sum() == _one(marts, "reply_count")
    assert campaign.replies.filter("is_opt_out")["reply_count"].sum() == _one(marts, "opt_out_count")
    assert sum(groups["reply_count"].sum() for groups in campaign.owner.values()) == 2 * _one(marts, "reply_count")


def test_the_health_of_the_gateway_is_that_of_all_campaigns(
    gateway: GatewayFigures, marts: duckdb.DuckDBPyConnection
) -> None:
    def total(query: str) -> Any:
        return marts.execute(query).fetchall()[0][0]

    failed = total("SELECT sum(failed_count)::BIGINT FROM marts.campaign_delivery")
    refused = total("SELECT count(*) FROM marts.batch_delivery WHERE error_code IS DISTINCT FROM '000000'")
    assert gateway.code_days["message_count"].sum() == failed
    assert gateway.error_codes["batch_count"].sum() == refused == len(CAMPAIGNS)  # each lost one answer
    assert gateway.answer_times["batch_count"].sum() == gateway.batch_count - refused
    assert gateway.pull_days["pulled_on"].max() == total("SELECT max(pulled_on) FROM marts.pull_coverage")
    assert gateway.balances["closing_balance_count"][-1] == total(
        "SELECT arg_max(closing_balance_count, ended_at) FROM marts.balance_reconciliation"
    )


def test_fewer_days_show_less(place: Place, gateway: GatewayFigures) -> None:
    short = figures.gateway_figures(place.settings.published_folder, day_count=1)

    assert short.code_days["submitted_on"].unique().to_list() == [gateway.code_days["submitted_on"].max()]
    assert short.pull_days.height == 1


def test_a_day_that_was_never_pulled_is_the_title(gateway: GatewayFigures) -> None:
    days = gateway.pull_days.with_columns(state=pl.lit("missing"))
    wrong = replace(gateway, pull_days=days)

    first: date = days["pulled_on"][0]
    assert f"smsrecon pull --day {first}" in gateway_charts.pull_days(wrong, CONTEXT).title


# In every language, at every width, of everything and of nothing


@pytest.mark.parametrize(
    ("language", "width"),
    # the fast lane takes each language and each width once
    cases(fast=[*zip(LANGUAGES, WIDTHS, strict=True)], deep=[*product(LANGUAGES, WIDTHS)]),
)
def test_every_chart_is_drawn_in_every_language_and_width(
    language: Any, width: int, campaign: CampaignReview, gateway: GatewayFigures
) -> None:
    context = ChartContext(Texts(language), width)
    drawn = [getattr(campaign_charts, name)(campaign, context) for name in CHARTS]
    drawn += [campaign_charts.owner(name, groups, context) for name, groups in campaign.owner.items()]
    drawn += [getattr(gateway_charts, name)(gateway, context) for name in GATEWAY_CHARTS]

    for picture in drawn:
        if picture.chart is not None:
            picture.chart.to_dict()  # what altair doesn't take is an error
        assert picture.title
        assert "{" not in picture.title + picture.note


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_a_campaign_that_was_not_sent_says_so(name: str, campaign: CampaignReview) -> None:
    rows = campaign.books.rows
    books = replace(
        campaign.books,
        statuses=dict.fromkeys(STATUSES, 0) | {"planned": rows},
        rates=dict.fromkeys(RATES, Rate(None, None, None, 0, 0)),
        latency_seconds=dict.fromkeys(PERCENTILES),
    )
    frames = {name: value.clear() for name, value in vars(campaign).items() if isinstance(value, pl.DataFrame)}
    unsent = replace(campaign, books=books, **frames)

    if name not in ("carriers", "provinces"):  # left out if there is nothing to show
        assert getattr(campaign_charts, name)(unsent, CONTEXT).title


def test_every_exception_has_its_next_step(campaign: CampaignReview) -> None:
    every = pl.DataFrame({"kind": EXCEPTION_KINDS, "occurrence_count": 1, "example": "?"})
    shown = tables.exceptions(replace(campaign, exceptions=every), Texts("zh"))

    assert shown.height == len(EXCEPTION_KINDS)
    assert "?" not in shown.to_series(2)
    assert all(any(sign > "\u2e80" for sign in cell) for cell in shown.to_series(0))


def test_the_tables_hold_the_counts_of_the_mart(campaign: CampaignReview, marts: duckdb.DuckDBPyConnection) -> None:
    wanted = marts.execute(
        "SELECT sum(occurrence_count)::BIGINT AS n FROM marts.exceptions"
        " WHERE campaign_id = ? OR campaign_id IS NULL GROUP BY kind ORDER BY n DESC",
        [LATEST],
    ).fetchall()

    assert tables.exceptions(campaign, Texts("en"))["times"].to_list() == [count(number) for (number,) in wanted]


@pytest.mark.parametrize("label", ["short", "a meaning that goes on and on" * 4, "一个说不完的含义" * 9])
def test_a_label_ends_before_the_value_begins(label: str) -> None:
    frame = pl.DataFrame({"label": [label], "value": ["1,000 · 99.9%"], "start": [0], "end": [1], "colour": ["red"]})

    picture = styled(bars(frame, ChartContext(Texts("en"), NARROW), whole=1), CONTEXT, title="", note="", height=40)

    (shown,) = (row["label"] for row in _data(picture))
    assert label.startswith(shown.removesuffix("…"))
    assert (shown == label) is (label == "short")
    assert sum(12 if sign > "\u2e80" else 6 for sign in shown) < NARROW - 6 * len("1,000 · 99.9%")


def test_where_a_price_is_set_each_cause_and_all_failures_have_their_cost(campaign: CampaignReview) -> None:
    codes = campaign.codes.with_columns(cost=pl.col("message_count") * 0.05)
    books = replace(campaign.books, accepted_cost=80.0, failed_cost=4.25)
    priced = replace(campaign, codes=codes, books=books)

    values = [row["value"] for row in _data(campaign_charts.codes(priced, CONTEXT))]

    assert values[0].endswith(f"cost {codes['cost'][0]:,.2f}")
    assert "cost 80.00, of which 4.25 for messages that failed" in [*html.facts(priced, CONTEXT.text)]
    assert not any("cost" in fact for fact in html.facts(campaign, CONTEXT.text))
    assert not any("cost" in row["value"] for row in _data(campaign_charts.codes(campaign, CONTEXT)))


def _data(picture: Picture) -> list[dict[str, Any]]:
    """The rows that the first layer is drawn of."""
    assert picture.chart is not None
    (rows, *_) = picture.chart.to_dict()["datasets"].values()
    return list(rows)


def _one(marts: duckdb.DuckDBPyConnection, column: str) -> Any:
    query = f"SELECT {column} FROM marts.campaign_delivery WHERE campaign_id = ?"
    return marts.execute(query, [LATEST]).fetchall()[0][0]
