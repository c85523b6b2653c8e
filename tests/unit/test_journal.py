"""The journal loses, repeats and changes nothing, however its writer stops."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from pipelines.campaign.journal import database
from pipelines.campaign.journal import file as journal_file
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import BatchState, CampaignRecord
from pipelines.errors import CampaignBusy, UsageError
from pipelines.message_ids import batch_num, key_text

AT = datetime(2026, 11, 22, 8, 30, 15, 123456, tzinfo=UTC)


def campaign(campaign_id: str = "spring", key: int = 1, at: datetime = AT) -> CampaignRecord:
    return CampaignRecord(
        campaign_id=campaign_id,
        campaign_key=key,
        planned_at=at,
        input_sha256="ab",
        row_count=10,
        message_count=8,
        segment_count=9,
        planned_batch_count=2,
        has_own_mission_nums=True,
        has_secret_key=True,
    )


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, path: Path) -> Path | str:
    """Where the journal of a test is, in both ways."""
    return path if request.param == "file" else request.getfixturevalue("postgres").new_url()


in_a_file = pytest.mark.parametrize("place", ["file"], indirect=True)
in_a_database = pytest.mark.parametrize("place", ["database"], indirect=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "landing" / "journal.sqlite"


@pytest.fixture
def journal(place: Path | str) -> Iterator[Journal]:
    with Journal.open(place) as journal:
        journal.register(campaign())
        journal.take_over("spring")
        yield journal


def register(journal: Journal, campaign: CampaignRecord) -> None:
    journal.register(campaign)
    journal.take_over(campaign.campaign_id)


def send(journal: Journal, name: str, campaign_id: str = "spring", at: datetime = AT, first: int = 0) -> None:
    journal.sending(campaign_id, name, planned_batch=0, first_position=first, last_position=first + 3, attempt=1, at=at)


def states(journal: Journal) -> dict[str, str]:
    return {batch.batch_num: batch.state for batch in journal.batches("spring")}


# Promises of the database


def test_a_campaign_comes_back_as_it_was_registered(journal: Journal) -> None:
    later = campaign("autumn", 2, AT + timedelta(hours=1))
    journal.register(later)

    assert journal.campaigns() == [campaign(), later]
    assert journal.campaign("autumn") == later
    assert journal.campaign("winter") is None


@pytest.mark.parametrize("another", [campaign(key=2), campaign("autumn", key=1)], ids=["id", "key"])
def test_a_campaigns_id_and_key_are_never_used_twice(journal: Journal, another: CampaignRecord) -> None:
    with pytest.raises(IntegrityError):
        journal.register(another)


def test_a_batch_num_is_never_used_twice_by_any_campaign(journal: Journal) -> None:
    register(journal, campaign("autumn", 2))
    send(journal, "B1")

    for campaign_id in ("spring", "autumn"):
        with pytest.raises(IntegrityError):
            send(journal, "B1", campaign_id)


def test_an_unregistered_campaign_can_not_send(journal: Journal) -> None:
    with pytest.raises(IntegrityError):
        journal.take_over("unknown")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET event = 'accepted'",
        "DELETE FROM events",
        "UPDATE campaigns SET campaign_key = 7",
        "DELETE FROM campaigns",
    ],
)
def test_no_event_is_changed_or_removed(journal: Journal, change: str) -> None:
    send(journal, "B1")

    with pytest.raises(IntegrityError, match="append-only"):
        journal._connection.exec_driver_sql(change)


@in_a_database
@pytest.mark.parametrize("table", ["events", "campaigns"])
def test_no_table_is_emptied(journal: Journal, table: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"):
        journal._connection.exec_driver_sql(f"TRUNCATE {table} CASCADE")


def test_only_who_took_a_campaign_over_last_can_send(journal: Journal, place: Path | str) -> None:
    register(journal, campaign("autumn", 2))
    send(journal, "B1")
    with Journal.open(place) as other:
        other.take_over("spring")
        other.outcome("spring", "B1", "in_doubt", at=AT)
        send(other, "B2", first=4)

        with pytest.raises(CampaignBusy, match="taken over"):
            send(journal, "B3", first=8)
        with pytest.raises(CampaignBusy, match="taken over"):
            journal.repeating("spring", "B1", at=AT)
        with pytest.raises(CampaignBusy, match="taken over"):
            journal.suppressed(
                "spring", "B3", planned_batch=0, first_position=8, last_position=9, attempt=1, reason="list", at=AT
            )
        with pytest.raises(CampaignBusy, match="taken over"):
            journal.decide("spring", ["B1"], "not_sent", by="ann@desk", reason=None, at=AT)
        send(journal, "C1", "autumn")
        journal.take_over("spring")
        send(journal, "B3", first=8)

        assert states(journal) == dict.fromkeys(("B1", "B2", "B3"), "in_doubt")
        with pytest.raises(CampaignBusy, match="taken over"):
            send(other, "B4", first=12)
        other.take_over_all()
        for campaign_id in ("spring", "autumn"):
            with pytest.raises(CampaignBusy, match="taken over"):
                send(journal, f"late-{campaign_id}", campaign_id)


@pytest.mark.parametrize("state", ["accepted", "refused", "not_sent", "split", "in_doubt"])
def test_who_lost_a_campaign_can_only_tell_that_a_batch_was_accepted(
    journal: Journal, place: Path | str, state: BatchState
) -> None:
    for name in ("B1", "B2"):
        send(journal, name)
    with Journal.open(place) as other:
        other.take_over("spring")
        other.doubt_unanswered("spring", at=AT)
        other.repeating("spring", "B1", at=AT)
        other.outcome("spring", "B1", "accepted", at=AT)

    for name in ("B1", "B2"):
        with pytest.raises(CampaignBusy, match="taken over"):
            journal.outcome("spring", name, state, at=AT)

    assert states(journal) == {"B1": "accepted", "B2": "accepted" if state == "accepted" else "in_doubt"}


def test_an_event_of_a_kind_unknown_is_refused(journal: Journal) -> None:
    with pytest.raises(IntegrityError):
        journal.outcome("spring", "B1", "forgotten", at=AT)


# Reading events


def test_a_batch_has_what_was_sent_and_what_was_answered(journal: Journal) -> None:
    send(journal, "B1")
    journal.outcome(
        "spring",
        "B1",
        "refused",
        at=AT + timedelta(seconds=2),
        error_code="100001",
        http_status=200,
        answer_ms=1999,
        answer=b"\xff{",
        detail="why",
    )

    (batch,) = journal.batches("spring")

    assert (batch.batch_num, batch.campaign_id, batch.state) == ("B1", "spring", "refused")
    assert (batch.planned_batch, batch.first_position, batch.last_position, batch.attempt) == (0, 0, 3, 1)
    assert (batch.error_code, batch.http_status, batch.answer_ms, batch.detail) == ("100001", 200, 1999, "why")
    assert (batch.sent_at, batch.answered_at) == (AT, AT + timedelta(seconds=2))
    assert batch.message_count == 4


def test_a_batch_without_an_answer_is_in_doubt(journal: Journal) -> None:
    send(journal, "B1")

    (batch,) = journal.batches("spring")

    assert (batch.state, batch.answered_at, batch.detail) == ("in_doubt", None, "no answer yet")


def test_only_unanswered_batches_are_put_in_doubt_and_once(journal: Journal) -> None:
    register(journal, campaign("autumn", 2))
    for name in ("B1", "B2", "B3"):
        send(journal, name)
    send(journal, "C1", "autumn")
    journal.outcome("spring", "B2", "accepted", at=AT)
    journal.paused("spring", "rest", at=AT)

    assert journal.doubt_unanswered("spring", at=AT) == 2
    assert journal.doubt_unanswered("spring", at=AT) == 0
    assert states(journal) == {"B1": "in_doubt", "B2": "accepted", "B3": "in_doubt"}
    assert journal.batches("autumn")[0].detail == "no answer yet"


def test_the_last_outcome_of_a_batch_counts(journal: Journal) -> None:
    send(journal, "B1")
    journal.outcome("spring", "B1", "in_doubt", at=AT)
    journal.outcome("spring", "B1", "accepted", at=AT)

    assert states(journal) == {"B1": "accepted"}


def test_batches_come_in_the_order_of_sending(journal: Journal) -> None:
    for name, at in (("B2", AT), ("B1", AT - timedelta(days=1)), ("B3", AT)):
        send(journal, name, at=at)

    assert list(states(journal)) == ["B2", "B1", "B3"]


def test_the_next_batch_number_is_after_all_that_were_ever_used(journal: Journal) -> None:
    register(journal, campaign("autumn", 2))
    assert journal.next_batch_number("spring") == 1

    send(journal, batch_num(1, 1))
    journal.outcome("spring", batch_num(1, 1), "split", at=AT)
    send(journal, batch_num(1, 20))
    send(journal, batch_num(1, 3))
    send(journal, batch_num(2, 1), "autumn")

    assert journal.next_batch_number("spring") == 21
    assert journal.next_batch_number("autumn") == 2


def test_a_campaign_is_paused_until_it_sends_again(journal: Journal) -> None:
    assert journal.paused_reason("spring") is None
    send(journal, "B1")
    journal.paused("spring", "the balance is low", at=AT)
    journal.outcome("spring", "B1", "accepted", at=AT)
    assert journal.paused_reason("spring") == "the balance is low"

    send(journal, "B2")

    assert journal.paused_reason("spring") is None


def test_a_reader_can_ask_for_changed_campaigns(journal: Journal) -> None:
    register(journal, campaign("autumn", 2))
    assert journal.last_event_id() == 0
    send(journal, "B1")
    seen = journal.last_event_id()
    assert journal.campaigns_changed_since(0) == ["spring"]
    assert journal.campaigns_changed_since(seen) == []

    journal.paused("autumn", "why", at=AT)

    assert journal.campaigns_changed_since(seen) == ["autumn"]


# Files and processes


@in_a_database
def test_before_the_first_campaign_a_reader_finds_an_empty_database(place: str) -> None:
    with Journal.read_only(place) as journal:
        assert journal.campaigns() == []
        assert journal.last_event_id() == 0


def test_before_the_first_campaign_a_reader_finds_an_empty_journal_and_makes_no_file(path: Path) -> None:
    with Journal.read_only(path) as journal:
        assert journal.campaigns() == []
        assert journal.last_event_id() == 0
    assert not path.parent.exists()


@in_a_file
def test_a_relative_path_is_that_of_the_folder_of_the_moment(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, known in ((path.parent, 1), (path.parent.parent, 0), (path.parent, 1)):
        monkeypatch.chdir(folder)
        for opened in (Journal.read_only, Journal.open):
            with opened(Path("journal.sqlite")) as found:
                assert len(found.campaigns()) == known


def test_a_reader_can_not_write(journal: Journal, place: Path | str) -> None:
    with Journal.read_only(place) as reader, pytest.raises(DBAPIError, match=r"read-?only"):
        reader.paused("spring", "rest", at=AT)


@in_a_file
def test_the_journal_is_its_owners_only(journal: Journal, path: Path) -> None:
    send(journal, "B1")

    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

    assert modes == dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_last_numbers_of_all_campaigns_are_those_that_their_next_ones_follow(journal: Journal) -> None:
    register(journal, campaign("autumn", 2))
    register(journal, campaign("winter", 2**35 - 1))
    register(journal, campaign("unsent", 3))
    send(journal, batch_num(1, 1))
    journal.outcome("spring", batch_num(1, 1), "accepted", at=AT)
    send(journal, batch_num(1, 20))
    for odd in ("", "B2", "9", key_text(2) + "Bx", key_text(2) + "C00000001", "\U0001f600"):
        send(journal, odd)
    send(journal, batch_num(2, 99_999_999), "autumn")
    send(journal, batch_num(2**35 - 1, 7), "winter")
    journal.paused("spring", "too fast", at=AT)

    numbers, keys = journal.last_batch_numbers(), journal.campaign_keys()

    assert keys == {each.campaign_id: each.campaign_key for each in journal.campaigns()}
    assert numbers == {1: 20, 2: 99_999_999, 2**35 - 1: 7}
    for campaign_id, key in keys.items():
        assert journal.next_batch_number(campaign_id) == numbers.get(key, 0) + 1


def test_readers_read_while_a_writer_writes_and_neither_waits(journal: Journal, place: Path | str) -> None:
    seen: list[int] = []

    def read() -> None:
        while len(seen) < 20:
            with Journal.read_only(place) as reader:
                batches = reader.batches("spring")
                seen.append(len(batches))
                assert reader.next_batch_number("spring") >= len(batches) + 1

    reader = threading.Thread(target=read)
    reader.start()
    number = 0
    while reader.is_alive():
        number += 1
        send(journal, batch_num(1, number))
    reader.join()

    assert seen == sorted(seen)
    assert journal.next_batch_number("spring") == number + 1


def test_a_reader_is_not_kept_waiting_by_an_open_transaction(journal: Journal, place: Path | str) -> None:
    with journal._transaction():
        send(journal, "B1")
        with Journal.read_only(place) as reader:
            assert reader.batches("spring") == []
    with Journal.read_only(place) as reader:
        assert len(reader.batches("spring")) == 1


def test_a_transaction_that_fails_leaves_nothing(journal: Journal) -> None:
    def half() -> None:
        with journal._transaction():
            send(journal, "B1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert journal.batches("spring") == []


def test_many_can_begin_a_new_journal_at_once(place: Path | str) -> None:
    def register(number: int) -> None:
        with Journal.open(place) as journal:
            journal.register(campaign(f"c{number}", number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(16)))

    with Journal.read_only(place) as journal:
        assert len(journal.campaigns()) == 16
    assert isinstance(place, str) or not list(place.parent.glob(".draft-*"))


SENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipelines.campaign.journal.journal import Journal

place = sys.argv[1]
with Journal.open(place if "://" in place else Path(place)) as journal:
    journal.take_over("spring")
    for number in range(100_000):
        journal.sending("spring", f"B{number}", planned_batch=0, first_position=number, last_position=number,
                        attempt=1, at=datetime.now(UTC))
        print(number, flush=True)
"""


def test_events_of_a_killed_sender_are_kept_and_in_doubt(journal: Journal, place: Path | str) -> None:
    sender = subprocess.Popen([sys.executable, "-c", SENDER, str(place)], stdout=subprocess.PIPE, text=True)
    assert sender.stdout is not None
    journaled = [int(sender.stdout.readline()) for _ in range(50)]
    os.kill(sender.pid, signal.SIGKILL)
    journaled += [int(line) for line in sender.stdout.read().splitlines() if line]
    sender.stdout.close()
    sender.wait()

    found = journal.batches("spring")

    assert len(found) - len(journaled) in {0, 1}  # one may have been written but not printed
    assert {batch.state for batch in found} == {"in_doubt"}
    journal.take_over("spring")
    assert journal.doubt_unanswered("spring", at=AT) == len(found)


# Decisions and late suppressions


def test_a_decision_settles_doubt_once_and_has_its_author(journal: Journal) -> None:
    for number in range(3):
        send(journal, f"B{number}", first=number * 4)
    journal.outcome("spring", "B0", "in_doubt", at=AT, error_code="999999", http_status=200)
    journal.outcome("spring", "B1", "accepted", at=AT)
    journal.outcome("spring", "B2", "in_doubt", at=AT)

    with pytest.raises(ValueError, match="in doubt"):
        journal.decide("spring", ["B0", "B1"], "not_sent", by="ann@desk", reason=None, at=AT)
    journal.decide("spring", ["B0"], "accepted", by="ann@desk", reason="ticket 4711", at=AT)
    journal.decide("spring", ["B2"], "not_sent", by="ann@desk", reason=None, at=AT)

    assert states(journal) == {"B0": "accepted", "B1": "accepted", "B2": "not_sent"}
    first = journal.batches("spring")[0]
    assert (first.decided_by, first.detail, first.error_code) == ("ann@desk", "ticket 4711", "999999")
    with pytest.raises(ValueError, match="in doubt"):
        journal.decide("spring", ["B0"], "not_sent", by="ann@desk", reason=None, at=AT)


def test_a_batch_in_doubt_that_is_repeated_stays_in_doubt_until_its_outcome(journal: Journal) -> None:
    name = batch_num(1, 1)
    send(journal, name)
    journal.outcome("spring", name, "in_doubt", at=AT, detail="no answer")
    journal.paused("spring", "no answer", at=AT)
    for minutes in (1, 2, 3):
        journal.repeating("spring", name, at=AT + timedelta(minutes=minutes))

    (batch,) = journal.batches("spring")
    assert (batch.state, batch.detail, batch.sent_at, batch.answered_at) == ("in_doubt", "no answer", AT, AT)
    assert journal.paused_reason("spring") is None
    assert journal.doubt_unanswered("spring", at=AT) == 0
    assert journal.next_batch_number("spring") == 2
    assert journal.last_batch_numbers() == {1: 1}
    with pytest.raises(IntegrityError):
        send(journal, name)
    journal.outcome("spring", name, "accepted", at=AT + timedelta(minutes=4))
    assert states(journal) == {name: "accepted"}


def test_a_suppressed_range_is_settled_and_never_in_doubt(journal: Journal) -> None:
    name = batch_num(1, 1)
    journal.suppressed(
        "spring", name, planned_batch=0, first_position=0, last_position=3, attempt=1, reason="opted_out", at=AT
    )

    assert journal.doubt_unanswered("spring", at=AT) == 0
    assert states(journal) == {name: "suppressed"}
    assert journal.next_batch_number("spring") == 2


@pytest.mark.parametrize("version", range(len(journal_file._UPGRADES)))
def test_a_journal_of_an_earlier_version_is_upgraded_with_all_its_events(path: Path, version: int) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.executescript(EARLIER)
        for number, step in enumerate(journal_file._UPGRADES[:version], start=1):
            connection.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")
    connection.close()

    with ThreadPoolExecutor(4) as pool:
        opened = [*pool.map(lambda _: _read(path), range(8))]

    assert opened == [{"B0": "accepted", "B1": "in_doubt"}] * 8
    with Journal.open(path) as journal:
        assert journal.campaign("spring") == replace(
            campaign(at=datetime(1970, 1, 1, tzinfo=UTC)), has_secret_key=False
        )
        journal.take_over("spring")
        journal.repeating("spring", "B1", at=AT)
        journal.decide("spring", ["B1"], "accepted", by="ann@desk", reason=None, at=AT)
        assert states(journal) == {"B0": "accepted", "B1": "accepted"}
        with pytest.raises(IntegrityError):
            send(journal, "B1")
        with pytest.raises(IntegrityError, match="append-only"):
            journal._connection.exec_driver_sql("DELETE FROM events")


@in_a_database
def test_a_journal_of_a_later_version_in_a_database_is_left_alone(place: str, journal: Journal) -> None:
    journal._connection.exec_driver_sql("UPDATE journal_version SET version = 99")
    database._prepare.cache_clear()  # of this process, which knows the version

    with pytest.raises(UsageError, match="newer version"):
        Journal.open(place)


@in_a_file
def test_a_journal_of_a_later_version_is_left_alone(path: Path, journal: Journal) -> None:
    journal._connection.exec_driver_sql("PRAGMA user_version = 99")

    with pytest.raises(UsageError, match="newer version"):
        Journal.open(path)


def _read(path: Path) -> dict[str, str]:
    with Journal.read_only(path) as journal:
        return states(journal)


def test_reads_of_one_moment_see_nothing_that_is_appended_meanwhile(journal: Journal, place: Path | str) -> None:
    send(journal, "B0")
    with Journal.read_only(place) as reader:
        with reader.at_one_moment():
            last_event_id = reader.last_event_id()
            journal.outcome("spring", "B0", "accepted", at=AT)
            send(journal, "B1", first=4)
            assert reader.last_event_id() == last_event_id
            assert states(reader) == {"B0": "in_doubt"}
        assert states(reader) == {"B0": "accepted", "B1": "in_doubt"}


def test_a_copy_ends_at_its_event_and_has_its_campaigns_alone(
    journal: Journal, place: Path | str, tmp_path: Path
) -> None:
    register(journal, campaign("autumn", 2))
    send(journal, "B0")
    send(journal, "C0", "autumn")
    last_event_id = journal.last_event_id()
    journal.outcome("spring", "B0", "accepted", at=AT)
    journal.paused("spring", "later", at=AT)
    before = states(journal)

    with Journal.read_only(place) as reader:
        reader.copy_until(last_event_id, tmp_path / "copy.sqlite", campaign_ids=["spring", "unknown"])

    assert states(journal) == before
    with Journal.read_only(tmp_path / "copy.sqlite") as copy:
        assert [record.campaign_id for record in copy.campaigns()] == ["spring"]
        assert states(copy) == {"B0": "in_doubt"}
        assert copy.paused_reason("spring") is None
        assert copy.batches("autumn") == []


# The first version, as it was made, with a batch that was answered and one that was not.
EARLIER = """
PRAGMA journal_mode = WAL;
CREATE TABLE campaigns (
    campaign_id TEXT PRIMARY KEY, campaign_key INTEGER NOT NULL UNIQUE, planned_at INTEGER NOT NULL,
    input_sha256 TEXT NOT NULL, row_count INTEGER NOT NULL, message_count INTEGER NOT NULL,
    segment_count INTEGER NOT NULL, planned_batch_count INTEGER NOT NULL, has_own_mission_nums INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
    event_id INTEGER PRIMARY KEY, happened_at INTEGER NOT NULL,
    campaign_id TEXT NOT NULL REFERENCES campaigns (campaign_id),
    event TEXT NOT NULL CHECK (event IN ('sending', 'accepted', 'refused', 'in_doubt', 'not_sent', 'split', 'paused')),
    batch_num TEXT CHECK ((batch_num IS NULL) = (event = 'paused')), planned_batch INTEGER, first_position INTEGER,
    last_position INTEGER, attempt INTEGER, error_code TEXT, http_status INTEGER, answer_ms INTEGER, answer BLOB,
    detail TEXT
) STRICT;
CREATE UNIQUE INDEX a_batch_num_is_used_once ON events (batch_num, event);
CREATE INDEX events_of_a_campaign ON events (campaign_id, event_id);
CREATE TRIGGER no_event_is_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER no_event_is_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
INSERT INTO campaigns VALUES ('spring', 1, 0, 'ab', 10, 8, 9, 2, 1);
INSERT INTO events (happened_at, campaign_id, event, batch_num, planned_batch, first_position, last_position, attempt)
VALUES (1, 'spring', 'sending', 'B0', 0, 0, 3, 1), (2, 'spring', 'sending', 'B1', 1, 4, 7, 1);
INSERT INTO events (happened_at, campaign_id, event, batch_num) VALUES (3, 'spring', 'accepted', 'B0');
INSERT INTO events (happened_at, campaign_id, event, batch_num) VALUES (4, 'spring', 'in_doubt', 'B1');
"""
