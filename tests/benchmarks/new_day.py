"""A day on top of a history: a new campaign that was sent, and a report for each of its messages."""

import json
import os
from datetime import timedelta
from typing import Final

import polars as pl

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.landing.calls import Call
from pipelines.message_ids import batch_num
from pipelines.settings import Settings
from pipelines.times import CHINA
from tests.benchmarks.history import AS_OF, Place
from tests.benchmarks.plan import CONTENT

DAY: Final = "BENCH_DAY"  # the variable that hands `--day` to the processes
CLOSED_AT: Final = AS_OF + timedelta(days=1)  # the clock of the run that finds it
_SENT_AT: Final = AS_OF + timedelta(hours=2)
_RECORDS_A_CALL: Final = 100_000


def day_rows(rows: int) -> int:
    """The messages of a new day on a history of `rows`: what `--day` says, or a hundredth."""
    return int(os.environ.get(DAY) or rows // 100)


def land_day(place: Place, rows: int) -> None:
    """Plan and journal a campaign of so many messages, and land its reports."""
    source = place.folder / "people.parquet"
    phones = pl.int_range(13_000_000_000, 13_000_000_000 + 7 * rows, 7, eager=True).cast(pl.String)
    pl.DataFrame({"phone": phones}).write_parquet(source)
    settings = Settings(data_dir=place.folder)
    plan = make_plan(PlanRequest("day", source, CONTENT), landing=place.landing, settings=settings, at=AS_OF)
    _journal(place, plan.record.campaign_key, rows)
    messages = pl.read_parquet(place.landing.campaigns.plan_path("day"), columns=["mission_num", "phone"])
    for number, part in enumerate(messages.iter_slices(_RECORDS_A_CALL)):
        body = {"errorCode": "000000", "errorMsg": "", "records": [_record(*row) for row in part.iter_rows()]}
        place.landing.calls.land(
            Call(
                kind="reports",
                called_at=_SENT_AT + timedelta(hours=1, minutes=number),
                answer_ms=900,
                format="json",
                day=_SENT_AT.astimezone(CHINA).date(),
                http_status=200,
                content_type="application/json",
                body=json.dumps(body).encode(),
            )
        )


def _journal(place: Place, key: int, rows: int) -> None:
    with Journal.open(place.landing.journal_path) as journal:
        journal.take_over("day")
        for number, first in enumerate(range(0, rows, 1000)):
            num = batch_num(key, number + 1)
            journal.sending(
                "day",
                num,
                planned_batch=number,
                first_position=first,
                last_position=min(first + 999, rows - 1),
                attempt=1,
                at=_SENT_AT,
            )
            journal.outcome("day", num, "accepted", at=_SENT_AT, error_code="000000", http_status=200, answer_ms=50)


def _record(mission_num: str, phone: str) -> dict[str, str]:
    is_failed = mission_num.endswith("7")
    return {
        "missionNum": mission_num,
        "destId": phone,
        "sendStatus": "SUCCESS",
        "receiveStatus": "FAIL" if is_failed else "SUCCESS",
        "receiveRealStatus": "MK:0010" if is_failed else "DELIVRD",
        "batchNum": f"{mission_num[:7]}B{int(mission_num[7:]) // 1000 + 1:08}",
        "statTime": f"{_SENT_AT.astimezone(CHINA) + timedelta(minutes=5):%Y-%m-%d %H:%M:%S}",
    }
