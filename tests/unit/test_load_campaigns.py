"""Plans and the journal become campaigns, recipients and batches; a plan that isn't as it was is an error."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.errors import BooksError
from pipelines.landing.landing import Landing
from pipelines.message_ids import POSITION_BITS
from pipelines.settings import Settings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.unit.landed import AT, PHONE, answer, land, report, rows, send


def test_a_plan_becomes_recipients_in_its_order(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    assert load(landing, warehouse).campaign_count == 1
    recipients = rows(warehouse, "FROM core.recipients")
    assert [row["input_row"] for row in recipients] == [0, 1, 2, 3, 4]
    first = campaign.campaign_key << POSITION_BITS
    assert [row["message_id"] for row in recipients] == [first, first + 1, first + 2, None, None]
    assert [row["disposition"] for row in recipients] == ["planned"] * 3 + ["invalid", "duplicate"]
    assert recipients[0]["campaign_id"] == "autumn"
    assert recipients[0]["number_range"] == int(recipients[0]["phone"][:7])
    assert json.loads(recipients[0]["owner"]) == {"city": "沪"}
    assert rows(warehouse, "SELECT record_count FROM core.files WHERE kind = 'plan'") == [{"record_count": 5}]


def test_a_plan_without_owners_columns_has_none(landing: Landing, warehouse: Warehouse, tmp_path: Path) -> None:
    pl.DataFrame({"phone": [PHONE]}).write_parquet(tmp_path / "plain.parquet")
    request = PlanRequest("plain", tmp_path / "plain.parquet", content="【签名】你好")
    make_plan(request, landing=landing, settings=Settings(), at=AT)
    load(landing, warehouse)
    assert rows(warehouse, "SELECT owner FROM core.recipients") == [{"owner": None}]


def test_the_journal_becomes_campaigns_and_batches(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    send(landing, campaign, "B1", "accepted", first=0, last=1)
    send(landing, campaign, "B2", None, first=2, last=2)
    load(landing, warehouse)
    (row,) = rows(warehouse, "FROM core.campaigns")
    assert (row["campaign_key"], row["row_count"], row["message_count"]) == (campaign.campaign_key, 5, 3)
    assert (row["planned_at"], row["is_paused"], row["paused_reason"]) == (AT, False, None)
    accepted, unanswered = rows(warehouse, "FROM core.batches ORDER BY batch_num")
    first = campaign.campaign_key << POSITION_BITS
    assert (accepted["first_message_id"], accepted["last_message_id"], accepted["message_count"]) == (
        first,
        first + 1,
        2,
    )
    assert (accepted["state"], accepted["submitted_at"], accepted["submitted_on"]) == (
        "accepted",
        AT,
        date(2026, 11, 22),
    )
    assert (accepted["error_code"], accepted["answer_ms"]) == ("000000", 1000)
    assert (unanswered["state"], unanswered["answered_at"]) == ("in_doubt", None)


def test_only_new_events_of_the_journal_are_loaded(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord
) -> None:
    send(landing, campaign, "B1", None, first=0, last=2)
    assert load(landing, warehouse).campaign_count == 1
    assert load(landing, warehouse).campaign_count == 0
    with Journal.open(landing.journal_path) as journal:
        journal.take_over("autumn")
        journal.outcome("autumn", "B1", "refused", at=AT)
        journal.paused("autumn", "balance too low", at=AT)
    assert load(landing, warehouse).campaign_count == 1
    assert rows(warehouse, "SELECT batch_num, state FROM core.batches") == [{"batch_num": "B1", "state": "refused"}]
    assert rows(warehouse, "SELECT is_paused, paused_reason FROM core.campaigns") == [
        {"is_paused": True, "paused_reason": "balance too low"}
    ]
    assert rows(warehouse, "SELECT count(*) AS n FROM core.recipients") == [{"n": 5}]
    assert rows(warehouse, "SELECT record_count FROM core.files WHERE kind = 'journal'") == [{"record_count": 3}]


def test_the_day_of_a_batch_is_that_of_china(landing: Landing, warehouse: Warehouse, campaign: CampaignRecord) -> None:
    with Journal.open(landing.journal_path) as journal:
        late = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
        journal.take_over("autumn")
        journal.sending("autumn", "B1", planned_batch=0, first_position=0, last_position=2, attempt=1, at=late)
    load(landing, warehouse)
    assert rows(warehouse, "SELECT submitted_on FROM core.batches") == [{"submitted_on": date(2026, 11, 22)}]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text(PHONE)])
def test_a_missing_plan_is_an_error_and_nothing_of_the_campaign_is_loaded(
    landing: Landing, warehouse: Warehouse, campaign: CampaignRecord, spoil: Any
) -> None:
    land(landing, "reports", answer([report()]))
    spoil(landing.campaigns.plan_path("autumn"))
    with pytest.raises(BooksError, match="restore it") as caught:
        load(landing, warehouse)
    assert PHONE not in str(caught.value)
    assert rows(warehouse, "FROM core.campaigns") == []
    assert len(rows(warehouse, "FROM core.reports")) == 1


def test_a_plan_with_other_rows_is_an_error(landing: Landing, warehouse: Warehouse, campaign: CampaignRecord) -> None:
    path = landing.campaigns.plan_path("autumn")
    pl.read_parquet(path).head(2).write_parquet(path)
    with pytest.raises(BooksError, match="does not have the 5 rows"):
        load(landing, warehouse)
