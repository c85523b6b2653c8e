"""Segments return what was appended, whatever is torn off the end; acknowledged frames are on disk."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.landing.segments.folder import SegmentFolder, begun_at
from pipelines.landing.segments.frames import NOTHING, Frame, frame_bytes, read_frames, whole_size
from pipelines.landing.segments.writer import Full, SegmentWriter, seal_all

bodies = st.lists(st.binary(max_size=60), max_size=6)


@given(bodies, st.data())
def test_every_whole_frame_is_read_and_nothing_behind_the_last(some: list[bytes], data: st.DataObject) -> None:
    frames = [frame_bytes({"number": number}, body) for number, body in enumerate(some)]
    content = b"".join(frames)
    cut = data.draw(st.integers(0, len(content)))
    whole = [body for number, body in enumerate(some) if len(b"".join(frames[: number + 1])) <= cut]

    read = list(read_frames(content[:cut]))

    assert [frame.body for frame in read if frame.is_whole] == whole
    assert [frame.head["number"] for frame in read if frame.is_whole] == [*range(len(whole))]
    assert whole_size(content[:cut]) == len(b"".join(frames[: len(whole)]))


@given(bodies.filter(bool), st.data())
def test_a_changed_byte_costs_one_body_and_the_damaged_bytes_are_kept(some: list[bytes], data: st.DataObject) -> None:
    frames = [frame_bytes({}, body) for body in some]
    content = bytearray(b"".join(frames))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    hit = next(number for number in range(len(some)) if place < len(b"".join(frames[: number + 1])))

    read = [*read_frames(bytes(content))]

    if all(frame.is_whole for frame in read):  # JSON ignores which blank it is
        assert [frame.body for frame in read] == some
    else:
        assert [frame.body for frame in read if frame.is_whole] == [*some[:hit], *some[hit + 1 :]]
        assert [frame.body for frame in read if not frame.is_whole] == [
            content[len(b"".join(frames[:hit])) :][: len(frames[hit])]
        ]


def writer(folder: Path, *, max_bytes: int = 10**6, max_seconds: float = 60, max_waiting: int = 10**6) -> SegmentWriter:
    numbers = count()
    return SegmentWriter(
        lambda: folder / f"{next(numbers):03}.segment",
        max_bytes=max_bytes,
        max_seconds=max_seconds,
        max_waiting_bytes=max_waiting,
    )


def on_disk(folder: Path, ending: str = "*.segment") -> list[bytes]:
    return [frame.body for path in sorted(folder.glob(ending)) for frame in read_frames(path.read_bytes())]


def test_acknowledged_frames_can_be_read_while_the_segment_is_still_open(tmp_path: Path) -> None:
    writing = writer(tmp_path)
    told = [writing.append({}, b"%d" % number) for number in range(100)]
    wait(told)

    assert on_disk(tmp_path, "*.open") == [b"%d" % number for number in range(100)]
    writing.close()
    assert len(on_disk(tmp_path)) == 100
    assert [path.name for path in tmp_path.iterdir()] == ["000.segment"]


def test_a_segment_is_sealed_when_it_is_large_and_when_it_is_old(tmp_path: Path) -> None:
    writing = writer(tmp_path, max_bytes=200)
    for number in range(9):
        writing.append({}, b"%050d" % number).result()
    assert len(list(tmp_path.glob("*.segment"))) >= 2
    writing.close()

    old = tmp_path / "old"
    old.mkdir()
    writing = writer(old, max_seconds=0.05)
    writing.append({}, b"one").result()
    until(lambda: on_disk(old) == [b"one"])
    writing.append({}, b"two").result()
    writing.close()
    assert on_disk(old) == [b"one", b"two"]
    assert len(on_disk(tmp_path)) == 9


def test_a_segment_can_be_sealed_at_any_moment_of_its_writing(tmp_path: Path) -> None:
    writing = writer(tmp_path, max_bytes=2000)
    told: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        appending = pool.submit(lambda: told.extend(writing.append({}, b"%d" % number) for number in range(20_000)))
        while not appending.done():
            seal_all(tmp_path)
            whole = on_disk(tmp_path)
            assert whole == [b"%d" % number for number in range(len(whole))]
    wait(told)
    writing.close()

    assert on_disk(tmp_path) == [b"%d" % number for number in range(20_000)]
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".segment"]


def test_writing_and_sealing_wait_for_each_other(tmp_path: Path) -> None:
    writing = writer(tmp_path)
    writing.append({}, b"one").result()
    with ThreadPoolExecutor(1) as pool, (tmp_path / "000.segment.open").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting: list[Future[Any]] = [writing.append({}, b"two"), pool.submit(seal_all, tmp_path)]
        assert not wait(waiting, timeout=0.3).done
        fcntl.flock(other, fcntl.LOCK_UN)
        assert not wait(waiting, timeout=30).not_done
    writing.close()

    assert on_disk(tmp_path) == [b"one", b"two"]


def test_no_segment_gets_the_name_of_another_though_the_clock_stands_still(tmp_path: Path) -> None:
    folder = SegmentFolder(tmp_path / "pushes")
    at = datetime(2026, 11, 20, tzinfo=UTC)
    writing = SegmentWriter(lambda: folder.new_path(at), max_bytes=1, max_seconds=60, max_waiting_bytes=100)
    for number in range(5):
        writing.append({}, b"%d" % number).result()
    writing.close()

    assert [folder.read(name)[0].body for name in folder.names()] == [b"%d" % number for number in range(5)]


def test_the_segment_of_a_dead_writer_is_sealed_without_its_torn_end(tmp_path: Path) -> None:
    whole, torn = frame_bytes({}, b"whole"), frame_bytes({}, b"torn")[:-2]
    (tmp_path / "a.segment.open").write_bytes(whole + torn)
    (tmp_path / "b.segment.open").write_bytes(torn)

    assert seal_all(tmp_path) == [tmp_path / "a.segment"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.segment"]
    assert (tmp_path / "a.segment").read_bytes() == whole


def test_whole_frames_behind_a_damaged_part_of_an_open_segment_stay(tmp_path: Path) -> None:
    one, two, torn = (frame_bytes({}, body) for body in (b"one", b"two", b"torn"))
    (tmp_path / "a.segment.open").write_bytes(one + bytes(50) + two + torn[:-2])

    (sealed,) = seal_all(tmp_path)

    assert sealed.read_bytes() == one + bytes(50) + two
    assert [frame.is_whole for frame in read_frames(sealed.read_bytes())] == [True, False, True]


def test_any_failure_fails_the_waiting_frames_and_the_next_are_written(tmp_path: Path) -> None:
    paths: Iterator[Path] = iter([tmp_path / "0.segment"])
    writing = SegmentWriter(lambda: next(paths), max_bytes=1, max_seconds=60, max_waiting_bytes=100)
    writing.append({}, b"one").result()
    with pytest.raises(StopIteration):
        writing.append({}, b"two").result()
    paths = iter([tmp_path / "1.segment"])
    writing.append({}, b"three").result()
    writing.close()

    assert on_disk(tmp_path) == [b"one", b"three"]


def test_frames_over_the_limit_are_refused_at_once(tmp_path: Path) -> None:
    writing = writer(tmp_path, max_waiting=100)
    with pytest.raises(Full):
        writing.append({}, b"x" * 100)
    writing.append({}, b"x" * 10).result()
    writing.close()
    with pytest.raises(Full):
        writing.append({}, b"x")


def test_a_failing_disk_fails_the_waiting_frames_and_the_next_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = writer(tmp_path)
    writing.append({}, b"before").result()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", _no_space)
        with pytest.raises(OSError, match="No space"):
            writing.append({}, b"lost").result()
        assert not writing.is_writable
    writing.append({}, b"after").result()
    assert writing.is_writable
    writing.close()
    seal_all(tmp_path)

    assert on_disk(tmp_path) == [b"before", b"after"]


def test_a_full_disk_leaves_no_empty_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = writer(tmp_path)
    monkeypatch.setattr(os, "fdatasync", _no_space)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            writing.append({}, b"lost").result()

    assert not list(tmp_path.iterdir())
    writing.close()


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def until(happens: Callable[[], bool]) -> None:
    for _ in range(10**6):
        if happens():
            return
    raise AssertionError("it never happened")


@given(st.data())
def test_a_pack_with_a_changed_byte_gives_the_packed_frames_or_nothing(data: st.DataObject) -> None:
    bodies = [b"one " * 20, b"two " * 20]
    with TemporaryDirectory() as folder:
        segments = SegmentFolder(Path(folder) / "pushes")
        for day, body in enumerate([*bodies, b"the last day is not packed"]):
            path = segments.new_path(datetime(2026, 11, 20 + day // 2, 1, day, tzinfo=UTC))
            path.write_bytes(frame_bytes({"n": day}, body))
        segments.pack()
        (pack,) = segments.root.glob("*.zip")
        content = bytearray(pack.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        pack.write_bytes(content)

        *packed, last = segments.names()

        assert segments.read(last)[0].body == b"the last day is not packed"
        for name in packed:
            begun_at(name)
            assert segments.read(name) in [[NOTHING], *([Frame({"n": n}, body)] for n, body in enumerate(bodies))]
