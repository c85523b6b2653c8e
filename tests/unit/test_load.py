"""The landing is loaded into core: every record counts, bad ones are rejected, loading again changes nothing."""

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.campaign.journal import CampaignRecord, Journal
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.contracts import LOAD_NUM, columns_of, kind_of, table_of
from pipelines.contracts.core import CORE
from pipelines.errors import BooksError
from pipelines.files import write_whole
from pipelines.landing.calls import Call, CallKind
from pipelines.landing.campaigns import Purged
from pipelines.landing.landing import Landing
from pipelines.landing.listing import changed_at
from pipelines.message_ids import POSITION_BITS, key_text
from pipelines.settings import Settings, WarehouseSettings
from pipelines.times import CHINA
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import LoadSummary, load

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
PHONE = "13800138000"
LOADED_TABLES = [table_of(contract) for contract in CORE if kind_of(contract) == "loaded"]


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings())


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


# Reports


def test_a_report_becomes_a_row(landing: Landing, warehouse: Warehouse) -> None:
    name = land(landing, "reports", answer([report(surprise="x")]))
    assert counts(load(landing, warehouse)) == (1, 1, 0, 1)
    (row,) = rows(warehouse, "FROM core.reports")
    key = 0
    for character in "0A1B2C3":
        key = key * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    assert row == {
        "message_id": (key << 28) + 7,
        "mission_num": "0A1B2C3000000007",
        "phone": PHONE,
        "code": "DELIVRD",
        "stat_time": datetime(2026, 11, 20, 12, tzinfo=CHINA),
        "batch_num": "0A1B2C3B00000001",
        "is_delivered": True,
        "send_status": "SUCCESS",
        "receive_status": "SUCCESS",
        "received_at": AT,
        "source_file": name,
        "extra": '{"surprise":"x"}',
        "is_pulled": True,
        "is_pushed": False,
        "is_imported": False,
    }


def cleaned(landing: Landing, warehouse: Warehouse, column: str, reports: list[dict[str, str | None]]) -> list[Any]:
    """One column of core.reports for these reports, in their order; their batch_num is made different."""
    records = [fields | {"batchNum": f"{number:03}"} for number, fields in enumerate(reports)]
    land(landing, "reports", answer(records))
    load(landing, warehouse)
    return [row[column] for row in rows(warehouse, f"SELECT {column} FROM core.reports ORDER BY batch_num")]


def test_the_prefix_of_china_is_taken_off(landing: Landing, warehouse: Warehouse) -> None:
    written = ["+8613800138000", "008613800138000", "8613800138000", "13800138000", " 13800138000 "]
    assert cleaned(landing, warehouse, "phone", [report(destId=phone) for phone in written]) == [PHONE] * 5


def test_a_foreign_number_that_starts_with_86_is_kept_whole(landing: Landing, warehouse: Warehouse) -> None:
    assert cleaned(landing, warehouse, "phone", [report(destId="8613800")]) == ["8613800"]


def test_a_phone_in_a_code_is_masked_however_it_is_written(landing: Landing, warehouse: Warehouse) -> None:
    written = ["13800138000", "138 0013-8000", "EC:138 0013 8000", "1 3 8 0 0 1 3 8 0 0 0"]
    codes = cleaned(landing, warehouse, "code", [report(receiveRealStatus=code) for code in written])
    assert codes == ["138****8000", "138****8000", "EC:138****8000", "1 3 8****8 0 0 0"]


def test_an_access_number_that_is_a_phone_is_masked_whole(landing: Landing, warehouse: Warehouse) -> None:
    written = ["13800138000", "+86 138-0013-8000", "106900138001380009"]
    land(landing, "replies", answer([reply(destId=access_num, content=access_num) for access_num in written]))
    load(landing, warehouse)
    shown = {row["access_num"] for row in rows(warehouse, "SELECT access_num FROM core.replies")}
    assert shown == {"****", "106900138001380009"}


def test_times_are_those_of_china(landing: Landing, warehouse: Warehouse) -> None:
    written = ["2026-11-20 12:00:00", "2026-11-20T12:00:00", "2026-11-20 12:00:00.25"]
    noon = datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert cleaned(landing, warehouse, "stat_time", [report(statTime=text) for text in written]) == [
        noon,
        noon,
        noon + timedelta(milliseconds=250),
    ]


def test_a_message_id_is_read_back_from_the_mission_num_made_from_it(landing: Landing, warehouse: Warehouse) -> None:
    messages = [(key, position) for key in (0, 1, 2**35 - 1) for position in (0, 1, 2**28 - 1)]
    reports = [report(missionNum=f"{key_text(key)}{position:09}") for key, position in messages]
    assert cleaned(landing, warehouse, "message_id", reports) == [
        (key << POSITION_BITS) + position for key, position in messages
    ]


def test_a_mission_num_of_another_shape_has_no_message_id(landing: Landing, warehouse: Warehouse) -> None:
    others = [
        "",
        "1",
        "0A1B2C300000000",
        "0A1B2C30000000070",
        "0a1b2c3000000007",
        "0A1B2CU000000007",
        f"0A1B2C3{2**28:09}",
    ]
    reports = [report(missionNum=mission_num) for mission_num in others]
    assert cleaned(landing, warehouse, "message_id", reports) == [None] * len(others)


def test_any_code_is_kept_and_two_mean_delivered(landing: Landing, warehouse: Warehouse) -> None:
    reports = [report(receiveRealStatus=code) for code in ("0", "DELIVRD", "MK:0001", "新码")]
    assert cleaned(landing, warehouse, "is_delivered", reports) == [True, True, False, False]
    assert {row["code"] for row in rows(warehouse, "FROM core.reports")} == {"0", "DELIVRD", "MK:0001", "新码"}


@pytest.mark.parametrize(
    ("sent", "code", "is_delivered"),
    [
        ("delivrd", "DELIVRD", True),
        ("Delivrd", "DELIVRD", True),
        ("DELIVERED", "DELIVRD", True),
        (" Delivered ", "DELIVRD", True),
        ("mk:0001", "MK:0001", False),
        ("undeliv", "undeliv", False),
        ("DELIVERED?", "DELIVERED?", False),
    ],
)
def test_a_known_code_is_read_in_any_case(
    sent: str, code: str, is_delivered: bool, landing: Landing, warehouse: Warehouse
) -> None:
    reports = [report(receiveRealStatus=sent)]
    assert cleaned(landing, warehouse, "is_delivered", reports) == [is_delivered]
    assert [row["code"] for row in rows(warehouse, "FROM core.reports")] == [code]


def test_a_report_without_a_mission_num_needs_a_batch_num(landing: Landing, warehouse: Warehouse) -> None:
    land(landing, "reports", answer([report(missionNum=None), report(missionNum=None, batchNum=None)]))
    assert counts(load(landing, warehouse)) == (2, 1, 1, 1)
    (reject,) = rows(warehouse, "FROM core.rejects")
    assert (reject["position"], reject["reason"]) == (1, "mission_num or batch_num must be given")


BAD_REPORTS = [
    report(receiveRealStatus=""),
    report(receiveRealStatus=None),
    report(statTime="yesterday"),
    report(statTime=None),
    report(statTime="2026-02-30 00:00:00"),
    report(statTime="+262000-01-01 00:00:00"),
    report(statTime="-9999-01-01 00:00:00"),
    report(statTime="0000-01-01 00:00:00"),
    report(statTime="1986-05-04 02:30:00"),
    report(destId=None),
    report(destId="somebody"),
    {},
    [],
    "text",
    4711,
    None,
]


def test_bad_records_are_kept_with_their_reasons_and_their_neighbours_are_loaded(
    landing: Landing, warehouse: Warehouse
) -> None:
    land(landing, "reports", answer([report(batchNum="earlier")]), minute=0)
    mixed = [record for n, bad in enumerate(BAD_REPORTS) for record in (report(batchNum=f"neighbour {n}"), bad)]
    name = land(landing, "reports", answer(mixed), minute=1)
    count = len(BAD_REPORTS)
    assert counts(load(landing, warehouse)) == (1 + 2 * count, 1 + count, count, 1 + count)
    rejects = rows(warehouse, "FROM core.rejects ORDER BY position")
    assert [reject["position"] for reject in rejects] == list(range(1, 2 * count, 2))
    assert [json.loads(reject["raw_record"]) for reject in rejects] == BAD_REPORTS
    assert {(reject["source_file"], reject["kind"]) for reject in rejects} == {(name, "reports")}
    assert all(reject["reason"] for reject in rejects)


def test_a_gbk_answer_is_read(landing: Landing, warehouse: Warehouse) -> None:
    land(landing, "reports", answer([report(receiveRealStatus="空号")]).decode().encode("gbk"))
    load(landing, warehouse)
    assert rows(warehouse, "SELECT code FROM core.reports") == [{"code": "空号"}]


def test_a_report_belongs_to_the_first_call_that_brought_it(landing: Landing, warehouse: Warehouse) -> None:
    first = land(landing, "reports", answer([report(), report()]), minute=0)
    second = land(landing, "reports", answer([report(), report(receiveRealStatus="MK:0001")]), minute=1)
    assert counts(load(landing, warehouse)) == (4, 4, 0, 2)
    assert rows(warehouse, "SELECT source_file, new_record_count FROM core.pulls ORDER BY ALL") == [
        {"source_file": first, "new_record_count": 1},
        {"source_file": second, "new_record_count": 1},
    ]


def test_an_earlier_call_that_is_found_later_becomes_the_source_of_its_reports(
    landing: Landing, warehouse: Warehouse
) -> None:
    later = land(landing, "reports", answer([report(sendStatus="later")]), minute=5)
    load(landing, warehouse)
    earlier = land(landing, "reports", answer([report(sendStatus="earlier")]), minute=0)
    assert counts(load(landing, warehouse)) == (1, 1, 0, 0)
    assert rows(warehouse, "SELECT send_status, received_at, source_file FROM core.reports") == [
        {"send_status": "earlier", "received_at": AT, "source_file": earlier}
    ]
    assert rows(warehouse, "SELECT source_file, new_record_count FROM core.pulls ORDER BY ALL") == [
        {"source_file": earlier, "new_record_count": 1},
        {"source_file": later, "new_record_count": 0},
    ]


@pytest.mark.parametrize("minutes", [(0, 5), (5, 0)])
@pytest.mark.parametrize("is_fuller_first", [True, False])
def test_a_report_that_another_one_completes_no_longer_counts_for_its_call(
    landing: Landing, warehouse: Warehouse, minutes: tuple[int, int], is_fuller_first: bool
) -> None:
    lesser = report(batchNum=None), reply(destId="")
    fuller = report(), reply()
    order = [fuller, lesser] if is_fuller_first else [lesser, fuller]
    for minute, (told, replied) in zip(minutes, order, strict=True):
        land(landing, "reports", answer([told]), minute=minute)
        land(landing, "replies", answer([replied]), minute=minute)
        load(landing, warehouse)

    fuller_call = AT + timedelta(minutes=minutes[0 if is_fuller_first else 1])
    for table in ("reports", "replies"):
        assert [row["received_at"] for row in rows(warehouse, f"FROM core.{table}")] == [fuller_call]
    assert rows(warehouse, "SELECT called_at, new_record_count FROM core.pulls ORDER BY ALL") == [
        {
            "called_at": AT + timedelta(minutes=minute),
            "new_record_count": int(AT + timedelta(minutes=minute) == fuller_call),
        }
        for minute in (0, 0, 5, 5)
    ]


# Outcomes of calls


@pytest.mark.parametrize(
    ("body", "outcome", "record_count"),
    [
        (answer([]), "ok", 0),
        (answer(error_code="100004"), "refused", 0),
        (b"<html>502 Bad Gateway</html>", "unreadable", 1),
        (b"", "unreadable", 1),
        (b'{"err"rCode":"000000","errorMsg":"x"}', "unreadable", 1),
        (None, "no_answer", 0),
    ],
)
@pytest.mark.parametrize("kind", ["reports", "replies"])
def test_every_call_is_a_pull_with_its_outcome(
    landing: Landing, warehouse: Warehouse, *, kind: CallKind, body: bytes | None, outcome: str, record_count: int
) -> None:
    name = land(landing, kind, body)
    load(landing, warehouse)
    (pull,) = rows(warehouse, "FROM core.pulls")
    assert pull["source_file"] == name
    assert pull["kind"] == kind
    assert pull["pulled_on"] == (date(2026, 11, 20) if kind == "reports" else None)
    assert pull["called_at"] == AT
    assert pull["outcome"] == outcome
    assert pull["record_count"] == pull["rejected_count"] == record_count


def test_an_unreadable_answer_is_one_record_rejected_as_a_whole(landing: Landing, warehouse: Warehouse) -> None:
    name = land(landing, "reports", b"canary " + PHONE.encode())
    assert counts(load(landing, warehouse)) == (1, 0, 1, 0)
    (reject,) = rows(warehouse, "FROM core.rejects")
    assert (reject["source_file"], reject["position"], reject["raw_record"]) == (name, -1, "")
    assert "canary" not in reject["reason"]
    assert PHONE not in reject["reason"]


def test_stray_files_in_the_landing_stop_nothing(landing: Landing, warehouse: Warehouse) -> None:
    land(landing, "reports", answer([report()]), minute=0)
    strays = [b"", b"not a call", b"{}\n{}", b"[]\n", b'{"kind":"reports","called_at":"x"}\n']
    for number, content in enumerate(strays):
        (landing.root / "reports" / "2026-11-22" / f"00000{number}.call").write_bytes(content)
    assert counts(load(landing, warehouse)) == (1 + len(strays), 1, len(strays), 1)
    assert [row["position"] for row in rows(warehouse, "FROM core.rejects")] == [-1] * len(strays)


# Replies and balances


def reply(**fields: str) -> dict[str, str]:
    return {"srcId": "86" + PHONE, "content": "T", "destId": "10690001", "moTime": "2026-11-20 12:00:00"} | fields


def test_a_reply_becomes_a_row(landing: Landing, warehouse: Warehouse) -> None:
    name = land(landing, "replies", answer([reply(content="退订")]))
    assert load(landing, warehouse).new_reply_count == 1
    assert rows(warehouse, "FROM core.replies") == [
        {
            "phone": PHONE,
            "content": "退订",
            "access_num": "10690001",
            "replied_at": datetime(2026, 11, 20, 12, tzinfo=CHINA),
            "has_own_time": True,
            "received_at": AT,
            "source_file": name,
            "extra": None,
            "is_pulled": True,
            "is_pushed": False,
            "is_imported": False,
            "plain_content": "退订",
        }
    ]


def test_a_reply_without_a_time_has_that_of_the_first_call(landing: Landing, warehouse: Warehouse) -> None:
    for minute in (3, 0, 5):
        land(landing, "replies", answer([reply(moTime="")]), minute=minute)
        load(landing, warehouse)
    assert rows(warehouse, "SELECT replied_at, has_own_time FROM core.replies") == [
        {"replied_at": AT, "has_own_time": False}
    ]


def test_every_answer_with_a_reply_that_has_no_time_is_known(landing: Landing, warehouse: Warehouse) -> None:
    names = [land(landing, "replies", answer([reply(moTime="")] * 2 + [reply()]), minute=minute) for minute in (0, 5)]
    load(landing, warehouse)
    arrivals = rows(warehouse, "SELECT phone, content, access_num, source_file FROM core.reply_arrivals ORDER BY ALL")
    assert arrivals == [
        {"phone": PHONE, "content": "T", "access_num": "10690001", "source_file": name} for name in names
    ]


def test_the_same_text_at_another_time_is_another_reply(landing: Landing, warehouse: Warehouse) -> None:
    land(landing, "replies", answer([reply(), reply(), reply(moTime="2026-11-20 12:00:01"), reply(moTime="")]))
    assert load(landing, warehouse).new_reply_count == 3


@pytest.mark.parametrize("time", ["noon", "2026-02-30 12:00:00", "1999-12-31 23:59:59", "+262000-01-01T00:00:00Z"])
def test_a_reply_whose_time_cannot_be_read_counts_as_of_its_receipt(
    landing: Landing, warehouse: Warehouse, time: str
) -> None:
    land(landing, "replies", answer([reply(moTime=time), reply(moTime=time, content="N", note="x"), reply()]))
    assert counts(load(landing, warehouse)) == (3, 3, 0, 0)
    assert rows(
        warehouse, "SELECT content, replied_at, extra FROM core.replies WHERE NOT has_own_time ORDER BY ALL"
    ) == [
        {"content": "N", "replied_at": AT, "extra": '{"replied_at_from":"received_at","note":"x"}'},
        {"content": "T", "replied_at": AT, "extra": '{"replied_at_from":"received_at"}'},
    ]


def test_a_balance_becomes_a_row(landing: Landing, warehouse: Warehouse) -> None:
    name = land(landing, "balance", answer(count=100))
    assert counts(load(landing, warehouse)) == (1, 1, 0, 0)
    assert rows(warehouse, "FROM core.balances") == [{"queried_at": AT, "balance_count": 100, "source_file": name}]


@pytest.mark.parametrize(
    ("body", "outcome", "rejected_count"),
    [(answer(), "unreadable", 1), (answer(error_code="100003"), "refused", 0), (b"?", "unreadable", 1)],
)
def test_an_answer_without_a_balance_is_rejected(
    landing: Landing, warehouse: Warehouse, body: bytes, outcome: str, rejected_count: int
) -> None:
    land(landing, "balance", body)
    assert load(landing, warehouse).rejected_count == rejected_count
    assert rows(warehouse, "SELECT outcome FROM core.pulls") == [{"outcome": outcome}]
    assert rows(warehouse, "FROM core.balances") == []


# Suppressions


def land_list(landing: Landing, frame: pl.DataFrame) -> str:
    path = landing.root / "suppressions" / "list.parquet"
    path.parent.mkdir(parents=True)
    frame.write_parquet(path)
    return "suppressions/list.parquet"


def test_a_list_of_suppressions_becomes_rows_and_rejects(landing: Landing, warehouse: Warehouse) -> None:
    entries = {"phone": [PHONE, "110", None], "reason": ["opted_out", "x", "x"], "since_at": [AT, AT, AT]}
    name = land_list(landing, pl.DataFrame(entries))
    assert counts(load(landing, warehouse)) == (3, 1, 2, 0)
    assert rows(warehouse, "FROM core.suppressions") == [
        {"phone": PHONE, "reason": "opted_out", "since_at": AT, "source_file": name, "is_removed": False}
    ]
    rejects = rows(warehouse, "FROM core.rejects ORDER BY position")
    assert [reject["position"] for reject in rejects] == [1, 2]
    assert json.loads(rejects[0]["raw_record"])["phone"] == "110"


def test_integer_phones_and_times_without_a_zone_are_accepted(landing: Landing, warehouse: Warehouse) -> None:
    entries = {"phone": [int(PHONE)], "reason": ["dead"], "since_at": [datetime(2026, 11, 20, 12)]}  # noqa: DTZ001
    land_list(landing, pl.DataFrame(entries))
    load(landing, warehouse)
    (row,) = rows(warehouse, "FROM core.suppressions")
    assert (row["phone"], row["since_at"]) == (PHONE, datetime(2026, 11, 20, 12, tzinfo=CHINA))


def test_a_list_without_its_columns_is_rejected_as_a_whole(landing: Landing, warehouse: Warehouse) -> None:
    land_list(landing, pl.DataFrame({"phone": [PHONE], "why": ["x"]}))
    assert counts(load(landing, warehouse)) == (1, 0, 1, 0)
    (reject,) = rows(warehouse, "FROM core.rejects")
    assert (reject["position"], reject["reason"]) == (-1, "the file lacks the column reason, since_at")


def test_a_list_that_is_not_parquet_is_rejected_as_a_whole(landing: Landing, warehouse: Warehouse) -> None:
    name = land_list(landing, pl.DataFrame())
    (landing.root / name).write_text(PHONE)
    assert counts(load(landing, warehouse)) == (1, 0, 1, 0)


# Campaigns


@pytest.fixture
def campaign(landing: Landing, tmp_path: Path) -> CampaignRecord:
    source = tmp_path / "recipients.parquet"
    phones = [PHONE, "13800138001", "13800138002", "110", PHONE]
    pl.DataFrame({"phone": phones, "city": ["沪", "京", None, "沪", "沪"]}).write_parquet(source)
    request = PlanRequest("autumn", source, content="【签名】你好")
    return make_plan(request, landing=landing, settings=Settings(), at=AT).record


def send(landing: Landing, campaign: CampaignRecord, batch_num: str, state: Any, *, first: int, last: int) -> None:
    name = campaign.campaign_id
    with Journal.open(landing.journal_path) as journal:
        journal.sending(name, batch_num, planned_batch=0, first_position=first, last_position=last, attempt=1, at=AT)
        if state is not None:
            journal.outcome(name, batch_num, state, at=AT + timedelta(seconds=1), error_code="000000", answer_ms=1000)


def test_a_plan_becomes_recipients_in_its_order(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    assert load(landing, warehouse).campaign_count == 1
    recipients = rows(warehouse, "FROM core.recipients")
    assert [row["input_row"] for row in recipients] == [0, 1, 2, 3, 4]
    first = campaign.campaign_key << POSITION_BITS
    assert [row["message_id"] for row in recipients] == [first, first + 1, first + 2, None, None]
    assert [row["disposition"] for row in recipients] == ["planned"] * 3 + ["invalid", "duplicate"]
    assert recipients[0]["campaign_id"] == "autumn"
    assert recipients[0]["number_range"] == int(recipients[0]["phone"][:7])
    assert json.loads(recipients[0]["owner"]) == {"city": "沪"}
    assert rows(warehouse, "SELECT record_count FROM core.files WHERE kind = 'plan'") == [{"record_count": 5}]


def test_a_plan_without_owners_columns_has_none(landing: Landing, warehouse: Warehouse, tmp_path: Path) -> None:
    pl.DataFrame({"phone": [PHONE]}).write_parquet(tmp_path / "plain.parquet")
    request = PlanRequest("plain", tmp_path / "plain.parquet", content="【签名】你好")
    make_plan(request, landing=landing, settings=Settings(), at=AT)
    load(landing, warehouse)
    assert rows(warehouse, "SELECT owner FROM core.recipients") == [{"owner": None}]


def test_the_journal_becomes_campaigns_and_batches(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    send(landing, campaign, "B1", "accepted", first=0, last=1)
    send(landing, campaign, "B2", None, first=2, last=2)
    load(landing, warehouse)
    (row,) = rows(warehouse, "FROM core.campaigns")
    assert (row["campaign_key"], row["row_count"], row["message_count"]) == (campaign.campaign_key, 5, 3)
    assert (row["planned_at"], row["is_paused"], row["paused_reason"]) == (AT, False, None)
    accepted, unanswered = rows(warehouse, "FROM core.batches ORDER BY batch_num")
    first = campaign.campaign_key << POSITION_BITS
    assert (accepted["first_message_id"], accepted["last_message_id"], accepted["message_count"]) == (
        first,
        first + 1,
        2,
    )
    assert (accepted["state"], accepted["submitted_at"], accepted["submitted_on"]) == (
        "accepted",
        AT,
        date(2026, 11, 22),
    )
    assert (accepted["error_code"], accepted["answer_ms"]) == ("000000", 1000)
    assert (unanswered["state"], unanswered["answered_at"]) == ("in_doubt", None)


def test_only_new_events_of_the_journal_are_loaded(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    send(landing, campaign, "B1", None, first=0, last=2)
    assert load(landing, warehouse).campaign_count == 1
    assert load(landing, warehouse).campaign_count == 0
    with Journal.open(landing.journal_path) as journal:
        journal.outcome("autumn", "B1", "refused", at=AT)
        journal.paused("autumn", "balance too low", at=AT)
    assert load(landing, warehouse).campaign_count == 1
    assert rows(warehouse, "SELECT batch_num, state FROM core.batches") == [{"batch_num": "B1", "state": "refused"}]
    assert rows(warehouse, "SELECT is_paused, paused_reason FROM core.campaigns") == [
        {"is_paused": True, "paused_reason": "balance too low"}
    ]
    assert rows(warehouse, "SELECT count(*) AS n FROM core.recipients") == [{"n": 5}]
    assert rows(warehouse, "SELECT record_count FROM core.files WHERE kind = 'journal'") == [{"record_count": 3}]


def test_the_day_of_a_batch_is_that_of_china(landing: Landing, warehouse: Warehouse, campaign: CampaignRecord) -> None:
    with Journal.open(landing.journal_path) as journal:
        late = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
        journal.sending("autumn", "B1", planned_batch=0, first_position=0, last_position=2, attempt=1, at=late)
    load(landing, warehouse)
    assert rows(warehouse, "SELECT submitted_on FROM core.batches") == [{"submitted_on": date(2026, 11, 22)}]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text(PHONE)])
def test_a_missing_plan_is_an_error_and_nothing_of_the_campaign_is_loaded(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord, spoil: Any
) -> None:
    land(landing, "reports", answer([report()]))
    spoil(landing.campaigns.plan_path("autumn"))
    with pytest.raises(BooksError, match="restore it") as caught:
        load(landing, warehouse)
    assert PHONE not in str(caught.value)
    assert rows(warehouse, "FROM core.campaigns") == []
    assert len(rows(warehouse, "FROM core.reports")) == 1


def test_a_plan_with_other_rows_is_an_error(landing: Landing, warehouse: Warehouse, campaign: CampaignRecord) -> None:
    path = landing.campaigns.plan_path("autumn")
    pl.read_parquet(path).head(2).write_parquet(path)
    with pytest.raises(BooksError, match="does not have the 5 rows"):
        load(landing, warehouse)


# The numbers of loads


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


# The listing


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders may be noted at once; the clock of a file system ticks faster than loads follow each other."""
    monkeypatch.setattr("pipelines.landing.listing.SETTLING_SECONDS", 0.02)


def noted(landing: Landing, warehouse: Warehouse) -> list[str]:
    """The folders that are noted once all is loaded and a later load has listed them."""
    for _ in range(2):
        load(landing, warehouse)
        sleep(0.05)
    return [row["folder"] for row in rows(warehouse, "SELECT folder FROM core.listings ORDER BY folder")]


@pytest.mark.usefixtures("settled")
def test_a_day_that_is_over_and_loaded_is_listed_again_only_when_it_changes(
    landing: Landing, warehouse: Warehouse
) -> None:
    for day in range(3):
        land(landing, "reports", answer([report()]), minute=day * 24 * 60)
    sleep(0.05)
    assert noted(landing, warehouse) == ["reports/2026-11-22", "reports/2026-11-23"]
    with warehouse.read() as connection:
        seen = dict(connection.execute("SELECT folder, changed_at FROM core.listings").fetchall())
    assert [listed.folder for listed in landing.calls.listed("reports", seen)] == ["reports/2026-11-24"]

    late = land(landing, "reports", answer([report(batchNum="late")]), minute=1)
    assert counts(load(landing, warehouse)) == (1, 1, 0, 1)
    assert rows(warehouse, "SELECT source_file FROM core.reports WHERE batch_num = 'late'") == [{"source_file": late}]
    sleep(0.05)
    assert noted(landing, warehouse) == ["reports/2026-11-22", "reports/2026-11-23"]


@pytest.mark.usefixtures("settled")
def test_a_warehouse_that_lost_its_rows_lists_everything_again(landing: Landing, warehouse: Warehouse) -> None:
    for day in range(3):
        land(landing, "replies", answer([reply()]), minute=day * 24 * 60)
    sleep(0.05)
    assert len(noted(landing, warehouse)) == 2
    warehouse.delete()
    assert load(landing, warehouse).file_count == 3


@pytest.mark.usefixtures("settled")
def test_a_folder_with_a_draft_is_listed_until_the_draft_is_removed(landing: Landing, warehouse: Warehouse) -> None:
    for day in range(2):
        land(landing, "reports", answer([report()]), minute=day * 24 * 60)
    draft = landing.root / "reports" / "2026-11-22" / ".draft-x"
    draft.touch()
    sleep(0.05)
    assert noted(landing, warehouse) == []
    os.utime(draft, (0, 0))
    load(landing, warehouse)
    assert not draft.exists()
    sleep(0.05)
    assert noted(landing, warehouse) == ["reports/2026-11-22"]


@pytest.mark.usefixtures("settled")
def test_a_folder_of_a_campaign_is_looked_into_for_drafts_when_it_changes(
    landing: Landing, warehouse: Warehouse
) -> None:
    for campaign_id in ("a", "b"):
        write_whole(landing.campaigns.mark_path(campaign_id), bytes(8), overwrite=False)
    sleep(0.05)
    assert noted(landing, warehouse) == ["campaigns"]
    draft = landing.campaigns.root / "b" / ".draft-x"
    draft.touch()
    sleep(0.05)
    for _ in range(2):
        load(landing, warehouse)
        assert draft.exists()
    assert landing.campaigns.listed().with_drafts == ["b"]
    assert landing.campaigns.listed(changed_at(draft.parent)).with_drafts == []
    os.utime(draft, (0, 0))
    load(landing, warehouse)
    assert not draft.exists()
    sleep(0.05)
    assert noted(landing, warehouse) == ["campaigns"]
    assert rows(warehouse, "SELECT changed_at FROM core.listings") == [{"changed_at": changed_at(draft.parent)}]


@pytest.mark.usefixtures("settled")
def test_folders_are_not_noted_before_the_warehouse_has_heard_of_a_purge(landing: Landing) -> None:
    """A load that dies then must find it once more."""
    for campaign_id in ("a", "b", "c"):
        write_whole(landing.campaigns.plan_path(campaign_id), b"", overwrite=False)
    sleep(0.05)
    loaded = {"a", "b"}
    seen = landing.campaigns.listed(loaded=loaded).settled_at
    assert seen == max(map(changed_at, landing.campaigns.root.iterdir()))
    landing.campaigns.mark_purged(Purged("b", AT, {}))
    landing.campaigns.mark_purged(Purged("c", AT, {}))
    sleep(0.05)

    for _ in range(2):
        found = landing.campaigns.listed(seen, loaded)
        assert (found.kept, found.purged, found.settled_at) == (["a"], ["b", "c"], None)

    seen = landing.campaigns.listed(seen, loaded={"a"}).settled_at
    assert seen is not None
    found = landing.campaigns.listed(seen, loaded={"a"})
    assert (found.kept, found.purged, found.settled_at) == (["a"], ["b", "c"], None)
    landing.campaigns.plan_path("a").unlink()
    assert landing.campaigns.listed(seen, loaded={"a"}).kept == []


def test_a_folder_that_changed_just_now_is_not_noted(landing: Landing, warehouse: Warehouse) -> None:
    for day in range(2):
        land(landing, "reports", answer([report()]), minute=day * 24 * 60)
    assert noted(landing, warehouse) == []


# The load as a whole


def test_progress_counts_files(landing: Landing, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.warehouse.loading.load.BYTES_PER_TRANSACTION", 1)
    for minute in range(3):
        land(landing, "reports", answer([report()]), minute=minute)
    shown: list[tuple[str, float | None]] = []
    load(landing, warehouse, progress=lambda doing, share=None: shown.append((doing, share)))
    assert shown == [(f"loading: {done} of 3 files", done / 3) for done in (1, 2, 3)]


def test_a_load_with_nothing_new_opens_the_warehouse_once(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing, "reports", answer([report()]))
    load(landing, warehouse)
    opened = []
    write = Warehouse.write
    monkeypatch.setattr(Warehouse, "write", lambda self: opened.append(self) or write(self))

    assert set(vars(load(landing, warehouse)).values()) == {0}
    assert len(opened) == 1


def test_an_empty_landing_loads_to_an_empty_warehouse(landing: Landing, warehouse: Warehouse) -> None:
    assert set(vars(load(landing, warehouse)).values()) == {0}


def test_a_load_that_dies_half_way_is_finished_by_the_next(
    landing: Landing, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(3):
        land(landing, "reports", answer([report(batchNum=str(minute)), report(destId="x")]), minute=minute)

    def die(_: str, share: float | None = None) -> None:
        if share == 2 / 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.warehouse.loading.load.BYTES_PER_TRANSACTION", 1)
        with pytest.raises(KeyboardInterrupt):
            load(landing, warehouse, progress=die)
    assert load(landing, warehouse).file_count == 1
    assert len(rows(warehouse, "FROM core.reports")) == len(rows(warehouse, "FROM core.rejects")) == 3


def test_files_that_another_process_loaded_meanwhile_are_left_out(
    landing: Landing, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.warehouse.loading.load.BYTES_PER_TRANSACTION", 1)
    for minute in range(2):
        land(landing, "reports", answer([report(), report(destId="x")]), minute=minute)

    def load_elsewhere(_: str, share: float | None = None) -> None:
        if share == 1 / 2:
            load(landing, warehouse)

    assert load(landing, warehouse, progress=load_elsewhere).file_count == 1
    assert len(rows(warehouse, "FROM core.pulls")) == len(rows(warehouse, "FROM core.rejects")) == 2


def test_a_crash_while_writing_leaves_no_part_of_a_file(
    landing: Landing, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing, "reports", answer([report(), report(destId="x")]))
    load(Landing(landing.root / "empty"), warehouse)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.warehouse.loading.load._row_counts", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(landing, warehouse)
    for table in ("files", "pulls", "reports", "rejects"):
        assert rows(warehouse, f"FROM core.{table}") == []


def test_loading_needs_no_other_version_of_the_file_format(landing: Landing, warehouse: Warehouse) -> None:
    load(landing, warehouse)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{warehouse.path}' AS w (READ_ONLY)")
        (tags,) = connection.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'w'").fetchall()
    assert "v1.5" in str(tags)
