"""A person reads replies that may be opt-outs, and puts their senders on a list without seeing the phones."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.campaign.suppressions import suppressed_phones
from pipelines.cli import invocation, people
from pipelines.errors import UsageError
from pipelines.landing.calls import Call
from pipelines.landing.landing import landing_of
from pipelines.settings import Settings

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
PHONES = ("13800138001", "13800138002", "13800138003")
REPLIES = {PHONES[0]: "不要退订，打 138-0013-8001", PHONES[1]: "怎么退订？", PHONES[2]: "谢谢"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = Settings(data_dir=tmp_path / "data")
    monkeypatch.setattr(invocation, "settings", lambda: settings)
    monkeypatch.setattr(invocation, "now", lambda: AT)
    return settings


def test_who_meant_to_opt_out_is_put_on_a_list_by_the_id_of_the_reply(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        {"srcId": phone, "content": content, "destId": "1069", "moTime": f"2026-11-20 09:00:0{number}"}
        for number, (phone, content) in enumerate(REPLIES.items())
    ]
    body = json.dumps({"errorCode": "000000", "records": records}).encode()
    landing_of(settings).calls.land(Call("replies", AT, 5, "json", day=None, http_status=200, body=body))

    assert people.suppress_review() == 0
    page = capsys.readouterr().out
    assert people.suppress_review(json=True) == 0
    found = json.loads(capsys.readouterr().out)

    assert [reply["content"] for reply in found["replies"]] == ["怎么退订？", "不要退订，打 138****8001"]
    assert found["listed_count"] == 0
    assert all(f"{reply['reply']}  {reply['replied_at'][:10]}" in page for reply in found["replies"])
    assert all(f"    {reply['content']}\n" in page for reply in found["replies"])
    assert f"smsrecon suppress add --reply {found['replies'][0]['reply']} --reason opted_out" in page
    assert not any(phone in page + json.dumps(found) for phone in PHONES)

    assert people.suppress_add(reply=(found["replies"][1]["reply"],), reason="opted_out") == 0
    assert suppressed_phones(landing_of(settings)).select("phone", "reason").rows() == [(PHONES[0], "opted_out")]
    (settings.landing_folder / "suppressions" / "beside.csv").touch()  # it stops the sending only
    capsys.readouterr()
    people.suppress_review(json=True)
    left = json.loads(capsys.readouterr().out)
    assert (left["replies"], left["listed_count"]) == (found["replies"][:1], 1)

    with pytest.raises(UsageError, match="1 of the replies are unknown"):
        people.suppress_add(reply=("0123456789", found["replies"][0]["reply"]))
    with pytest.raises(UsageError, match="there is no campaign spring"):
        people.suppress_review(campaign="spring")


def test_without_data_there_is_nothing_to_review(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert people.suppress_review() == 0
    assert capsys.readouterr().out == "No reply is to be reviewed.\n"
    with pytest.raises(UsageError, match="there is no campaign spring"):
        people.suppress_review(campaign="spring")
    assert not settings.data_dir.exists()
