"""A journal in PostgreSQL under its faults: lost locks, frozen senders, restarts, and writers that commit late."""

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from pipelines.campaign import sender
from pipelines.campaign.holding import campaign_lock, exclusive_lock
from pipelines.campaign.journal import database as databases
from pipelines.campaign.journal import journal as journals
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.errors import CampaignBusy, SharedUnavailable, UsageError
from pipelines.landing.landing import Landing, landing_of
from pipelines.sandbox import RunningSandbox
from pipelines.settings import Settings, SharedSettings
from tests.support.campaigns import Campaign, campaign_at, now, people, wait_until
from tests.support.commands import ForkedCommand
from tests.support.depth import cases
from tests.support.ports import free_port
from tests.support.postgres import Postgres


def another_machine(campaign: Campaign, folder: Path) -> Campaign:
    """The same installation on a machine of its own, which has the campaign's plan."""
    shutil.copytree(campaign.settings.landing_folder, folder / "data/landing")
    return replace(campaign, folder=folder, settings=campaign.settings.model_copy(update={"data_dir": folder / "data"}))


def end_sessions(postgres: Postgres) -> None:
    """End every session that holds a lock, as a server does whose peers are not heard of."""
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")


def accepted_count(campaign: Campaign) -> int:
    return len(campaign.sent()) if campaign.landing.campaigns.planned_ids() else 0


@contextmanager
def sending(campaign: Campaign, *, accepted: int) -> Iterator[ForkedCommand]:
    """A process that sends the campaign, once so many of its messages were accepted."""
    with campaign.in_another_process() as process:
        wait_until(lambda: accepted_count(campaign) >= accepted)
        yield process


# Taking over


@pytest.mark.cases(cases(fast=1, deep=25))
def test_a_frozen_sender_that_is_taken_over_sends_nothing_more(
    tmp_path: Path, shared_sandbox: RunningSandbox, postgres: Postgres, database: str
) -> None:
    for round_number in range(cases(fast=1, deep=25)):
        random = Random(round_number)
        name = f"c{round_number}"
        first = replace(campaign_at(tmp_path / name, shared_sandbox, requests_per_second=80), campaign_id=name)
        first.folder.mkdir()
        first.write(people(200))
        enough = random.randrange(5, 150)
        with sending(first, accepted=enough) as process:
            time.sleep(random.random() * 0.02)
            process.send_signal(signal.SIGSTOP)
            end_sessions(postgres)
            second = another_machine(first, tmp_path / f"{name}-b")

            second.resume()

            process.send_signal(signal.SIGCONT)
            assert process.wait(20) == CampaignBusy.exit_code
        assert set(second.fates()) == set(people(200))  # nobody twice, nobody forgotten


def test_a_campaign_that_another_machine_sends_is_busy_and_free_when_it_dies(
    tmp_path: Path, shared_sandbox: RunningSandbox, database: str
) -> None:
    first = campaign_at(tmp_path / "a", shared_sandbox, requests_per_second=80)
    first.folder.mkdir()
    first.write(people(100))
    with sending(first, accepted=5) as process:
        second = another_machine(first, tmp_path / "b")
        with pytest.raises(CampaignBusy, match="another machine"):
            second.resume()
        with pytest.raises(CampaignBusy, match="another machine"), exclusive_lock(second.landing):
            pass
        process.kill()
        process.wait()
    assert second.resume().exit_code in {0, 13}
    assert set(second.fates()) == set(people(100))


@pytest.mark.deep
def test_the_lock_of_a_machine_that_is_not_heard_of_is_free_after_half_a_minute(
    tmp_path: Path, shared_sandbox: RunningSandbox, database: str
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, requests_per_second=20)
    campaign.write(people(200))
    with sending(campaign, accepted=10) as process:
        other = another_machine(campaign, tmp_path / "other")
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(CampaignBusy):
            other.resume()
        time.sleep(32)
        other.resume()
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == CampaignBusy.exit_code
    assert set(other.fates()) == set(people(200))


def test_who_erases_or_purges_takes_all_campaigns_over(
    tmp_path: Path, shared_sandbox: RunningSandbox, postgres: Postgres, database: str
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, requests_per_second=80)
    campaign.write(people(100))
    with sending(campaign, accepted=5) as process:
        other = another_machine(campaign, tmp_path / "other")
        end_sessions(postgres)
        with exclusive_lock(other.landing):
            assert process.wait(20) == CampaignBusy.exit_code
            sent = campaign.sent()
    assert len(sent) < 100
    assert campaign.resume().exit_code in {0, 13}
    assert set(campaign.fates()) == set(people(100))


def test_who_takes_over_waits_for_a_request_that_is_being_journaled_and_puts_it_in_doubt(database: str) -> None:
    with Journal.open(database) as journal, Journal.open(database) as taker, ThreadPoolExecutor(1) as pool:
        journal.register(CampaignRecord("c", 1, now(), "", 1, 1, 1, 1, has_own_mission_nums=False))
        journal.take_over("c")
        with journal._transaction():
            journal.sending("c", "B1", planned_batch=0, first_position=0, last_position=0, attempt=1, at=now())
            taking = pool.submit(taker.take_over, "c")
            with pytest.raises(TimeoutError):
                taking.result(timeout=0.2)
        taking.result(timeout=10)

        assert taker.doubt_unanswered("c", at=now()) == 1


def test_a_request_that_was_held_up_does_not_leave(
    tmp_path: Path, shared_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "SECONDS_TO_LEAVE", 0.2)
    begin, held_up = Journal.sending, []

    def slow(journal: Journal, campaign_id: str, batch_num: str, **where: object) -> None:
        begin(journal, campaign_id, batch_num, **where)
        if not held_up:
            held_up.append(batch_num)
            time.sleep(0.3)

    monkeypatch.setattr(Journal, "sending", slow)
    campaign = campaign_at(tmp_path, shared_sandbox, concurrency=1)

    assert campaign.submit(people(20)).exit_code == 0

    assert campaign.fates() == dict.fromkeys(people(20), "accepted")
    assert campaign.states() == ["not_sent", *["accepted"] * 4]
    assert held_up[0] not in {name for (name,) in campaign.truth("SELECT batch_num FROM requests")}


# A database that goes away


@pytest.mark.parametrize("how", cases(fast=["kill"], deep=["stop", "kill"]))
def test_a_campaign_outlives_a_restart_of_the_database(
    how: str, tmp_path: Path, shared_sandbox: RunningSandbox, postgres: Postgres, database: str
) -> None:
    campaign = campaign_at(tmp_path, shared_sandbox, requests_per_second=80)
    campaign.write(people(200))
    with sending(campaign, accepted=20) as process:
        getattr(postgres, how)()
        time.sleep(0.3)
        postgres.start()
        assert process.wait(60) == 0
    assert campaign.fates() == dict.fromkeys(people(200), "accepted")


def test_a_database_that_stays_away_stops_the_sending_and_resume_goes_on(
    tmp_path: Path,
    shared_sandbox: RunningSandbox,
    postgres: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journals, "PATIENCE_SECONDS", 0.5)
    campaign = campaign_at(tmp_path, shared_sandbox, requests_per_second=80)

    with pytest.raises(SharedUnavailable, match="can't be reached") as caught:
        campaign.submit(people(100), on_progress=lambda progress: postgres.stop() if progress.done == 20 else None)

    assert "smsrecon" not in str(caught.value).split("can't")[0]
    with pytest.raises(SharedUnavailable):
        campaign.resume()
    postgres.start()
    assert campaign.resume().exit_code in {0, 13}
    assert set(campaign.fates()) == set(people(100))


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://nobody:canary@127.0.0.1:{port}/postgres", SharedUnavailable),
        ("postgresql://postgres:canary@127.0.0.1:{open}/missing", SharedUnavailable),
        ("mysql://root:canary@127.0.0.1/smsrecon", UsageError),
        ("postgresql://127.0.0.1:canary/smsrecon", UsageError),
        ("postgresql://postgres:canary@127.0.0.1", UsageError),
        ("canary", UsageError),
    ],
)
def test_a_database_that_can_not_be_used_is_one_line_without_the_password(
    url: str, error: type[Exception], tmp_path: Path, postgres: Postgres
) -> None:
    place = url.format(port=free_port(), open=postgres.port)

    with pytest.raises(error) as caught:
        Journal.open(place)

    assert "canary" not in f"{caught.value!r} {caught.value}"
    shared = SharedSettings(database=place)
    assert "canary" not in repr(landing_of(Settings(data_dir=tmp_path, shared=shared)))


# Order of events


@contextmanager
def writing(place: str, campaign_ids: list[str], *, seconds: float) -> Iterator[None]:
    """Append to several campaigns at once for so long."""
    until = time.monotonic() + seconds

    def write(campaign_id: str) -> None:
        with Journal.open(place) as journal:
            journal.take_over(campaign_id)
            number = 0
            while time.monotonic() < until:
                number += 1
                name = f"{campaign_id}-{number}"
                journal.sending(
                    campaign_id, name, planned_batch=0, first_position=0, last_position=1, attempt=1, at=now()
                )
                journal.outcome(campaign_id, name, "accepted", at=now())

    with ThreadPoolExecutor(len(campaign_ids)) as pool:
        writers = [pool.submit(write, campaign_id) for campaign_id in campaign_ids]
        yield
        for writer in writers:
            writer.result()


def test_no_event_appears_behind_one_that_was_seen(database: str) -> None:
    with Journal.open(database) as journal:
        campaign_ids = [f"c{key}" for key in range(4)]
        for key, name in enumerate(campaign_ids):
            journal.register(CampaignRecord(name, key, now(), "", 1, 1, 1, 1, has_own_mission_nums=False))
        with writing(database, campaign_ids, seconds=cases(fast=0.5, deep=10)):
            seen, known = 0, 0
            for _ in range(cases(fast=100, deep=2000)):
                with journal.at_one_moment():
                    last = journal.last_event_id()
                    behind = journal._connection.exec_driver_sql(
                        f"SELECT count(*) FROM events WHERE event_id <= {seen}"
                    ).scalar_one()
                    now_known = journal._connection.exec_driver_sql(
                        f"SELECT count(*) FROM events WHERE event_id <= {last}"
                    ).scalar_one()
                assert behind == known
                seen, known = last, now_known
    assert seen > 100


# Locks


def test_machines_publish_one_after_another_with_rising_epochs(database: str) -> None:
    epochs, at_once = [], []

    def publish(_: int) -> None:
        with databases.publishing(database) as epoch:
            at_once.append(epoch)
            assert at_once == [epoch]
            epochs.append(epoch)
            at_once.remove(epoch)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(12)))

    assert epochs == sorted({*epochs})
    assert len(epochs) == 12


def test_a_lock_is_kept_alive_and_given_back(tmp_path: Path, postgres: Postgres, database: str) -> None:
    landing = Landing(tmp_path / "a", database)
    other = Landing(tmp_path / "b", database)
    with campaign_lock(landing, "c"):
        with pytest.raises(CampaignBusy), campaign_lock(other, "c"):
            pass
        with campaign_lock(other, "d"):
            pass
    with campaign_lock(other, "c"):
        pass
    assert not any(thread.name == "journal-lock" for thread in threading.enumerate())
