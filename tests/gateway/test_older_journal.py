"""An older or missing journal is found before anything is sent, and repaired without sending to anybody twice."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.campaign.high_water import HighWater, lost_campaigns, make_mark, read_mark
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.submit import plan_only
from pipelines.contracts.core import Reports
from pipelines.errors import BooksError
from pipelines.landing.landing import Landing
from pipelines.message_ids import MAX_MESSAGES, batch_num
from pipelines.operations import daily
from pipelines.operations.doctor import examine
from pipelines.operations.journal_repair import apply_repair, plan_repair
from pipelines.operations.pulling import pull_reports
from pipelines.operations.resolve import doubtful_batches
from pipelines.sandbox import Fault, RunningSandbox, SandboxSettings
from pipelines.sandbox.settings import Shares
from pipelines.warehouse.loading.journal_age import raise_to_new_reports
from tests.support.campaigns import CONTENT, Campaign, campaign_at, now, people
from tests.support.depth import cases
from tests.support.sandboxes import ForkedSandbox

SENT_AGO = timedelta(days=2)
NEXT_STEP = "run 'smsrecon journal repair'"


def send_until(campaign: Campaign, accepted: int, send: Callable[..., object]) -> None:
    """Send until so many more messages were accepted, and one batch more, which is accepted but in doubt."""
    faults = [Fault("drop", is_accepted=True)]

    def stop(progress: object) -> None:
        if progress.counts["accepted"] == accepted and faults:
            campaign.sandbox.control(faults=[faults.pop()])

    campaign.sandbox.control(clock_shift_seconds=-SENT_AGO.total_seconds())
    send(on_progress=stop, clock=lambda: now() - SENT_AGO)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A gateway that reports every message within a day."""
    every = Shares(unreported=0, beyond_window=0, duplicate=0, conflict=0, phone_mismatch=0)
    with ForkedSandbox(SandboxSettings(truth=tmp_path_factory.mktemp("gateway") / "t.sqlite", shares=every)) as gateway:
        yield gateway


@pytest.fixture
def campaign(tmp_path: Path, gateway: RunningSandbox) -> Campaign:
    """A campaign of 40 people in 8 batches, of which 6 have left; backup.sqlite is the journal after 3 of them."""
    campaign = campaign_at(tmp_path, gateway, concurrency=1, pause_after_in_doubt=1)
    campaign.write(people(40))
    send_until(campaign, 10, campaign.submit)
    keep(campaign)
    send_until(campaign, 10, campaign.resume)
    assert (len(campaign.batches()), len(campaign.sent())) == (6, 30)
    return campaign


def keep(campaign: Campaign) -> None:
    path = campaign.landing.journal_path
    with closing(sqlite3.connect(path)) as journal, closing(sqlite3.connect(path.with_name("backup.sqlite"))) as backup:
        journal.backup(backup)


def lose(campaign: Campaign, *, is_restored: bool) -> None:
    """Remove the journal, or restore its backup."""
    path = campaign.landing.journal_path
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    if is_restored:
        path.with_name("backup.sqlite").rename(path)


def pull(campaign: Campaign) -> None:
    campaign.sandbox.control(clock_shift_seconds=0)
    pull_reports(campaign.settings, clock=now)


def repair(campaign: Campaign) -> dict[str, int]:
    """Repair the journal; returns the number of messages by the state that they get."""
    planned = plan_repair(campaign.settings)
    assert apply_repair(planned, settings=campaign.settings, clock=now).is_balanced
    assert not plan_repair(campaign.settings).is_needed
    (repaired,) = planned.campaigns
    return dict(repaired.message_counts())


def finish(campaign: Campaign) -> None:
    """Send the rest; nobody gets the message twice, and whoever got it is accepted or in doubt."""
    campaign.resume()
    campaign.fates()
    daily.load(campaign.settings)
    assert daily.reconcile(campaign.settings, as_of=now()).is_balanced


def test_a_mark_has_what_left_and_never_more_than_the_journal(campaign: Campaign) -> None:
    assert read_mark(campaign.landing, "c") == HighWater(6, 30)
    assert lost_campaigns(campaign.landing) == []


@pytest.mark.parametrize("is_restored", [True, False], ids=["restored", "deleted"])
def test_everything_that_sends_or_closes_books_refuses_an_older_journal(campaign: Campaign, is_restored: bool) -> None:
    lose(campaign, is_restored=is_restored)
    settings = campaign.settings
    what = "ends at batch 3 of c, of which 6 have left" if is_restored else "does not know the campaign c"
    request = PlanRequest("c", campaign.source, CONTENT)
    other = Campaign(campaign.folder, campaign.sandbox, settings, "other")

    for refuse in (
        campaign.submit,
        campaign.resume,
        lambda: other.submit(people(5)),
        lambda: plan_only(request, settings=settings, clock=now),
        lambda: doubtful_batches("c", settings=settings, clock=now),
        lambda: daily.load(settings),
        lambda: daily.rebuild(settings, as_of=now()),
    ):
        with pytest.raises(BooksError, match=f"{what}.*{NEXT_STEP}"):
            refuse()
    (finding,) = [finding for finding in examine(settings, clock=now) if finding.name == "journal"]
    assert (finding.verdict, finding.exit_code) == ("error", 14)
    assert what in finding.detail
    assert len(campaign.sent()) == 30
    assert campaign.landing.journal_path.exists() == is_restored


@pytest.mark.parametrize("is_restored", cases(fast=[True], deep=[True, False]))
def test_a_repair_without_reports_puts_all_in_doubt_that_may_have_left_and_nothing_else(
    campaign: Campaign, is_restored: bool
) -> None:
    lose(campaign, is_restored=is_restored)

    assert repair(campaign) == {"in_doubt": 15 if is_restored else 30}

    finish(campaign)
    assert len(campaign.sent()) == 40
    assert campaign.states()[-2:] == ["accepted"] * 2


@pytest.mark.parametrize("is_restored", cases(fast=[False], deep=[True, False]))
def test_batches_that_the_warehouse_knows_come_back_as_they_were(campaign: Campaign, is_restored: bool) -> None:
    daily.load(campaign.settings)
    before = campaign.batches()
    lose(campaign, is_restored=is_restored)

    repair(campaign)

    assert campaign.batches() == before
    finish(campaign)
    assert len(campaign.sent()) == 40


def test_reports_prove_lost_batches(campaign: Campaign) -> None:
    names = [batch.batch_num for batch in campaign.batches()]
    lose(campaign, is_restored=True)
    pull(campaign)
    with pytest.raises(BooksError, match="ends at batch 3"):
        daily.load(campaign.settings)

    assert repair(campaign) == {"accepted": 15}

    assert [(batch.batch_num, batch.state) for batch in campaign.batches()[3:]] == [
        (name, "accepted") for name in names[3:]
    ]
    finish(campaign)


def test_a_report_alone_proves_that_the_journal_is_older(campaign: Campaign) -> None:
    """The marks came from the same backup: then all that isn't settled is in doubt."""
    lose(campaign, is_restored=True)
    mark = campaign.landing.campaigns.mark_path("c")
    mark.unlink()
    pull(campaign)

    with pytest.raises(BooksError, match="ends at batch 3 of c, of which 6 have left"):
        daily.load(campaign.settings)

    assert read_mark(campaign.landing, "c") == HighWater(6, MAX_MESSAGES)
    with pytest.raises(BooksError, match=NEXT_STEP):
        campaign.resume()
    assert repair(campaign) == {"accepted": 15, "in_doubt": 10}
    finish(campaign)
    assert len(campaign.sent()) == 30


def test_a_campaign_of_an_earlier_version_has_no_mark_and_gets_one_when_it_is_sent_or_loaded(
    campaign: Campaign,
) -> None:
    mark = campaign.landing.campaigns.mark_path("c")
    mark.unlink()
    assert lost_campaigns(campaign.landing) == []
    daily.load(campaign.settings)
    daily.load(campaign.settings)
    assert read_mark(campaign.landing, "c") == HighWater(6, 30)
    mark.unlink()

    campaign.resume()

    assert read_mark(campaign.landing, "c") == HighWater(8, 40)


def test_the_warehouse_proves_that_the_journal_of_an_earlier_version_is_older(campaign: Campaign) -> None:
    campaign.landing.campaigns.mark_path("c").unlink()
    daily.load(campaign.settings)
    lose(campaign, is_restored=True)

    with pytest.raises(BooksError, match="ends at batch 3 of c, of which 6 have left"):
        daily.rebuild(campaign.settings, as_of=now())


def test_a_journal_that_lacks_only_outcomes_is_older_too(campaign: Campaign) -> None:
    keep(campaign)
    with Journal.open(campaign.landing.journal_path) as journal:
        doubts = [batch.batch_num for batch in campaign.batches() if batch.state == "in_doubt"]
        journal.take_over("c")
        journal.decide("c", doubts, "accepted", by="ann@desk", reason=None, at=now())
    daily.load(campaign.settings)
    before = campaign.batches()
    lose(campaign, is_restored=True)

    with pytest.raises(BooksError, match="older than the warehouse"):
        daily.load(campaign.settings)

    repair(campaign)
    assert campaign.batches() == before


def test_a_repair_interrupted_before_the_warehouse_is_built_again_is_complete(campaign: Campaign) -> None:
    daily.load(campaign.settings)
    lose(campaign, is_restored=True)
    planned = plan_repair(campaign.settings)
    with Journal.open(campaign.landing.journal_path) as journal:
        batches = [batch for each in planned.campaigns for batch in each.batches]
        journal.restore([], batches, [], after_event_id=planned.last_event_id, at=now())

    daily.load(campaign.settings)

    assert not plan_repair(campaign.settings).is_needed
    finish(campaign)


@pytest.mark.parametrize(
    ("is_pulled", "has_secret_key", "is_proof"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_pushed_report_proves_it_only_if_nobody_can_guess_the_number(
    tmp_path: Path, is_pulled: bool, has_secret_key: bool, is_proof: bool
) -> None:
    landing = Landing(tmp_path)
    record = CampaignRecord("c", 7, now(), "", 9, 9, 9, 1, has_own_mission_nums=False, has_secret_key=has_secret_key)
    with Journal.open(landing.journal_path) as journal:
        make_mark(landing, "c")
        landing.campaigns.plan_path("c").touch()
        journal.register(record)
    named = {"batch_num": [batch_num(7, 3), "B"], "is_pulled": [is_pulled, True], "is_imported": [False, False]}

    raise_to_new_reports({Reports: pl.DataFrame(named)}, landing)

    assert read_mark(landing, "c") == (HighWater(3, MAX_MESSAGES) if is_proof else HighWater(0, 0))
    assert [lost.campaign_id for lost in lost_campaigns(landing)] == ["c"] * is_proof
