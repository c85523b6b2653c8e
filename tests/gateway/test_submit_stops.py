"""However a sending process ends, the journal knows what may have been sent, and the next process sends the rest."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.sender import SendProgress
from pipelines.errors import CampaignBusy
from pipelines.sandbox import Fault, RunningSandbox
from tests.support.campaigns import Campaign, campaign_at, people, wait_until
from tests.support.commands import ForkedCommand
from tests.support.relay import Reply, Request, error_answer, relaying

pytestmark = pytest.mark.usefixtures("journal_place")

IN_FLIGHT = 4


@contextmanager
def stuck(campaign: Campaign, *, seconds: float) -> Iterator[ForkedCommand]:
    """A process whose first requests are all accepted, but answered only after some seconds."""
    campaign.sandbox.control(faults=[Fault("delay", seconds=seconds)] * IN_FLIGHT)
    campaign.write(people(100))
    before = accepted_batches(campaign)
    with campaign.in_another_process() as process:
        wait_until(lambda: accepted_batches(campaign) >= before + IN_FLIGHT)
        yield process


def accepted_batches(campaign: Campaign) -> int:
    ((number,),) = campaign.truth("SELECT count(*) FROM batches")
    return int(number)


def test_kill_9_at_any_moment_neither_loses_nor_doubles_a_message(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=IN_FLIGHT, requests_per_second=60)
    with stuck(campaign, seconds=60) as process:  # killed with every request accepted and unanswered
        process.kill()
        process.wait()
    assert campaign.states() == ["in_doubt"] * IN_FLIGHT
    assert len(campaign.sent()) == 5 * IN_FLIGHT

    before = accepted_batches(campaign)
    with campaign.in_another_process() as process:  # killed while sending
        wait_until(lambda: accepted_batches(campaign) >= before + 5)
        process.kill()
        process.wait()
    assert len(campaign.fates()) < 100

    assert campaign.resume().exit_code == 13
    fates = campaign.fates()
    assert set(fates) == set(people(100))
    assert set(fates.values()) == {"accepted", "in_doubt"}
    assert {batch.detail for batch in campaign.batches() if batch.state == "in_doubt"} == {
        "the sender stopped before an answer"
    }
    numbers = [int(batch.batch_num[-8:]) for batch in campaign.batches()]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_answers_in_flight_be_journaled_and_resume_sends_the_rest(
    number: signal.Signals, tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=IN_FLIGHT)
    with stuck(campaign, seconds=0.8) as process:
        process.send_signal(number)
        assert process.wait(10) == 128 + number
    assert set(campaign.states()) == {"accepted"}
    assert len(campaign.fates()) < 100
    assert campaign.paused_reason() == f"stopped by {number.name}"
    assert campaign.resume().exit_code == 0
    assert campaign.fates() == dict.fromkeys(people(100), "accepted")
    assert campaign.paused_reason() is None


def test_a_second_signal_does_not_wait_and_what_was_in_flight_is_in_doubt(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=IN_FLIGHT)
    with stuck(campaign, seconds=60) as process:
        while process.poll() is None:  # repeatedly, since two pending signals merge into one
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert process.returncode == -signal.SIGTERM
    assert campaign.resume().exit_code == 13
    assert Counter(campaign.fates().values()) == {"in_doubt": 5 * IN_FLIGHT, "accepted": 100 - 5 * IN_FLIGHT}


def test_a_stop_does_not_wait_for_the_end_of_a_hold(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    stopping = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))

    def too_fast(request: Request) -> Reply | None:
        if request.endpoint == "querySmsCount":
            return None
        if request.number == IN_FLIGHT - 1:
            stopping.start()
        return error_answer("100014")

    with relaying(shared_sandbox) as relay:
        relay.answer = too_fast
        campaign = campaign_at(tmp_path, shared_sandbox, base_url=relay.base_url, concurrency=IN_FLIGHT)
        begun = time.monotonic()
        done = campaign.submit(people(20), rate_limiter=RateLimiter(None, first_hold=60))
        assert time.monotonic() - begun < 10
        assert done.exit_code == 130
        assert len(relay.sends()) == IN_FLIGHT  # requests that waited for the rate limit are not sent
        assert campaign.states() == ["not_sent"] * IN_FLIGHT


def test_the_former_signal_handlers_are_restored_afterwards(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    during: list[object] = []
    campaign = campaign_at(tmp_path, shared_sandbox)
    campaign.submit(people(5), on_progress=lambda _: during.append(signal.getsignal(signal.SIGTERM)))
    assert before[1] not in during
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_after_the_last_message_stops_nothing(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    def interrupt(progress: SendProgress) -> None:
        if progress.done == progress.total:
            os.kill(os.getpid(), signal.SIGINT)

    campaign = campaign_at(tmp_path, shared_sandbox)
    done = campaign.submit(people(20), on_progress=interrupt)
    assert (done.exit_code, campaign.paused_reason()) == (0, None)


def test_a_campaign_can_be_sent_outside_the_main_thread(tmp_path: Path, shared_sandbox: RunningSandbox) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(campaign.submit(people(20)).exit_code))
    thread.start()
    thread.join()
    assert codes == [0]


def test_a_second_process_for_one_campaign_fails_at_once_and_other_campaigns_are_free(
    tmp_path: Path, shared_sandbox: RunningSandbox
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=IN_FLIGHT)
    with stuck(campaign, seconds=60) as process:
        for action in (campaign.submit, campaign.resume):
            begun = time.monotonic()
            with pytest.raises(CampaignBusy, match="being sent by another process") as caught:
                action()
            assert time.monotonic() - begun < 5
            assert caught.value.exit_code == 15
        assert replace(campaign, campaign_id="other").submit(people(5)).exit_code == 0
        assert process.poll() is None
    assert campaign.states() == ["in_doubt"] * IN_FLIGHT
