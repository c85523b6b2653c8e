"""The reaction of a campaign to each trusted answer; the journal is compared with the sandbox's truth."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.sender import TOO_FAST_ATTEMPTS
from pipelines.errors import GatewayRefused
from pipelines.sandbox import RunningSandbox
from tests.support.campaigns import CONTENT, MakeSandbox, campaign_at, people
from tests.support.relay import Reply, Request, error_answer, relaying

pytestmark = pytest.mark.usefixtures("journal_place")

FREQUENT = "100008"  # a phone got too many messages lately


@pytest.mark.parametrize("form", ["json", "xml"])
def test_accepted_batches_are_journaled_with_the_bytes_of_their_answers(
    form: str, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, format=form)
    told: list[int] = []
    done = campaign.submit(people(23), on_progress=lambda progress: told.append(progress.done))
    assert (done.exit_code, done.pause) == (0, None)
    assert (done.progress.total, done.progress.counts) == (
        23,
        {"accepted": 23, "refused": 0, "in_doubt": 0, "suppressed": 0},
    )
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 23)
    assert campaign.fates() == dict.fromkeys(people(23), "accepted")
    assert [(batch.message_count, batch.http_status, batch.error_code) for batch in campaign.batches()] == [
        *[(5, 200, "000000")] * 4,
        (3, 200, "000000"),
    ]
    body = {"json": b'{"errorCode":"000000",', "xml": b"<xml><errorCode>000000</errorCode>"}[form]
    answers = campaign.events("answer, event")
    assert [event for answer, event in answers if answer is None] == ["sending"] * 5
    assert all(body in answer for answer, event in answers if event == "accepted")


def test_a_finished_campaign_makes_no_call(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url)
        campaign.submit(people(7))
        before = len(relay.requests)
        assert campaign.submit(people(7)).exit_code == 0
        assert campaign.resume().exit_code == 0
        assert len(relay.requests) == before


# ── Too fast ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_fast_slows_all_senders_down_and_nothing_is_lost_or_doubled(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox(requests_per_second=12)
    campaign = campaign_at(tmp_path, sandbox)
    hold = 0.2
    done = campaign.submit(people(100), rate_limiter=RateLimiter(None, first_hold=hold))
    assert done.exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(100), "accepted")
    too_fast = [batch for batch in campaign.batches() if batch.error_code == "100014"]
    assert {batch.state for batch in too_fast} == {"not_sent"}
    first = min(batch.answered_at for batch in too_fast if batch.answered_at)
    after = [(batch.sent_at - first).total_seconds() for batch in campaign.batches() if batch.sent_at > first]
    assert min(after) >= hold - 0.005


def test_a_gateway_that_stays_too_fast_pauses_the_campaign(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=1)
    done = campaign.submit([*people(5), "19999990014"])
    assert done.exit_code == 11
    assert campaign.states() == ["accepted", *["not_sent"] * TOO_FAST_ATTEMPTS]
    assert [batch.attempt for batch in campaign.batches()[1:]] == list(range(1, TOO_FAST_ATTEMPTS + 1))
    assert campaign.paused_reason() == "the gateway refused with 100014 (calling too fast)"


def test_too_fast_now_and_then_never_pauses_the_campaign(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: (
            error_answer("100014") if request.endpoint == "sendSms" and request.number % 2 else None
        )
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, concurrency=1)
        done = campaign.submit(people(5 * (TOO_FAST_ATTEMPTS + 2)))
    assert (done.exit_code, done.pause) == (0, None)
    assert campaign.states().count("not_sent") > TOO_FAST_ATTEMPTS


# ── Refused because of some messages ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("guilty", "batch_size"),
    [
        pytest.param({6}, 50, id="one"),
        pytest.param({0}, 50, id="the first"),
        pytest.param({39}, 50, id="the last"),
        pytest.param({3, 4, 17, 31}, 50, id="several in one batch"),
        pytest.param({0, 7, 8, 15, 16, 39}, 8, id="several in several batches, first and last among them"),
        pytest.param({2, 5}, 1, id="batches of one"),
        pytest.param(set(range(40)), 8, id="all"),
    ],
)
def test_splitting_finds_exactly_the_guilty_phones(
    guilty: set[int], batch_size: int, tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox(phone_limit=1)
    phones = people(40)
    campaign = campaign_at(tmp_path, sandbox, batch_size=batch_size)
    replace(campaign, campaign_id="earlier").submit([phones[number] for number in sorted(guilty)])
    done = campaign.submit(phones)
    assert campaign.fates() == {
        phone: "refused" if number in guilty else "accepted" for number, phone in enumerate(phones)
    }
    assert {batch.error_code for batch in campaign.batches() if batch.state == "refused"} == {FREQUENT}
    assert {batch.message_count for batch in campaign.batches() if batch.state == "refused"} == {1}
    assert done.exit_code == 0  # the intended case: the rest is sent


@pytest.mark.parametrize("code", ["100007", "100008", "100013"])
def test_each_code_that_blames_some_messages_splits(code: str, tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    guilty = "1999999" + code[2:]
    campaign = campaign_at(tmp_path, shared_sandbox, batch_size=16)
    campaign.submit([*people(11), guilty])
    assert campaign.fates() == dict.fromkeys(people(11), "accepted") | {guilty: "refused"}
    assert Counter(campaign.states())["split"] <= 4


def test_the_halves_of_the_last_batch_are_in_flight_together(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        relay.delay_seconds = 0.05
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, batch_size=16)
        campaign.submit([*people(14), "19999990007", "19999990008"])
        assert relay.most_in_flight >= 2


# ── Refused, and the next would be too ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", ["100002", "100003", "100004", "100009", "100010", "100011"])
def test_a_code_against_the_whole_campaign_pauses_it_and_resume_sends_each_message_once(
    code: str, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    with relaying(shared_sandbox) as relay:
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, concurrency=1)
        relay.answer = lambda request: error_answer(code) if request.endpoint == "sendSms" and request.number else None
        done = campaign.submit(people(20))
        assert done.exit_code == 11
        assert done.pause is not None
        assert done.pause.reason == campaign.paused_reason()
        assert (campaign.paused_reason() or "").startswith(f"the gateway refused with {code} (")
        assert campaign.fates() == dict.fromkeys(people(5), "accepted")
        assert len(relay.sends()) == 2
        relay.answer = lambda _: None
        assert campaign.resume().exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(20), "accepted")
    assert campaign.paused_reason() is None


def test_the_daily_limit_pauses_a_campaign_until_tomorrow(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(daily_limit=12)
    campaign = campaign_at(tmp_path, sandbox)
    done = campaign.submit(people(20))
    assert (done.exit_code, done.progress.counts["accepted"]) == (11, 10)
    assert len(campaign.fates()) == 10
    assert campaign.resume().exit_code == 11
    sandbox.control(clock_shift_seconds=86_400)
    assert campaign.resume().exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(20), "accepted")


# ── Refused for a fault of ours ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", ["100001", "100005", "100006", "100012", "100099", "123456"])
def test_any_other_refusal_refuses_its_batch_and_the_others_go_on(
    code: str, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    def answer(request: Request) -> Reply | None:
        return error_answer(code) if people(20)[7] in request.form.get("phones", "") else None

    with relaying(shared_sandbox) as relay:
        relay.answer = answer
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url)
        done = campaign.submit(people(20))
        assert (done.exit_code, done.refused_batch_count, done.pause) == (11, 1, None)
        assert Counter(campaign.fates().values()) == {"accepted": 15, "refused": 5}
        assert {campaign.fates()[phone] for phone in people(20)[5:10]} == {"refused"}
        assert campaign.resume().exit_code == 0  # a refused batch is settled: there is nothing left to do
        assert len(relay.sends()) == 4


# ── Refused up front ──────────────────────────────────────────────────────────────────────────────────────────────────

UP_FRONT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an unknown key": ({}, {"app_key": "stranger"}, "100002"),
    "a wrong secret": ({}, {"app_secret": "wrong"}, "100003"),
    "an address that is not on the white list": ({"allowed_peers": ("127.0.0.9",)}, {}, "100004"),
    "too little balance": ({"balance": 39}, {}, "100009"),
}


@pytest.mark.parametrize("way", UP_FRONT)
def test_what_the_gateway_would_refuse_anyway_is_refused_before_any_batch_is_journaled(
    way: str, tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox_settings, gateway, code = UP_FRONT[way]
    two_segments = CONTENT + "。" * 70
    campaign = replace(campaign_at(tmp_path, make_sandbox(**sandbox_settings), **gateway), content=two_segments)
    with pytest.raises(GatewayRefused) as caught:
        campaign.submit(people(20))
    assert (caught.value.error_code, caught.value.exit_code) == (code, 11)
    assert campaign.batches() == []
    assert campaign.truth("SELECT count(*) FROM requests WHERE endpoint = 'sendSms'") == [(0,)]


def test_a_balance_that_is_exactly_enough_is_enough(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(balance=20)
    campaign = campaign_at(tmp_path, sandbox)
    assert campaign.submit(people(20)).exit_code == 0
    assert sandbox.control()["balance"] == 0
