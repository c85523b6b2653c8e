"""The ten questions of sql/QUESTIONS.md, asked of five published campaigns: plain Python gives the same answers."""

import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import quantiles
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.console import query
from pipelines.contracts import Contract, table_of, validated
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.operations import daily
from pipelines.settings import BillingSettings, Settings
from pipelines.sql_files import SQL_FOLDER
from pipelines.times import CHINA
from tests.support.history import CAMPAIGNS, LATEST, Place
from tests.support.number_ranges import place_of
from tests.support.pages import both

PRICE = 0.05
TAKEN = {"accepted", "unreported", "delivered", "failed"}
PAGE = both("sql/QUESTIONS")[0].read_text(encoding="utf-8")
OPENING = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUESTIONS = dict(re.findall(r"^## \d+\. ([^\n]*)\n\n```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))

Row = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """The published copy, and the data from which Python computes the answers itself."""

    settings: Settings
    files: Path

    @property
    def published(self) -> Path:
        return self.settings.data_dir / "published"

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, as an analyst gets them who has followed the page."""
        with duckdb.connect(str(self.published / "analytics.duckdb"), read_only=True) as analytics:
            analytics.execute("SET TimeZone = 'Asia/Shanghai'")
            rows: list[dict[str, Any]] = analytics.sql(sql).pl().to_dicts()
        return rows

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return pl.read_parquet(self.published / "messages").to_dicts()

    @cached_property
    def replies(self) -> list[dict[str, Any]]:
        return pl.read_parquet(self.published / "replies").to_dicts()

    @cached_property
    def codes(self) -> dict[str, dict[str, Any]]:
        """The vendor's documentation of each code."""
        rows = pl.read_csv(SQL_FOLDER / "reference" / "gateway_codes.csv").to_dicts()
        return {row["code"]: row for row in rows}

    def count(self, *columns: str, status: Iterable[str] = TAKEN) -> Counter[Any]:
        """Messages of these statuses by one column, or by several."""
        return Counter(
            message[columns[0]] if len(columns) == 1 else tuple(message[column] for column in columns)
            for message in self.messages
            if message["status"] in status
        )


@pytest.fixture(scope="module")
def world(place: Place, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The five campaigns, moved to another folder and published there, with a price."""
    data_dir = tmp_path_factory.mktemp("analysts") / "data"
    shutil.copytree(place.data_dir, data_dir, symlinks=True)
    settings = place.settings.model_copy(
        update={"data_dir": data_dir, "billing": BillingSettings(price_per_segment=PRICE)}
    )
    shutil.rmtree(settings.landing_folder / "suppressions")  # nobody was suppressed yet: all are candidates
    daily.rebuild(settings, as_of=datetime.now(UTC))
    daily.publish(settings)
    return World(settings, place.data_dir.parent)


# One after the other: what the rows of an answer must be.


def dead_numbers(world: World, rows: Sequence[Row]) -> None:
    dead = Counter(
        message["campaign_id"]
        for message in world.messages
        if message["code"] in world.codes and world.codes[message["code"]]["class"] == "dead_number"
    )
    taken = world.count("campaign_id")

    assert keyed(rows, "campaign_id") == {
        campaign: pytest.approx((number, number / taken[campaign], number * PRICE)) for campaign, number in dead.items()
    }
    assert falls(rows, "dead_count")


def cost_of_failures(world: World, rows: Sequence[Row]) -> None:
    failed = world.count("code", status={"failed"})

    assert sum(row["failed_count"] for row in rows) == failed.total()
    assert sum(row["cost"] for row in rows) == pytest.approx(failed.total() * PRICE)  # one segment a message
    known: Counter[tuple[str, str]] = Counter()
    for code, number in failed.items():
        if code in world.codes:
            known[world.codes[code]["class"], world.codes[code]["responsible_party"]] += number
    by_cause = keyed(rows, "class", "responsible_party")
    for cause, number in known.items():
        assert by_cause[cause] == pytest.approx((number, number, number * PRICE))
    assert falls(rows, "segment_count")


def codes_that_rose(world: World, rows: Sequence[Row]) -> None:
    today = datetime.now(CHINA).date()
    week, before = ([today - timedelta(days=ago + day) for day in range(7)] for ago in (0, 7))
    counts = [
        Counter(message["code"] for message in world.messages if message["code"] and message["submitted_on"] in days)
        for days in (before, week)
    ]
    totals = [count.total() for count in counts]
    rose = {
        code: rates
        for code in {*counts[0], *counts[1]} - {"0", "DELIVRD"}
        if (rates := [count[code] / total for count, total in zip(counts, totals, strict=True)])[1] > rates[0]
    }

    assert keyed(rows, "code") == {
        code: (
            counts[0][code],
            counts[1][code],
            pytest.approx(rates[0]),
            pytest.approx(rates[1]),
            p_value(counts[0][code], totals[0], counts[1][code], totals[1]) * len(rose) < 0.05,
        )
        for code, rates in rose.items()
    }
    assert falls([{"rise": row["week_rate"] - row["before_rate"]} for row in rows], "rise")


def variants(world: World, rows: Sequence[Row]) -> None:
    def count(variant: str, status: set[str]) -> int:
        return sum(
            message["status"] in status and f'"variant":"{variant}"' in message["owner"].replace(" ", "")
            for message in world.messages
            if message["campaign_id"] == LATEST
        )

    reported = {"delivered", "failed"}
    parts = {
        "delivered_of_accepted": ({"delivered"}, TAKEN),
        "delivered_of_reported": ({"delivered"}, reported),
        "coverage": (reported, TAKEN),
    }
    assert [row["rate_name"] for row in rows] == list(parts)
    for row in rows:
        (a, a_total), (b, b_total) = ([count(variant, part) for part in parts[row["rate_name"]]] for variant in "AB")
        assert (row["a_rate"], row["b_rate"]) == pytest.approx((a / a_total, b / b_total))
        assert row["p_value"] == pytest.approx(p_value(a, a_total, b, b_total), rel=1e-6)
        assert row["difference_low"] < row["b_rate"] - row["a_rate"] < row["difference_high"]
        assert (row["verdict"] == "no difference shown") is (row["difference_low"] <= 0 <= row["difference_high"])


def carriers_and_provinces(world: World, rows: Sequence[Row]) -> None:
    phones = {campaign: pl.read_parquet(world.files / f"{campaign}.parquet")["phone"] for campaign in CAMPAIGNS}
    taken: Counter[tuple[str, str]] = Counter()
    delivered: Counter[tuple[str, str]] = Counter()
    for message in world.messages:
        if message["status"] in TAKEN:
            carrier, _, province, _ = place_of(int(phones[message["campaign_id"]][message["input_row"]][:7]))
            taken[carrier, province] += 1
            delivered[carrier, province] += message["status"] == "delivered"
    others = {
        group: ((delivered.total() - delivered[group]), (taken.total() - number)) for group, number in taken.items()
    }
    worse = {
        group: p_value(*others[group], delivered[group], number)
        for group, number in taken.items()
        if delivered[group] / number < others[group][0] / others[group][1]
    }
    worst = sorted(worse.values())[:10]

    assert len(rows) == len(worst)
    for row, p in zip(rows, worst, strict=True):
        group = (row["range_carrier"], row["range_province"])
        assert worse[group] == pytest.approx(p)
        assert row["accepted"] == taken[group]
        assert row["rate"] == pytest.approx(delivered[group] / taken[group])
        assert row["others_rate"] == pytest.approx(others[group][0] / others[group][1])
        assert row["difference_low"] < row["rate"] - row["others_rate"] < row["difference_high"]
        assert row["is_sure"] is (p * len(worse) < 0.05)


def latencies(world: World, rows: Sequence[Row]) -> None:
    seconds: dict[str, list[int]] = {}
    for message in world.messages:
        if message["status"] == "delivered":
            seconds.setdefault(message["campaign_id"], []).append(message["latency_seconds"])

    assert keyed(rows, "campaign_id") == {
        campaign: pytest.approx(
            (
                quantiles(taken, n=100, method="inclusive")[49],
                quantiles(taken, n=100, method="inclusive")[98],
                sum(second <= 60 for second in taken) / len(taken),
            )
        )
        for campaign, taken in seconds.items()
    }
    assert falls(rows, "latency_p99_seconds")


def not_to_be_written_to(world: World, rows: Sequence[Row]) -> None:
    failed_in: dict[str, set[str]] = {}
    for message in world.messages:
        if message["code"] in world.codes and world.codes[message["code"]]["is_hard"]:
            failed_in.setdefault(message["phone_hash"], set()).add(message["campaign_id"])
    opted_out = {reply["phone_hash"]: reply["phone_masked"] for reply in world.replies if reply["is_opt_out"]}
    sent = world.count("phone_hash")

    assert not [campaigns for campaigns in failed_in.values() if len(campaigns) > 1]  # nobody is written to twice here
    assert {row["phone_hash"]: row["phone_masked"] for row in rows} == opted_out
    assert {(row["reason"], row["code"]) for row in rows} == {("opted_out", None)}
    assert all(row["message_count"] == sent[row["phone_hash"]] for row in rows)
    assert falls(rows, "since_at")


def batches_for_the_vendor(world: World, rows: Sequence[Row]) -> None:
    taken, unreported = world.count("batch_num"), world.count("batch_num", status={"unreported"})

    assert [row["unreported_count"] for row in rows] == sorted(unreported.values(), reverse=True)[:20]
    assert {row["in_doubt_count"] for row in rows} == {0}
    for row in rows:
        assert row["unreported_count"] == unreported[row["batch_num"]]
        assert row["accepted_total_count"] == taken[row["batch_num"]]


def what_can_still_move(world: World, rows: Sequence[Row]) -> None:
    taken, delivered = world.count("campaign_id"), world.count("campaign_id", status={"delivered"})
    last = {campaign: max(times) for campaign, times in grouped(world.messages, "campaign_id", "submitted_at").items()}

    assert keyed(rows, "campaign_id") == {
        campaign: (
            True,
            0,
            number,
            pytest.approx(delivered[campaign] / number),
            pytest.approx(delivered[campaign] / number),
            last[campaign] + timedelta(hours=72),
        )
        for campaign, number in taken.items()
    }


def balance(world: World, rows: Sequence[Row]) -> None:
    segments = [
        sum(
            message["segment_count"]
            for message in world.messages
            if message["campaign_id"] == campaign and message["status"] in TAKEN
        )
        for campaign in CAMPAIGNS
    ]

    assert [row["charged_count"] for row in reversed(rows)] == segments
    assert [row["accepted_segment_count"] for row in reversed(rows)] == segments
    assert {(row["unexplained_count"], row["is_explained"]) for row in rows} == {(0, True)}
    assert falls(rows, "ended_at")


ANSWERS: Mapping[str, Callable[[World, Sequence[Row]], None]] = {
    "Which campaigns lost most to dead numbers?": dead_numbers,
    "What did failures cost?": cost_of_failures,
    "Which codes rose this week?": codes_that_rose,
    "Does variant B do better than A?": variants,
    "Which carriers and provinces do worse than the others?": carriers_and_provinces,
    "How fast do messages arrive?": latencies,
    "Which phones should be suppressed?": not_to_be_written_to,
    "Which batches should the vendor be asked about?": batches_for_the_vendor,
    "Which campaigns can still change, and by how much?": what_can_still_move,
    "Does the balance agree with what was accepted?": balance,
}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.replace(" ", "_"))
def test_the_answer_is_what_plain_python_says(question: str, world: World) -> None:
    sql = QUESTIONS[question].replace("autumn-sale", LATEST)

    rows = world.ask(sql)

    assert rows
    ANSWERS[question](world, rows)
    assert query.ask(world.settings, sql).height == len(rows)


def test_there_are_ten() -> None:
    assert list(QUESTIONS) == list(ANSWERS)
    assert len(QUESTIONS) == 10


def test_a_campaign_that_can_still_move_comes_first_with_its_bounds(world: World) -> None:
    moving = {"delivered": 60, "accepted": 20, "planned": 10, "in_doubt": 5, "accepted_total": 85}
    replaced = ", ".join(f"{count} AS {name}_count" for name, count in moving.items())
    with duckdb.connect() as analytics:
        analytics.execute(f"ATTACH '{world.published / 'analytics.duckdb'}' AS published (READ_ONLY)")
        analytics.execute("CREATE SCHEMA marts")
        analytics.execute("CREATE TABLE marts.campaign_delivery AS FROM published.marts.campaign_delivery")
        analytics.execute(
            "INSERT INTO marts.campaign_delivery SELECT * REPLACE ('young' AS campaign_id, FALSE AS is_mature,"
            f" {replaced}) FROM marts.campaign_delivery LIMIT 1"
        )
        first = analytics.sql(QUESTIONS["Which campaigns can still change, and by how much?"]).pl().to_dicts()[0]

    assert (first["campaign_id"], first["open_count"], first["total_count"]) == ("young", 35, 100)
    assert (first["least_rate"], first["greatest_rate"]) == pytest.approx((0.60, 0.95))


# Opening what is published


def test_the_lines_that_open_it_run_in_a_process_of_their_own_anywhere(world: World, tmp_path: Path) -> None:
    assert OPENING
    code = OPENING[1].replace("demo/data", str(world.settings.data_dir))

    ran = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert all(campaign in ran.stdout for campaign in CAMPAIGNS)


def test_polars_reads_the_same_from_parquet_as_from_duckdb(world: World) -> None:
    messages = pl.read_parquet(world.published / "messages")
    exceptions = pl.read_parquet(world.published / "marts" / "exceptions.parquet")
    with duckdb.connect(str(world.published / "analytics.duckdb"), read_only=True) as connection:
        counted = pl.read_database("SELECT campaign_id, count(*) AS n FROM messages GROUP BY ALL", connection)
        found = pl.read_database("SELECT count(*) AS n FROM marts.exceptions", connection)

    assert dict(counted.iter_rows()) == dict(messages["campaign_id"].value_counts().iter_rows())
    assert found["n"].to_list() == [exceptions.height]


@pytest.mark.parametrize("contract", [*MARTS, *PUBLISHED], ids=table_of)
def test_a_column_is_empty_only_where_the_page_says_that_it_may_be(contract: type[Contract], world: World) -> None:
    with duckdb.connect(str(world.published / "analytics.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'Asia/Shanghai'")
        validated(contract, connection.sql(f"FROM {table_of(contract)}").pl())


def test_a_copy_that_was_moved_has_its_marts_and_parquet_and_all_once_it_is_published_there(
    world: World, tmp_path: Path
) -> None:
    moved = World(world.settings.model_copy(update={"data_dir": tmp_path / "moved"}), world.files)
    home = tmp_path / "home"
    at_home = World(world.settings.model_copy(update={"data_dir": home}), world.files)
    shutil.copytree(world.settings.data_dir, home, symlinks=True)
    daily.publish(at_home.settings)
    home.rename(tmp_path / "moved")

    assert moved.ask("SELECT count(*) AS n FROM marts.campaign_delivery") == [{"n": len(CAMPAIGNS)}]
    assert len(moved.messages) == len(world.messages)
    with pytest.raises(duckdb.IOException, match="No files found"):
        moved.ask("SELECT count(*) AS n FROM messages")
    daily.publish(moved.settings)
    assert moved.ask("SELECT count(*) AS n FROM messages") == [{"n": len(world.messages)}]


# Helpers


def keyed(rows: Iterable[Row], *keys: str) -> dict[Any, tuple[Any, ...]]:
    """The other columns of each row, by these."""
    return {
        row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys): tuple(
            value for name, value in row.items() if name not in keys
        )
        for row in rows
    }


def grouped(rows: Iterable[Row], key: str, column: str) -> dict[Any, list[Any]]:
    """The values of a column, where it has one, by another."""
    values: dict[Any, list[Any]] = {}
    for row in rows:
        if row[column] is not None:
            values.setdefault(row[key], []).append(row[column])
    return values


def falls(rows: Iterable[Row], column: str) -> bool:
    values = [row[column] for row in rows]
    return values == sorted(values, reverse=True)


def p_value(a: int, a_total: int, b: int, b_total: int) -> float:
    """Of the two-sided test of two proportions."""
    common = (a + b) / (a_total + b_total)
    error = math.sqrt(common * (1 - common) * (1 / a_total + 1 / b_total))
    return math.erfc(abs(b / b_total - a / a_total) / error / math.sqrt(2))
