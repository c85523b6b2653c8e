"""Pushes become the same rows as pulled records, once, whichever channel they came by."""

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.campaign.suppressions import suppressed_phones
from pipelines.errors import BooksError
from pipelines.landing.calls import Call
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.segments.frames import frame_bytes
from pipelines.operations import daily
from pipelines.operations.erasure import erase_person
from pipelines.operations.retention import apply_purge, plan_purge
from pipelines.settings import Settings
from pipelines.times import CHINA
from tests.receive.pushes import AT, push, rows
from tests.support.depth import cases
from tests.support.endpoint import REPLY, REPORT, report

SEGMENTS = cases(fast=14, deep=60)  # two reports of each number, and more
DAMAGES = ["cut", "inside", "all"]
PULLED_REPORT = (
    b'{"errorCode":"000000","records":[{"missionNum":"100001","destId":"15267797477","sendStatus":"SUCCESS",'
    b'"receiveStatus":"SUCCESS","receiveRealStatus":"DELIVRD","batchNum":"zhuanxinyun100001",'
    b'"statTime":"2017-04-21 22:42:22"}]}'
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def pull(settings: Settings, body: bytes, kind: str = "reports", at: datetime = AT) -> None:
    call = Call(kind, at, 5, "json", day=at.date(), http_status=200, body=body)  # type: ignore[arg-type]
    Landing(settings.data_dir / "landing").calls.land(call)


def test_the_vendors_samples_are_a_report_and_a_reply(settings: Settings) -> None:
    push(settings, REPORT, REPLY)

    assert rows(settings, "SELECT mission_num, phone, code, stat_time, batch_num, send_status FROM core.reports") == [
        (
            "100001",
            "15267797477",
            "DELIVRD",
            datetime(2017, 4, 21, 22, 42, 22, tzinfo=CHINA),
            "zhuanxinyun100001",
            "SUCCESS",
        )
    ]
    assert rows(settings, "SELECT phone, content, access_num, replied_at, has_own_time FROM core.replies") == [
        ("15058306581", "測試", "410001123", datetime(2016, 8, 23, 14, 30, 33, tzinfo=CHINA), True)
    ]
    assert rows(settings, "SELECT kind, record_count, rejected_count FROM core.files") == [("pushes", 2, 0)]


def test_reports_and_replies_of_one_push_are_both_loaded(settings: Settings) -> None:
    replies = REPLY[REPLY.index(b"<dest>") : REPLY.index(b"</body>")]
    push(
        settings,
        REPORT.replace(b"</records>", b"</records>" + replies + replies.replace("測試".encode(), b"TD")),
        report(2).replace(b"<records>", b"<dest/><records>"),
        report(3).replace(b"<records>", replies.replace(b"150", b"151") + b"<records>"),
    )

    assert rows(settings, "SELECT mission_num FROM core.reports ORDER BY ALL") == [("100001",), ("2",), ("3",)]
    assert rows(settings, "SELECT phone, content FROM core.replies ORDER BY ALL") == [
        ("15058306581", "TD"),
        ("15058306581", "測試"),
        ("15158306581", "測試"),
    ]
    assert rows(settings, "SELECT record_count, rejected_count FROM core.files") == [(6, 0)]


def test_a_pushed_opt_out_takes_effect_in_whatever_form_its_time_is_written(settings: Settings) -> None:
    sent_at = AT - timedelta(minutes=1)
    stamps = {
        "20261120095900": sent_at,
        f"{int(sent_at.timestamp())}": sent_at,
        f"{int(sent_at.timestamp())}000": sent_at,
        "2026-11-20T09:59:00+08:00": sent_at,
        "2026-11-20T01:59:00Z": sent_at,
        "2026-11-20 09:59:00": sent_at,
        "": AT,
        "yesterday": AT,
    }
    opt_out = REPLY.replace("測試".encode(), b"TD")
    push(
        settings,
        *(
            opt_out.replace(b"20160823143033", stamp.encode()).replace(b"15058306581", b"1380013800%d" % number)
            for number, stamp in enumerate(stamps)
        ),
    )
    times = "SELECT replied_at, has_own_time FROM core.replies ORDER BY phone"
    assert rows(settings, times) == [(at, True) for at in stamps.values()]

    daily.reconcile(settings, as_of=AT)
    assert daily.suppress(settings, clock=lambda: AT) == len(stamps)
    assert suppressed_phones(landing_of(settings))["phone"].sort().to_list() == [
        f"1380013800{number}" for number in range(len(stamps))
    ]
    assert rows(settings, "SELECT kind, occurrence_count FROM marts.exceptions") == [("reply_time_unread", 1)]


def test_both_kinds_of_one_push_are_erased(settings: Settings) -> None:
    replies = REPLY[REPLY.index(b"<dest>") : REPLY.index(b"</body>")]
    both = REPORT.replace(b"</records>", b"</records>" + replies.replace(b"15058306581", b"15267797477") + replies)
    push(settings, both)

    erase_person("15267797477", settings=settings, clock=lambda: AT)

    assert rows(settings, "SELECT count(*) FROM core.reports WHERE phone <> '15267797477'") == [(1,)]
    assert rows(settings, "SELECT content FROM core.replies ORDER BY ALL") == [("··",), ("測試",)]


@pytest.mark.parametrize("is_pushed_first", [True, False])
def test_a_report_that_was_pushed_and_pulled_counts_once_with_both_channels(
    settings: Settings, is_pushed_first: bool
) -> None:
    ways = [lambda: push(settings, REPORT), lambda: pull(settings, PULLED_REPORT)]
    for bring in ways if is_pushed_first else reversed(ways):
        bring()
        daily.load(settings)

    query = "SELECT is_pulled, is_pushed, is_imported FROM core.reports"
    assert rows(settings, query) == [(True, True, False)]
    daily.rebuild(settings, as_of=AT)
    assert rows(settings, query) == [(True, True, False)]


def test_a_reply_that_was_pushed_and_pulled_counts_once(settings: Settings) -> None:
    record = '{"srcId":"15058306581","content":"測試","destId":"410001123","moTime":"2016-08-23 14:30:30"}'
    pull(settings, f'{{"errorCode":"000000","records":[{record}]}}'.encode(), "replies")
    push(settings, REPLY, REPLY.replace("測試".encode(), b"TD"))
    daily.load(settings)
    daily.reconcile(settings, as_of=AT)

    assert rows(settings, "SELECT character_count, is_opt_out FROM core.reply_matches ORDER BY ALL") == [
        (2, False),
        (2, True),
    ]
    assert rows(settings, "SELECT content, is_pushed FROM core.replies ORDER BY ALL") == [
        ("TD", True),
        ("測試", False),
        ("測試", True),
    ]


def test_a_record_that_breaks_the_contract_is_a_reject_with_its_push(settings: Settings) -> None:
    push(
        settings,
        REPORT,
        REPORT.replace(b"15267797477", b"nobody"),
        REPORT.replace(b"record", b"other")
        .replace(b"dest_id", b"to")
        .replace(b"_", b"-")
        .replace(b"app-key", b"app_key"),
        REPORT.replace(b"</record>", b"</record><record><dest_id>15267797477</dest_id></record>"),
    )

    found = rows(settings, "SELECT position, reason, raw_record FROM core.rejects ORDER BY ALL")
    assert [(position, reason.partition(":")[0]) for position, reason, _ in found] == [
        (1, "phone"),
        (2, "the push holds neither reports nor a reply"),
        (3, "code"),
    ]
    assert '"dest_id":"nobody"' in found[0][2]
    assert rows(settings, "SELECT record_count, accepted_count, rejected_count FROM core.files") == [(5, 2, 3)]


def test_segments_of_a_killed_endpoint_are_loaded_once(settings: Settings) -> None:
    path = push(settings, *[report(number) for number in range(50)], is_open=True)
    with path.open("ab") as file:
        file.write(frame_bytes({}, report(99))[:-5])

    assert rows(settings, "SELECT count(*), count(DISTINCT source_file) FROM core.reports") == [(50, 1)]
    assert daily.load(settings).file_count == 0
    pushes = Landing(settings.data_dir / "landing").pushes
    assert pushes.oldest_unloaded() is None
    push(settings, REPORT, at=AT + timedelta(minutes=5))
    assert pushes.oldest_unloaded() == AT + timedelta(minutes=5)


@pytest.mark.cases(SEGMENTS)
def test_pushes_in_any_segments_and_order_give_the_same_reports(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data_dir=tmp_path / "other")
    pushes = [report(number % 7).replace(b"DELIVRD", b"MK:%04d" % (number % 3)) for number in range(SEGMENTS)]
    push(settings, *pushes)
    for number, body in enumerate(reversed(pushes)):
        push(other, body, at=AT + timedelta(seconds=number))
        if number % 10 == 0:
            daily.load(other)

    query = "SELECT mission_num, phone, code, stat_time, batch_num, is_pushed FROM core.reports ORDER BY ALL"
    assert rows(settings, query) == rows(other, query)


@pytest.mark.cases(SEGMENTS // 2)
def test_the_segments_of_a_day_that_is_over_are_packed_and_give_the_same_rows(settings: Settings) -> None:
    for minute in range(SEGMENTS // 2):
        push(settings, report(minute), at=AT + timedelta(minutes=minute))
    query = "SELECT mission_num, source_file, received_at FROM core.reports ORDER BY ALL"
    before = rows(settings, query)
    folder = settings.data_dir / "landing" / "pushes"
    size = sum(path.stat().st_size for path in folder.rglob("*.segment"))

    push(settings, REPORT, at=AT + timedelta(days=1))
    push(settings, report(99), at=AT + timedelta(days=1, minutes=1))
    daily.load(settings)
    assert sorted(path.name for path in folder.iterdir() if path.name[0] == "2") == ["2026-11-20.zip", "2026-11-21"]
    assert (folder / "2026-11-20.zip").stat().st_size < size
    push(settings, report(40), at=AT + timedelta(minutes=40))  # by a process that was stopped for long
    daily.load(settings)
    daily.rebuild(settings, as_of=AT)

    assert set(before) < set(rows(settings, query))
    assert rows(settings, "SELECT count(*), sum(record_count) FROM core.files") == [(SEGMENTS // 2 + 3,) * 2]
    assert not (folder / "2026-11-20").exists()


def test_a_pack_that_is_loaded_is_read_again_only_when_it_changes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.landing.listing.SETTLING_SECONDS", 0.02)
    for days in range(3):
        push(settings, report(days), at=AT + timedelta(days=days))
    for _ in range(2):
        daily.load(settings)
        time.sleep(0.05)
    listed = "SELECT folder FROM core.listings ORDER BY ALL"
    assert rows(settings, listed) == [("pushes/2026-11-20.zip",), ("pushes/2026-11-21.zip",)]

    push(settings, report(40), at=AT + timedelta(minutes=40))
    pushes = Landing(settings.data_dir / "landing").pushes
    pushes.pack()  # by another process, before it is loaded
    assert not (pushes.root / "2026-11-20").exists()

    assert daily.load(settings).new_report_count == 1
    assert rows(settings, "SELECT count(*) FROM core.reports") == [(4,)]
    assert pushes.oldest_unloaded() is None


def test_packing_that_was_killed_is_repeated_and_nothing_counts_twice(settings: Settings) -> None:
    first = push(settings, REPORT)
    push(settings, report(1), at=AT + timedelta(days=1))
    content = first.read_bytes()
    daily.load(settings)
    first.parent.mkdir()
    first.write_bytes(content)  # as after a kill before the segment was removed

    daily.rebuild(settings, as_of=AT)

    assert rows(settings, "SELECT count(*) FROM core.files") == [(2,)]
    assert not first.exists()


def test_rewriting_a_segment_waits_for_packing(settings: Settings) -> None:
    push(settings, REPORT)
    pushes = Landing(settings.data_dir / "landing").pushes
    (name,) = pushes.names()
    with (pushes.root / "lock").open("w") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rewriting = pool.submit(pushes.rewrite, name, [])
        with pytest.raises(TimeoutError):
            rewriting.result(timeout=0.3)
        assert pushes.read(name)
        fcntl.flock(lock, fcntl.LOCK_UN)
        rewriting.result(timeout=10)
    assert pushes.names() == []


def test_damage_in_a_segment_is_a_reject_and_the_rest_is_loaded(settings: Settings) -> None:
    path = push(settings, *[report(number) for number in range(9)])
    content = path.read_bytes()
    path.write_bytes(content.replace(b">4<", b">5<").replace(b"nonce7", b"nonce"))

    assert rows(settings, "SELECT count(*) FROM core.reports") == [(7,)]
    assert rows(settings, "SELECT position, reason FROM core.rejects ORDER BY ALL") == [
        (4, "the segment is damaged here"),
        (7, "the segment is damaged here"),
    ]
    assert rows(settings, "SELECT record_count, rejected_count FROM core.files") == [(9, 2)]


def damaged_pack(settings: Settings, damage: str) -> Path:
    """A day's pack, damaged after it was made; the segment of the next day is whole."""
    push(settings, *map(report, range(50)))
    push(settings, REPORT, at=AT + timedelta(days=1))
    pushes = Landing(settings.data_dir / "landing").pushes
    pushes.pack()
    pack = pushes.root / "2026-11-20.zip"
    packed = bytearray(pack.read_bytes())
    packed[100] ^= 255
    pack.write_bytes({"all": b"nothing", "inside": packed, "cut": packed[: len(packed) // 2]}[damage])
    return pack


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pack_is_a_reject_and_everything_else_is_loaded(settings: Settings, damage: str) -> None:
    pack = damaged_pack(settings, damage)
    damaged = pack.read_bytes()
    late = push(settings, report(99), at=AT + timedelta(minutes=1))

    assert rows(settings, "SELECT count(*) FROM core.reports") == [(2,)]
    assert rows(settings, "SELECT kind, reason FROM core.rejects") == [("reports", "the segment is damaged here")]
    assert pack.read_bytes() == damaged
    assert late.exists()


@pytest.mark.parametrize("damage", cases(fast=DAMAGES[:1], deep=DAMAGES))
def test_a_damaged_pack_stops_an_erasure_and_goes_with_a_purge(settings: Settings, damage: str) -> None:
    pack = damaged_pack(settings, damage)
    damaged = pack.read_bytes()
    pushes = Landing(settings.data_dir / "landing").pushes

    daily.rebuild(settings, as_of=AT)

    assert rows(settings, "SELECT count(*) FROM core.reports") == [(1,)]
    with pytest.raises(BooksError, match="in a damaged pack, which may hold the person"):
        erase_person("15267797477", settings=settings, clock=lambda: AT)
    assert pack.read_bytes() == damaged
    apply_purge(plan_purge(10, settings=settings, as_of=AT + timedelta(days=20)), settings=settings, clock=lambda: AT)
    assert pushes.names() == []


def test_a_damaged_pack_is_not_rewritten(settings: Settings) -> None:
    push(settings, REPORT)
    push(settings, report(1), at=AT + timedelta(minutes=1))
    push(settings, report(2), at=AT + timedelta(days=1))
    daily.load(settings)
    pushes = Landing(settings.data_dir / "landing").pushes
    pack = pushes.root / "2026-11-20.zip"
    content = bytearray(pack.read_bytes())
    content[100] ^= 255
    pack.write_bytes(content)
    _, healthy, _ = pushes.names()

    with pytest.raises(BooksError, match=r"2026-11-20.zip is damaged; restore it"):
        pushes.rewrite(healthy, [])

    assert pushes.read(healthy)[0].body == report(1)
    assert pack.read_bytes() == content


def test_nothing_is_packed_while_another_process_packs(settings: Settings) -> None:
    push(settings, REPORT)
    push(settings, report(1), at=AT + timedelta(days=1))
    pushes = Landing(settings.data_dir / "landing").pushes
    with (pushes.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pushes.pack()
        assert len([*pushes.root.glob("*/*.segment")]) == 2
        assert not [*pushes.root.glob("*.zip")]
    pushes.pack()
    assert [path.name for path in pushes.root.glob("*.zip")] == ["2026-11-20.zip"]


def test_many_segments_are_loaded_in_one_transaction_and_give_the_rows_of_each(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [REPORT, REPORT.replace(b"15267797477", b"nobody"), REPLY, b"nothing", report(7)]
    for minute in range(3):
        push(settings, *bodies[minute:], at=AT + timedelta(minutes=minute))
    push(settings, REPORT, at=AT + timedelta(days=1))

    query = "SELECT source_file, record_count, rejected_count FROM core.files ORDER BY ALL"
    together = [rows(settings, query), rows(settings, "SELECT * EXCLUDE load_num FROM core.rejects ORDER BY ALL")]
    assert rows(settings, "SELECT count(*) FROM core.loads") == [(1,)]
    assert [row[1:] for row in together[0]] == [(5, 2), (4, 2), (3, 1), (1, 0)]

    monkeypatch.setattr("pipelines.warehouse.loading.load.BYTES_PER_TRANSACTION", 1)
    daily.rebuild(settings, as_of=AT)  # three of the segments are in a pack by now
    assert rows(settings, "SELECT count(*) FROM core.loads") == [(4,)]
    assert [
        rows(settings, query),
        rows(settings, "SELECT * EXCLUDE load_num FROM core.rejects ORDER BY ALL"),
    ] == together
