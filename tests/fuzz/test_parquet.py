"""Thousands of damaged Parquet files: each gives a frame or one error, and prints nothing on standard error."""

import random
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing
from pipelines.settings import WarehouseSettings
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.tabular.sheet import UnreadableExport, read_sheet
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.fuzz.laws import AT
from tests.support.depth import cases

PHONE = "13800000001"
FOOTER = 1200  # bytes at the end, where the damage tells most
CASES = cases(fast=150, deep=6000)
PANICKING = 237  # a file at which polars panics
NEGATIVE_COUNT = 5509  # a page that says it holds a negative number of values, at which polars ends the process


def written(**options: Any) -> bytes:
    columns = {"phone": [PHONE, "13900000002"], "city": ["沪", None], "n": [1, 2], "on": [date(2026, 1, 1)] * 2}
    nested = {"tags": [["a", "b"]] * 2, "owner": [{"name": "x"}] * 2}
    file = BytesIO()
    pl.DataFrame({name: values * 300 for name, values in (columns | nested).items()}).write_parquet(file, **options)
    return file.getvalue()


SOUND = [written(), written(compression="uncompressed"), written(compression="gzip"), written(use_pyarrow=True)]


def damaged(number: int) -> bytes:
    dice = random.Random(number)
    file = bytearray(dice.choice(SOUND))
    start = len(file) - FOOTER if dice.random() < 0.6 else 0
    for _ in range(dice.choice((1, 2, 5, 20))):
        file[dice.randrange(start, len(file))] = dice.randrange(256)
    return bytes(file[: dice.randrange(len(file))] if dice.random() < 0.1 else file)


@pytest.mark.timeout(900)  # files that pyarrow can't read are tried by a child process each
@pytest.mark.cases(CASES)
def test_damaged_parquet_is_a_frame_or_one_error_and_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    faults: set[str] = set()
    for number in (*range(CASES), PANICKING):
        try:
            read_parquet(damaged(number))
        except UnreadableParquet as error:
            faults.add(str(error))
    with pytest.raises(UnreadableParquet, match="OSError"):
        read_parquet(damaged(NEGATIVE_COUNT))
    assert capfd.readouterr() == ("", "")
    assert PHONE not in str(faults)
    assert any("PanicException" in fault for fault in faults)
    assert any("ComputeError" in fault for fault in faults)
    assert any("cut short" in fault for fault in faults)


def test_a_damaged_export_in_the_landing_is_one_reject_and_blocks_nothing(tmp_path: Path) -> None:
    panicking = damaged(PANICKING)
    with pytest.raises(UnreadableExport, match="PanicException"):
        read_sheet(panicking)
    landing = Landing(tmp_path / "landing")
    mapping = {"phone": "phone", "code": "city", "stat_time": "on"}
    landing.imports.land(Import("reports", AT, "export.parquet", mapping, panicking))
    landing.suppressions.land(panicking, name="list", at=AT)

    summary = load(landing, Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings()))

    assert (summary.file_count, summary.record_count, summary.rejected_count) == (2, 2, 2)
