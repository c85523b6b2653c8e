"""Pulls fetch all records of the gateway and land every answer as received, failed ones too."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import stamina

from pipelines.errors import GatewayError, GatewayRefused, GatewayUnavailable, UsageError
from pipelines.gateway.client import GatewayClient
from pipelines.gateway.wire import UnreadableAnswer, read_replies, read_reports
from pipelines.landing.calls import Call, CallKind
from pipelines.landing.landing import Landing
from pipelines.pull import CALL_ATTEMPTS, Pulled, Puller, chosen_days, window
from pipelines.sandbox import Fault, RunningSandbox, Shares
from pipelines.settings import PullSettings
from pipelines.times import CHINA
from tests.support.campaigns import CONTENT, MakeSandbox, now, people, settings_for
from tests.support.relay import Reply, Request, error_answer, relaying

Ask = Callable[..., httpx.Response]
TruthOf = Callable[..., list[tuple[Any, ...]]]
T = TypeVar("T")

COUNT = 120
DAYS = 3  # messages are sent two days ago, and nearly all reports come soon after
SHARES = Shares(late=0.5, duplicate=0.1, reply=0.3)


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry without waits."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
def reported(make_sandbox: MakeSandbox, ask: Ask) -> Callable[..., RunningSandbox]:
    """A sandbox that accepted messages two days ago."""

    def make(**settings: Any) -> RunningSandbox:
        sandbox = make_sandbox(**{"shares": SHARES, "clock_shift_seconds": -2 * 86_400} | settings)
        numbers = ",".join(f"m{number}" for number in range(COUNT))
        ask(sandbox, "sendSms.json", phones=",".join(people(COUNT)), content=CONTENT, missionNums=numbers)
        sandbox.control(clock_shift_seconds=0)
        return sandbox

    return make


class Pulls:
    """A landing and pulls into it."""

    def __init__(self, folder: Path, sandbox: RunningSandbox, max_calls: int = 100, **gateway: Any) -> None:
        settings = settings_for(folder, sandbox, **gateway)
        self.settings = settings.model_copy(update={"pull": PullSettings(days=DAYS, max_calls_per_day=max_calls)})
        self.landing = Landing(folder / "landing")

    def reports(self, days: int = DAYS) -> list[Pulled]:
        return self._with_puller(lambda puller: puller.reports(window(days, now())))

    def replies(self) -> Pulled:
        return self._with_puller(lambda puller: puller.replies())

    def balance(self, **options: int) -> int:
        return self._with_puller(lambda puller: puller.balance(**options))

    def _with_puller(self, work: Callable[[Puller], Any]) -> Any:
        async def run() -> Any:
            async with GatewayClient(self.settings.gateway) as client:
                return await work(Puller(client, self.landing, settings=self.settings, clock=now))

        return asyncio.run(run())

    def landed(self, kind: CallKind) -> list[Call]:
        return [self.landing.calls.read(name) for name in self.landing.calls.names(kind)]

    def distinct(self, kind: CallKind) -> set[tuple[str | None, ...]]:
        """The distinct records of all landed answers that can be read."""
        read = {"reports": read_reports, "replies": read_replies}[kind]
        found: set[tuple[str | None, ...]] = set()
        for call in self.landed(kind):
            try:
                found.update(zip(*read(call.body, call.format).columns.values(), strict=True))
            except UnreadableAnswer:
                continue
        return found


def handed_out(truth_of: TruthOf, sandbox: RunningSandbox, table: str) -> int:
    """The number of distinct records that the gateway has handed out."""
    columns = {
        "reports": "mission_num, phone, code, stat_time, batch_num",
        "replies": "phone, content, access_num, mo_time",
    }
    ((number,),) = truth_of(
        sandbox, f"SELECT count(*) FROM (SELECT DISTINCT {columns[table]} FROM {table} WHERE handed_out_count > 0)"
    )
    return int(number)


# ── Until nothing new ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(
    "way",
    [
        {"report_mode": "snapshot"},
        {"report_mode": "snapshot", "max_records_per_call": 17},
        {"report_mode": "drain"},
        {"report_mode": "drain", "max_records_per_call": 17},
    ],
    ids=str,
)
def test_every_report_and_reply_lands_however_the_gateway_hands_them_out(
    way: dict[str, Any], form: str, tmp_path: Path, reported: Callable[..., RunningSandbox], truth_of: TruthOf
) -> None:
    sandbox = reported(**way)
    pulls = Pulls(tmp_path, sandbox, format=form)
    pulled = [*pulls.reports(), pulls.replies()]
    assert all(part.is_complete for part in pulled)
    for kind in ("reports", "replies"):
        due = truth_of(sandbox, f"SELECT count(*) FROM {kind} WHERE due_at <= ?", time.time() - 5)[0][0]
        assert truth_of(sandbox, f"SELECT count(*) >= {due} FROM {kind} WHERE handed_out_count > 0") == [(1,)]
        counts = [part.record_count for part in pulled if part.kind == kind]
        assert len(pulls.distinct(kind)) == sum(counts) > 20
        assert sum(part.call_count for part in pulled if part.kind == kind) == len(pulls.landed(kind))


def test_the_landed_bytes_are_those_that_the_gateway_sent(
    tmp_path: Path, reported: Callable[..., RunningSandbox]
) -> None:
    sandbox = reported(charset="gb18030")
    with relaying(sandbox) as relay:
        for form in ("json", "xml"):
            pulls = Pulls(tmp_path / form, sandbox, format=form, base_url=relay.base_url)
            relay.bodies.clear()
            pulls.reports()
            assert [call.body for call in pulls.landed("reports")] == relay.bodies
            relay.bodies.clear()
            pulls.replies()
            pulls.balance()
            assert [call.body for call in pulls.landed("replies") + pulls.landed("balance")] == relay.bodies
            assert {(call.format, call.http_status, call.failure) for call in pulls.landed("reports")} == {
                (form, 200, None)
            }


def test_the_first_call_without_news_is_the_last_and_an_empty_day_takes_one_call(
    tmp_path: Path, reported: Callable[..., RunningSandbox]
) -> None:
    pulls = Pulls(tmp_path, reported(shares=Shares(late=0, beyond_window=0, duplicate=0, conflict=0)))
    pulled = pulls.reports()
    assert [part.day for part in pulled] == window(DAYS, now())
    assert [part.call_count for part in pulled if part.record_count == 0] in ([1], [1, 1])
    assert {part.call_count for part in pulled if part.record_count} == {2}
    assert [call.day for call in pulls.landed("reports")] == [
        part.day for part in pulled for _ in range(part.call_count)
    ]


def test_the_same_records_in_another_order_or_with_nulls_are_not_new(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    record = '{"missionNum":"%s","destId":"13800000000","statTime":%s}'
    bodies = [
        [record % ("a", "null"), record % ("b", "null")],
        [record % ("c", '"2026-11-11 00:00:00"'), record % ("a", "null")],
        [record % ("b", "null"), record % ("c", '"2026-11-11 00:00:00"')],
    ]
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: Reply(
            b'{"errorCode":"000000","errorMsg":"x","records":[%s]}' % ",".join(bodies[request.number]).encode()
        )
        (pulled,) = Pulls(tmp_path, shared_sandbox, base_url=relay.base_url).reports(days=1)
    assert (pulled.call_count, pulled.record_count, pulled.is_complete) == (3, 3, True)


def test_a_day_that_is_handed_out_whole_and_grows_meanwhile_is_not_chased(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    record = '{"missionNum":"m%d","destId":"13800000000"}'
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: Reply(
            b'{"errorCode":"000000","errorMsg":"x","records":[%s]}'
            % ",".join(record % number for number in range(5 + request.number)).encode()
        )
        (pulled,) = Pulls(tmp_path, shared_sandbox, base_url=relay.base_url).reports(days=1)
    assert (pulled.call_count, pulled.record_count, pulled.is_complete) == (2, 6, True)


def test_a_gateway_that_always_has_more_is_a_problem_at_the_limit_of_calls(
    tmp_path: Path, reported: Callable[..., RunningSandbox]
) -> None:
    sandbox = reported(report_mode="drain", max_records_per_call=1)
    pulls = Pulls(tmp_path, sandbox, max_calls=4)
    replies = pulls.replies()
    assert (replies.call_count, replies.record_count, replies.is_complete) == (4, 4, False)
    assert str(replies.problem) == "the gateway had more after 4 calls; raise pull.max_calls_per_day"
    assert len(pulls.landed("replies")) == 4


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "failure", "status"),
    [
        ("drop", "RemoteProtocolError", None),
        ("delay", "ReadTimeout", None),
        ("truncated", "RemoteProtocolError", None),
        ("garbage", None, 200),
        ("malformed_json", None, 200),
        ("http_500", None, 500),
        ("http_502", None, 502),
        ("system_error", None, 200),
    ],
)
def test_a_spoilt_answer_lands_as_it_is_and_the_query_is_retried(
    kind: str, failure: str | None, status: int | None, tmp_path: Path, reported: Callable[..., RunningSandbox]
) -> None:
    sandbox = reported()
    sandbox.control(faults=[Fault(kind, call="query", seconds=30)] * (CALL_ATTEMPTS - 1))
    pulls = Pulls(tmp_path, sandbox, timeout_seconds=0.3 if kind == "delay" else 10)
    pulled = pulls.replies()
    assert (pulled.is_complete, pulled.call_count) == (True, 2)
    *spoilt, _, _ = pulls.landed("replies")
    assert [(call.failure, call.http_status) for call in spoilt] == [(failure, status)] * (CALL_ATTEMPTS - 1)
    assert all(call.body for call in spoilt) is (kind not in ("drop", "delay"))
    if kind == "delay":
        assert all(call.answer_ms >= 250 for call in spoilt)


@pytest.mark.parametrize("kind", ["drop", "garbage"])
def test_answers_that_stay_spoilt_are_a_gateway_error_and_put_no_message_in_doubt(
    kind: str, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    shared_sandbox.control(faults=[Fault(kind, call="query")] * (CALL_ATTEMPTS + 1))
    pulls = Pulls(tmp_path, shared_sandbox)
    pulled = pulls.replies()
    assert pulled.problem is not None
    assert pulled.problem.exit_code == 12
    assert len(pulls.landed("replies")) == CALL_ATTEMPTS
    with pytest.raises(GatewayError) as caught:
        pulls.balance()
    assert caught.value.exit_code == 12


def test_without_a_connection_every_attempt_lands_and_no_other_day_is_tried(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    sandbox.kill()
    pulls = Pulls(tmp_path, sandbox)
    pulled = pulls.reports()
    assert [type(part.problem) for part in pulled] == [GatewayUnavailable] * DAYS
    assert [part.call_count for part in pulled] == [0] * DAYS
    assert [(call.failure, call.http_status, call.body) for call in pulls.landed("reports")] == [
        ("ConnectError", None, b"")
    ] * CALL_ATTEMPTS


def test_too_fast_waits_before_the_retry(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    stamina.set_testing(False)
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: None if request.number else error_answer("100014")
        pulled = Pulls(tmp_path, shared_sandbox, base_url=relay.base_url).replies()
        assert relay.arrivals[1] - relay.arrivals[0] >= 0.5
    assert (pulled.is_complete, pulled.call_count) == (True, 1)


@pytest.mark.parametrize("code", ["100002", "100003", "100004", "100099"])
def test_a_refusal_lands_and_is_not_retried(code: str, tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda _: error_answer(code)
        pulls = Pulls(tmp_path, shared_sandbox, base_url=relay.base_url)
        (pulled,) = pulls.reports(days=1)
        with pytest.raises(GatewayRefused, match=code):
            pulls.balance(attempts=CALL_ATTEMPTS)
    assert isinstance(pulled.problem, GatewayRefused)
    assert pulled.problem.error_code == code
    assert [call.body for call in pulls.landed("reports")] == [error_answer(code).body]


def test_a_day_that_fails_does_not_stop_the_others(tmp_path: Path, reported: Callable[..., RunningSandbox]) -> None:
    bad = window(DAYS, now())[1].isoformat()

    def answer(request: Request) -> Reply | None:
        return Reply(b"<html>", 502) if request.form.get("time") == bad else None

    sandbox = reported()
    with relaying(sandbox) as relay:
        relay.answer = answer
        pulls = Pulls(tmp_path, sandbox, base_url=relay.base_url)
        pulled = pulls.reports()
    assert [part.is_complete for part in pulled] == [True, False, True]
    assert "HTTP status 502" in str(pulled[1].problem)
    assert sum(part.record_count for part in pulled) == len(pulls.distinct("reports")) > 0


# ── The balance ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_balance_is_the_gateways_and_lands(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    pulls = Pulls(tmp_path, make_sandbox(balance=4321))
    assert pulls.balance() == 4321
    (call,) = pulls.landed("balance")
    assert b'"count":4321' in call.body
    assert (call.day, call.format) == (None, "json")


def test_a_balance_is_queried_once_unless_more_attempts_are_allowed(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    shared_sandbox.control(faults=[Fault("http_502", call="query")] * 2)
    pulls = Pulls(tmp_path, shared_sandbox)
    with pytest.raises(GatewayError, match="HTTP status 502"):
        pulls.balance()
    assert pulls.balance(attempts=2) == 1_000_000
    assert len(pulls.landed("balance")) == 3


def test_an_answer_without_a_balance_is_an_error(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda _: error_answer("000000")
        with pytest.raises(GatewayError, match="holds no balance; see"):
            Pulls(tmp_path, shared_sandbox, base_url=relay.base_url).balance()


# ── Days ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_window_ends_today_in_china() -> None:
    late = datetime(2026, 11, 10, 16, 30, tzinfo=UTC)  # half past midnight in Shanghai
    assert window(3, late) == [date(2026, 11, 9), date(2026, 11, 10), date(2026, 11, 11)]
    assert window(1, late - timedelta(hours=1)) == [date(2026, 11, 10)]


def test_an_operator_chooses_one_day_or_a_window_or_the_setting() -> None:
    at = datetime(2026, 11, 11, 9, tzinfo=CHINA)
    assert chosen_days(None, None, now=at) is None
    assert chosen_days(date(2026, 11, 11), None, now=at) == [date(2026, 11, 11)]
    assert chosen_days(None, 2, now=at) == [date(2026, 11, 10), date(2026, 11, 11)]


@pytest.mark.parametrize(
    ("day", "days", "message"),
    [
        (date(2026, 11, 11), 3, "exclude each other"),
        (date(2026, 11, 12), None, "has not come yet in China"),
        (None, 0, "must be 1 or more"),
    ],
)
def test_invalid_days_are_refused(day: date | None, days: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chosen_days(day, days, now=datetime(2026, 11, 11, 9, tzinfo=CHINA))


@pytest.mark.parametrize(
    ("most", "step"),
    [({"max_answer_mb": 2}, "gateway.max_answer_mb"), ({"max_answer_seconds": 0.3}, "gateway.max_answer_seconds")],
    ids=["too large", "too slow"],
)
def test_an_answer_that_was_given_up_lands_partly_and_is_not_retried(
    most: dict[str, Any], step: str, tmp_path: Path, sandbox: RunningSandbox
) -> None:
    body = b'{"errorCode":"000000","records":[' + b" " * 3 * 2**20 + b"]}"
    with relaying(sandbox) as relay:
        relay.answer = lambda _: Reply(body)
        relay.delay_seconds = 1.0 if "max_answer_seconds" in most else 0.0
        pulls = Pulls(tmp_path, sandbox, base_url=relay.base_url, **most)
        replies = pulls.replies()
        assert len(relay.requests) == 1
    assert step in str(replies.problem)
    (call,) = pulls.landed("replies")
    assert call.http_status is None
    assert call.body == (body[: 2**20] if "max_answer_mb" in most else b"")  # not 2 MB: the next run leaves as much
