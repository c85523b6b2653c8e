"""Requests that leave: texts, numbers, templates, concurrency, rate, send window."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from pipelines.campaign.sender import is_open
from pipelines.sandbox import RunningSandbox
from tests.support.campaigns import Campaign, MakeSandbox, campaign_at, now, people
from tests.support.relay import relaying

pytestmark = pytest.mark.usefixtures("journal_place")

AWKWARD = [
    "【云鋒網絡】a,b,,c,",
    "【云鋒網絡】100% %2C %E4 + ++ a+b",
    "【云鋒網絡】😀👨‍👩‍👧 é à",
    "【云鋒網絡】a=b&c=d;e?f#g /\\ \"q\" 'q' <xml>&amp;",
    "【云鋒網絡】two\nlines\ttab",
    "  blanks, inside 　【云鋒網絡】",
]


def texts_in_truth(campaign: Campaign) -> dict[str, str]:
    """Phone → SHA-256 of the text that the gateway accepted for it."""
    ours = set(campaign.planned()["mission_num"])
    rows = campaign.truth("SELECT phone, content_sha256, mission_num FROM messages")
    return {phone: digest for phone, digest, number in rows if number in ours}


def digests(campaign: Campaign) -> dict[str, str]:
    planned = campaign.planned()
    return {
        phone: sha256(content.encode()).hexdigest()
        for phone, content in zip(planned["phone"], planned["content"], strict=True)
    }


def test_texts_of_a_template_arrive_unchanged_each_at_its_own_phone(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = replace(campaign_at(tmp_path, shared_sandbox), content=None, template_id="100")
    phones = people(len(AWKWARD) * 2)
    campaign.write(phones, content=AWKWARD * 2)
    assert campaign.submit().exit_code == 0
    assert texts_in_truth(campaign) == digests(campaign)
    assert len(campaign.batches()) == 3


def test_a_text_that_does_not_match_its_template_is_found_and_the_others_are_sent(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = replace(campaign_at(tmp_path, shared_sandbox), content=None, template_id="27")
    texts = [f"【云鋒網絡】您好,這是測試{number}" for number in range(9)]
    texts[4] = "【云鋒網絡】别的"
    campaign.write(people(9), content=texts)
    assert campaign.submit().exit_code == 0
    assert Counter(campaign.fates().values()) == {"accepted": 8, "refused": 1}
    assert campaign.fates()[people(9)[4]] == "refused"


def test_different_texts_go_in_one_request_each(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    campaign = replace(campaign_at(tmp_path, shared_sandbox), content=None)
    campaign.write(people(len(AWKWARD)), content=AWKWARD)
    assert campaign.submit().exit_code == 0
    assert texts_in_truth(campaign) == digests(campaign)
    assert [batch.message_count for batch in campaign.batches()] == [1] * len(AWKWARD)


def test_the_owners_mission_and_extra_numbers_arrive_unchanged(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    campaign = campaign_at(tmp_path, make_sandbox())
    numbers = [f"Order_{number:03}" for number in range(12)]
    extensions = ["007", "42", "007"] * 4
    campaign.write(people(12), mission_num=numbers, extra_num=extensions)
    assert campaign.submit().exit_code == 0
    rows = campaign.truth("SELECT phone, mission_num, extra_num FROM messages JOIN batches USING (batch_id)")
    assert sorted(rows) == sorted(zip(people(12), numbers, extensions, strict=True))
    campaign.fates()


def test_exactly_the_configured_number_of_requests_is_in_flight(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    with relaying(shared_sandbox) as relay:
        relay.delay_seconds = 0.03
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, concurrency=3)
        campaign.submit(people(60))
        assert relay.most_in_flight == 3


def test_requests_leave_no_faster_than_the_rate_limit(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, requests_per_second=40)
    begun: list[datetime] = []
    campaign.submit(people(50), on_progress=lambda _: begun.append(now()))
    assert len(campaign.batches()) == 10
    assert campaign.batches()[-1].sent_at - begun[0] >= 9 * timedelta(seconds=1 / 40) - timedelta(milliseconds=5)


# ── The send window ───────────────────────────────────────────────────────────────────────────────────────────────────


def china(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 11, hour, minute, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("window", "open_at", "closed_at"),
    [
        (None, [china(0), china(12)], []),
        ("08:00-21:00", [china(8), china(20, 59)], [china(7, 59), china(21), china(3)]),
        ("21:30-02:00", [china(21, 30), china(0), china(1, 59)], [china(2), china(12), china(21, 29)]),
        ("00:00-00:00", [china(0), china(12), china(23, 59)], []),
    ],
)
def test_a_send_window_is_in_china_time(window: str | None, open_at: list[datetime], closed_at: list[datetime]) -> None:
    assert all(is_open(window, at) for at in open_at)
    assert not any(is_open(window, at) for at in closed_at)


def test_a_campaign_pauses_outside_its_send_window_and_resumes_inside(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, send_window="08:00-21:00")
    done = campaign.submit(people(20), clock=lambda: china(22))
    assert (done.exit_code, campaign.batches()) == (0, [])
    assert campaign.paused_reason() == "outside the send window 08:00-21:00"
    assert campaign.resume(clock=lambda: china(9)).exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(20), "accepted")
    assert campaign.paused_reason() is None


def test_a_window_that_closes_while_sending_stops_the_sending(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    minutes = count()
    campaign = campaign_at(tmp_path, shared_sandbox, send_window="08:00-21:00")
    done = campaign.submit(people(100), clock=lambda: china(20, 30) + timedelta(minutes=next(minutes)))
    assert done.pause is not None
    assert 0 < done.progress.done < 100
    assert all(is_open("08:00-21:00", batch.sent_at - timedelta(minutes=1)) for batch in campaign.batches())
    assert campaign.resume(clock=lambda: china(9)).exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(100), "accepted")
