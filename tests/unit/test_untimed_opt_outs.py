"""Opt-outs that the gateway returns without a time, after the person was taken off the lists."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.campaign.suppressions import suppressed_phones
from pipelines.cli import invocation, people
from pipelines.landing.calls import Call
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.operations.suppression_lists import add_phones, remove_phones
from pipelines.settings import Settings

PHONE = "13800138000"
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def day(number: int) -> datetime:
    return AT + timedelta(days=number)


def land(settings: Settings, at: datetime, *contents: str) -> None:
    """Land an answer with these replies."""
    records = [{"srcId": PHONE, "content": content, "destId": "1069"} for content in contents]
    body = json.dumps({"errorCode": "000000", "records": records}).encode()
    landing_of(settings).calls.land(Call("replies", at, 5, "json", day=None, http_status=200, body=body))


def is_listed(settings: Settings, at: datetime) -> bool:
    """True if the person is on a list once the books are closed."""
    daily.load(settings)
    daily.reconcile(settings, as_of=at)
    daily.suppress(settings, clock=lambda: at)
    return not suppressed_phones(landing_of(settings)).is_empty()


def test_an_opt_out_that_was_gone_and_comes_again_suppresses_the_person_again(settings: Settings) -> None:
    land(settings, day(0), "TD")
    add_phones([PHONE], reason="opted_out", settings=settings, at=day(0))
    remove_phones([PHONE], settings=settings, at=day(1))
    land(settings, day(2), "TD")
    assert not is_listed(settings, day(2))

    land(settings, day(3), "other words")
    land(settings, day(4), "TD", "other words")
    assert is_listed(settings, day(4))


@pytest.mark.parametrize(("last", "is_told"), [("TD", True), ("other words", False)])
def test_a_removal_tells_of_opt_outs_that_cannot_be_told_from_their_repetition(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    last: str,
    is_told: bool,
) -> None:
    add_phones([PHONE], reason="opted_out", settings=settings, at=day(0))
    land(settings, day(0), "TD")
    land(settings, day(1), last)
    daily.load(settings)
    monkeypatch.setattr(invocation, "settings", lambda: settings)
    monkeypatch.setattr(invocation, "now", lambda: day(2))

    assert people.suppress_remove(PHONE) == 0

    told = capsys.readouterr().err
    assert ("1 of these phones opted out in a reply without a time" in told) == is_told
    assert PHONE not in told
