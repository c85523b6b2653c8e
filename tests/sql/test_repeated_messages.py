"""Messages with more than one report are found by bits of groups of 32; it must be the same as counting each.

Those of no campaign are left out.
"""

from collections import Counter
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.warehouse.database import registered
from pipelines.warehouse.statements import statement
from tests.sql.cases import undone

KEY = 123_456_789 << 28  # of a campaign
CAMPAIGNS = {KEY >> 28: "spring", 0: "first"}

message_ids = st.one_of(
    st.integers(KEY, KEY + 70), st.sampled_from([0, 31, 32, 63, KEY + 31, KEY + 32]), st.integers(0, 2**63 - 1)
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE SCHEMA core")
        connection.execute("CREATE TABLE core.report_matches (message_id BIGINT)")
        connection.execute("CREATE TABLE core.campaigns (campaign_key BIGINT, campaign_id VARCHAR)")
        connection.executemany("INSERT INTO core.campaigns VALUES (?, ?)", [[*each] for each in CAMPAIGNS.items()])
        yield connection


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(message_ids, st.integers(1, 4)), max_size=60))
@example([(KEY, 3)])
@example([(KEY, 4), (KEY + 1, 1)])
@example([(KEY, 3), (KEY + 1, 2), (KEY + 31, 2), (KEY + 32, 2)])
def test_messages_with_more_than_one_report_are_found(
    connection: duckdb.DuckDBPyConnection, reports: list[tuple[int, int]]
) -> None:
    ids = [message_id for message_id, count in reports for _ in range(count)]
    select = statement(connection, "core/repeated_messages").text
    with (
        undone(connection),
        registered(connection, ids=pl.DataFrame({"message_id": ids}, schema={"message_id": pl.Int64})),
    ):
        connection.execute("INSERT INTO core.report_matches FROM ids")
        found = connection.sql(select).fetchall()

    assert sorted(found) == sorted(
        (CAMPAIGNS[message_id >> 28], message_id)
        for message_id, count in Counter(ids).items()
        if count > 1 and message_id >> 28 in CAMPAIGNS
    )
