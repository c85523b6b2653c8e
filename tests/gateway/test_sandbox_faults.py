"""Faults: the answer that the client gets, and the record in the truth."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pipelines.sandbox import Fault, RunningSandbox
from pipelines.sandbox.settings import FAULT_KINDS

Ask = Callable[..., httpx.Response]
TruthOf = Callable[..., list[tuple[Any, ...]]]
MakeSandbox = Callable[..., RunningSandbox]

SEND = {"phones": "13800000000,13800000001", "content": "【云鋒網絡】验证码123456", "batchNum": "b1"}


def observed_answer(ask: Ask, sandbox: RunningSandbox, call: str, **fields: str) -> str:
    """The answer that the client sees, or the error."""
    try:
        answer = ask(sandbox, call, **fields)
    except httpx.TransportError as error:
        return type(error).__name__
    return f"{answer.status_code} {answer.headers['content-type'].partition(';')[0]} {answer.content[:40]!r}"


EXPECTED = {
    "drop": "RemoteProtocolError",
    "delay": "200 application/json",
    "http_500": "500 text/plain",
    "http_502": "502 text/html b'<html>",
    "truncated": "RemoteProtocolError",
    "garbage": "200 application/json b'\\x80\\x81",
    "malformed_json": """200 application/json b'{"err"rCode":"000000","errorMsg":""",
    "system_error": """200 application/json b'{"errorCode":"999999","errorMsg":""",
}


def test_every_fault_has_a_test() -> None:
    assert EXPECTED.keys() == set(FAULT_KINDS)


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_fault_spoils_the_answer_and_the_truth_records_if_the_batch_was_accepted(
    kind: str, make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    sandbox = make_sandbox(delay_seconds=0.05)
    sandbox.control(faults=[Fault(kind, is_accepted=False), Fault(kind, is_accepted=True)])
    assert observed_answer(ask, sandbox, "sendSms.json", **SEND).startswith(EXPECTED[kind])
    assert truth_of(sandbox, "SELECT count(*) FROM messages") == [(0,)]
    assert observed_answer(ask, sandbox, "sendSms.json", **SEND).startswith(EXPECTED[kind])
    assert truth_of(sandbox, "SELECT count(*) FROM messages") == [(2,)]
    assert truth_of(sandbox, "SELECT batch_num, error_code, fault, is_accepted FROM requests") == [
        ("b1", None, kind, 0),
        ("b1", "000000", kind, 1),
    ]
    assert ask(sandbox, "sendSms.json", **SEND).json()["errorCode"] == "100001"


def test_a_delayed_answer_comes_late_and_ends_when_the_client_disconnects(
    sandbox: RunningSandbox, truth_of: TruthOf
) -> None:
    sandbox.control(faults=[Fault("delay", seconds=30)])
    form = {"appKey": "sandbox-key", "appSecret": "sandbox-secret"} | SEND
    with httpx.Client(timeout=0.2, trust_env=False) as client, pytest.raises(httpx.ReadTimeout):
        client.post(sandbox.base_url + "sendSms.json", data=form)
    assert truth_of(sandbox, "SELECT count(*) FROM messages") == [(2,)]
    started = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - started < 1


def test_a_refused_request_stays_refused_under_a_fault(sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf) -> None:
    sandbox.control(faults=[Fault("http_500", is_accepted=True)])
    assert ask(sandbox, "sendSms.json", **SEND | {"phones": "1"}).status_code == 500
    assert truth_of(sandbox, "SELECT error_code, fault, is_accepted FROM requests") == [("100007", "http_500", 0)]


def test_drained_reports_lost_on_the_wire_are_recorded_as_handed_out_and_lost(
    make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    sandbox = make_sandbox(report_mode="drain", clock_shift_seconds=-10 * 86_400)
    ask(sandbox, "sendSms.json", phones=",".join(["13800000000"] * 100), content=SEND["content"], batchNum="b1",
        missionNums=",".join(f"m{number}" for number in range(100)))  # fmt: skip
    sandbox.control(clock_shift_seconds=0, faults=[
        Fault("drop", is_accepted=False, call="query"), Fault("truncated", is_accepted=True, call="query"),
    ])  # fmt: skip
    day = (datetime.now(UTC) + timedelta(hours=8) - timedelta(days=10)).date().isoformat()
    counts = []
    for _ in range(2):
        assert observed_answer(ask, sandbox, "queryStatusReport.json", time=day) == "RemoteProtocolError"
        counts += truth_of(
            sandbox, "SELECT coalesce(sum(handed_out_count), 0), coalesce(sum(lost_count), 0) FROM reports"
        )
    assert counts[0] == (0, 0)
    assert counts[1][0] == counts[1][1] > 50
    assert ask(sandbox, "queryStatusReport.json", time=day).json()["records"] == []


def test_drawn_faults_depend_on_the_seed_and_the_batch_number(
    make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    sandbox = make_sandbox(fault_rate=0.5, query_fault_rate=0.5, delay_seconds=0, seed=3)
    for number in range(60):
        observed_answer(ask, sandbox, "sendSms.json", **SEND | {"batchNum": f"b{number}"})
        observed_answer(ask, sandbox, "querySmsCount.json")
    faults = truth_of(sandbox, "SELECT batch_num, fault, is_accepted FROM requests WHERE endpoint = 'sendSms'")
    assert 15 < sum(fault is not None for _, fault, _ in faults) < 45
    assert {is_accepted for _, fault, is_accepted in faults if fault} == {0, 1}
    assert truth_of(
        sandbox, "SELECT count(*) > 15 FROM requests WHERE fault NOTNULL AND endpoint = 'querySmsCount'"
    ) == [(1,)]
    sandbox.kill()
    for suffix in ("", "-wal", "-shm"):
        sandbox.settings.truth.with_name(sandbox.settings.truth.name + suffix).unlink(missing_ok=True)
    sandbox.start()
    for number in reversed(range(60)):
        observed_answer(ask, sandbox, "sendSms.json", **SEND | {"batchNum": f"b{number}"})
    assert sorted(truth_of(sandbox, "SELECT batch_num, fault, is_accepted FROM requests"), key=str) == sorted(
        faults, key=str
    )
