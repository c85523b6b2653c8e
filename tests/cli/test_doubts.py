"""Batches in doubt are shown with the balance's evidence, and settled once, by reports or by a decision."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from pipelines.campaign.journal.journal import Journal
from pipelines.sandbox import Fault, RunningSandbox, SandboxSettings
from tests.support.places import CONTENT, Place, gateway_at
from tests.support.sandboxes import ForkedSandbox

BATCHES = {"SMSRECON_PLAN__BATCH_SIZE": "10", "SMSRECON_GATEWAY__CONCURRENCY": "1"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningSandbox]:
    with ForkedSandbox(SandboxSettings(truth=tmp_path / "gateway.sqlite", seed=3, balance=1000)) as gateway:
        yield gateway


@pytest.fixture
def doubtful(tmp_path: Path, gateway: RunningSandbox) -> Place:
    """A campaign of four batches: the first was accepted, the second was not, and both are in doubt."""
    folder = tmp_path / "place"
    folder.mkdir()
    place = Place(folder, gateway_at(gateway.base_url) | BATCHES)
    pl.DataFrame({"phone": [f"138{row:08}" for row in range(40)]}).write_parquet(folder / "people.parquet")
    gateway.control(faults=[Fault("drop", is_accepted=True), Fault("drop", is_accepted=False)])
    assert place.run(f"submit people.parquet --campaign c --content {CONTENT}").code == 13
    assert place.run("balance").code == 0
    return place


def doubts(place: Place) -> list[str]:
    with Journal.read_only(place.folder / "data/landing/journal.sqlite") as journal:
        return [batch.batch_num for batch in journal.batches("c") if batch.state == "in_doubt"]


def test_batches_in_doubt_are_shown_with_the_evidence_of_the_balance(doubtful: Place) -> None:
    shown = doubtful.run("resolve c")

    shown.fails(13, "2 batches of c are in doubt")
    assert "20 messages of c may have been sent" in shown.out
    for words in ("1,000", "970", "the rest", "charged beyond what was accepted"):
        assert words in shown.out
    assert all(batch_num in shown.out for batch_num in doubts(doubtful))
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    (first, second) = doubtful.run("resolve c --json").object["batches"]
    assert {"batch_num", "submitted_at", "detail", "charged_count"} <= first.keys()  # the columns of the mart
    told = ("opening_balance_count", "closing_balance_count", "accepted_segment_count", "in_doubt_segment_count")
    assert [first[name] for name in told] == [second[name] for name in told] == [1000, 970, 20, 20]
    assert (first["charged_count"], first["message_count"]) == (10, 10)


def test_a_decision_is_kept_with_author_and_time_and_only_the_resent_is_sent_again(
    doubtful: Place, gateway: RunningSandbox
) -> None:
    taken, lost = doubts(doubtful)

    accepted = doubtful.run(f"resolve c --accept {taken} --reason 'ticket 4711' --yes --json")
    assert accepted.object["decided"] == [{"batch_num": taken, "state": "accepted"}]
    assert accepted.code == 13
    resent = doubtful.run(f"resolve c --resend {lost} --yes")
    assert (resent.code, resent.out.splitlines()[-1]) == (0, "Next: smsrecon resume c")

    status = doubtful.run("status c --json").object
    assert (status["statuses"]["accepted"], status["statuses"]["planned"], status["is_balanced"]) == (30, 10, True)
    assert doubtful.run("resume c").code == 0
    assert doubtful.run("status c --json").object["statuses"]["accepted"] == 40
    with closing(sqlite3.connect(doubtful.folder / "data" / "landing" / "journal.sqlite")) as journal:
        decided = journal.execute(
            "SELECT batch_num, event, detail, decided_by, happened_at > 0 FROM events WHERE decided_by IS NOT NULL"
            " ORDER BY event_id"
        ).fetchall()
    who = decided[0][3]
    assert decided == [(taken, "accepted", "ticket 4711", who, 1), (lost, "not_sent", None, who, 1)]
    assert "@" in who
    with closing(sqlite3.connect(gateway.settings.truth)) as truth:
        assert truth.execute("SELECT count(*), count(DISTINCT phone) FROM messages").fetchone() == (40, 40)


def test_reports_settle_doubt_without_a_decision(doubtful: Place, gateway: RunningSandbox) -> None:
    taken, lost = doubts(doubtful)
    gateway.control(clock_shift_seconds=86400)
    assert doubtful.run("pull --days 1").code == 0

    (left,) = doubtful.run("resolve c --json").object["batches"]
    assert left["batch_num"] == lost
    doubtful.run(f"resolve c --resend {taken} --yes").fails(2, "not in doubt", taken)


def test_a_batch_sent_twice_by_a_wrong_decision_is_found_by_its_reports(
    doubtful: Place, gateway: RunningSandbox
) -> None:
    taken, _ = doubts(doubtful)
    doubtful.run(f"resolve c --resend {taken} --yes")
    doubtful.run("resume c")
    gateway.control(clock_shift_seconds=86400)
    doubtful.run("daily")

    found = doubtful.run(f"sql \"FROM exceptions WHERE batch_num = '{taken}' AND kind = 'sent_twice'\" --json")
    assert len(found.object["rows"]) > 5
    assert doubtful.run("status c --json").object["is_balanced"]


def test_nothing_is_settled_without_consent(doubtful: Place) -> None:
    journal = doubtful.folder / "data" / "landing" / "journal.sqlite"
    before = _events(journal)

    doubtful.run("resolve c --accept all").fails(2, "--yes")
    doubtful.run("resolve c --accept all --json").fails(2, "--yes")
    assert doubtful.answer("resolve c --accept all", "n\n").err.startswith("Take 20 messages in 2 batches as accepted?")
    assert _events(journal) == before
    assert doubtful.answer("resolve c --accept all", "y\n").code == 0
    assert _events(journal) == before + 2


def test_wrong_arguments_are_one_line(doubtful: Place) -> None:
    taken, lost = doubts(doubtful)
    doubtful.run("resolve nobody").fails(2, "nobody", "smsrecon status")
    doubtful.run("resolve c --accept B7 --yes").fails(2, "not in doubt: B7")
    doubtful.run(f"resolve c --accept {taken},{lost} --resend {lost} --yes").fails(2, "both --accept and --resend")
    doubtful.run("resolve c --accept all --yes")
    settled = doubtful.run("resolve c")
    assert (settled.code, settled.out) == (0, "Nothing of c is in doubt.\n")
    assert doubtful.run("resolve c --accept all --yes").out == "Nothing of c is in doubt.\n"
    doubtful.run(f"resolve c --accept {taken} --yes").fails(2, "not in doubt", taken)


def _events(journal: Path) -> int:
    with closing(sqlite3.connect(journal)) as connection:
        (number,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return int(number)


def test_a_lost_journal_is_repaired_after_a_confirmation(doubtful: Place, gateway: RunningSandbox) -> None:
    for file in (doubtful.folder / "data/landing").glob("journal.sqlite*"):
        file.unlink()
    doubtful.run("resume c").fails(14, "does not know the campaign c", "smsrecon journal repair")

    dry = doubtful.run("journal repair --dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert "Batches that are in doubt then" in dry.out
    doubtful.run("journal repair").fails(2, "not confirmed", "--dry-run", "--yes")
    doubtful.run("resume c").fails(14, "smsrecon journal repair")

    done = doubtful.run("journal repair --yes --json")
    done.fails(13, "4 batches are in doubt", "smsrecon resolve ID")
    (campaign,) = done.object["campaigns"]
    assert campaign["messages"] == {"accepted": 0, "refused": 0, "suppressed": 0, "in_doubt": 40}
    assert campaign["is_registered"] is False
    assert [batch["batch_num"] for batch in campaign["batches_in_doubt"]] == doubts(doubtful)
    assert "there is nothing to repair" in doubtful.run("journal repair").out
    doubtful.run("resume c").fails(13, "in doubt, of all runs: 4")
