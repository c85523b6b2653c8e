"""Campaigns sent to a sandbox, and the journal compared with its truth."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from pipelines.campaign import submit as submitting
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import SETTLED_STATES, BatchRecord
from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.submit import Submission
from pipelines.landing.landing import Landing, landing_of
from pipelines.sandbox import RunningSandbox
from pipelines.settings import GatewaySettings, PlanSettings, PolicySettings, Settings
from tests.support.commands import ForkedCommand, variables_of

CONTENT = "【云鋒網絡】您好,這是測試"
FIRST_HOLD = 0.001
MakeSandbox = Callable[..., RunningSandbox]  # starts a sandbox with these settings


def now() -> datetime:
    return datetime.now(UTC)


def people(count: int, *, start: int = 0) -> list[str]:
    return [str(13800000000 + start + number) for number in range(count)]


def settings_for(
    folder: Path,
    sandbox: RunningSandbox,
    *,
    batch_size: int = 5,
    send_window: str | None = None,
    pause_after_in_doubt: int = 5,
    **gateway: Any,
) -> Settings:
    """Settings of an installation of its own, so that campaigns of many tests can share a sandbox."""
    account = {
        "base_url": sandbox.base_url,
        "app_key": sandbox.settings.app_key,
        "app_secret": SecretStr(sandbox.settings.app_secret),
    }
    return Settings(
        data_dir=folder / "data",
        installation="/".join(folder.parts[-2:]),
        gateway=GatewaySettings.model_validate(account | gateway),
        plan=PlanSettings(batch_size=batch_size, send_window=send_window),
        policy=PolicySettings(pause_after_in_doubt=pause_after_in_doubt),
    )


def campaign_at(folder: Path, sandbox: RunningSandbox, **settings: Any) -> "Campaign":
    return Campaign(folder, sandbox, settings_for(folder, sandbox, **settings))


@dataclass(frozen=True)
class Campaign:
    """One campaign: its file, its settings, and the sandbox that it is sent to."""

    folder: Path
    sandbox: RunningSandbox
    settings: Settings
    campaign_id: str = "c"
    content: str | None = CONTENT
    template_id: str | None = None

    def write(self, phones: Sequence[str], **columns: Sequence[str]) -> None:
        pl.DataFrame({"phone": list(phones)} | {name: list(values) for name, values in columns.items()}).write_parquet(
            self.source
        )

    def submit(self, phones: Sequence[str] | None = None, **options: Any) -> Submission:
        """Write the file if phones are given, and submit it."""
        if phones is not None:
            self.write(phones)
        request = PlanRequest(self.campaign_id, self.source, self.content, self.template_id)
        return submitting.submit(request, **self._options(options))

    def resume(self, **options: Any) -> Submission:
        return submitting.resume(self.campaign_id, **self._options(options))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        rate_limiter = RateLimiter(self.settings.gateway.requests_per_second, first_hold=FIRST_HOLD)
        return {"settings": self.settings, "clock": now, "rate_limiter": rate_limiter} | options

    @property
    def source(self) -> Path:
        return self.folder / f"{self.campaign_id}.parquet"

    @property
    def landing(self) -> Landing:
        return landing_of(self.settings)

    def batches(self) -> list[BatchRecord]:
        with Journal.read_only(self.landing.journal) as journal:
            return journal.batches(self.campaign_id)

    def states(self) -> list[str]:
        return [batch.state for batch in self.batches()]

    def paused_reason(self) -> str | None:
        with Journal.read_only(self.landing.journal) as journal:
            return journal.paused_reason(self.campaign_id)

    def events(self, columns: str) -> list[tuple[Any, ...]]:
        with Journal.read_only(self.landing.journal) as journal:
            rows = journal._connection.exec_driver_sql(f"SELECT {columns} FROM events ORDER BY event_id")
            return [tuple(row) for row in rows]

    def planned(self) -> pl.DataFrame:
        """phone, mission_num of all messages, in the order of the plan."""
        rows = pl.read_parquet(self.landing.campaigns.plan_path(self.campaign_id))
        return rows.filter(pl.col("message_id").is_not_null()).select("phone", "mission_num", "content")

    def truth(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.sandbox.settings.truth)) as connection:
            return connection.execute(statement).fetchall()

    def sent(self) -> list[str]:
        """The mission numbers that the gateway accepted for this campaign, with repetitions."""
        ours = set(self.planned()["mission_num"])
        return [number for (number,) in self.truth("SELECT mission_num FROM messages") if number in ours]

    def fates(self) -> dict[str, str]:
        """Phone → state of all settled messages; checks the invariants of every moment.

        No message was accepted twice, every accepted one is accepted or in doubt in the journal and vice versa, no
        two settled batches share a message, and no batch_num was used twice.
        """
        plan, batches = self.planned(), self.batches()
        fates: dict[str, str] = {}
        for batch in batches:
            if batch.state in SETTLED_STATES:
                for number in plan["mission_num"][batch.first_position : batch.last_position + 1]:
                    assert number not in fates
                    fates[number] = batch.state
        sent = self.sent()
        assert len(set(sent)) == len(sent)
        assert {fates[number] for number in sent} <= {"accepted", "in_doubt"}
        assert {number for number, state in fates.items() if state == "accepted"} <= set(sent)
        asked = [name for (name,) in self.truth("SELECT batch_num FROM requests WHERE batch_num NOTNULL")]
        assert len(set(asked)) == len(asked)
        assert len({batch.batch_num for batch in batches}) == len(batches)
        phones = dict(zip(plan["mission_num"], plan["phone"], strict=True))
        return {phones[number]: state for number, state in fates.items()}

    @contextmanager
    def in_another_process(self) -> Iterator[ForkedCommand]:
        """Submit the file in a process of its own, which is killed if it still runs at the end."""
        assert self.content is not None
        with Path(os.devnull).open("wb") as nowhere:
            process = ForkedCommand(
                ["submit", str(self.source), "--campaign", self.campaign_id, "--content", self.content],
                folder=self.folder,
                variables=variables_of(self.settings),
                stdout=nowhere.fileno(),
                stderr=nowhere.fileno(),
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail("the condition did not hold in time")
        time.sleep(0.005)
