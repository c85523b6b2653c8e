"""Answers, lists and journal events for tests of the load, and the rows that come of them."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.contracts import LOAD_NUM, kind_of, table_of
from pipelines.contracts.core import CORE
from pipelines.landing.calls import Call, CallKind
from pipelines.landing.landing import Landing
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import LoadSummary

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
PHONE = "13800138000"
LOADED_TABLES = [table_of(contract) for contract in CORE if kind_of(contract) == "loaded"]


def land(landing: Landing, kind: CallKind, body: bytes | None, *, minute: int = 0) -> str:
    call = Call(kind=kind, called_at=AT + timedelta(minutes=minute), answer_ms=7, format="json")
    if kind == "reports":
        call = replace(call, day=date(2026, 11, 20))
    if body is None:
        return landing.calls.land(replace(call, failure="ReadTimeout"))
    return landing.calls.land(replace(call, http_status=200, body=body))


def answer(records: list[Any] | None = None, error_code: str = "000000", **more: object) -> bytes:
    head = {"errorCode": error_code, "errorMsg": ""} | more
    return json.dumps(head if records is None else head | {"records": records}, ensure_ascii=False).encode()


def report(**fields: str | None) -> dict[str, str | None]:
    return {
        "missionNum": "0A1B2C3000000007",
        "destId": PHONE,
        "sendStatus": "SUCCESS",
        "receiveStatus": "SUCCESS",
        "receiveRealStatus": "DELIVRD",
        "batchNum": "0A1B2C3B00000001",
        "statTime": "2026-11-20 12:00:00",
    } | fields


def rows(warehouse: Warehouse, query: str) -> list[dict[str, Any]]:
    """The rows without load_num."""
    with warehouse.read() as connection:
        return [
            {name: value for name, value in row.items() if name != LOAD_NUM.name}
            for row in connection.sql(query).pl().to_dicts()
        ]


def counts(summary: LoadSummary) -> tuple[int, int, int, int]:
    return summary.record_count, summary.accepted_count, summary.rejected_count, summary.new_report_count


def reply(**fields: str) -> dict[str, str]:
    return {"srcId": "86" + PHONE, "content": "T", "destId": "10690001", "moTime": "2026-11-20 12:00:00"} | fields


def land_list(landing: Landing, frame: pl.DataFrame) -> str:
    path = landing.root / "suppressions" / "list.parquet"
    path.parent.mkdir(parents=True)
    frame.write_parquet(path)
    return "suppressions/list.parquet"


def send(landing: Landing, campaign: CampaignRecord, batch_num: str, state: Any, *, first: int, last: int) -> None:
    name = campaign.campaign_id
    with Journal.open(landing.journal_path) as journal:
        journal.take_over(name)
        journal.sending(name, batch_num, planned_batch=0, first_position=first, last_position=last, attempt=1, at=AT)
        if state is not None:
            journal.outcome(name, batch_num, state, at=AT + timedelta(seconds=1), error_code="000000", answer_ms=1000)
