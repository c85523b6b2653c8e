"""Every loaded row bears the number of the load that brought or last changed it."""

import polars as pl
import pytest

from pipelines.campaign.journal.records import CampaignRecord
from pipelines.contracts import columns_of, table_of
from pipelines.contracts.core import CORE
from pipelines.landing.landing import Landing
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.unit.landed import AT, LOADED_TABLES, PHONE, answer, counts, land, land_list, reply, report, rows, send


def load_nums(warehouse: Warehouse) -> dict[str, list[int]]:
    """The numbers in every loaded table, in the order of the rows."""
    with warehouse.read() as connection:
        return {
            table: [num for (num,) in connection.execute(f"SELECT load_num FROM {table} ORDER BY rowid").fetchall()]
            for table in LOADED_TABLES
        }


def numbered(warehouse: Warehouse) -> list[int]:
    with warehouse.read() as connection:
        return [num for (num,) in connection.execute("SELECT load_num FROM core.loads ORDER BY loaded_at").fetchall()]


def test_every_row_of_every_loaded_table_bears_the_number_of_its_load(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    send(landing, campaign, "B1", "accepted", first=0, last=2)
    land(landing, "reports", answer([report(), report(destId="x")]))
    load(landing, warehouse)
    land(landing, "replies", answer([reply(), reply(moTime="")]))
    land(landing, "balance", answer(count=100))
    land_list(landing, pl.DataFrame({"phone": [PHONE], "reason": ["x"], "since_at": [AT]}))
    load(landing, warehouse)

    found = load_nums(warehouse)
    assert found == {
        "core.files": [1, 2, 2, 3, 4, 5],
        "core.campaigns": [2],
        "core.recipients": [2] * 5,
        "core.batches": [2],
        "core.reports": [1],
        "core.rejects": [1],
        "core.suppressions": [3],
        "core.pulls": [1, 4, 5],
        "core.replies": [4, 4],
        "core.reply_arrivals": [4],
        "core.balances": [5],
    }
    assert numbered(warehouse) == [1, 2, 3, 4, 5]


def test_a_load_that_changes_nothing_has_no_number(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    load(landing, warehouse)
    before = load_nums(warehouse), numbered(warehouse)
    load(landing, warehouse)
    assert (load_nums(warehouse), numbered(warehouse)) == before


def test_a_repeated_record_keeps_its_number_unless_the_row_changes(landing: Landing, warehouse: Warehouse) -> None:
    land(landing, "reports", answer([report(), report(batchNum="other")]), minute=5)
    land(landing, "replies", answer([reply(), reply(content="other")]), minute=5)
    load(landing, warehouse)
    land(landing, "reports", answer([report()]), minute=9)
    land(landing, "replies", answer([reply()]), minute=9)
    load(landing, warehouse)
    unchanged = load_nums(warehouse)
    assert (unchanged["core.reports"], unchanged["core.replies"]) == ([1, 1], [2, 2])
    assert unchanged["core.pulls"] == [1, 2, 3, 4]

    land(landing, "reports", answer([report()]), minute=0)
    land(landing, "replies", answer([reply()]), minute=0)
    load(landing, warehouse)
    changed = load_nums(warehouse)
    assert (sorted(changed["core.reports"]), sorted(changed["core.replies"])) == ([1, 5], [2, 6])
    assert sorted(changed["core.pulls"]) == [3, 4, 5, 5, 6, 6]  # the counts of the first calls are others now


def test_a_warehouse_of_the_version_before_is_migrated_and_goes_on(
    landing: Landing, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing, "reports", answer([report()]), minute=5)
    load(landing, warehouse)
    with warehouse.write() as connection:  # as it was before loads had numbers
        connection.execute(
            "DROP TABLE core.loads; DROP TABLE core.listings; DROP TABLE core.computed;"
            " DROP TABLE core.computed_campaigns;"
            " DELETE FROM core.migrations WHERE migration_num >= 6"
        )
        for table in LOADED_TABLES:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN load_num")
        connection.execute("ALTER TABLE core.campaigns DROP COLUMN left_out_count")
        connection.execute("ALTER TABLE core.recipients DROP COLUMN number_range")

    load(landing, warehouse)
    assert load_nums(warehouse)["core.reports"] == [0]
    assert numbered(warehouse) == []
    land(landing, "reports", answer([report(), report(batchNum="new")]), minute=0)
    assert counts(load(landing, warehouse)) == (2, 2, 0, 1)

    assert load_nums(warehouse)["core.reports"] == [1, 1]
    assert rows(warehouse, "SELECT record_count, new_record_count FROM core.pulls ORDER BY called_at") == [
        {"record_count": 2, "new_record_count": 2},
        {"record_count": 1, "new_record_count": 0},
    ]
    with warehouse.read() as connection:
        for contract in CORE:
            described = connection.execute(f"DESCRIBE {table_of(contract)}").fetchall()
            assert [(name, kind, null == "YES") for name, kind, null, *_ in described] == [
                (column.name, column.duckdb_type, column.is_nullable) for column in columns_of(contract)
            ]
