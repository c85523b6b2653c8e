"""The client and the decoder against sandboxes of every shape: they read exactly the records in the truth."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from pipelines.gateway.client import Exchange, GatewayClient
from pipelines.gateway.wire import read_answer, read_replies, read_reports
from pipelines.sandbox import RunningSandbox, Shares
from pipelines.settings import GatewaySettings

TruthOf = Callable[..., list[tuple[Any, ...]]]
MakeSandbox = Callable[..., RunningSandbox]
Format = Literal["json", "xml"]

COUNT = 200
TEXTS = [f"【云鋒網絡】您好,這是測試{number}, 100% + &=" for number in range(COUNT)]


async def converse(sandbox: RunningSandbox, form: Format) -> tuple[list[Exchange], list[Exchange]]:
    """Two batches sent ten days ago by the gateway's clock; then the days since and the replies pulled."""
    settings = GatewaySettings(
        base_url=sandbox.base_url, app_key="sandbox-key", app_secret=SecretStr("sandbox-secret"), format=form
    )
    phones = [str(13800000000 + number) for number in range(COUNT)]
    sandbox.control(clock_shift_seconds=-10 * 86_400)
    async with GatewayClient(settings) as client:
        sends = [
            await client.send_sms(
                phones=phones,
                mission_nums=[f"a{n}" for n in range(COUNT)],
                content=TEXTS[0],
                batch_num="a",
                extra_num=None,
            ),
            await client.send_tpl_sms(
                phones=phones,
                mission_nums=[f"b{n}" for n in range(COUNT)],
                contents=TEXTS,
                template_id="27",
                batch_num="b",
                extra_num="7",
            ),
        ]
        sandbox.control(clock_shift_seconds=0)
        today = (datetime.now(UTC) + timedelta(hours=8)).date()
        pulls = [await client.query_status_report(today - timedelta(days=day)) for day in range(11)]
        return sends, [*pulls, await client.query_mo_record()]


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("json", {}),
        ("xml", {}),
        ("json", {"envelope": "data", "field_case": "snake", "charset": "gb18030"}),
        ("xml", {"envelope": "list", "field_case": "snake", "charset": "gb18030"}),
        ("json", {"envelope": "list", "charset": "utf-8-sig"}),
        ("xml", {"envelope": "reports", "charset": "utf-8-sig"}),
        ("xml", {"envelope": "data"}),
        ("json", {"envelope": "reports", "field_case": "snake"}),
    ],
)
def test_the_client_reads_exactly_what_was_handed_out(
    form: Format, shape: dict[str, str], make_sandbox: MakeSandbox, truth_of: TruthOf
) -> None:
    sandbox = make_sandbox(shares=Shares(reply=0.5, duplicate=0.1, conflict=0.1, leading_blank=0.3), **shape)
    sends, (*pulls, mo) = asyncio.run(converse(sandbox, form))
    assert [read_answer(send.body, form).error_code for send in sends] == ["000000"] * 2
    read = []
    for pull in pulls:
        columns = read_reports(pull.body, form).columns
        read += zip(
            columns["mission_num"],
            [str(phone).removeprefix("86") for phone in columns["phone"]],
            columns["code"],
            columns["batch_num"],
            columns["stat_time"],
            strict=True,
        )
    handed_out = "SELECT mission_num, phone, code, batch_num, stat_time FROM reports WHERE handed_out_count = 1"
    assert sorted(read) == sorted(truth_of(sandbox, handed_out))
    assert len(read) > 2 * COUNT
    replies = read_replies(mo.body, form).columns
    assert sorted(zip(replies["content"], replies["mo_time"], strict=True)) == sorted(
        (content.strip(), mo_time) for content, mo_time in truth_of(sandbox, "SELECT content, mo_time FROM replies")
    )
    assert len(replies["content"]) > COUNT / 2
