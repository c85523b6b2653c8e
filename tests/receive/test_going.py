"""Erasure and purge reach pushes too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.landing.landing import Landing
from pipelines.landing.segments.frames import frame_bytes
from pipelines.operations import daily
from pipelines.operations.erasure import erase_person
from pipelines.operations.retention import apply_purge, plan_purge
from pipelines.settings import Settings
from tests.receive.pushes import AT, push, rows
from tests.support.depth import cases
from tests.support.endpoint import REPLY, REPORT, landed, report

PHONE, SAID = "15058306581", "測試".encode()
PACKED = cases(fast=[True], deep=[False, True])  # if the first day is: the second never is
THEIR_REPORT = report(7).replace(b"15267797477", PHONE.encode())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def all_bytes(settings: Settings) -> bytes:
    """All landed bytes, unpacked."""
    folder = settings.data_dir.parent
    files = [path.read_bytes() for path in (settings.data_dir / "landing").rglob("*") if path.is_file()]
    return b"".join([*files, *landed(folder), *landed(folder, "refused")])


@pytest.mark.parametrize("is_packed", PACKED)
def test_a_person_is_erased_from_pushes_and_the_books_stay(settings: Settings, is_packed: bool) -> None:
    push(settings, REPORT, REPLY, THEIR_REPORT)
    if is_packed:
        push(settings, report(1), at=AT + timedelta(days=1))
    refused = Landing(settings.data_dir / "landing").refused.new_path(AT)
    refused.write_bytes(b"".join(frame_bytes({"reason": "sign"}, body) for body in (REPLY, REPORT)))
    counts = "SELECT (SELECT count(*) FROM core.reports), (SELECT count(*) FROM core.replies)"
    before = rows(settings, counts)
    assert (settings.data_dir / "landing" / "pushes" / "2026-11-20.zip").exists() is is_packed

    erase_person(PHONE, settings=settings, clock=lambda: AT)

    assert PHONE.encode() not in all_bytes(settings)
    assert SAID not in all_bytes(settings)
    assert rows(settings, counts) == before
    assert landed(settings.data_dir.parent)[0] == REPORT
    assert landed(settings.data_dir.parent, "refused") == [REPORT]


@pytest.mark.parametrize("is_packed", PACKED)
def test_old_pushes_are_purged_with_their_later_repetitions(settings: Settings, is_packed: bool) -> None:
    later = AT + timedelta(days=90)
    push(settings, THEIR_REPORT, REPLY)
    if is_packed:
        push(settings, THEIR_REPORT, at=AT + timedelta(days=1))
    two = report(3).replace(
        b"</record>", b"</record>" + THEIR_REPORT.partition(b"<records>")[2].partition(b"</records>")[0]
    )
    push(settings, THEIR_REPORT, two, report(4).replace(b"2017-04-21", b"2027-02-17"), at=later)
    daily.load(settings)

    now = later + timedelta(days=2)
    found = plan_purge(30, settings=settings, as_of=now)
    assert len(found.files) == 1 + is_packed
    apply_purge(found, settings=settings, clock=lambda: now)

    assert PHONE.encode() not in all_bytes(settings)
    assert len(landed(settings.data_dir.parent)) == 2
    assert [name for (name,) in rows(settings, "SELECT mission_num FROM core.reports ORDER BY ALL")] == ["3", "4"]
    assert plan_purge(30, settings=settings, as_of=datetime(2027, 3, 1, tzinfo=UTC)).is_empty
