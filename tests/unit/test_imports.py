"""An imported file is landed once, byte for byte, and the loaded rows don't depend on when it came."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from pipelines.contracts import table_of
from pipelines.contracts.core import CORE
from pipelines.landing.calls import Call
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing
from pipelines.settings import WarehouseSettings
from pipelines.times import CHINA
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.support import compared
from tests.support.depth import cases

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
MAPPING = {"phone": "手机号", "code": "状态", "stat_time": "时间"}
NAMELESS = "手机号,状态,时间\n13800138000,DELIVRD,2026/11/20 12:00\n13800138000,MK:0001,2026/11/20 12:00\n"
IMPORT = Import("reports", AT, "export.csv", MAPPING, NAMELESS.encode("gbk"))
BY_MISSION = replace(
    IMPORT,
    mapping=MAPPING | {"mission_num": "任务号"},
    body="手机号,状态,时间,任务号\n13800138000,DELIVRD,20261120120000,0A1B2C3000000001\n".encode(),
    imported_at=AT + timedelta(minutes=1),
)


def warehouse_in(folder: Path) -> Warehouse:
    return Warehouse(folder / "warehouse.duckdb", WarehouseSettings(threads=1))


def pulled(landing: Landing, code: str = "DELIVRD") -> None:
    record = {
        "missionNum": "0A1B2C3000000001",
        "destId": "13800138000",
        "receiveRealStatus": code,
        "batchNum": "B1",
        "statTime": "2026-11-20 12:00:00",
    }
    body = json.dumps({"errorCode": "000000", "records": [record]}).encode()
    at = AT + timedelta(minutes=2)
    landing.calls.land(Call("reports", at, 1, "json", day=date(2026, 11, 20), http_status=200, body=body))


def contents(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.read() as connection:
        names = filter(compared.is_compared, map(table_of, CORE))
        return {name: sorted(connection.sql(compared.query(name)).pl().rows(), key=repr) for name in names}


def loaded_after_each(
    steps: list[Callable[[], object]], landing: Landing, warehouse: Warehouse
) -> dict[str, list[tuple[Any, ...]]]:
    for step in steps:
        step()
        load(landing, warehouse)
    return contents(warehouse)


def loaded_at_once(landing: Landing, warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    warehouse.delete()
    load(landing, warehouse)
    return contents(warehouse)


def test_a_landed_import_comes_back_byte_for_byte(landing: Landing) -> None:
    name = landing.imports.land(IMPORT)

    assert landing.imports.read(name) == IMPORT
    assert landing.imports.names() == [name]
    assert (landing.root / name).read_bytes().partition(b"\n")[2] == IMPORT.body


def test_the_same_bytes_with_the_same_mapping_are_landed_once(landing: Landing) -> None:
    first = landing.imports.land(IMPORT)

    assert landing.imports.land(replace(IMPORT, imported_at=AT + timedelta(days=1), file_name="copy.csv")) == first
    assert landing.imports.land(replace(IMPORT, mapping=MAPPING | {"batch_num": "时间"})) != first


@pytest.mark.parametrize("order", cases(fast=[(0, 1, 2), (2, 1, 0)], deep=[*permutations(range(3))]))
def test_of_reports_that_differ_in_missing_numbers_the_fullest_stays_whatever_came_first(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    landing, warehouse = Landing(tmp_path / "landing"), warehouse_in(tmp_path)
    steps = [lambda: landing.imports.land(IMPORT), lambda: landing.imports.land(BY_MISSION), lambda: pulled(landing)]

    in_steps = loaded_after_each([steps[number] for number in order], landing, warehouse)

    assert loaded_at_once(landing, warehouse) == in_steps
    told = {(mission, code, batch) for _, mission, _, code, _, batch, *_ in in_steps["core.reports"]}
    assert told == {("0A1B2C3000000001", "DELIVRD", "B1"), ("", "MK:0001", "")}
    assert sum(accepted for _, _, _, accepted, _ in in_steps["core.files"]) == 4


FAILED = replace(
    BY_MISSION,
    mapping={name: heading for name, heading in BY_MISSION.mapping.items() if name != "stat_time"},
    body=(
        "手机号,状态,任务号\n13800138000,MK:0001,0A1B2C3000000001\n13800138001,MK:0001,0A1B2C3000000002\n"
        "13800138002,MK:0001,\n"
    ).encode(),
)


@pytest.mark.parametrize("order", cases(fast=[(0, 1, 2), (2, 1, 0)], deep=[*permutations(range(3))]))
def test_a_failure_whose_time_is_borrowed_counts_once_whatever_came_first(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    landing, warehouse = Landing(tmp_path / "landing"), warehouse_in(tmp_path)
    again = replace(FAILED, imported_at=AT + timedelta(days=1), body=FAILED.body + b"\n")
    steps = [
        lambda: landing.imports.land(FAILED),
        lambda: landing.imports.land(again),
        lambda: pulled(landing, "MK:0001"),
    ]

    in_steps = loaded_after_each([steps[number] for number in order], landing, warehouse)

    assert loaded_at_once(landing, warehouse) == in_steps
    told = [(phone, at) for _, _, phone, _, at, *_ in in_steps["core.reports"]]
    assert sorted(told) == [
        ("13800138000", datetime(2026, 11, 20, 12, tzinfo=CHINA)),
        ("13800138001", FAILED.imported_at),
        ("13800138002", FAILED.imported_at),  # without a number nothing says that it is the same
        ("13800138002", again.imported_at),
    ]


def test_a_damaged_import_is_one_reject_and_other_files_are_loaded(landing: Landing, tmp_path: Path) -> None:
    name = landing.imports.land(IMPORT)
    landing.imports.land(BY_MISSION)
    (landing.root / name).write_bytes(b'{"kind": "reports"}\nx')

    summary = load(landing, warehouse_in(tmp_path))

    assert (summary.record_count, summary.rejected_count, summary.new_report_count) == (2, 1, 1)
    assert load(landing, warehouse_in(tmp_path)).file_count == 0


def test_phones_of_an_import_are_read_however_they_are_written(landing: Landing, tmp_path: Path) -> None:
    written = (
        "138-0013 8000",
        "（086）138 0013 8000",
        "１３８００１３８０００",
        "'13800138000",
        "+8613800138000.0",
        "852 9123 4567",
    )
    rows = "\n".join(f"{phone},MK:{place:04},2026/11/20 12:0{place}" for place, phone in enumerate(written))
    landing.imports.land(replace(IMPORT, body=f"手机号,状态,时间\n{rows}\n".encode()))
    warehouse = warehouse_in(tmp_path)

    load(landing, warehouse)

    with warehouse.read() as connection:
        phones = [phone for (phone,) in connection.sql("SELECT phone FROM core.reports ORDER BY code").fetchall()]
    assert phones == ["13800138000"] * 5 + ["85291234567"]
