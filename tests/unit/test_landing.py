"""What is landed is there byte for byte, in order, for its owner only, and is never overwritten."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import CampaignBusy
from pipelines.files import write_whole
from pipelines.landing.landing import CALL_KINDS, Call, Landing

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


@settings(deadline=None, max_examples=50)
@given(CALLS)
def test_a_landed_call_comes_back_byte_for_byte(call: Call) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        name = landing.land_call(call)

        assert landing.read_call(name) == call
        assert landing.read_call(name).called_at.utcoffset() == call.called_at.utcoffset()
        assert landing.call_files(call.kind) == [name]


def test_the_body_stands_in_the_file_as_received(landing: Landing) -> None:
    body = b'\xef\xbb\xbf{"errorCode":\n"000000"}\r\n\x00\xff\n'

    name = landing.land_call(call(body=body))

    assert (landing.root / name).read_bytes().partition(b"\n")[2] == body


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-200_000_000, 200_000_000), max_size=12))
def test_the_order_of_the_names_is_the_order_of_the_calls(offsets: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        called_at = sorted(AT + timedelta(milliseconds=offset) for offset in offsets)
        names = [landing.land_call(call(at)) for at in called_at]

        assert landing.call_files("reports") == names


def test_calls_of_one_instant_keep_their_order_and_none_is_overwritten(landing: Landing) -> None:
    names = [landing.land_call(call(body=str(number).encode())) for number in range(12)]

    assert landing.call_files("reports") == names
    assert [landing.read_call(name).body for name in names] == [str(number).encode() for number in range(12)]


def test_many_that_land_at_the_same_instant_lose_nothing(landing: Landing) -> None:
    bodies = [str(number).encode() for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda body: landing.land_call(call(body=body)), bodies))

    assert [landing.read_call(name).body for name in names] == bodies


def test_a_file_where_a_folder_should_be_is_told_and_nothing_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(NotADirectoryError, match="data"):
        Landing(tmp_path / "data" / "landing").land_call(call())


def test_calls_of_another_kind_are_not_listed(landing: Landing) -> None:
    landing.land_call(call())

    assert landing.call_files("replies") == []


def test_files_and_all_folders_are_their_owners_only(landing: Landing) -> None:
    landing.land_call(call())
    landing.land_suppressions(b"PAR1", name="opt-outs", at=AT)
    landing.phone_hash_key()
    with landing.campaign_lock("spring"), landing.exclusive_lock():
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


def test_a_call_and_a_body_show_nothing_of_what_was_received() -> None:
    assert "13912345678" not in repr(call(body=b"13912345678"))


def test_the_key_of_the_phone_hash_is_made_once_for_all(landing: Landing) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Landing(landing.root).phone_hash_key(), range(8)))

    (key,) = keys
    assert len(key) == 64
    assert Landing(landing.root.parent / "other").phone_hash_key() != key


def test_suppression_lists_are_listed_in_the_order_of_their_times(landing: Landing) -> None:
    names = [
        landing.land_suppressions(b"PAR1", name=name, at=AT + timedelta(seconds=number))
        for number, name in enumerate(("z", "a", "m"))
    ]

    assert landing.suppression_files() == names


# One process a campaign

HOLDER = """
import sys, time
from pathlib import Path
from pipelines.landing.landing import Landing

with Landing(Path(sys.argv[1])).campaign_lock("spring"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_campaign_held_by_another_process_is_busy_at_once_and_free_when_that_is_killed(landing: Landing) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(landing.root)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CampaignBusy, match="spring") as busy, landing.campaign_lock("spring"):
            pass
        assert busy.value.exit_code == 15
        with landing.campaign_lock("autumn"):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        holder.stdout.close()

    with landing.campaign_lock("spring"):
        pass


def test_a_campaign_is_free_again_after_its_holder_failed(landing: Landing) -> None:
    with pytest.raises(ZeroDivisionError), landing.campaign_lock("spring"):
        1 / 0  # noqa: B018

    with landing.campaign_lock("spring"), pytest.raises(CampaignBusy), landing.campaign_lock("spring"):
        pass
