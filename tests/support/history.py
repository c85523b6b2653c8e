"""Five campaigns sent over three weeks to a sandbox gateway, and what was published of them."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.submit import submit
from pipelines.landing.landing import landing_of
from pipelines.operations import daily_run
from pipelines.sandbox import SandboxSettings
from pipelines.settings import GatewaySettings, PlanSettings, PullSettings, Settings
from tests.support.sandboxes import ForkedSandbox

CAMPAIGNS = {"week-1": 21, "week-2": 17, "week-3": 13, "week-4": 9, "week-5": 5}  # sent so many days ago
LATEST = "week-5"
CONTENT = "【云鋒網絡】秋季会员日,全场八折。回复TD退订"
PEOPLE = 1500


@dataclass(frozen=True)
class Place:
    """Where the campaigns lie, and the phones that nobody may ever see."""

    settings: Settings
    phones: frozenset[str] = field(repr=False)

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    def bytes_of_published(self) -> dict[str, str]:
        """A digest of every file that is published."""
        folder = (self.data_dir / "published").resolve()
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def sent_history(folder: Path) -> Place:
    """Send all campaigns, collect what comes back, publish."""
    sandbox = SandboxSettings(truth=folder / "gateway.sqlite", seed=7, balance=100_000)
    with ForkedSandbox(sandbox) as gateway:
        settings = Settings(
            data_dir=folder / "data",
            gateway=GatewaySettings(
                base_url=gateway.base_url, app_key=sandbox.app_key, app_secret=SecretStr(sandbox.app_secret)
            ),
            plan=PlanSettings(batch_size=50),
            pull=PullSettings(days=25),
        )
        landing_of(settings).choose_number_key("history")
        for number, (campaign_id, days) in enumerate(CAMPAIGNS.items()):
            ago = timedelta(days=days)
            file = folder / f"{campaign_id}.parquet"
            _people(number).write_parquet(file)
            gateway.control(clock_shift_seconds=-ago.total_seconds(), faults=[{"kind": "drop", "is_accepted": True}])
            submit(
                PlanRequest(campaign_id, file, CONTENT),
                settings=settings,
                clock=lambda ago=ago: datetime.now(UTC) - ago,  # type: ignore[misc]
            )
        gateway.control(clock_shift_seconds=0)
        daily_run.daily(settings, clock=lambda: datetime.now(UTC))
    return Place(settings, frozenset(pl.read_parquet(folder / f"{LATEST}.parquet")["phone"]))


def _people(seed: int) -> pl.DataFrame:
    chance = random.Random(seed)
    phones = [f"138{chance.randrange(10**8):08}" for _ in range(PEOPLE)]
    return pl.DataFrame(
        {
            "phone": [*phones[:-10], *["12"] * 10],
            "variant": chance.choices("AB", k=PEOPLE),
            "city": chance.choices(["上海", "北京", "广州"], k=PEOPLE),
        }
    )
