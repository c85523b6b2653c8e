"""Fixtures of the load: an empty landing and warehouse, and a planned campaign."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.landing.landing import Landing
from pipelines.settings import Settings, WarehouseSettings
from pipelines.warehouse.database import Warehouse
from tests.unit.landed import AT, PHONE


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings())


@pytest.fixture
def campaign(landing: Landing, tmp_path: Path) -> CampaignRecord:
    source = tmp_path / "recipients.parquet"
    phones = [PHONE, "13800138001", "13800138002", "110", PHONE]
    pl.DataFrame({"phone": phones, "city": ["沪", "京", None, "沪", "沪"]}).write_parquet(source)
    request = PlanRequest("autumn", source, content="【签名】你好")
    return make_plan(request, landing=landing, settings=Settings(), at=AT).record
