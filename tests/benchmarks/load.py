"""Loading landed reports, against msgspec → polars → insert of the same bodies without any check."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import polars as pl

from pipelines.landing.calls import Call
from pipelines.landing.landing import Landing
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.benchmarks.history import warehouse_settings

RECORDS_A_CALL = 100_000
CODES = ("DELIVRD",) * 93 + ("MK:0001", "MK:0010", "2:1", "2:10", "YF:03", "XX:99", "0")


def prepare(folder: Path, rows: int) -> None:
    landing = Landing(folder / "landing")
    for number, first in enumerate(range(0, rows, RECORDS_A_CALL)):
        records = [_record(position) for position in range(first, min(rows, first + RECORDS_A_CALL))]
        body = {"errorCode": "000000", "errorMsg": "获取成功", "records": records}
        landing.calls.land(
            Call(
                kind="reports",
                called_at=datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=number),
                answer_ms=900,
                format="json",
                day=datetime(2026, 11, 22, tzinfo=UTC).date(),
                http_status=200,
                content_type="application/json",
                body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            )
        )


def _record(position: int) -> dict[str, str]:
    code = CODES[position * 7919 % len(CODES)]
    return {
        "missionNum": f"7H3KQ0A{position:09}",
        "destId": f"1{3_000_000_000 + position * 7}",
        "sendStatus": "SUCCESS",
        "receiveStatus": "SUCCESS" if code in {"DELIVRD", "0"} else "FAIL",
        "receiveRealStatus": code,
        "batchNum": f"7H3KQ0AB{position // 1000:08}",
        "statTime": f"2026-11-22 {position // 3600 % 24:02}:{position // 60 % 60:02}:{position % 60:02}",
    }


def real(folder: Path, rows: int) -> float:
    warehouse = Warehouse(folder / "warehouse.duckdb", warehouse_settings())
    warehouse.delete()
    started = time.perf_counter()
    summary = load(Landing(folder / "landing"), warehouse)
    seconds = time.perf_counter() - started
    if summary.new_report_count != rows:
        raise SystemExit("the load lost reports")
    return seconds


def floor(folder: Path, rows: int) -> float:
    path = folder / "floor.duckdb"
    path.unlink(missing_ok=True)
    landing = Landing(folder / "landing")
    started = time.perf_counter()
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE reports (mission_num VARCHAR, phone VARCHAR, send_status VARCHAR, receive_status VARCHAR,"
            " code VARCHAR, batch_num VARCHAR, stat_time TIMESTAMPTZ)"
        )
        for name in landing.calls.names("reports"):
            frame = pl.DataFrame(msgspec.json.decode(landing.calls.read(name).body)["records"]).with_columns(
                pl.col("statTime").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="Asia/Shanghai")
            )
            connection.register("frame", frame)
            connection.execute("INSERT INTO reports SELECT * FROM frame")
        (count,) = connection.execute("SELECT count(*) FROM reports").fetchall()[0]
    seconds = time.perf_counter() - started
    if count != rows:
        raise SystemExit("the floor lost reports")
    return seconds
