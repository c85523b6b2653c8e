"""A small world to close the books of: people, campaigns, a sandbox that gets everything wrong, and its truth.

`expected_statuses` is the slow, obvious twin of sql/core/message_status.sql: plain Python over the sandbox's own truth.
"""

import random
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.submit import submit
from pipelines.errors import GatewayError
from pipelines.landing.landing import landing_of
from pipelines.operations import daily_run
from pipelines.sandbox import RunningSandbox, SandboxSettings, Shares
from pipelines.settings import GatewaySettings, PlanSettings, Settings
from pipelines.warehouse.database import warehouse_of
from tests.support.sandboxes import ForkedSandbox

CONTENT = "【云鋒網絡】秋季会员日开始了,回复TD退订"
SENT_AGO = timedelta(days=4)

REFUSED_PHONES = ("19999990007", "19999990008")  # the sandbox refuses a batch that holds one

# Everything that is rare in reality, often enough for a small world.
SHARES = Shares(
    failed=0.15,
    unreported=0.05,
    late=0.1,
    beyond_window=0.03,
    duplicate=0.1,
    conflict=0.06,
    phone_mismatch=0.04,
    orphan=0.04,
    reply=0.03,
    country_code=0.1,
    leading_blank=0.1,
)


@dataclass
class World:
    """A data folder and the sandbox it talks to; the clock is set back while sending, then comes forward in steps."""

    folder: Path
    sandbox: RunningSandbox
    settings: Settings
    ago: timedelta = SENT_AGO
    campaigns: list[str] = field(default_factory=list)

    def clock(self) -> datetime:
        return datetime.now(UTC) - self.ago

    def move_to(self, ago: timedelta) -> None:
        self.ago = ago
        self.sandbox.control(clock_shift_seconds=-ago.total_seconds())

    def send(self, campaign_id: str, rows: int, seed: int) -> None:
        """Submit a campaign again and again until it neither pauses nor fails, as an operator would."""
        path = self.folder / f"{campaign_id}.parquet"
        people(rows, seed).write_parquet(path)
        self.campaigns.append(campaign_id)
        until_done(lambda: submit(PlanRequest(campaign_id, path, CONTENT), settings=self.settings, clock=self.clock))

    def collect(self) -> daily_run.DailySummary:
        return daily_run.daily(self.settings, clock=self.clock)

    def statuses(self) -> dict[tuple[str, str], str]:
        """(mission number, phone) → status, of all rows that were to be sent."""
        with warehouse_of(self.settings).read() as connection:
            rows = connection.execute(
                "SELECT r.mission_num, r.phone, s.status FROM core.message_status AS s"
                " INNER JOIN core.recipients AS r ON s.campaign_id = r.campaign_id AND s.input_row = r.input_row"
                " WHERE r.disposition = 'planned'"
            ).fetchall()
        return {(mission_num, phone): status for mission_num, phone, status in rows}

    def truth(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.sandbox.settings.truth)) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def running_world(folder: Path, *, batch_size: int = 10, xml: bool = False, **sandbox: Any) -> Iterator[World]:
    """A world whose sandbox runs with these settings, its clock four days back."""
    chosen = SandboxSettings(
        truth=folder / "truth.sqlite", shares=SHARES, clock_shift_seconds=-SENT_AGO.total_seconds(), **sandbox
    )
    with ForkedSandbox(chosen) as running:
        settings = Settings(
            data_dir=folder / "data",
            plan=PlanSettings(batch_size=batch_size),
            gateway=GatewaySettings(
                base_url=running.base_url,
                app_key=chosen.app_key,
                app_secret=SecretStr(chosen.app_secret),
                format="xml" if xml else "json",
                timeout_seconds=0.4,
            ),
        )
        landing_of(settings).choose_number_key("world")
        yield World(folder, running, settings)


def people(rows: int, seed: int) -> pl.DataFrame:
    """Phones as people write them, some twice, some wrong, two that the gateway refuses."""
    chance = random.Random(seed)
    phones = [f"1{chance.choice('3578')}{chance.randrange(10**9):09}" for _ in range(rows)]
    phones[7], phones[rows // 2] = REFUSED_PHONES
    for row in chance.sample(range(10, rows // 2), rows // 20):
        phones[row] = chance.choice([phones[row + rows // 4], "12345", "", f"+86 {phones[row]}"])
    return pl.DataFrame({"phone": phones, "variant": chance.choices("AB", k=rows)})


def until_done(run: Callable[[], Any], most: int = 60) -> None:
    """Run until a submission ends without a pause."""
    for _ in range(most):
        try:
            if run().pause is None:
                return
        except GatewayError:  # the balance could not be asked
            continue
    raise AssertionError(f"not done after {most} runs")


def expected_statuses(
    world: World,
    *,
    received: Collection[tuple[str, ...]] | None = None,
    not_answered: Collection[str] = (),
    settled: Collection[str] = (),
) -> dict[tuple[str, str], set[str]]:
    """Possible statuses of each message, by what the gateway accepted and handed out.

    Where processes were killed, `received` are the reports that reached us (mission number, phone, code, time), and
    `not_answered` the batches whose answer didn't; `settled` are those of which an operator knew better.
    """
    accepted = {
        (mission_num, phone): batch_num
        for mission_num, phone, batch_num in world.truth("SELECT mission_num, phone, batch_num FROM messages")
    }
    reports: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for mission_num, phone, code, stat_time in world.truth(
        "SELECT mission_num, phone, code, stat_time FROM reports WHERE handed_out_count > lost_count"
    ):
        if received is None or (mission_num, phone, code, stat_time) in received:
            reports.setdefault((mission_num, phone), []).append((code in {"0", "DELIVRD"}, stat_time))
    heard_of = {accepted[message] for message in reports if message in accepted}
    unanswered = (_batches_without_answer(world) | set(not_answered)) - set(settled)
    expected = {}
    for message, batch_num in accepted.items():
        if message in reports:
            is_delivered, _ = max(reports[message])
            expected[message] = {"delivered" if is_delivered else "failed"}
        elif batch_num in unanswered and batch_num not in heard_of:
            expected[message] = {"in_doubt"}
        else:
            expected[message] = {"unreported"}
    return expected


def _batches_without_answer(world: World) -> set[str]:
    """Batches that were accepted by the gateway, and whose every answer a fault spoilt."""
    query = "SELECT batch_num FROM requests GROUP BY batch_num HAVING max(is_accepted) AND min(fault IS NOT NULL)"
    return {batch_num for (batch_num,) in world.truth(query)}
