"""Many small bodies in one file, each told to its sender only once it is on disk; a burst shares the syncing.

A segment is a row of frames: a line of JSON that says what the body is, how long it is and its CRC-32, then the body,
byte for byte, then a line break. While it is written to it ends in `.open`. Once it is large or old enough, or somebody
wants to read it, it is sealed: it loses that ending, and is never written to again. Who writes or seals holds a lock on
the file for just as long, so a writer that finds its segment sealed begins the next. What is torn at the end of an
`.open` file was never told to anybody, and goes when it is sealed.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo
from zlib import crc32
from zlib import error as ZlibError  # noqa: N812  a class

from pipelines.failpoints import reach
from pipelines.files import lock_file, make_folder, sync_folder, write_whole

OPEN: Final = ".open"
DAMAGED: Final = (BadZipFile, ZlibError, EOFError)
"""What reading a pack that is no longer as it was written can raise."""


class Full(Exception):
    """More waits to be written than may be held in memory."""


@dataclass(frozen=True)
class Frame:
    """One body, and what its writer said of it; or, where a segment is damaged, the bytes that are there."""

    head: Mapping[str, Any]
    body: bytes
    is_whole: bool = True


NOTHING: Final = Frame({}, b"", is_whole=False)
"""In place of what can't be read, since its pack is damaged."""


def frame_bytes(head: Mapping[str, Any], body: bytes) -> bytes:
    line = json.dumps({**head, "size": len(body), "crc32": crc32(body)}).encode()
    return b"%b\n%b\n" % (line, body)


def read_frames(content: bytes) -> Iterator[Frame]:
    """The frames of a segment, and what is damaged between them."""
    place = 0
    while place < len(content):
        if found := _frame_at(content, place):
            frame, place = found
            yield frame
        else:
            damaged, place = place, _next_frame(content, place)
            yield Frame({}, content[damaged:place], is_whole=False)


def whole_size(content: bytes) -> int:
    """How many bytes from the beginning are whole frames."""
    place = 0
    while found := _frame_at(content, place):
        _, place = found
    return place


def _frame_at(content: bytes, place: int) -> tuple[Frame, int] | None:
    """The frame that begins there, and where the next one does; None if there is no whole one."""
    line_end = content.find(b"\n", place)
    try:
        head: dict[str, Any] = json.loads(content[place : max(line_end, place)])
        start, end = line_end + 1, line_end + 1 + head.pop("size")
        is_whole = end >= start and content[end : end + 1] == b"\n" and crc32(content[start:end]) == head.pop("crc32")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return (Frame(head, content[start:end]), end + 1) if is_whole else None


def _next_frame(content: bytes, place: int) -> int:
    """Where the next whole frame begins behind a place; the end, if there is none."""
    while (place := content.find(b'{"', place + 1)) > 0:
        if _frame_at(content, place):
            return place
    return len(content)


def seal_all(folder: Path) -> list[Path]:
    """Seal what is open in a folder and those below it, also under the hands of its writer; returns what was sealed."""
    sealed = []
    for path in sorted(folder.rglob(f"*{OPEN}")):
        with suppress(FileNotFoundError), path.open("r+b") as file:  # others may seal it just now
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():
                sealed += _seal(file.fileno(), path, whole_size(file.read()))
    return sealed


def _seal(descriptor: int, path: Path, size: int) -> list[Path]:
    """Take the last step of a segment, whose lock is held; one without a frame goes instead."""
    if not size:
        path.unlink()
        return []
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)
    sealed = path.with_suffix("")
    reach("segments.before_seal")
    path.replace(sealed)
    reach("segments.after_seal")
    sync_folder(path.parent)
    return [sealed]


class SegmentWriter:
    """Appends to one segment after the other, in a thread of its own that syncs all that waits together.

    `new_path` names the segment that begins now. It is sealed when it holds `max_bytes`, or is `max_seconds` old.
    `append` raises Full when `max_waiting_bytes` are not on disk yet. What can't be written fails the future of those
    who wait; the next append begins a new segment, so a disk that is full for a while is no end.
    """

    def __init__(
        self, new_path: Callable[[], Path], *, max_bytes: int, max_seconds: float, max_waiting_bytes: int
    ) -> None:
        self._new_path = new_path
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: list[bytes] = []
        self._written: Future[None] = Future()  # of all that waits
        self._something = threading.Condition()
        self._is_closing = False
        self._descriptor: int | None = None
        self._path = Path()
        self._size = 0
        self._opened = 0.0
        self.waiting_bytes = 0
        self.is_writable = True  # whether the last writing went well
        self._thread = threading.Thread(target=self._run, name="segments", daemon=True)
        self._thread.start()

    def append(self, head: Mapping[str, Any], body: bytes) -> Future[None]:
        """The future is done when the frame is on disk, or failed with the OSError that kept it from it.

        All that is written together has the same one.
        """
        frame = frame_bytes(head, body)
        with self._something:
            if self._is_closing or self.waiting_bytes + len(frame) > self._max_waiting_bytes:
                raise Full
            self.waiting_bytes += len(frame)
            self._waiting.append(frame)
            self._something.notify()
            return self._written

    def close(self) -> None:
        """Write what waits, and seal."""
        with self._something:
            self._is_closing = True
            self._something.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._something:
                if not self._waiting and not self._is_closing:
                    self._something.wait(self._seconds_left())
                some, self._waiting = self._waiting, []
                written, self._written = self._written, Future()
                is_last = self._is_closing and not some
            if some:
                content = b"".join(some)
                self._write(content, written)
                with self._something:
                    self.waiting_bytes -= len(content)
            if is_last or self._is_due():
                self._end()
            if is_last:
                return

    def _write(self, content: bytes, written: Future[None]) -> None:
        try:
            descriptor = self._locked()
            reach("segments.before_write")
            _write_all(descriptor, content)
            reach("segments.before_sync")
            os.fdatasync(descriptor)
            reach("segments.after_sync")
        except OSError as error:
            self.is_writable = False
            self._give_up()
            written.set_exception(error)
        else:
            self._size += len(content)
            self.is_writable = True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            written.set_result(None)

    def _locked(self) -> int:
        """The segment to write to, its lock held: the one that is open, unless somebody has sealed it, or a new one."""
        while True:
            if self._descriptor is None:
                sealed = self._new_path()
                self._size, self._opened = 0, time.monotonic()
                self._path = sealed.with_name(sealed.name + OPEN)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                sync_folder(self._path.parent)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if self._path.exists():
                return self._descriptor
            os.close(self._descriptor)
            self._descriptor = None

    def _seconds_left(self) -> float | None:
        """Until the segment is to be sealed; None if there is none."""
        return None if self._descriptor is None else max(0.0, self._opened + self._max_seconds - time.monotonic())

    def _is_due(self) -> bool:
        return self._descriptor is not None and (self._size >= self._max_bytes or not self._seconds_left())

    def _end(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if self._path.exists():
                _seal(descriptor, self._path, self._size)
        except OSError:
            self.is_writable = False  # it stays for whoever seals next
        finally:
            os.close(descriptor)

    def _give_up(self) -> None:
        """Leave a segment whose end is not to be trusted to whoever seals next."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.ftruncate(descriptor, self._size)
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@dataclass(frozen=True)
class SegmentFolder:
    """Segments of one kind, in a folder for each day (UTC) in which they were begun.

        <day>/<time>-<process>.segment[.open]   a segment
        <day>.zip                               the sealed segments of a day that is over, packed
        loaded                                  the segment through which all are in the warehouse

    The name of a segment is its path beneath the folder above this one, and stays when it is packed.
    """

    root: Path

    def new_path(self, at: datetime) -> Path:
        """Where a segment that begins now is to lie; its folder is there."""
        at = at.astimezone(UTC)
        path = self.root / f"{at:%Y-%m-%d}" / f"{at:%H%M%S.%f}Z-{os.getpid()}.segment"
        if path.exists():  # the clock stood still, or stepped back
            return self.new_path(at + timedelta(microseconds=1))
        make_folder(path.parent)
        return path

    def names(self) -> list[str]:
        """All segments, in the order of their beginnings; those that are open are sealed."""
        seal_all(self.root)
        names = {self._name(path) for path in self.root.glob("*/*.segment")}
        for pack in self.root.glob("*.zip"):
            try:
                names |= {self._name(pack.with_suffix("") / member) for member in _members(pack)}
            except BadZipFile:
                names.add(self._name(pack))
        return sorted(names)

    def read(self, name: str) -> list[Frame]:
        """What a sealed segment holds; NOTHING alone for a damaged pack, and for one that is damaged in a pack."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            try:
                content = _member(_pack_of(path.parent), path.name)
            except DAMAGED:
                return [NOTHING]
        return [NOTHING] if _is_pack(name) else list(read_frames(content))

    def latest_first(self) -> Iterator[Frame]:
        """All that is held, the latest first."""
        for name in reversed(self.names()):
            yield from reversed(self.read(name))

    def rewrite(self, name: str, frames: Iterable[Frame]) -> None:
        """Put other frames in the place of those that a sealed segment holds; without any, it goes."""
        path = self._path(name)
        content = b"".join(frame_bytes(each.head, each.body) if each.is_whole else each.body for each in frames)
        with self._packing(fcntl.LOCK_EX):
            if path.exists() and content:
                write_whole(path, content, overwrite=True)
            elif path.exists():
                path.unlink()
            else:
                self._write_pack(_pack_of(path.parent), {path.name: content})

    def pack(self) -> None:
        """Pack the sealed segments of each day but the last into one file, compressed.

        While another process does so, nothing is done.
        """
        days = sorted(path for path in self.root.glob("*") if path.is_dir())
        if len(days) < 2:
            return
        with suppress(BlockingIOError), self._packing(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for folder in days[:-1]:
                segments = {path.name: path for path in folder.glob("*.segment")}
                if segments and not list(folder.glob(f"*{OPEN}")):
                    with suppress(*DAMAGED):  # what lies there already stays as it is
                        self._write_pack(_pack_of(folder), {name: path.read_bytes() for name, path in segments.items()})
                        for path in segments.values():
                            path.unlink(missing_ok=True)
                with suppress(OSError):  # something else lies there
                    folder.rmdir()

    @contextmanager
    def _packing(self, operation: int) -> Iterator[None]:
        """Hold the lock of who writes packs, or what goes into them: of two at once, one would lose the other's."""
        with lock_file(self.root / "lock") as lock:
            fcntl.flock(lock, operation)
            yield

    def note_loaded(self, loaded: Container[str]) -> None:
        """Note how far the segments are in the warehouse, for who measures what is behind."""
        through = ""
        for name in self._unpacked():
            if name not in loaded:
                break
            through = name
        if through:
            write_whole(self.root / "loaded", through.encode(), overwrite=True)

    def oldest_unloaded(self) -> datetime | None:
        """When the oldest segment was begun that is not in the warehouse yet."""
        note = self.root / "loaded"
        through = note.read_text() if note.exists() else ""
        behind = next((name for name in self._unpacked() if name > through), None)
        return begun_at(behind) if behind else None

    def size(self) -> int:
        """How many bytes there are."""
        return sum(path.stat().st_size for path in self.root.glob("*/*"))

    def _unpacked(self) -> list[str]:
        """All segments that are not packed, sealed or not, in the order of their beginnings."""
        names = (self._name(path) for path in self.root.glob("*/*"))
        return sorted(name.removesuffix(OPEN) for name in names if name.endswith((".segment", OPEN)))

    @staticmethod
    def _write_pack(pack: Path, changed: Mapping[str, bytes]) -> None:
        """Write a pack anew, with these segments added or changed; empty ones are left out."""
        packed = BytesIO()
        with ZipFile(packed, "w", ZIP_DEFLATED) as file:
            for name in sorted(changed.keys() | set(_members(pack))):
                content = changed[name] if name in changed else _member(pack, name)
                if content:
                    file.writestr(ZipInfo(name), content, ZIP_DEFLATED)
            is_empty = not file.namelist()
        if is_empty:
            pack.unlink(missing_ok=True)
        else:
            write_whole(pack, packed.getvalue(), overwrite=True)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root.parent).as_posix()

    def _path(self, name: str) -> Path:
        return self.root.parent / name


def begun_at(name: str) -> datetime:
    """When a segment was begun, as its name says; the last moment of its day for a damaged pack."""
    if _is_pack(name):
        return datetime.strptime(f"{name[-14:-4]}+0000", "%Y-%m-%d%z") + timedelta(days=1, microseconds=-1)
    *_, day, time_of_day = name.split("/")
    return datetime.strptime(f"{day} {time_of_day[:13]}+0000", "%Y-%m-%d %H%M%S.%f%z")


def _is_pack(name: str) -> bool:
    return name.endswith(".zip")


def _pack_of(folder: Path) -> Path:
    """The pack of a day's segments."""
    return folder.with_name(f"{folder.name}.zip")


def _members(pack: Path) -> list[str]:
    if not pack.exists():
        return []
    with ZipFile(pack) as file:
        return file.namelist()


def _member(pack: Path, name: str) -> bytes:
    with ZipFile(pack) as file:
        return file.read(name)
