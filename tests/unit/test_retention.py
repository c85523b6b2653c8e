"""The cutoff of a purge and its campaigns, repeated records, and the books during an unfinished purge."""

import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.errors import UsageError
from pipelines.gateway.wire import read_reports
from pipelines.landing.calls import Call
from pipelines.landing.campaigns import Purged
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing, landed_at
from pipelines.message_ids import batch_num, key_text
from pipelines.operations.retention import Campaign, apply_purge, cutoff, plan_purge
from pipelines.settings import Settings, WarehouseSettings
from pipelines.tabular.sheet import read_sheet
from pipelines.times import CHINA
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load

DAY = timedelta(days=1)
TODAY = datetime(2026, 11, 22, 9, 30, tzinfo=CHINA)


def campaign(campaign_id: str, began: float, ended: float, *, to_send: int = 0, in_doubt: int = 0) -> Campaign:
    """A campaign with activity from `began` to `ended` days ago."""
    last_active_at = TODAY - ended * DAY
    return Campaign(campaign_id, 10, to_send, in_doubt, last_active_at, TODAY - began * DAY, last_active_at)


WORLDS = {
    "nothing": ([], 30, ""),
    "all are old": ([campaign("a", 60, 50), campaign("b", 45, 40)], 30, "ab"),
    "one is young": ([campaign("a", 60, 50), campaign("b", 20, 10)], 30, "a"),
    "a young one began long ago": ([campaign("a", 60, 50), campaign("b", 45, 40), campaign("c", 48, 2)], 48, "a"),
    "one is in doubt": ([campaign("a", 60, 50), campaign("b", 45, 40, in_doubt=1), campaign("c", 44, 35)], 45, "a"),
    "one is not sent": ([campaign("a", 60, 50, to_send=1), campaign("b", 45, 40)], 60, ""),
    "one holds another that holds a third": (
        [
            campaign("a", 90, 66),
            campaign("b", 80, 55),
            campaign("c", 60, 45),
            campaign("d", 50, 5),
            campaign("e", 99, 91),
        ],
        90,
        "e",
    ),
    "one touches the day on which another began": (
        [campaign("a", 60, 45.1), campaign("b", 45, 40, in_doubt=1), campaign("c", 70, 61)],
        60,
        "c",
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_one_cutoff_separates_purged_campaigns_from_those_that_stay(name: str) -> None:
    campaigns, days, going = WORLDS[name]

    before, gone = cutoff(campaigns, TODAY - 30 * DAY)

    assert before == (TODAY - days * DAY).replace(hour=0, minute=0)
    assert "".join(each.campaign_id for each in gone) == going


def test_the_cutoff_is_the_latest_that_cuts_no_campaign_in_two() -> None:
    chance = random.Random(3)
    for number in range(500):
        spans = [sorted((chance.uniform(0, 90), chance.uniform(0, 90)), reverse=True) for _ in range(8)]
        campaigns = [campaign(str(place), *span, in_doubt=chance.random() < 0.1) for place, span in enumerate(spans)]

        before, gone = cutoff(campaigns, TODAY - 30 * DAY)

        staying = [each for each in campaigns if each not in gone]
        assert all(each.began_at >= before for each in staying), number
        assert all(each.ended_at < before and not each.is_open for each in gone), number
        days = (TODAY - 30 * DAY).replace(hour=0, minute=0) - before
        later = (before + DAY * more for more in range(1, days.days + 1))
        for instant in later:  # a day later would cut a campaign that stays in two
            left = [each for each in campaigns if each.is_open or each.ended_at >= instant]
            assert any(each.began_at < instant for each in left), number


@pytest.mark.parametrize(
    ("sent_ago", "reported_ago", "older_than", "goes"),
    [
        (50, None, 30, True),
        (50, 49, 30, True),
        (50, 20, 30, False),  # a late report
        (5, None, 1, True),
        (3, None, 1, False),  # within the report window
    ],
)
def test_a_campaign_stays_while_reports_or_replies_came_or_may_come(
    sent_ago: int, reported_ago: int | None, older_than: int, goes: bool, tmp_path: Path
) -> None:
    sent = Sent(tmp_path)
    record = sent.plan("a", rows=1, at=TODAY - sent_ago * DAY)
    sent.send(record, 0, at=TODAY - sent_ago * DAY)
    if reported_ago is not None:
        sent.land("json", [report(record, TODAY - sent_ago * DAY)], at=TODAY - reported_ago * DAY)

    found = plan_purge(older_than, settings=Settings(data_dir=tmp_path), as_of=TODAY)

    assert ([each.campaign_id for each in found.going] == ["a"]) is goes
    assert ([each.campaign_id for each in found.staying] == ["a"]) is not goes


def test_the_time_of_a_file_is_that_of_its_call_and_other_names_have_none(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    at = datetime(2026, 11, 22, 23, 59, 59, 999999, CHINA)

    assert landed_at(landing.calls.land(Call("balance", at, 7, "json"))) == at
    assert landed_at(landing.imports.land(Import("reports", at, "x.csv", {}, b"x"))) == at
    for name in ("reports/2026-11-22/brought.call", "reports/x.call", "journal.sqlite", ""):
        assert landed_at(name) is None


# Repeated records


@pytest.mark.parametrize("form", ["json", "xml"])
def test_repeated_records_are_removed_and_their_neighbours_stay(form: Literal["json", "xml"], tmp_path: Path) -> None:
    """Old reports that came again today, beside new ones, in an answer and in an Excel file."""
    sent = Sent(tmp_path)
    old, new = sent.plan("old", rows=1, at=TODAY - 50 * DAY), sent.plan("new", rows=1, at=TODAY - 2 * DAY)
    sent.send(old, 0, at=TODAY - 50 * DAY)
    sent.send(new, 0, at=TODAY - 2 * DAY)
    of_old, of_new = report(old, TODAY - 50 * DAY), report(new, TODAY - 2 * DAY)
    sent.land(form, [of_old], at=TODAY - 49 * DAY)
    sent.land(form, [of_old, of_new], at=TODAY - DAY)
    sheet = BytesIO()
    rows = pl.DataFrame([of_old, of_new]).select("destId", "receiveRealStatus", "statTime")
    rows.rename(dict(zip(rows.columns, MAPPING.values(), strict=True))).write_excel(sheet)
    sent.landing.imports.land(Import("reports", TODAY - DAY, "export.xlsx", MAPPING, sheet.getvalue()))
    settings = Settings(data_dir=tmp_path)

    found = plan_purge(30, settings=settings, as_of=TODAY)
    apply_purge(found, settings=settings, clock=lambda: TODAY)

    assert [each.campaign_id for each in found.going] == ["old"]
    (call,) = sent.landing.calls.names("reports")
    assert read_reports(sent.landing.calls.read(call).body, form).columns["mission_num"] == [of_new["missionNum"]]
    (imported,) = sent.landing.imports.names()
    frame = read_sheet(sent.landing.imports.read(imported).body).frame
    assert frame.rows() == [tuple(of_new[name] for name in ("destId", "receiveRealStatus", "statTime"))]
    with sent.warehouse.read() as connection:
        counted = connection.execute("SELECT campaign_id, delivered_count FROM marts.campaign_delivery").fetchall()
        assert counted == [("new", 1)]
        assert connection.execute("SELECT count(*) FROM core.reports").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM core.rejects").fetchall() == [(0,)]


# During an unfinished purge


MAPPING = {"phone": "手机号", "code": "状态码", "stat_time": "回执时间"}


def report(record: CampaignRecord, at: datetime) -> dict[str, str]:
    """A delivery report for the first message of a campaign."""
    return {
        "missionNum": f"{key_text(record.campaign_key)}{0:09}",
        "destId": "13800000000",
        "receiveRealStatus": "DELIVRD",
        "statTime": f"{at:%Y-%m-%d %H:%M:%S}",
    }


class Sent:
    """Campaigns whose batches are journaled one message each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.landing = Landing(folder / "landing")
        self.warehouse = Warehouse(folder / "warehouse.duckdb", WarehouseSettings())
        self.used = itertools.count(1)

    def plan(self, campaign_id: str, *, rows: int = 20, own: str | None = None, at: datetime = TODAY) -> CampaignRecord:
        source = self.folder / f"{campaign_id}.parquet"
        people = pl.DataFrame({"phone": [str(13800000000 + number) for number in range(rows)]})
        if own:
            people = people.with_columns(mission_num=pl.format("{}_{}", pl.lit(own), pl.int_range(rows)))
        people.write_parquet(source)
        request = PlanRequest(campaign_id, source, content="【公司】您好")
        return make_plan(request, landing=self.landing, settings=Settings(), at=at.astimezone(UTC)).record

    def send(self, record: CampaignRecord, *positions: int, at: datetime = TODAY) -> None:
        with Journal.open(self.landing.journal_path) as journal:
            journal.take_over(record.campaign_id)
            for position in positions:
                name = batch_num(record.campaign_key, next(self.used))
                where = {"planned_batch": 0, "first_position": position, "last_position": position, "attempt": 1}
                journal.sending(record.campaign_id, name, at=at, **where)
                journal.outcome(record.campaign_id, name, "accepted", at=at)

    def land(self, form: Literal["json", "xml"], records: list[dict[str, str]], *, at: datetime) -> None:
        if form == "json":
            body = json.dumps({"errorCode": "000000", "errorMsg": "", "records": records})
        else:
            fields = ["".join(f"<{name}>{value}</{name}>" for name, value in each.items()) for each in records]
            listed = "".join(f"<record>{each}</record>" for each in fields)
            body = f"<root><errorCode>000000</errorCode><errorMsg/><records>{listed}</records></root>"
        call = Call("reports", at.astimezone(UTC), 7, form, day=at.date(), http_status=200, body=body.encode())
        self.landing.calls.land(call)

    def purge(self, campaign_id: str, *, before: datetime = TODAY) -> None:
        """The first part of a purge, up to the rebuild of the warehouse."""
        self.landing.note_purging(before)
        self.landing.campaigns.mark_purged(Purged(campaign_id, TODAY, {"row_count": 20, "planned_at": TODAY}))
        self.landing.campaigns.clear_purged(campaign_id)
        with Journal.open(self.landing.journal_path) as journal:
            journal.remove([campaign_id])

    def loaded(self) -> dict[str, int]:
        """Number of batches of each campaign."""
        load(self.landing, self.warehouse)
        with self.warehouse.read() as connection:
            query = (
                "SELECT campaign_id, count(batch_num) FROM core.campaigns LEFT JOIN core.batches USING (campaign_id)"
            )
            return dict(connection.execute(f"{query} GROUP BY campaign_id").fetchall())


def test_events_that_reuse_the_ids_of_purged_ones_are_loaded(tmp_path: Path) -> None:
    sent = Sent(tmp_path)
    stays, goes = sent.plan("stays"), sent.plan("goes")
    sent.send(stays, 0)
    sent.send(goes, *range(10))
    assert sent.loaded() == {"stays": 1, "goes": 10}

    sent.purge("goes")
    assert sent.loaded() == {"stays": 1}
    sent.send(stays, 1)

    assert sent.loaded() == {"stays": 2}


@pytest.mark.parametrize("is_marked", [False, True])
def test_the_rest_of_an_interrupted_purge_is_removed_unless_a_campaign_needs_it(
    is_marked: bool, tmp_path: Path
) -> None:
    sent = Sent(tmp_path)
    for campaign_id, days in (("a", 50), ("b", 20)):
        record = sent.plan(campaign_id, rows=1, at=TODAY - days * DAY)
        sent.send(record, 0, at=TODAY - days * DAY)
        sent.land("json", [report(record, TODAY - days * DAY)], at=TODAY - days * DAY)
    if is_marked:
        sent.purge("b", before=TODAY - 10 * DAY)
    else:
        sent.landing.note_purging(TODAY - 10 * DAY)

    found = plan_purge(30, settings=Settings(data_dir=tmp_path), as_of=TODAY)

    assert found.is_unfinished
    assert [each.campaign_id for each in found.going] == ["a"]
    assert len(found.files) == 1 + is_marked


def test_a_purged_campaign_keeps_its_id_and_its_key_and_no_byte_of_its_events(tmp_path: Path) -> None:
    sent = Sent(tmp_path)
    goes = sent.plan("goes")
    sent.send(goes, 0)
    with Journal.open(sent.landing.journal_path) as journal:
        journal.paused("goes", "canary" * 50_000, at=TODAY)

    sent.purge("goes")

    with Journal.read_only(sent.landing.journal_path) as journal:
        assert journal.campaign("goes") == goes
        assert journal.batches("goes") == []
    files = [path.read_bytes() for path in sent.landing.root.glob("journal.sqlite*")]
    assert b"canary" not in b"".join(files)
    assert sum(map(len, files)) < 100_000  # the file shrank: the bytes are not just overwritten
    with pytest.raises(UsageError, match="goes was purged on 2026-11-22"):
        sent.plan("goes")
    sent.landing.journal_path.unlink()  # a journal restored from an old backup doesn't have the campaign
    with pytest.raises(UsageError, match="goes was purged on 2026-11-22"):
        sent.plan("goes")


def test_mission_numbers_of_the_owners_are_compared_with_the_plans_that_are_left(tmp_path: Path) -> None:
    sent = Sent(tmp_path)
    sent.plan("goes", own="m")
    sent.purge("goes")

    assert sent.plan("next", own="n").message_count == 20
