"""Spoilt answers to a send: the batch is always in doubt, and the bytes are in the journal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.gateway.wire import UnreadableAnswer, read_answer
from pipelines.sandbox import RunningSandbox, SandboxSettings
from tests.fuzz.hostile import Case, EntityTarget, case
from tests.support.campaigns import campaign_at, people
from tests.support.depth import cases
from tests.support.relay import Reply, relaying
from tests.support.sandboxes import ForkedSandbox

COUNT = cases(fast=30, deep=300)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    with ForkedSandbox(SandboxSettings(truth=tmp_path / "truth.sqlite")) as sandbox:
        yield sandbox


def unreadable(count: int, target: EntityTarget) -> list[Case]:
    found: list[Case] = []
    number = 0
    while len(found) < count:
        number += 1
        try:
            read_answer((each := case(number, target)).body, "json")
        except UnreadableAnswer:
            found.append(each)
    return found


@pytest.mark.cases(COUNT)
def test_every_unreadable_answer_to_a_send_is_a_doubt_with_its_bytes_in_the_journal(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    bodies = [each.body for each in unreadable(COUNT, EntityTarget(tmp_path.as_uri(), "http://127.0.0.1:9/"))]
    with relaying(sandbox) as relay:
        relay.answer = lambda request: (
            Reply(bodies[request.number], is_forwarded=request.number % 2 == 0)
            if request.endpoint == "sendSms"
            else None
        )
        campaign = campaign_at(
            tmp_path, sandbox, base_url=relay.base_url, concurrency=1, batch_size=1, pause_after_in_doubt=COUNT + 1
        )
        done = campaign.submit(people(COUNT))

    assert (done.exit_code, done.in_doubt_batch_count) == (13, COUNT)
    assert [answer for answer, event in campaign.events("answer, event") if event == "in_doubt"] == bodies
    assert set(campaign.fates().values()) == {"in_doubt"}
    assert len(campaign.sent()) == COUNT / 2
