"""Days are days in China in every time zone of the machine, and a clock that steps back loses no message or balance."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from pipelines.alerts.findings import Finding
from pipelines.alerts.sent_alerts import due_alerts
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.campaign.sender import is_open
from pipelines.campaign.suppressions import read_entries
from pipelines.landing.calls import Call
from pipelines.landing.landing import Landing
from pipelines.message_ids import batch_num, key_text
from pipelines.pull import chosen_days, window
from pipelines.settings import PlanSettings, Settings, WarehouseSettings
from pipelines.times import CHINA
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from pipelines.warehouse.reconcile import ReconcileSummary, reconcile
from tests.support.depth import cases
from tests.support.places import CONTENT, Ended, Place, ended

ZONES = ("UTC", "America/Los_Angeles", "Pacific/Kiritimati")
OF_THE_MACHINE = cases(fast=ZONES[1:], deep=ZONES)  # in processes of their own: at least one on each side of China

# Midnights in China: of an ordinary day, a month's end, a leap day, a year's end. In UTC each is on the day before.
MIDNIGHTS = tuple(
    datetime.combine(day, datetime.min.time(), CHINA)
    for day in (date(2026, 11, 11), date(2026, 3, 1), date(2028, 2, 29), date(2028, 3, 1), date(2027, 1, 1))
)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Books:
    """A data folder whose campaign, batches and calls have times set by the test."""

    def __init__(self, folder: Path, message_count: int) -> None:
        self.data = folder / "data"
        self.landing = Landing(self.data / "landing")
        self.warehouse = Warehouse(self.data / "warehouse.duckdb", WarehouseSettings())
        source = folder / "people.parquet"
        self.phones = [str(13800000000 + number) for number in range(message_count)]
        pl.DataFrame({"phone": self.phones}).write_parquet(source)
        request = PlanRequest("spring", source, content="【公司】您好")
        at = min(MIDNIGHTS) - timedelta(days=1)
        self.campaign: CampaignRecord = make_plan(
            request, landing=self.landing, settings=Settings(plan=PlanSettings(batch_size=1)), at=at
        ).record

    def send(self, position: int, *, at: datetime, answered_at: datetime) -> None:
        """Send one message in its own batch."""
        name = batch_num(self.campaign.campaign_key, position + 1)
        with Journal.open(self.landing.journal_path) as journal:
            journal.take_over("spring")
            journal.sending(
                "spring",
                name,
                planned_batch=position,
                first_position=position,
                last_position=position,
                attempt=1,
                at=at,
            )
            journal.outcome("spring", name, "accepted", at=answered_at, error_code="000000", answer_ms=10)

    def report(self, *positions_and_times: tuple[int, datetime], called_at: datetime) -> str:
        records = [
            {
                "missionNum": f"{key_text(self.campaign.campaign_key)}{position:09}",
                "destId": self.phones[position],
                "receiveRealStatus": "DELIVRD",
                "statTime": f"{at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
                "batchNum": batch_num(self.campaign.campaign_key, position + 1),
            }
            for position, at in positions_and_times
        ]
        day = positions_and_times[0][1].astimezone(CHINA).date()
        return self._land("reports", {"records": records}, called_at, day=day)

    def balance(self, count: int, *, at: datetime) -> str:
        return self._land("balance", {"count": count}, at)

    def _land(self, kind: Any, fields: dict[str, Any], at: datetime, day: date | None = None) -> str:
        body = json.dumps({"errorCode": "000000"} | fields).encode()
        return self.landing.calls.land(Call(kind, at, 1, "json", day=day, http_status=200, body=body))

    def close(self, as_of: datetime) -> ReconcileSummary:
        load(self.landing, self.warehouse)
        return reconcile(self.warehouse, as_of=as_of, report_window_hours=72, hard_failures=2, price_per_segment=None)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.sql(query).fetchall()


# ── Days ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def around_midnights(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Messages one second before and exactly at each midnight, reported in the second in which they were sent."""
    books = Books(tmp_path_factory.mktemp("midnights"), 2 * len(MIDNIGHTS))
    for number, midnight in enumerate(MIDNIGHTS):
        for position, at in ((2 * number, midnight - SECOND), (2 * number + 1, midnight)):
            books.send(position, at=at, answered_at=at)
            books.report((position, at), called_at=at + 2 * SECOND)  # the first of each day, when it is over
    return books


ANSWERS = (
    "SELECT submitted_on, accepted_count, delivered_count FROM daily_delivery ORDER BY ALL",
    "SELECT pulled_on, is_due, is_complete, last_ok_at FROM pull_coverage WHERE call_count > 0 ORDER BY ALL",
    "SELECT cast(submitted_at AS DATE) AS day, count(*) AS n FROM messages GROUP BY ALL ORDER BY ALL",
    "SELECT submitted_at, submitted_on, delivered_at FROM messages ORDER BY ALL",
)


ONE_BY_ONE = """
import shlex, sys
from pipelines.cli.main import main
for command in sys.argv[1:]:
    sys.argv[1:] = shlex.split(command)
    try:
        main()
    except SystemExit as end:
        print(end.code or 0, end="\\0")
        print(end="\\0", file=sys.stderr)
"""


def in_zone(zone: str, folder: Path, *commands: str) -> list[Ended]:
    """Give the commands one after another in a process of this time zone."""
    given = subprocess.Popen(
        [sys.executable, "-c", ONE_BY_ONE, *commands],
        cwd=folder,
        env=os.environ | {"TZ": zone},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    done = ended(given)
    ends = [out.rpartition("\n") for out in done.out.split("\0")[:-1]]
    return [
        Ended(int(code), out + line_end, err)
        for (out, line_end, code), err in zip(ends, done.err.split("\0")[:-1], strict=True)
    ]


def test_the_days_of_the_books_are_chinas_in_every_zone_of_the_machine(around_midnights: Books) -> None:
    shown: list[list[Ended]] = []
    for zone in OF_THE_MACHINE:
        queries = [f'sql "{query}" --json' for query in ANSWERS]
        rebuilt, published, *answers = in_zone(
            zone, around_midnights.data.parent, "rebuild --json", "publish", *queries
        )
        assert rebuilt.code in (0, 14)  # not all days were pulled
        assert published.code == 0
        assert [answer.err for answer in answers] == [""] * len(ANSWERS)
        shown.append(answers)

    assert all(answers == shown[0] for answers in shown)
    days = [(row["submitted_on"], row["delivered_count"]) for row in shown[0][0].object["rows"]]
    expected = sorted(day for midnight in MIDNIGHTS for day in (midnight.date(), (midnight - SECOND).date()))
    assert [day for day, count in days for _ in range(count)] == [day.isoformat() for day in expected]


@pytest.mark.parametrize("midnight", MIDNIGHTS, ids=lambda midnight: str(midnight.date()))
@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_pull_asks_for_chinas_days_around_midnight(midnight: datetime, seconds: int) -> None:
    today = (midnight + timedelta(seconds=seconds)).date()
    for zone in (UTC, CHINA):
        now = (midnight + timedelta(seconds=seconds)).astimezone(zone)
        assert window(3, now) == [today - timedelta(days=2), today - timedelta(days=1), today]
        assert chosen_days(today, None, now=now) == [today]
        with pytest.raises(Exception, match="not come yet"):
            chosen_days(today + timedelta(days=1), None, now=now)


# Ways to write the instants at which a leap day and a year begin in China, as different tools type them.
DAYS = (date(2028, 2, 29), date(2027, 1, 1))
TYPED: dict[str, pl.DataType] = {
    "a_day": pl.Date(),
    "seconds": pl.Datetime("us"),
    "as_pandas_writes_it": pl.Datetime("ns"),
    "milliseconds": pl.Datetime("ms"),
    "an_instant": pl.Datetime("us", "Asia/Shanghai"),
    "an_instant_elsewhere": pl.Datetime("us", "America/Los_Angeles"),
}


@pytest.mark.parametrize("name", TYPED)
def test_the_days_of_a_list_begin_at_chinas_midnight_however_they_are_typed(name: str, tmp_path: Path) -> None:
    since_at = pl.Series([datetime.combine(day, datetime.min.time(), CHINA) for day in DAYS])
    dtype = TYPED[name]
    if dtype == pl.Date or (isinstance(dtype, pl.Datetime) and dtype.time_zone is None):
        since_at = since_at.dt.replace_time_zone(None)
    entries = pl.DataFrame({"phone": ["13800000001", "13800000002"], "reason": "x", "since_at": since_at.cast(dtype)})
    books = Books(tmp_path, 2)
    path = books.landing.root / "suppressions/list.parquet"
    path.parent.mkdir(parents=True)
    entries.write_parquet(path)

    load(books.landing, books.warehouse)

    expected = [datetime.combine(day, datetime.min.time(), CHINA) for day in DAYS]
    assert read_entries(books.landing)["since_at"].to_list() == expected
    loaded = books.rows("SELECT epoch_us(since_at) FROM core.suppressions ORDER BY phone")
    assert loaded == [(int(at.timestamp()) * 10**6,) for at in expected]


DATED = ["2028-02-29", "2026-12-31 23:59:59", "2027-01-01 00:00", "2028-03-01 00:00:00.5"]


def test_a_file_of_phones_means_chinas_times_in_every_zone_of_the_machine(tmp_path: Path) -> None:
    listed = []
    for zone in OF_THE_MACHINE:
        folder = tmp_path / zone.replace("/", "_")
        folder.mkdir()
        rows = [f"1380000000{number},{at}" for number, at in enumerate(DATED)]
        (folder / "list.csv").write_text("\n".join(["phone,since_at", *rows]))
        (folder / "none.csv").write_text("phone,since_at\n13800000000,2027-02-29\n")
        taken, refused = in_zone(zone, folder, "suppress import list.csv", "suppress import none.csv")
        assert taken.code == 0
        refused.fails(10, "not a time in 1 rows")
        listed.append(read_entries(Landing(folder / "data/landing"))["since_at"].to_list())

    assert listed == [[datetime.fromisoformat(at).replace(tzinfo=CHINA) for at in DATED]] * len(OF_THE_MACHINE)


@pytest.mark.parametrize("midnight", MIDNIGHTS, ids=lambda midnight: str(midnight.date()))
@pytest.mark.parametrize("zone", ZONES)
def test_a_send_window_opens_and_closes_in_chinas_time_on_every_day(midnight: datetime, zone: str) -> None:
    def at(hours: float) -> datetime:
        return (midnight + timedelta(hours=hours)).astimezone(ZoneInfo(zone))

    assert [is_open("08:00-21:00", at(hours)) for hours in (-4, -1, 0, 7.99, 8, 20.99, 21)] == [
        True, False, False, False, True, True, False,
    ]  # fmt: skip
    assert [is_open("22:00-06:00", at(hours)) for hours in (-2.01, -2, 0, 5.99, 6)] == [False, True, True, True, False]


@pytest.mark.parametrize("zone", OF_THE_MACHINE)
def test_the_zone_of_the_machine_moves_no_send_window(zone: str, sending: Place) -> None:
    now = datetime.now(CHINA)
    window = f"{now - HOUR:%H:%M}-{now + HOUR:%H:%M}"  # in every zone but China's this window is another time of day
    submit = f"submit people.parquet --campaign c --content {CONTENT} --json"

    with sending.start(submit, variables={"TZ": zone, "SMSRECON_PLAN__SEND_WINDOW": window}) as process:
        assert ended(process).object["submitted_now"]["accepted"] == 2


# ── A clock that steps back ───────────────────────────────────────────────────────────────────────────────────────────

AT = datetime(2026, 11, 11, 2, tzinfo=UTC)


def test_an_answer_before_its_question_and_a_report_before_its_submission_leave_the_books_balanced(
    tmp_path: Path,
) -> None:
    books = Books(tmp_path, 4)
    books.balance(100, at=AT - 3 * HOUR)
    books.send(0, at=AT, answered_at=AT - 2 * HOUR)  # the clock was set back while the request was in flight
    books.send(1, at=AT - HOUR, answered_at=AT - HOUR + SECOND)
    books.send(2, at=AT - HOUR, answered_at=AT - HOUR)
    books.balance(97, at=AT - HOUR / 2)
    books.report((0, AT - HOUR), (1, AT), (2, AT - HOUR), called_at=AT - HOUR / 3)
    books.balance(97, at=AT + HOUR)

    summary = books.close(as_of=AT + HOUR)

    assert summary.is_balanced, summary.failed_checks
    assert summary.statuses["delivered"] == 3
    found = "SELECT message_id & 268435455 FROM marts.exceptions WHERE kind = 'report_before_submission'"
    assert books.rows(found) == [(0,)]
    intervals = books.rows("SELECT is_explained, opening_in_flight_segment_count FROM marts.balance_reconciliation")
    assert all(is_explained and in_flight >= 0 for is_explained, in_flight in intervals), intervals


def test_batches_stand_in_the_order_of_their_events_whatever_the_clock_said(tmp_path: Path) -> None:
    books = Books(tmp_path, 5)
    times = [AT, AT - HOUR, AT + HOUR, AT - 2 * HOUR, AT]
    for position, at in enumerate(times):
        books.send(position, at=at, answered_at=at - SECOND)

    with Journal.read_only(books.landing.journal_path) as journal:
        batches = journal.batches("spring")
        assert [batch.first_position for batch in batches] == [0, 1, 2, 3, 4]
        assert [batch.sent_at for batch in batches] == times
        assert {batch.state for batch in batches} == {"accepted"}
        assert journal.next_batch_number("spring") == 6
    assert books.close(as_of=AT).is_balanced


@pytest.mark.parametrize("order", [sorted, lambda names: sorted(names, reverse=True)], ids=["in order", "backwards"])
def test_calls_of_the_same_instant_and_of_a_clock_put_back_are_all_kept_and_loaded(
    order: Callable[[list[str]], list[str]], tmp_path: Path
) -> None:
    books = Books(tmp_path, 3)
    for position in range(3):
        books.send(position, at=AT, answered_at=AT)
    names = [
        books.report((position, AT + SECOND), called_at=at)
        for position, at in enumerate([AT + HOUR, AT + HOUR, AT - HOUR])
    ]
    assert len(set(names)) == 3
    for name in order(names)[1:]:  # they become visible one by one
        (books.landing.root / name).rename(tmp_path / name.replace("/", "_"))
    load(books.landing, books.warehouse)
    for name in order(names)[1:]:
        (tmp_path / name.replace("/", "_")).rename(books.landing.root / name)

    assert books.close(as_of=AT + 2 * HOUR).statuses["delivered"] == 3
    assert books.rows("SELECT count(*), sum(new_record_count) FROM core.pulls") == [(3, 3)]


def test_an_alert_sent_while_the_clock_was_ahead_is_sent_again(tmp_path: Path) -> None:
    low = Finding("low_balance", "the balance is low; top up", 16)
    due = []
    for at in (AT + timedelta(days=365), AT, AT + HOUR):
        with due_alerts(
            [low], rules={"low_balance"}, path=tmp_path / "sent_alerts.json", at=at, repeat_hours=24
        ) as news:
            due.append(len(news))
    assert due == [1, 1, 0]
