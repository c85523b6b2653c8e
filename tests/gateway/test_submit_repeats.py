"""If the vendor surely refuses a repeated batchNum, repeating a batch in doubt settles the doubt."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.tables import CAMPAIGNS, POSTGRESQL, SQLITE, lifting
from pipelines.operations.suppression_lists import add_phones as suppress
from pipelines.sandbox import Fault, RunningSandbox
from pipelines.settings import PolicySettings, Settings
from tests.support.campaigns import Campaign, campaign_at, people
from tests.support.relay import Reply, Request, relaying

pytestmark = pytest.mark.usefixtures("journal_place")


def repeating(campaign: Campaign) -> Campaign:
    """The same campaign under the policy; the sandbox answers a repeated number with 100001."""
    policy = PolicySettings(in_doubt="same_batch_num", repeated_code="100001", pause_after_in_doubt=99)
    return Campaign(campaign.folder, campaign.sandbox, campaign.settings.model_copy(update={"policy": policy}))


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_batch_in_doubt_is_sent_once_more_and_nobody_gets_it_twice(
    is_accepted: bool, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = repeating(campaign_at(tmp_path, shared_sandbox, concurrency=1))
    shared_sandbox.control(faults=[Fault("drop", is_accepted=is_accepted)])

    done = campaign.submit(people(20))

    assert (done.exit_code, done.in_doubt_batch_count) == (0, 0)
    assert done.progress.counts == {"accepted": 20, "refused": 0, "in_doubt": 0, "suppressed": 0}
    assert campaign.states() == ["accepted"] * 4
    assert len(set(campaign.sent())) == 20
    assert len(campaign.sent()) == 20
    events = [event for (event,) in campaign.events("event")]
    assert Counter(events) == {"sending": 4, "in_doubt": 1, "repeating": 1, "accepted": 4}
    detail = "refused as repeated, so it had been taken" if is_accepted else "taken when it was repeated"
    assert campaign.batches()[0].detail == detail


def test_doubt_from_an_earlier_run_is_settled_by_resume(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    held = campaign_at(tmp_path, shared_sandbox, concurrency=1)
    shared_sandbox.control(faults=[Fault("drop", is_accepted=True), Fault("drop", is_accepted=False)])
    assert held.submit(people(20)).exit_code == 13

    done = repeating(held).resume()

    assert (done.exit_code, done.in_doubt_batch_count) == (0, 0)
    assert done.progress.counts["accepted"] == done.progress.total == 10
    assert len(set(held.sent())) == 20
    assert len(held.sent()) == 20
    assert repeating(held).resume().progress.total == 0


def test_a_refusal_with_another_code_proves_nothing_and_repeating_ends(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    with relaying(shared_sandbox) as relay:
        relay.answer = lambda request: Reply(b"", 500) if request.endpoint == "sendSms" else None
        campaign = repeating(campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, batch_size=5))
        done = campaign.submit(people(5))
        assert (done.exit_code, done.in_doubt_batch_count, len(relay.sends())) == (13, 1, 4)
        relay.answer = lambda request: (
            Reply(b'{"errorCode":"100012","errorMsg":""}', 200) if request.endpoint == "sendSms" else None
        )
        assert campaign.resume().in_doubt_batch_count == 1
        assert len(relay.sends()) == 5
    assert [event for (event,) in campaign.events("event")] == ["sending", "in_doubt"] + ["repeating"] * 4


def test_a_repeat_is_journaled_before_it_leaves(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    seen = []

    def answer(request: Request) -> Reply | None:
        if request.endpoint != "sendSms":
            return None
        seen.append([event for (event,) in campaign.events("event")])
        return Reply(b"", 500)

    with relaying(shared_sandbox) as relay:
        relay.answer = answer
        campaign = repeating(campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, batch_size=5))
        campaign.submit(people(5))
    assert seen == [["sending"], *(["sending", "in_doubt"] + ["repeating"] * times for times in (1, 2, 3))]


def test_a_paused_campaign_that_repeats_its_doubts_is_paused_no_more(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    held = campaign_at(tmp_path, shared_sandbox, concurrency=1)
    shared_sandbox.control(faults=[Fault("drop", is_accepted=True)])
    assert held.submit(people(5)).in_doubt_batch_count == 1
    with Journal.open(held.landing.journal) as journal:
        journal.paused(held.campaign_id, "stopped by hand", at=datetime.now(UTC))

    repeating(held).resume()

    assert held.paused_reason() is None


def test_a_batch_in_doubt_is_not_repeated_once_one_of_its_phones_is_suppressed(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    held = campaign_at(tmp_path, shared_sandbox, concurrency=1)
    shared_sandbox.control(faults=[Fault("drop", is_accepted=False)] * 2)
    assert held.submit(people(20)).in_doubt_batch_count == 2
    suppress([people(1)[0]], reason="complained", settings=held.settings, at=datetime.now(UTC))

    done = repeating(held).resume()

    assert (done.exit_code, done.in_doubt_batch_count) == (13, 1)
    assert people(1)[0] not in held.sent()
    assert len(held.sent()) == 15


def test_the_policy_needs_the_code_that_proves_it() -> None:
    with pytest.raises(ValueError, match="repeated_code"):
        Settings(policy={"in_doubt": "same_batch_num"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("has_secret_key", "installation", "state"),
    [(True, "main", "accepted"), (False, "north", "accepted"), (False, "main", "in_doubt")],
)
def test_a_refusal_as_repeated_proves_nothing_where_another_data_folder_may_have_used_the_number(
    *,
    has_secret_key: bool,
    installation: str,
    state: str,
    journal_place: str,
    tmp_path: Path,
    shared_sandbox: RunningSandbox,
) -> None:
    held = campaign_at(tmp_path, shared_sandbox, concurrency=1)
    held = replace(held, settings=held.settings.model_copy(update={"installation": installation}))
    shared_sandbox.control(faults=[Fault("drop", is_accepted=True)])
    assert held.submit(people(5)).in_doubt_batch_count == 1
    with Journal.open(held.landing.journal) as journal:  # as if planned by an earlier version
        lift, _ = lifting(CAMPAIGNS, SQLITE if journal_place == "file" else POSTGRESQL)
        for statement in (*lift, f"UPDATE campaigns SET has_secret_key = {int(has_secret_key)}"):
            journal._connection.exec_driver_sql(statement)

    repeating(held).resume()

    assert held.states() == [state]
