"""The contracts agree with the tables of the database, and split valid rows from invalid ones."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.contracts import Column, Contract, columns_of, comment_of, schema_of, split, table_of
from pipelines.contracts.core import CORE, Reports
from pipelines.settings import WarehouseSettings
from pipelines.times import CHINA
from pipelines.warehouse.database import Warehouse

EVERY_TABLE = pytest.mark.parametrize("contract", CORE, ids=table_of)

PHONE = "13800138000"


def reports(*rows: dict[str, Any]) -> pl.DataFrame:
    good = {
        "message_id": None,
        "mission_num": "A",
        "phone": PHONE,
        "code": "DELIVRD",
        "stat_time": datetime(2026, 11, 22, 8, tzinfo=CHINA),
        "batch_num": "B",
        "is_delivered": True,
        "send_status": "",
        "receive_status": "",
        "received_at": datetime(2026, 11, 22, 9, tzinfo=CHINA),
        "source_file": "reports/a.call",
        "extra": None,
        "is_pulled": True,
        "is_pushed": False,
        "is_imported": False,
    }
    return pl.DataFrame([good | row for row in rows], schema=schema_of(Reports))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(tmp_path_factory.mktemp("contracts") / "w.duckdb", WarehouseSettings()).write() as connection:
        yield connection


@EVERY_TABLE
def test_the_database_has_the_columns_of_the_contract(
    contract: type[Contract], database: duckdb.DuckDBPyConnection
) -> None:
    rows = database.execute(
        "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns()"
        " WHERE schema_name || '.' || table_name = ? ORDER BY column_index",
        [table_of(contract)],
    ).fetchall()
    assert [Column(*row) for row in rows] == columns_of(contract)


@EVERY_TABLE
def test_the_database_has_the_comment_of_the_contract(
    contract: type[Contract], database: duckdb.DuckDBPyConnection
) -> None:
    query = "SELECT comment FROM duckdb_tables() WHERE schema_name || '.' || table_name = ?"
    assert database.execute(query, [table_of(contract)]).fetchall() == [(comment_of(contract),)]


@EVERY_TABLE
def test_every_table_and_column_is_described(contract: type[Contract]) -> None:
    assert comment_of(contract).startswith("One row per ")
    assert all(column.description.endswith(".") for column in columns_of(contract))


def test_every_table_of_the_schema_has_a_contract(database: duckdb.DuckDBPyConnection) -> None:
    rows = database.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
    assert {name for (name,) in rows} == {table_of(contract) for contract in CORE}


def test_valid_rows_come_back_unchanged() -> None:
    frame = reports({}, {"mission_num": "", "extra": '{"x":"1"}'})
    good, bad = split(Reports, frame)
    assert good.equals(frame)
    assert bad.is_empty()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"code": None}, "code: missing or unreadable"),
        ({"code": ""}, "code: empty"),
        ({"stat_time": None}, "stat_time: missing or unreadable"),
        ({"phone": None}, "phone: missing or unreadable"),
        ({"phone": "１３８００１３８０００"}, "phone: malformed"),
        ({"phone": PHONE + "\n"}, "phone: malformed"),
        ({"mission_num": "", "batch_num": ""}, "mission_num or batch_num must be given"),
        ({"code": None, "phone": None}, "code: missing or unreadable; phone: missing or unreadable"),
    ],
)
def test_an_invalid_row_is_returned_with_position_and_reason_and_the_others_stay(
    fault: dict[str, Any], reason: str
) -> None:
    frame = reports({}, fault, {"mission_num": "C"})
    good, bad = split(Reports, frame)
    assert good.equals(frame[[0, 2]])
    assert bad.rows() == [(1, reason)]


@pytest.mark.parametrize("year", [1970, 1999, 2100, 9999])
def test_a_time_outside_this_century_is_invalid(year: int) -> None:
    good, bad = split(Reports, reports({"stat_time": datetime(year, 1, 1, tzinfo=CHINA)}))
    assert good.is_empty()
    assert bad["reason"].str.starts_with("stat_time: ").all()


def test_an_empty_frame_has_no_invalid_rows() -> None:
    good, bad = split(Reports, reports({}).clear())
    assert good.height == bad.height == 0


def test_reasons_hold_no_values() -> None:
    _, bad = split(Reports, reports({"phone": "canary-4711", "code": ""}, {"mission_num": "", "batch_num": ""}))
    assert "canary-4711" not in str(bad.rows())
    assert PHONE not in str(bad.rows())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.drop("code"),
        lambda frame: frame.with_columns(more=pl.lit(1)),
        lambda frame: frame.with_columns(pl.col("message_id").cast(pl.String)),
        lambda frame: frame.select(reversed(frame.columns)),
    ],
    ids=["a column is missing", "a column too many", "another type", "another order"],
)
def test_a_frame_of_other_columns_is_an_error_without_values(spoil: Any) -> None:
    with pytest.raises(TypeError, match=r"core\.reports") as caught:
        split(Reports, spoil(reports({"phone": "canary-4711"})))
    assert "canary-4711" not in str(caught.value)
    assert caught.value.__context__ is None
