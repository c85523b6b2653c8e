"""Landed files keep every byte, in order, readable by their owner only, and are never overwritten."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.campaign.holding import exclusive_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.errors import CampaignBusy
from pipelines.files import write_whole
from pipelines.landing.calls import CALL_KINDS, Call
from pipelines.landing.campaigns import Purged
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing
from pipelines.landing.segments.frames import frame_bytes

AT = datetime(2026, 11, 22, 8, 30, 15, 123456, tzinfo=UTC)
ZONES = st.sampled_from((UTC, ZoneInfo("Asia/Shanghai"), timezone(timedelta(hours=-9, minutes=-30))))
CALLS = st.builds(
    Call,
    kind=st.sampled_from(CALL_KINDS),
    called_at=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=ZONES),  # noqa: DTZ001
    answer_ms=st.integers(0, 10**7),
    format=st.sampled_from(("json", "xml")),
    day=st.none() | st.dates(),
    http_status=st.none() | st.integers(100, 599),
    content_type=st.none() | st.text(),
    failure=st.none() | st.text(),
    body=st.binary(),
)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "data" / "landing")


def call(at: datetime = AT, body: bytes = b"{}") -> Call:
    return Call("reports", at, 12, "json", date(2026, 11, 22), http_status=200, body=body)


@given(CALLS)
def test_a_landed_call_comes_back_byte_for_byte(call: Call) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        name = landing.calls.land(call)

        assert landing.calls.read(name) == call
        assert landing.calls.read(name).called_at.utcoffset() == call.called_at.utcoffset()
        assert landing.calls.names(call.kind) == [name]


def test_a_body_is_in_the_file_as_received(landing: Landing) -> None:
    body = b'\xef\xbb\xbf{"errorCode":\n"000000"}\r\n\x00\xff\n'

    name = landing.calls.land(call(body=body))

    assert (landing.root / name).read_bytes().partition(b"\n")[2] == body


@given(st.lists(st.integers(-200_000_000, 200_000_000), max_size=12))
def test_the_order_of_the_names_is_the_order_of_the_calls(offsets: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        called_at = sorted(AT + timedelta(milliseconds=offset) for offset in offsets)
        names = [landing.calls.land(call(at)) for at in called_at]

        assert landing.calls.names("reports") == names


def test_calls_of_one_instant_keep_their_order_and_none_is_overwritten(landing: Landing) -> None:
    names = [landing.calls.land(call(body=str(number).encode())) for number in range(12)]

    assert landing.calls.names("reports") == names
    assert [landing.calls.read(name).body for name in names] == [str(number).encode() for number in range(12)]


def test_calls_that_land_at_the_same_instant_lose_nothing(landing: Landing) -> None:
    bodies = [str(number).encode() for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda body: landing.calls.land(call(body=body)), bodies))

    assert [landing.calls.read(name).body for name in names] == bodies


def test_a_file_in_place_of_a_folder_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(NotADirectoryError, match="data"):
        Landing(tmp_path / "data" / "landing").calls.land(call())


def test_calls_of_another_kind_are_not_listed(landing: Landing) -> None:
    landing.calls.land(call())

    assert landing.calls.names("replies") == []


def test_only_the_owner_can_read_files_and_enter_folders(landing: Landing) -> None:
    landing.calls.land(call())
    landing.suppressions.land(b"PAR1", name="opt-outs", at=AT)
    landing.phone_hash_key()
    with landing.campaigns.lock("spring"), exclusive_lock(landing):
        pass

    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in landing.root.parent.rglob("*")}

    assert modes == {(True, 0o700), (False, 0o600)}
    assert landing.root.parent.stat().st_mode & 0o777 == 0o700


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old", overwrite=False)

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new", overwrite=True)

    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_file_is_overwritten_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old", overwrite=False)

    with pytest.raises(FileExistsError):
        write_whole(path, b"new", overwrite=False)
    assert path.read_bytes() == b"old"
    write_whole(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"


def test_the_repr_of_a_call_holds_nothing_of_its_body() -> None:
    assert "13912345678" not in repr(call(body=b"13912345678"))


def test_the_key_of_the_phone_hash_is_made_once(landing: Landing) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Landing(landing.root).phone_hash_key(), range(8)))

    (key,) = keys
    assert len(key) == 64
    assert Landing(landing.root.parent / "other").phone_hash_key() != key


def test_suppression_lists_are_listed_in_the_order_of_their_times(landing: Landing) -> None:
    names = [
        landing.suppressions.land(b"PAR1", name=name, at=AT + timedelta(seconds=number))
        for number, name in enumerate(("z", "a", "m"))
    ]

    assert landing.suppressions.names() == names


@contextmanager
def other_process(program: str, landing: Landing) -> Iterator[None]:
    """Run a program up to its first line, and kill it when the block ends."""
    process = subprocess.Popen([sys.executable, "-c", program, str(landing.root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_the_map_of_the_landing_names_every_file(landing: Landing) -> None:
    landing.campaigns.mark_purged(Purged("spring", AT, {}))
    with landing.campaigns.lock("spring"), landing.pending_calls.mark(call()):
        landing.campaigns.plan_path("spring").touch()
        landing.campaigns.mark_path("spring").touch()
        landing.calls.land(call())
        landing.imports.land(Import("replies", AT, "export.csv", {}))
        landing.suppressions.land(b"PAR1", name="opt-outs", at=AT)
        for day in range(2):
            landing.pushes.new_path(AT + timedelta(days=day)).write_bytes(frame_bytes({}, b"<xml/>"))
        landing.pushes.note_loaded(landing.pushes.names())
        landing.pushes.pack()
        landing.refused.new_path(AT).touch()
        with Journal.open(landing.journal_path):
            pass
        landing.phone_hash_key()
        landing.number_key()
        landing.note_forgetting(b"{}")
        landing.note_purging(AT)
        found = {landing.name(path) for path in landing.root.rglob("*") if path.is_file()}

    lines = re.findall(r"^ {8}(\S.*?)  ", str(Landing.__doc__), re.MULTILINE)
    named = [re.sub(r"<\w+>", "[^/]+", re.escape(name)) for line in lines for name in line.split(", ")]

    assert {name for name in found if not any(re.fullmatch(pattern, name) for pattern in named)} == set()
    assert [pattern for pattern in named if not any(re.fullmatch(pattern, name) for name in found)] == []


# One process for each campaign

HOLDER = """
import sys, time
from pathlib import Path
from pipelines.landing.landing import Landing

with Landing(Path(sys.argv[1])).campaigns.lock("spring"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_campaign_held_by_another_process_is_busy_at_once_and_free_when_that_is_killed(landing: Landing) -> None:
    with other_process(HOLDER, landing):
        with pytest.raises(CampaignBusy, match="spring") as busy, landing.campaigns.lock("spring"):
            pass
        assert busy.value.exit_code == 15
        with landing.campaigns.lock("autumn"):
            pass

    with landing.campaigns.lock("spring"):
        pass


def test_a_campaign_is_free_again_after_its_holder_failed(landing: Landing) -> None:
    with pytest.raises(ZeroDivisionError), landing.campaigns.lock("spring"):
        1 / 0  # noqa: B018

    with landing.campaigns.lock("spring"), pytest.raises(CampaignBusy), landing.campaigns.lock("spring"):
        pass


# Pending calls

PENDING = """
import sys, time
from datetime import UTC, date, datetime
from pathlib import Path
from pipelines.landing.calls import Call
from pipelines.landing.landing import Landing

call = Call("replies", datetime(2026, 11, 22, 8, tzinfo=UTC), 0, "json")
with Landing(Path(sys.argv[1])).pending_calls.mark(call):
    print("pending", flush=True)
    time.sleep(60)
"""


def answer(landing: Landing, asked: Call) -> str:
    with landing.pending_calls.mark(asked) as land:
        return land(asked)


def test_a_call_whose_process_was_killed_lands_without_an_answer_with_the_next_call(landing: Landing) -> None:
    with other_process(PENDING, landing):
        answer(landing, call())
        assert landing.calls.names("replies") == []  # its answer may still come

    answer(landing, call(AT + timedelta(seconds=1)))

    (name,) = landing.calls.names("replies")
    assert landing.calls.read(name).failure == "the process ended before an answer was landed"
    assert [path.name for path in (landing.root / "pending").iterdir()] == ["lock"]


def test_marks_of_an_older_version_are_settled_and_their_folder_goes(landing: Landing) -> None:
    with other_process(PENDING, landing):
        pass
    (landing.root / "pending").rename(landing.root / "asking")

    answer(landing, call())

    (name,) = landing.calls.names("replies")
    assert landing.calls.read(name).failure == "the process ended before an answer was landed"
    assert sorted(path.name for path in landing.root.iterdir()) == ["pending", "replies", "reports"]


def test_marks_of_an_older_version_wait_for_its_running_process(landing: Landing) -> None:
    with other_process(PENDING, landing):
        (landing.root / "pending").rename(landing.root / "asking")  # its lock stays held
        answer(landing, call())

        assert landing.calls.names("replies") == []
        assert len([*(landing.root / "asking").glob("*.call")]) == 1

    answer(landing, call(AT + timedelta(seconds=1)))
    assert len(landing.calls.names("replies")) == 1
    assert not (landing.root / "asking").exists()


def test_a_call_that_an_older_version_landed_is_settled_without_a_second_one(landing: Landing) -> None:
    with other_process(PENDING, landing):
        pass
    (landing.root / "pending").rename(landing.root / "asking")
    (mark,) = (landing.root / "asking").glob("*.call")
    landing.calls.land(Call.from_bytes(mark.read_bytes()))

    answer(landing, call())

    assert len(landing.calls.names("replies")) == 1
    assert not (landing.root / "asking").exists()


def test_nothing_is_rewritten_while_a_process_of_an_older_version_calls(landing: Landing) -> None:
    (landing.root / "asking").mkdir(parents=True)
    with (landing.root / "asking" / "lock").open("wb") as older:
        fcntl.flock(older, fcntl.LOCK_SH)
        with ThreadPoolExecutor(1) as pool:
            erasing = pool.submit(hold_exclusively, landing)
            with pytest.raises(TimeoutError):
                erasing.result(timeout=0.3)
            fcntl.flock(older, fcntl.LOCK_UN)
            erasing.result(timeout=30)


def hold_exclusively(landing: Landing) -> None:
    with exclusive_lock(landing):
        pass
