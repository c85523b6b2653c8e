"""Writes and seals segments."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pipelines.failpoints import reach
from pipelines.files import sync_folder
from pipelines.landing.segments.frames import frame_bytes, whole_size

OPEN: Final = ".open"


class Full(Exception):
    """As many bytes wait to be written as may be held in memory."""


class SegmentWriter:
    """Appends to one segment after the other, in a thread of its own that syncs all waiting frames together.

    `new_path` returns the path of the next segment. A segment is sealed when it holds `max_bytes`, or is `max_seconds`
    old. `append` raises Full while `max_waiting_bytes` are not on disk yet. A failed write fails the future of its
    frames; the next append begins a new segment, so writing goes on after a disk that was full for a while.
    """

    def __init__(
        self, new_path: Callable[[], Path], *, max_bytes: int, max_seconds: float, max_waiting_bytes: int
    ) -> None:
        self._new_path = new_path
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: list[bytes] = []
        self._written = _promise()  # the future of all waiting frames
        self._changed = threading.Condition()
        self._is_closing = False
        self._descriptor: int | None = None
        self._path = Path()
        self._size = 0
        self._opened = 0.0
        self.waiting_bytes = 0
        self.is_writable = True  # False after a failed write
        self._thread = threading.Thread(target=self._run, name="segments", daemon=True)
        self._thread.start()

    def append(self, head: Mapping[str, Any], body: bytes) -> Future[None]:
        """Queue a frame. The future is done when the frame is on disk, or fails with the error, usually an OSError.

        Frames that are written together share one future. Raises Full.
        """
        frame = frame_bytes(head, body)
        with self._changed:
            if self._is_closing or self.waiting_bytes + len(frame) > self._max_waiting_bytes:
                raise Full
            self.waiting_bytes += len(frame)
            self._waiting.append(frame)
            self._changed.notify()
            return self._written

    def close(self) -> None:
        """Write the waiting frames and seal the segment."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._is_closing:
                    self._changed.wait(self._seconds_left())
                frames, self._waiting = self._waiting, []
                written, self._written = self._written, _promise()
                is_last = self._is_closing and not frames
            if frames:
                content = b"".join(frames)
                self._write(content, written)
                with self._changed:
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
        except Exception as error:  # noqa: BLE001  it fails the future, and the thread goes on
            self.is_writable = False
            self._give_up()
            written.set_exception(error)
        else:
            self._size += len(content)
            self.is_writable = True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            written.set_result(None)

    def _locked(self) -> int:
        """Lock the segment to write to: the open one, or a new one if another process has sealed it."""
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
        """Seconds until the segment is to be sealed; None if no segment is open."""
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
            self.is_writable = False  # the next `seal_all` does it
        finally:
            os.close(descriptor)

    def _give_up(self) -> None:
        """Close a segment after a failed write; one without a frame is removed.

        The next `seal_all` cuts off a torn end. A full disk lets files be made: without the removal, each push that it
        fails would leave one.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                if self._size:
                    os.ftruncate(descriptor, self._size)
                else:
                    self._path.unlink()
            os.close(descriptor)


def _promise() -> Future[None]:
    """A future that its waiters can't cancel."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def seal_all(folder: Path) -> list[Path]:
    """Seal all open segments in and below a folder, even those with a writer; returns their new paths."""
    sealed = []
    for path in sorted(folder.rglob(f"*{OPEN}")):
        with suppress(FileNotFoundError), path.open("r+b") as file:  # another process has sealed it just now
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():
                sealed += _seal(file.fileno(), path, whole_size(file.read()))
    return sealed


def _seal(descriptor: int, path: Path, size: int) -> list[Path]:
    """Rename a segment, whose lock is held, without `.open`; one without a frame is removed instead."""
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
