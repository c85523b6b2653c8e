"""A canary phone, a canary text and the secret pass through sending and pulling, and appear in no log or error."""

import asyncio
import logging
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina

from pipelines.errors import GatewayError, SmsreconError
from pipelines.gateway.client import GatewayClient
from pipelines.landing.landing import Landing
from pipelines.pull import CALL_ATTEMPTS, Puller, window
from pipelines.sandbox import Fault, RunningSandbox
from pipelines.sandbox.settings import FAULT_KINDS
from tests.support.campaigns import Campaign, MakeSandbox, campaign_at, now, settings_for
from tests.support.relay import Reply, relaying

PHONE = "13912345678"
SECRET = "canary-secret-77aa"
TEXT = "【云鋒網絡】canary 42% off"
CANARIES = (PHONE, SECRET, "canary 42", "canary%2042", "canary+42")


@pytest.fixture(autouse=True)
def _all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Log everything at DEBUG, and retry without waits."""
    for name in (None, "httpx", "stamina", "asyncio", "pipelines"):
        caplog.set_level(logging.DEBUG, logger=name)
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


def visible_output(campaign: Campaign, **options: Any) -> str:
    """Everything that a caller sees of a submission."""
    try:
        done = campaign.submit(**options)
    except SmsreconError as error:
        return repr(error) + "".join(traceback.format_exception(error))
    return repr(done)


def assert_nothing_shown(campaign: Campaign, seen: str, caplog: pytest.LogCaptureFixture) -> None:
    details = repr(campaign.events("detail")) if campaign.landing.journal_path.exists() else ""
    records = "".join(str(record.__dict__) for record in caplog.records)  # with arguments and extras
    for canary in CANARIES:
        assert canary not in seen + details + caplog.text + records


# Change of the sandbox → text that must be visible.
CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "'accepted': 2, 'refused': 1"),
    *(({"faults": [Fault(kind, seconds=5), Fault(kind, is_accepted=False, seconds=5)]}, "'in_doubt': 2")
      for kind in FAULT_KINDS),
    ({"faults": [Fault("drop", call="query")] * CALL_ATTEMPTS}, "GatewayError"),
    ({"faults": [Fault("garbage", call="query")] * CALL_ATTEMPTS}, "GatewayError"),
    ({"balance": 0}, "GatewayRefused"),
]  # fmt: skip


SETTINGS = {"app_secret": SECRET, "batch_size": 1, "timeout_seconds": 0.3, "concurrency": 1}


def test_submitting_shows_no_canary_whatever_the_gateway_does(
    tmp_path: Path, make_sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = make_sandbox(app_secret=SECRET)
    for number, (changes, expected) in enumerate(CASES):
        sandbox.control(balance=1000)
        sandbox.control(**changes)
        campaign = replace(campaign_at(tmp_path, sandbox, **SETTINGS), campaign_id=f"c{number}", content=TEXT)
        seen = visible_output(campaign, phones=[PHONE, "19999990007", "13900000001"])
        assert expected in seen
        assert_nothing_shown(campaign, seen, caplog)
    assert caplog.records


def test_wrong_credentials_and_an_unreachable_gateway_show_no_canary(
    tmp_path: Path, make_sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = make_sandbox()
    campaign = replace(campaign_at(tmp_path, sandbox, **SETTINGS), content=TEXT)
    seen = visible_output(campaign, phones=[PHONE])
    assert "100003" in seen
    assert_nothing_shown(campaign, seen, caplog)
    sandbox.kill()
    seen = visible_output(campaign)
    assert "GatewayUnavailable" in seen
    assert_nothing_shown(campaign, seen, caplog)


def test_a_template_shows_no_canary(
    tmp_path: Path, make_sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = make_sandbox(app_secret=SECRET)
    sandbox.control(faults=[Fault("drop")])
    campaign = replace(campaign_at(tmp_path, sandbox, **SETTINGS), content=None, template_id="100")
    campaign.write([PHONE, "13900000001"], content=[TEXT, TEXT + "!"])
    seen = visible_output(campaign)
    assert "in_doubt" in seen
    assert_nothing_shown(campaign, seen, caplog)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (f"{PHONE} {TEXT} {SECRET}", 502),
        (f'{{"errorCode":"100001","errorMsg":"{PHONE} {TEXT} {SECRET}"}}', 200),
        (f'{{"errorCode":"000000","records":[{{"srcId":"{PHONE}","destId":"{PHONE}","content":"{TEXT}"}}]}}', 200),
    ],
)
def test_pulling_shows_no_canary(
    body: str, status: int, tmp_path: Path, shared_sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def pull(base_url: str) -> str:
        settings = settings_for(tmp_path, shared_sandbox, app_secret=SECRET, base_url=base_url)
        async with GatewayClient(settings.gateway) as client:
            puller = Puller(client, Landing(tmp_path / "landing"), settings=settings, clock=now)
            pulled = [*await puller.reports(window(1, now())), await puller.replies()]
            with pytest.raises(GatewayError) as caught:
                await puller.balance()
            problems = [caught.value, *(part.problem for part in pulled if part.problem)]
            traces = [line for problem in problems for line in traceback.format_exception(problem)]
            return f"{pulled} {puller} {settings} {problems} {traces}"

    with relaying(shared_sandbox) as relay:
        relay.answer = lambda _: Reply(body.encode(), status)
        seen = asyncio.run(pull(relay.base_url))
    assert "Pulled(" in seen
    for canary in CANARIES:
        assert canary not in seen + caplog.text + "".join(str(record.__dict__) for record in caplog.records)
