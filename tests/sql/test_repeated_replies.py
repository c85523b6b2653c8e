"""No reply is lost among its repetitions: each row of core.replies counts, or repeats one that counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.contracts import schema_of
from pipelines.contracts.core import Replies
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse, insert
from pipelines.warehouse.statements import statement
from tests.sql.cases import undone

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
KEY = ("phone", "content", "access_num", "replied_at", "has_own_time")

Row = dict[str, Any]

times = st.sampled_from([0, 1, 60, 61, 3600, 86_400, 86_401, 500_000]).map(
    lambda after: NOON + timedelta(seconds=after)
)
rows = st.fixed_dictionaries(
    {
        "phone": st.just("13800138000"),
        "content": st.sampled_from(["TD", "TD", "N"]),
        "access_num": st.sampled_from(["", "1069", "106901"]),
        "replied_at": times,
        "has_own_time": st.booleans(),
        "is_pulled": st.booleans(),
        "is_pushed": st.booleans(),
        "is_imported": st.booleans(),
        "received_at": times,
        "source_file": st.just("a"),
        "extra": st.none(),
        "plain_content": st.just("td"),
    }
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("replies")
    with Warehouse(folder / "warehouse.duckdb", WarehouseSettings(threads=1)).write() as connection:
        connection.execute("COMMIT")
        yield connection
        connection.execute("BEGIN")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: tuple(row[name] for name in KEY)))
def test_each_reply_counts_or_repeats_one_that_counts(warehouse: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    select = statement(warehouse, "core/repeated_replies").text
    with undone(warehouse):
        insert(warehouse, Replies, pl.DataFrame(rows, schema=schema_of(Replies)), load_num=1)
        found = warehouse.sql(select).fetchall()
    repeated = [row for row in rows if tuple(row[name] for name in KEY) in {_key(each) for each in found}]
    explained = [row for row in rows if row not in repeated]
    assert len(found) == len(repeated)
    while more := [row for row in repeated if row not in explained and any(_says(other, row) for other in explained)]:
        explained += more
    assert len(explained) == len(rows)


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    phone, content, access_num, replied_at, has_own_time = row
    return phone, content, access_num, replied_at.astimezone(UTC), has_own_time


def _says(one: Row, other: Row) -> bool:
    """True if both rows may be the same reply: the same words to numbers that don't differ."""
    numbers = {one["access_num"], other["access_num"]} - {""}
    return one["content"] == other["content"] and len(numbers) <= 1
