"""Sending batches of 1000, against a bare httpx loop that posts the same bodies to the same sandbox."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx
import polars as pl
from pydantic import SecretStr

from pipelines.campaign.plan import PlanFile, PlanRequest, make_plan
from pipelines.campaign.submit import resume
from pipelines.landing.landing import Landing, landing_of
from pipelines.message_ids import batch_num
from pipelines.sandbox import RunningSandbox, SandboxSettings
from pipelines.settings import GatewaySettings, Settings
from tests.benchmarks.plan import CONTENT


def prepare(folder: Path, rows: int) -> None:
    phones = pl.int_range(13_000_000_000, 13_000_000_000 + 7 * rows, 7, eager=True).cast(pl.String)
    pl.DataFrame({"phone": phones}).write_parquet(folder / "people.parquet")


def real(folder: Path, rows: int) -> float:
    """Journal, balance check, sending and answers; the campaign was planned before."""
    campaign_id, key = _planned(folder)
    with _sandbox(folder, key, rows) as gateway:
        settings = Settings(
            data_dir=folder,
            gateway=GatewaySettings(
                base_url=gateway.base_url, app_key="sandbox-key", app_secret=SecretStr("sandbox-secret")
            ),
        )
        started = time.perf_counter()
        submission = resume(campaign_id, settings=settings, clock=lambda: datetime.now(UTC))
        seconds = time.perf_counter() - started
    if submission.progress.counts["accepted"] != rows:
        raise SystemExit("not everything was accepted")
    return seconds


def floor(folder: Path, rows: int) -> float:
    """Every body, encoded before, posted once, with as many in flight as the sender has."""
    campaign_id, key = _planned(folder)
    bodies = list(_bodies(PlanFile(Landing(folder / "landing").campaigns.plan_path(campaign_id)), key))
    with _sandbox(folder, key, rows) as gateway:
        return asyncio.run(_post(bodies, f"{gateway.base_url}sendSms.json", GatewaySettings().concurrency))


def _planned(folder: Path) -> tuple[str, int]:
    now = datetime.now(UTC)
    request = PlanRequest(f"bench-{now:%H%M%S%f}", folder / "people.parquet", CONTENT)
    settings = Settings(data_dir=folder)
    plan = make_plan(request, landing=landing_of(settings), settings=settings, at=now)
    return plan.record.campaign_id, plan.record.campaign_key


def _sandbox(folder: Path, key: int, rows: int) -> RunningSandbox:
    return RunningSandbox(SandboxSettings(truth=folder / f"truth-{key}.sqlite", balance=rows))


def _bodies(plan: PlanFile, key: int) -> Iterator[bytes]:
    for number, first, last in plan.batches():
        messages = plan.messages(first, last)
        fields = {
            "appKey": "sandbox-key",
            "appSecret": "sandbox-secret",
            "phones": ",".join(messages["phone"]),
            "missionNums": ",".join(messages["mission_num"]),
            "content": CONTENT,
            "batchNum": batch_num(key, number + 1),
        }
        yield urlencode(fields, safe=",").encode()


async def _post(bodies: list[bytes], url: str, concurrency: int) -> float:
    waiting = iter(bodies)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    async def post(client: httpx.AsyncClient) -> None:
        for body in waiting:
            answer = await client.post(url, content=body, headers=headers)
            if b'errorCode":"000000"' not in answer.content:
                raise SystemExit("the floor was refused")

    started = time.perf_counter()
    async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(post(client))
    return time.perf_counter() - started
