"""Two tables are compared as multisets of rows, every column of every table, and no key has personal data."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts import Column, Contract, columns_of, compared_columns, is_compared, table_of
from pipelines.contracts.core import CORE, Recipients, Reports
from pipelines.contracts.marts import MARTS, BalanceReconciliation, LatencyHistogram
from pipelines.contracts.published import PUBLISHED
from pipelines.contracts.reconciled import RECONCILED
from pipelines.times import CHINA
from pipelines.warehouse.comparison import (
    MOST_ROWS,
    Difference,
    DifferentRow,
    compare,
    key_columns,
)

COMPARED = [contract for contract in (*CORE, *RECONCILED, *MARTS, *PUBLISHED) if is_compared(contract)]
PHONE, TEXT = "13917539514", "请不要再发了"
PERSONAL = {"content", "plain_content", "raw_record", "owner", "mission_num", "reason", "detail", "extra", "access_num"}

# Two values of each type that a table must tell apart.
VALUES = {
    "VARCHAR": (f"'{PHONE} {TEXT}'", f"'{PHONE} {TEXT}.'"),
    "JSON": ("""'{"a":1}'""", """'{"a":2}'"""),
    "BIGINT": ("9007199254740993", "9007199254740992"),
    "INTEGER": ("1", "2"),
    "BOOLEAN": ("TRUE", "FALSE"),
    "DATE": ("DATE '2026-11-20'", "DATE '2026-11-21'"),
    "DOUBLE": ("0.3", "0.30000000000000004::DOUBLE"),
    "TIMESTAMP WITH TIME ZONE": (
        "TIMESTAMPTZ '2026-11-20 08:00:00.000001+08'",
        "TIMESTAMPTZ '2026-11-20 08:00:00.000002+08'",
    ),
}

each_table = pytest.mark.parametrize("contract", COMPARED, ids=table_of)


@pytest.fixture(scope="module")
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{CHINA.key}'")
        yield connection


def row(contract: type[Contract], *, other: str | None = None, null: str | None = None) -> str:
    """A SELECT of one row with a value in every column: another one in `other`, and none in `null`."""

    def value(column: Column) -> str:
        one, another = VALUES[column.duckdb_type]
        return "NULL" if column.name == null else another if column.name == other else one

    listed = (f"CAST({value(column)} AS {column.duckdb_type}) AS {column.name}" for column in columns_of(contract))
    return f"SELECT {', '.join(listed)}"


def compared(
    session: duckdb.DuckDBPyConnection, contract: type[Contract], kept: list[str], fresh: list[str]
) -> Difference | None:
    for name, rows in (("kept", kept), ("fresh", fresh)):
        empty = f"({row(contract)} LIMIT 0)"
        session.execute(f"CREATE OR REPLACE TEMP TABLE {name}_table AS {' UNION ALL '.join([empty, *rows])}")
    return compare(session, contract, name="t", kept="kept_table", fresh="fresh_table")


@each_table
def test_every_column_of_every_table_is_compared(session: duckdb.DuckDBPyConnection, contract: type[Contract]) -> None:
    names = [column.name for column in compared_columns(contract)]
    changed = [row(contract, other=name) for name in names] + [row(contract, null=name) for name in names]
    same = [row(contract)] * len(changed)
    assert compared(session, contract, same, same) is None
    assert compared(session, contract, changed, changed) is None

    found = compared(session, contract, changed, same)

    assert found is not None
    assert (found.only_kept_count, found.only_fresh_count) == (len(changed), len(changed))


def test_a_changed_row_names_the_columns_that_changed(session: duckdb.DuckDBPyConnection) -> None:
    found = compared(session, Recipients, [row(Recipients, other="content")], [row(Recipients, null="owner")])

    assert found is not None
    (changed,) = found.first_rows
    assert (changed.side, changed.changed_columns) == ("both", ("content", "owner"))
    assert changed.key == {"campaign_id": changed.key["campaign_id"], "input_row": 9007199254740993}


@each_table
def test_a_row_too_many_or_too_few_is_found_though_an_equal_one_is_there(
    session: duckdb.DuckDBPyConnection, contract: type[Contract]
) -> None:
    more = compared(session, contract, [row(contract)] * 3, [row(contract)])
    fewer = compared(session, contract, [], [row(contract)])

    assert more is not None
    assert (more.only_kept_count, more.only_fresh_count) == (2, 0)
    assert {each.side for each in more.first_rows} == {"kept"}
    assert fewer is not None
    assert (fewer.only_kept_count, fewer.only_fresh_count, fewer.first_rows[0].side) == (0, 1, "fresh")


@each_table
def test_a_row_is_named_by_columns_that_identify_it_and_by_nothing_personal(
    session: duckdb.DuckDBPyConnection, contract: type[Contract]
) -> None:
    assert 1 <= len(key_columns(contract)) <= 4
    assert not set(key_columns(contract)) & PERSONAL

    found = compared(session, contract, [row(contract)], [])

    assert found is not None
    assert found.first_rows[0].key
    told = repr(found)
    assert PHONE not in told
    assert PHONE[3:] not in told
    assert found.first_rows[0].key.get("phone") in (None, "****")  # of a text that is no phone


def test_a_phone_is_named_masked(session: duckdb.DuckDBPyConnection) -> None:
    kept = row(Reports).replace(f"'{PHONE} {TEXT}'", f"'{PHONE}'")

    found = compared(session, Reports, [kept], [])

    assert found is not None
    assert found.first_rows[0].key["phone"] == "139****9514"
    assert PHONE[3:] not in repr(found)


def test_the_first_rows_are_few_and_in_order(session: duckdb.DuckDBPyConnection) -> None:
    rows = [row(LatencyHistogram).replace("CAST(1 AS INTEGER) AS bucket_num", f"CAST({n} AS INTEGER) AS bucket_num")
            for n in range(9, 0, -1)]  # fmt: skip

    found = compared(session, LatencyHistogram, rows, [])

    assert found is not None
    assert (found.only_kept_count, len(found.first_rows)) == (9, MOST_ROWS)
    assert [each.key["bucket_num"] for each in found.first_rows] == [1, 2, 3]


AMOUNTS = st.sampled_from([None, -1, 0, 1, 2**62])


@given(kept=st.lists(AMOUNTS, max_size=12), fresh=st.lists(AMOUNTS, max_size=12))
def test_rows_are_counted_as_in_multisets(
    session: duckdb.DuckDBPyConnection, kept: list[int | None], fresh: list[int | None]
) -> None:
    name = "opening_balance_count"

    def rows(values: list[int | None]) -> list[str]:
        plain = f"CAST({VALUES['BIGINT'][0]} AS BIGINT) AS {name}"
        return [row(BalanceReconciliation).replace(plain, f"CAST({each or 'NULL'} AS BIGINT) AS {name}")
                if each != 0 else row(BalanceReconciliation).replace(plain, f"CAST(0 AS BIGINT) AS {name}")
                for each in values]  # fmt: skip

    found = compared(session, BalanceReconciliation, rows(kept), rows(fresh))

    expected = ((Counter(kept) - Counter(fresh)).total(), (Counter(fresh) - Counter(kept)).total())
    assert (found and (found.only_kept_count, found.only_fresh_count)) == (expected if any(expected) else None)


@given(values=st.lists(st.floats(allow_subnormal=True), min_size=2, max_size=2))
def test_floats_are_compared_exactly(session: duckdb.DuckDBPyConnection, values: list[float]) -> None:
    one, other = values
    for name, value in (("kept", one), ("fresh", other)):
        session.execute(
            f"CREATE OR REPLACE TEMP TABLE {name}_table AS {row(LatencyHistogram)} LIMIT 0",
        )
        session.execute(f"INSERT INTO {name}_table {row(LatencyHistogram)}")
        session.execute(f"UPDATE {name}_table SET cumulative_rate = ?", [value])

    found = compare(session, LatencyHistogram, name="t", kept="kept_table", fresh="fresh_table")

    is_same = one == other or (one != one and other != other)  # noqa: PLR0124 - not a number
    assert (found is None) == is_same


def test_a_table_that_is_missing_or_has_other_columns_is_a_difference(session: duckdb.DuckDBPyConnection) -> None:
    compared(session, Recipients, [], [])
    missing = compare(session, Recipients, name="t", kept="nowhere", fresh="fresh_table")
    session.execute("ALTER TABLE kept_table DROP COLUMN owner")
    without = compare(session, Recipients, name="t", kept="kept_table", fresh="fresh_table")

    assert missing == without == Difference("t", problem="it is missing, or its columns are others")


def test_a_file_that_is_missing_or_damaged_is_a_difference(session: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    compared(session, Recipients, [], [row(Recipients)])
    path = tmp_path / "a.parquet"
    found: list[Any] = [compare(session, Recipients, name="t", kept=f"read_parquet('{path}')", fresh="fresh_table")]
    rows = [pl.DataFrame(session.sql(row(Recipients)).pl())] * 500
    pl.concat(rows).write_parquet(path, compression="uncompressed", statistics=False)
    whole = path.read_bytes()
    for content in (whole[:-9], whole[:4] + bytes([255] * 900) + whole[904:], b"PAR1" * 99):
        path.write_bytes(content)
        found.append(compare(session, Recipients, name="t", kept=f"read_parquet('{path}')", fresh="fresh_table"))

    assert found == [Difference("t", problem="it is missing, or can't be read")] * 4
    assert DifferentRow("kept", {}) != DifferentRow("fresh", {})
