"""The landing is loaded into core: every record counts, bad ones are rejected, loading again changes nothing."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.campaign.journal.records import CampaignRecord
from pipelines.landing.calls import CallKind
from pipelines.landing.landing import Landing
from pipelines.message_ids import POSITION_BITS, key_text
from pipelines.times import CHINA
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.unit.landed import AT, PHONE, answer, counts, land, land_list, reply, report, rows

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
