"""The functions of the published copy agree with plain Python, and report an error or null instead of guessing."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.contracts import schema_of
from pipelines.contracts.marts import CampaignDelivery
from pipelines.contracts.published import FUNCTIONS
from pipelines.sql_files import SQL_FOLDER, reference_rows
from tests.sql.variants import ODD_COLUMN, SENT

Z = 1.959963984540054  # the normal quantile of 97.5 %


@pytest.fixture(scope="module")
def copy(data_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published copy as an analyst opens it."""
    with duckdb.connect(data_dir / "published" / "analytics.duckdb", read_only=True) as connection:
        yield connection


# delivery_by


def test_a_breakdown_has_the_counts_and_rates_of_each_value(copy: duckdb.DuckDBPyConnection) -> None:
    found = {
        (row["campaign_id"], row["value"]): (
            row["row_count"],
            *(row[f"{fate}_count"] for fate in ("delivered", "failed", "unreported", "accepted")),
        )
        for row in _rows(copy, "FROM delivery_by('variant')")
    }
    counts: dict[tuple[str, str], Counter[str]] = {}
    for message in SENT:
        value = (message.owner or {}).get("variant") or "unknown"
        counts.setdefault((message.campaign_id, value), Counter())[message.fate] += 1

    assert found == {
        key: (count.total(), count["delivered"], count["failed"], count["unreported"], count["accepted"])
        for key, count in counts.items()
    }


def test_a_breakdown_has_the_columns_of_a_campaign_and_adds_up_to_it(copy: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(copy, "FROM delivery_by('tier')")
    campaigns = {row["campaign_id"]: row for row in _rows(copy, "FROM marts.campaign_delivery")}
    shared = list(schema_of(CampaignDelivery))
    counts = [name for name in shared if name in rows[0] and name.endswith("_count")]
    rates = [name for name in shared if "_rate" in name]

    assert list(rows[0]) == ["campaign_id", "value", *counts, *rates, "is_mature"]
    for campaign_id, campaign in campaigns.items():
        of_it = [row for row in rows if row["campaign_id"] == campaign_id]
        assert {name: sum(row[name] for row in of_it) for name in counts} == {name: campaign[name] for name in counts}
        assert {row["is_mature"] for row in of_it} == {campaign["is_mature"]}


def test_the_rates_of_a_breakdown_have_their_wilson_intervals(copy: duckdb.DuckDBPyConnection) -> None:
    for row in _rows(copy, "FROM delivery_by('variant')"):
        low, high = wilson(row["delivered_count"], row["accepted_total_count"])
        assert row["delivered_of_accepted_rate"] == pytest.approx(row["delivered_count"] / row["accepted_total_count"])
        assert row["delivered_of_accepted_rate_low"] == pytest.approx(low)
        assert row["delivered_of_accepted_rate_high"] == pytest.approx(high)


def test_what_counts_as_accepted_and_as_reported_is_what_the_table_of_statuses_says(
    copy: duckdb.DuckDBPyConnection,
) -> None:
    for row in reference_rows("statuses"):
        (counts,) = _rows(copy, f"SELECT unnest(status_counts('{row['status']}', 3, 4))")
        wanted = {"row_count": 3, f"{row['status']}_count": 3}
        wanted |= {"accepted_total_count": 3, "accepted_segment_count": 4} if row["is_accepted"] == "true" else {}
        wanted |= {"reported_count": 3} if row["is_reported"] == "true" else {}
        assert {name: count for name, count in counts.items() if count} == wanted
        assert _rows(copy, f"SELECT is_accepted('{row['status']}') AS it") == [{"it": row["is_accepted"] == "true"}]


def test_a_breakdown_of_one_campaign_is_its_part_of_all(copy: duckdb.DuckDBPyConnection) -> None:
    everything = _rows(copy, "FROM delivery_by('variant')")

    assert _rows(copy, "FROM delivery_by('variant', campaign := 'spring')") == [
        row for row in everything if row["campaign_id"] == "spring"
    ]


def test_a_column_may_have_any_name(copy: duckdb.DuckDBPyConnection) -> None:
    name = ODD_COLUMN.replace("'", "''")

    assert {row["value"] for row in _rows(copy, f"FROM delivery_by('{name}')")} == {"x", "unknown"}


def test_a_column_that_no_row_has_is_an_error_instead_of_one_row_of_unknowns(copy: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="none of the rows has a column 'varient'"):
        _rows(copy, "FROM delivery_by('varient')")


# comparing


def test_two_campaigns_are_compared_by_all_three_rates(copy: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(copy, "FROM compare_campaigns('spring', 'autumn')")

    assert [
        (row["rate_name"], row["a_count"], row["a_total_count"], row["b_count"], row["b_total_count"]) for row in rows
    ] == [
        ("delivered_of_accepted", 340, 406, 170, 200),
        ("delivered_of_reported", 340, 393, 170, 195),
        ("coverage", 393, 406, 195, 200),
    ]
    for row in rows:
        assert (row["a"], row["b"], row["is_mature"], row["verdict"]) == (
            "spring",
            "autumn",
            True,
            "no difference shown",
        )
        assert_compared(row, row["a_count"], row["a_total_count"], row["b_count"], row["b_total_count"])


def test_the_better_variant_is_named_and_the_other_way_round_it_is_the_same(copy: duckdb.DuckDBPyConnection) -> None:
    there = _rows(copy, "FROM compare_variants('spring', 'variant', 'A', 'B')")
    back = _rows(copy, "FROM compare_variants('spring', 'variant', 'B', 'A')")

    assert [row["verdict"] for row in there] == ["B is better", "B is better", "no difference shown"]
    assert [row["verdict"] for row in back] == [row["verdict"] for row in there]
    for row, other in zip(there, back, strict=True):
        assert_compared(row, row["a_count"], row["a_total_count"], row["b_count"], row["b_total_count"])
        assert other["difference"] == pytest.approx(-row["difference"])


def test_values_that_are_numbers_can_be_compared_as_such(copy: duckdb.DuckDBPyConnection) -> None:
    assert _rows(copy, "FROM compare_variants('spring', 'tier', 0, 1)") == _rows(
        copy, "FROM compare_variants('spring', 'tier', '0', '1')"
    )


def test_a_comparison_with_an_immature_campaign_gives_no_verdict(copy: duckdb.DuckDBPyConnection) -> None:
    for query in ("compare_variants('young', 'variant', 'A', 'B')", "compare_campaigns('spring', 'young')"):
        rows = _rows(copy, f"FROM {query}")
        assert {(row["is_mature"], row["verdict"]) for row in rows} == {(False, "too early to say")}
        assert all(row["p_value"] is not None for row in rows)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("compare_campaigns('spring', 'sprung')", "there is no campaign 'sprung'"),
        ("compare_campaigns('sprung', 'spring')", "there is no campaign 'sprung'"),
        ("compare_variants('sprung', 'variant', 'A', 'B')", "there is no campaign 'sprung'"),
        ("compare_variants('spring', 'varient', 'A', 'B')", "none of the rows has a column 'varient'"),
        ("compare_variants('spring', 'variant', 'A', 'C')", "no row has the value 'C'"),
        ("compare_variants('spring', 'variant', 'C', 'A')", "no row has the value 'C'"),
    ],
)
def test_an_unknown_campaign_column_or_value_is_an_error(
    copy: duckdb.DuckDBPyConnection, query: str, message: str
) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=message):
        _rows(copy, f"SELECT verdict FROM {query}")


def test_without_messages_there_is_nothing_to_compare(copy: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(copy, "FROM compare_deliveries('a', 'b', 0, 0, 0, 9, 9, 9, TRUE)")

    assert {(row["difference"], row["difference_low"], row["p_value"], row["verdict"]) for row in rows} == {
        (None, None, None, "nothing to compare")
    }


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(1, 10) | st.integers(1, 10_000_000))
    return draw(st.integers(0, trials)), trials


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=shares(), b=shares())
def test_two_rates_compare_as_the_textbook_formulas_say(
    copy: duckdb.DuckDBPyConnection, a: tuple[int, int], b: tuple[int, int]
) -> None:
    (there,) = _rows(copy, f"FROM compare_rates({a[0]}, {a[1]}, {b[0]}, {b[1]})")
    (back,) = _rows(copy, f"FROM compare_rates({b[0]}, {b[1]}, {a[0]}, {a[1]})")

    assert_compared(there, *a, *b)
    assert -1 - 1e-9 <= there["difference_low"] <= there["difference"] + 1e-9
    assert there["difference"] - 1e-9 <= there["difference_high"] <= 1 + 1e-9
    assert 0 <= there["p_value"] <= 1
    assert back["difference"] == pytest.approx(-there["difference"])
    assert back["difference_low"] == pytest.approx(-there["difference_high"], abs=1e-9)
    assert back["p_value"] == pytest.approx(there["p_value"])


def test_newcombes_own_example_is_reproduced(copy: duckdb.DuckDBPyConnection) -> None:
    """56 of 70 and 48 of 80: 0.2, from 0.0524 to 0.3339 (Newcombe 1998, table II, case a, method 10)."""
    (row,) = _rows(copy, "FROM compare_rates(48, 80, 56, 70)")

    assert row["difference"] == pytest.approx(0.2)
    assert (row["difference_low"], row["difference_high"]) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )


# as they are published


def test_exactly_the_listed_functions_are_published_with_their_comments(copy: duckdb.DuckDBPyConnection) -> None:
    rows = copy.execute("SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal").fetchall()

    assert dict(rows) == FUNCTIONS


def test_every_published_function_has_a_file_of_its_name() -> None:
    names = {path.stem for path in SQL_FOLDER.glob("functions/*.sql")}

    assert {name.replace("_low", "").replace("_high", "") for name in FUNCTIONS} <= names


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_published_function_holds_a_cte(copy: duckdb.DuckDBPyConnection, name: str) -> None:
    """DuckDB 1.4.0 and 1.4.1 can't call a macro that does; tests/sql/test_duckdb_versions.py asks them."""
    query = "SELECT macro_definition FROM duckdb_functions() WHERE function_name = ?"
    ((definition,),) = copy.execute(query, [name]).fetchall()

    assert not re.search(r"\bWITH\b(?! TIME ZONE)", definition)


# statistics by hand


def wilson(successes: int, trials: int) -> tuple[float, float]:
    rate = successes / trials
    middle = (rate + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
    reach = Z / (1 + Z**2 / trials) * math.sqrt(rate * (1 - rate) / trials + Z**2 / (4 * trials**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def assert_compared(row: dict[str, Any], a_successes: int, a_trials: int, b_successes: int, b_trials: int) -> None:
    """Assert the rates, the difference, Newcombe's interval, and the p-value with a relative error of 1.2e-7."""
    a_rate, b_rate = a_successes / a_trials, b_successes / b_trials
    (a_low, a_high), (b_low, b_high) = wilson(a_successes, a_trials), wilson(b_successes, b_trials)
    common = (a_successes + b_successes) / (a_trials + b_trials)
    error = math.sqrt(common * (1 - common) * (1 / a_trials + 1 / b_trials))
    p_value = math.erfc(abs(b_rate - a_rate) / error / math.sqrt(2)) if error else 1.0
    difference = b_rate - a_rate

    assert (row["a_rate"], row["b_rate"]) == (pytest.approx(a_rate), pytest.approx(b_rate))
    assert row["difference"] == pytest.approx(difference)
    assert row["difference_low"] == pytest.approx(difference - math.hypot(b_rate - b_low, a_high - a_rate), abs=1e-9)
    assert row["difference_high"] == pytest.approx(difference + math.hypot(b_high - b_rate, a_rate - a_low), abs=1e-9)
    assert row["p_value"] == pytest.approx(p_value, rel=1.3e-7, abs=1e-300)


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.sql(query).pl().to_dicts()
    return rows
