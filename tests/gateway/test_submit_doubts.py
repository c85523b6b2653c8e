"""The reaction of a campaign to answers that can't be trusted, and to a gateway that can't be reached."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.sender import CONNECTION_ATTEMPTS, SendProgress
from pipelines.errors import GatewayError, GatewayUnavailable
from pipelines.pull import CALL_ATTEMPTS
from pipelines.sandbox import Fault, RunningSandbox
from pipelines.sandbox.settings import FAULT_KINDS
from tests.support.campaigns import FIRST_HOLD, Campaign, MakeSandbox, campaign_at, people
from tests.support.relay import Reply, error_answer, relaying

pytestmark = pytest.mark.usefixtures("journal_place")


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry queries without waits."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


# ── May have been sent ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_lost_answer_puts_its_batch_in_doubt_and_nothing_sends_it_again(
    kind: str, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=1, timeout_seconds=0.3 if kind == "delay" else 10)
    shared_sandbox.control(
        faults=[Fault(kind, is_accepted=True, seconds=30), Fault(kind, is_accepted=False, seconds=30)]
    )
    done = campaign.submit(people(20))
    assert (done.exit_code, done.in_doubt_batch_count, done.pause) == (13, 2, None)
    assert done.progress.counts == {"accepted": 10, "refused": 0, "in_doubt": 10, "suppressed": 0}
    fates = campaign.fates()
    assert [fates[phone] for phone in people(20)] == ["in_doubt"] * 10 + ["accepted"] * 10
    sent = campaign.sent()
    assert len(sent) == 15  # the first batch was accepted, though the journal can't know, and the second was not
    assert campaign.resume().exit_code == 13
    assert campaign.submit().exit_code == 13
    assert campaign.sent() == sent
    assert campaign.fates() == fates


NOT_TRUSTED = {
    "moved": Reply(b"<html>", 302),
    "a code with a redirect": error_answer("000000", status=307, is_forwarded=True),
    "forbidden": Reply(b"<html>", 403),
    "not found": Reply(b"", 404),
    "a refusal with 400": error_answer("100001", status=400),
    "too many": Reply(b"slow down", 429),
    "acceptance with 503": error_answer("000000", status=503, is_forwarded=True),
    "a refusal with 503": error_answer("100014", status=503),
    "empty": Reply(b"", 200, is_forwarded=True),
    "no code": Reply(b"{}", 200, is_forwarded=True),
    "a code that nobody knows": error_answer("200", is_forwarded=True),
}


def test_an_answer_that_is_not_clearly_the_gateways_proves_nothing(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    replies = list(NOT_TRUSTED.values())
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: replies[request.number] if request.endpoint == "sendSms" else None
        campaign = campaign_at(
            tmp_path, shared_sandbox, base_url=relay.base_url, concurrency=1, batch_size=1, pause_after_in_doubt=99
        )
        done = campaign.submit(people(len(replies)))
        assert len(relay.sends()) == len(replies)
    assert (done.exit_code, done.in_doubt_batch_count) == (13, len(replies))
    assert [batch.http_status for batch in campaign.batches()] == [reply.status for reply in replies]
    assert [answer for answer, event in campaign.events("answer, event") if event == "in_doubt"] == [
        reply.body for reply in replies
    ]
    assert set(campaign.fates().values()) == {"in_doubt"}
    assert len(campaign.sent()) == sum(reply.is_forwarded for reply in replies)


def test_half_an_answer_is_kept_in_the_journal(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    shared_sandbox.control(faults=[Fault("truncated")])
    campaign = campaign_at(tmp_path, shared_sandbox)
    campaign.submit(people(3))
    ((answer, detail),) = (row[1:] for row in campaign.events("event, answer, detail") if row[0] == "in_doubt")
    assert answer.startswith(b'{"errorCode":')
    assert "RemoteProtocolError" in detail


def test_doubts_in_a_row_pause_the_campaign_and_resume_leaves_them_alone(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=1, pause_after_in_doubt=3)
    shared_sandbox.control(faults=[Fault("drop", is_accepted=False)] * 3)
    done = campaign.submit(people(30))
    assert done.exit_code == 13
    assert campaign.paused_reason() == "3 batches in a row got no answer that can be trusted"
    assert campaign.states() == ["in_doubt"] * 3
    assert campaign.resume().exit_code == 13
    assert Counter(campaign.fates().values()) == {"in_doubt": 15, "accepted": 15}
    assert campaign.paused_reason() is None


def test_doubts_with_trusted_answers_between_them_do_not_pause(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: (
            error_answer("999999") if request.endpoint == "sendSms" and request.number % 3 else None
        )
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, concurrency=1, pause_after_in_doubt=3)
        done = campaign.submit(people(30))
    assert (done.exit_code, done.pause) == (13, None)
    assert campaign.states() == ["accepted", "in_doubt", "in_doubt"] * 2


def test_doubts_that_leave_nothing_to_send_do_not_pause(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, pause_after_in_doubt=2)
    shared_sandbox.control(faults=[Fault("drop")] * 2)
    done = campaign.submit(people(10))
    assert (done.exit_code, done.pause, campaign.paused_reason()) == (13, None, None)


# ── Surely not sent ───────────────────────────────────────────────────────────────────────────────────────────────────


def killing(sandbox: RunningSandbox, campaign: Campaign) -> None:
    """Submit 20 messages, without waits, to a sandbox that dies after the first batch."""

    def kill(progress: SendProgress) -> None:
        if progress.done:
            sandbox.kill()

    done = campaign.submit(people(20), on_progress=kill)
    assert done.exit_code == 12
    assert campaign.states() == ["accepted", *["not_sent"] * CONNECTION_ATTEMPTS]


def test_without_a_connection_the_campaign_pauses_after_some_attempts_and_resumes_later(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox()
    campaign = campaign_at(tmp_path, sandbox, concurrency=1)
    killing(sandbox, campaign)
    reason = campaign.paused_reason() or ""
    assert reason.startswith(
        f"after {CONNECTION_ATTEMPTS} attempts: no connection to the gateway at {sandbox.base_url}"
    )
    with pytest.raises(GatewayUnavailable):
        campaign.resume()
    assert len(campaign.landing.calls.names("balance")) == 1 + CALL_ATTEMPTS
    sandbox.start()
    assert campaign.resume().exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(20), "accepted")


def test_attempts_to_connect_come_with_growing_waits_between_them(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    campaign = campaign_at(tmp_path, sandbox, concurrency=1)
    killing(sandbox, campaign)
    times = [batch.sent_at.timestamp() for batch in campaign.batches()[1:]]
    for number in range(CONNECTION_ATTEMPTS - 1):
        assert times[number + 1] - times[number] >= FIRST_HOLD * 2**number


def test_a_gateway_that_is_back_before_the_last_attempt_costs_no_batch(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox()
    campaign = campaign_at(tmp_path, sandbox, concurrency=1)

    class ThenBack(RateLimiter):
        def back_off(self) -> None:
            super().back_off()
            if self.consecutive_holds == CONNECTION_ATTEMPTS - 2 and down:
                down.clear()
                sandbox.start()

    def kill_once(progress: SendProgress) -> None:
        if progress.done == 5:
            sandbox.kill()
            down.append(True)

    down: list[bool] = []
    done = campaign.submit(people(60), on_progress=kill_once, rate_limiter=ThenBack(None, first_hold=FIRST_HOLD))
    assert (done.exit_code, down) == (0, [])
    assert campaign.fates() == dict.fromkeys(people(60), "accepted")
    assert campaign.states().count("not_sent") == CONNECTION_ATTEMPTS - 2


def test_a_gateway_that_is_unreachable_at_the_start_costs_no_batch(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.kill()
    campaign = campaign_at(tmp_path, sandbox)
    with pytest.raises(GatewayUnavailable) as caught:
        campaign.submit(people(20))
    assert caught.value.exit_code == 12
    assert campaign.batches() == []


@pytest.mark.parametrize("kind", ["drop", "garbage", "http_502"])
def test_an_unreadable_balance_puts_no_message_in_doubt(
    kind: str, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox)
    shared_sandbox.control(faults=[Fault(kind, call="query")] * CALL_ATTEMPTS)
    with pytest.raises(GatewayError) as caught:
        campaign.submit(people(20))
    assert caught.value.exit_code == 12
    assert campaign.batches() == []
    assert campaign.submit().exit_code == 0
