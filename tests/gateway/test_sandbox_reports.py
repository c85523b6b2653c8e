"""Reports and replies: when and in which form they are handed out, and their record in the truth."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from pipelines.sandbox import RunningSandbox, Shares

Ask = Callable[..., httpx.Response]
TruthOf = Callable[..., list[tuple[Any, ...]]]
MakeSandbox = Callable[..., RunningSandbox]

DAY = 86_400
TEXT = "【云鋒網絡】验证码123456"
CLEAN = Shares(failed=0.05, unreported=0.02, late=0, beyond_window=0, duplicate=0, conflict=0, phone_mismatch=0,
               orphan=0, reply=0, country_code=0, leading_blank=0)  # fmt: skip
ODD = Shares(
    duplicate=0.1, conflict=0.1, phone_mismatch=0.1, orphan=0.1, reply=0.3, country_code=0.2, leading_blank=0.2
)


def china_day(days_ago: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=8) - timedelta(days=days_ago)).date().isoformat()


def send_days_ago(sandbox: RunningSandbox, ask: Ask, days: int, count: int = 1000, **fields: str | None) -> None:
    """Send one batch with the gateway's clock set back, then correct the clock."""
    sandbox.control(clock_shift_seconds=-days * DAY)
    form = {
        "phones": ",".join(str(13800000000 + number * 9_973) for number in range(count)),
        "missionNums": ",".join(f"m{number}" for number in range(count)),
        "content": TEXT,
        "batchNum": f"b{days}",
    }
    assert b'"errorCode":"000000"' in ask(sandbox, "sendSms.json", **form | fields).content
    sandbox.control(clock_shift_seconds=0)


def pull(sandbox: RunningSandbox, ask: Ask, *days_ago: int) -> list[dict[str, str]]:
    """All records of some days, with one call for each."""
    calls = [ask(sandbox, "queryStatusReport.json", time=china_day(day)) for day in days_ago]
    return [record for call in calls for record in call.json()["records"]]


def test_a_report_has_the_seven_fields_of_the_push_in_camel_case(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(
        shares=Shares(failed=0, unreported=0, country_code=0, leading_blank=0, late=0, beyond_window=0)
    )
    send_days_ago(sandbox, ask, 2, count=1)
    answer = ask(sandbox, "queryStatusReport.json", time=china_day(2))
    assert answer.text.startswith('{"errorCode":"000000","errorMsg":"获取成功","records":[{"missionNum":"m0","destId":')
    (record,) = answer.json()["records"]
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", record.pop("statTime"))
    assert record.pop("receiveRealStatus") in ("0", "DELIVRD")
    assert record == {"missionNum": "m0", "destId": "13800000000", "sendStatus": "SUCCESS", "receiveStatus": "SUCCESS",
                      "batchNum": "b2"}  # fmt: skip


@pytest.mark.parametrize(
    ("envelope", "charset"),
    [("records", "gb18030"), ("data", "utf-8-sig"), ("list", "utf-8"), ("reports", "gb18030")],
)
def test_field_case_envelope_and_charset_change_the_form_only(
    envelope: str, charset: str, make_sandbox: MakeSandbox, ask: Ask
) -> None:
    sandbox = make_sandbox(shares=CLEAN, envelope=envelope, charset=charset, field_case="snake")
    send_days_ago(sandbox, ask, 2, count=50)
    body = ask(sandbox, "queryStatusReport.xml", time=china_day(2)).content
    assert "获取成功" in body.decode(charset)
    records = etree.fromstring(body).find(envelope)
    assert records is not None
    json_records = ask(sandbox, "queryStatusReport.json", time=china_day(2)).content.decode(charset)
    numbers = [record.findtext("mission_num") for record in records]
    assert len(numbers) > 40
    assert all(f'"mission_num":"{number}"' in json_records for number in numbers)
    assert f'"{envelope}":[' in json_records


def test_a_snapshot_holds_all_reports_of_the_day_each_time(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(shares=CLEAN)
    send_days_ago(sandbox, ask, 2)
    first, second = pull(sandbox, ask, 2, 1), pull(sandbox, ask, 2, 1)
    assert first == second
    assert 950 < len(first) < 1000


def test_a_drained_report_is_handed_out_once_even_after_a_restart(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(shares=CLEAN, report_mode="drain", max_records_per_call=400)
    send_days_ago(sandbox, ask, 2)
    sizes = [len(pull(sandbox, ask, 2, 1)) for _ in range(2)]
    sandbox.kill()
    sandbox.start()
    sizes += [len(pull(sandbox, ask, 2, 1)) for _ in range(3)]
    assert sizes[:2] == [400, 400]
    assert 950 < sum(sizes) < 1000
    assert sizes[-1] == 0


def test_capped_snapshots_go_through_the_whole_day(make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf) -> None:
    sandbox = make_sandbox(shares=CLEAN, max_records_per_call=400)
    send_days_ago(sandbox, ask, 2)
    seen = {record["missionNum"] for _ in range(3) for record in pull(sandbox, ask, 2, 1)}
    assert truth_of(sandbox, "SELECT count(*) FROM reports") == [(len(seen),)]


def test_a_report_is_handed_out_once_it_is_due(make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf) -> None:
    sandbox = make_sandbox(shares=Shares(late=0.5, beyond_window=0.1))
    ask(sandbox, "sendSms.json", phones=",".join(["13800000000"] * 1000), content=TEXT,
        missionNums=",".join(f"m{number}" for number in range(1000)))  # fmt: skip
    sandbox.control(clock_shift_seconds=-60)  # however slow this machine is, none is due yet
    assert pull(sandbox, ask, 0) == []
    (total,) = truth_of(sandbox, "SELECT count(*) FROM reports")[0]
    seen = []
    for days in (1, 4, 5):
        sandbox.control(clock_shift_seconds=days * DAY + 3600)
        seen.append(len(pull(sandbox, ask, 0, *range(-6, 0))))
    assert 0 < seen[0] < seen[1] <= seen[2] == total


def test_a_day_can_mean_the_day_of_sending(make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf) -> None:
    sandbox = make_sandbox(shares=Shares(late=1, beyond_window=0), report_day="submitted")
    send_days_ago(sandbox, ask, 3)
    total = truth_of(sandbox, "SELECT count(*) FROM messages")[0][0]
    assert len(pull(sandbox, ask, 3)) > total * 0.95
    assert pull(sandbox, ask, 2, 1, 0) == []


def test_the_outcome_of_a_message_depends_on_the_seed_alone(
    tmp_path: Path, make_sandbox: MakeSandbox, ask: Ask
) -> None:
    def fates(name: str, seed: int, batch_num: str, order: int) -> dict[str, str]:
        sandbox = make_sandbox(truth=tmp_path / name, seed=seed, shares=CLEAN)
        numbers = list(range(300))[::order]
        send_days_ago(sandbox, ask, 2, batchNum=batch_num, count=300,
                      phones=",".join(str(13800000000 + number) for number in numbers),
                      missionNums=",".join(f"m{number}" for number in numbers))  # fmt: skip
        return {record["missionNum"]: record["receiveRealStatus"] for record in pull(sandbox, ask, 2, 1)}

    assert fates("a", 1, "b1", 1) == fates("b", 1, "b2", -1)
    assert fates("c", 2, "b1", 1) != fates("d", 3, "b1", 1)


def test_without_mission_numbers_the_report_has_an_empty_one(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(shares=CLEAN)
    send_days_ago(sandbox, ask, 2, count=20, missionNums=None)
    records = pull(sandbox, ask, 2)
    assert len(records) > 15
    assert {(record["missionNum"], record["batchNum"]) for record in records} == {("", "b2")}


def test_an_unregistered_signature_is_accepted_and_fails_every_message(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(
        signatures=("云鋒網絡",), shares=Shares(duplicate=0, phone_mismatch=0, conflict=0.9, orphan=0)
    )
    send_days_ago(sandbox, ask, 2, content="【别人】验证码")
    assert {record["receiveRealStatus"] for record in pull(sandbox, ask, 2, 1)} == {"YF:11"}


def test_every_oddity_occurs_and_is_in_the_truth(make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf) -> None:
    sandbox = make_sandbox(shares=ODD)
    send_days_ago(sandbox, ask, 10, count=1000)
    records = pull(sandbox, ask, *range(11))
    kinds = dict(truth_of(sandbox, "SELECT kind, count(*) FROM reports WHERE handed_out_count = 1 GROUP BY kind"))
    assert kinds.keys() == {"first", "duplicate", "conflict", "orphan", "phone_mismatch"}
    assert sum(kinds.values()) == len(records)
    assert any(record["destId"].startswith("86") for record in records)
    assert any(record["batchNum"] == " b10" for record in records)
    verdicts = Counter((record["missionNum"], record["receiveStatus"]) for record in records)
    assert any((number, "FAIL") in verdicts and (number, "SUCCESS") in verdicts for number, _ in verdicts)
    strangers = truth_of(
        sandbox, "SELECT count(*) FROM reports WHERE mission_num NOT IN (SELECT mission_num FROM messages)"
    )
    assert strangers == [(kinds["orphan"],)]


@pytest.mark.parametrize("mode", ["snapshot", "drain"])
def test_replies_come_from_delivered_phones_and_some_opt_out(
    mode: str, make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    sandbox = make_sandbox(shares=ODD, report_mode=mode)
    send_days_ago(sandbox, ask, 10, extraNum="77")
    records = ask(sandbox, "queryMoRecord.json").json()["records"]
    assert len(records) > 100
    assert {tuple(record) for record in records} == {("srcId", "content", "destId", "moTime")}
    assert {record["destId"] for record in records} == {"1069000177"}
    assert all(record["srcId"].startswith("86138") or record["srcId"][:3] == "861" for record in records)
    assert {"TD", "退订", "T"} <= {record["content"] for record in records}
    again = ask(sandbox, "queryMoRecord.xml").content
    assert len(etree.fromstring(again).findall("records/record")) == (len(records) if mode == "snapshot" else 0)
    assert truth_of(sandbox, "SELECT count(*) FROM replies WHERE handed_out_count > 0") == [(len(records),)]


def test_a_gateway_may_leave_out_the_time_of_a_reply(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(shares=ODD, has_reply_time=False)
    send_days_ago(sandbox, ask, 10)
    records = ask(sandbox, "queryMoRecord.json").json()["records"]
    assert {tuple(record) for record in records} == {("srcId", "content", "destId")}
