"""Where segments lie: a folder for each day, which is packed once it is over."""

import errno
import fcntl
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from pipelines.errors import BooksError
from pipelines.files import lock_file, make_folder, write_whole
from pipelines.landing.segments.frames import NOTHING, Frame, frame_bytes, read_frames
from pipelines.landing.segments.writer import OPEN, seal_all

_MEMBER: Final = re.compile(r"([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]\.[0-9]{6}Z-[0-9-]+\.segment")


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
            except BadZipFile:
                return [NOTHING]
        return [NOTHING] if _is_pack(name) else list(read_frames(content))

    def latest_first(self) -> Iterator[Frame]:
        """All that is held, the latest first."""
        for name in reversed(self.names()):
            yield from reversed(self.read(name))

    def rewrite(self, name: str, frames: Iterable[Frame]) -> None:
        """Put other frames in the place of those that a sealed segment holds; without any, it goes.

        Raises BooksError if it is packed with one that is damaged, since a pack is written as a whole.
        """
        path = self._path(name)
        content = b"".join(frame_bytes(each.head, each.body) if each.is_whole else each.body for each in frames)
        with self._packing(fcntl.LOCK_EX):
            if path.exists() and content:
                write_whole(path, content, overwrite=True)
            elif path.exists():
                path.unlink()
            else:
                pack = _pack_of(path.parent)
                try:
                    self._write_pack(pack, {path.name: content})
                except BadZipFile:
                    advice = "restore it from a backup or remove it, then run the same command again"
                    raise BooksError(f"{pack} is damaged; {advice}") from None

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
                with suppress(BadZipFile):  # what lies there already stays as it is
                    if segments:
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
    with _unzipped(pack) as file:
        names = file.namelist()
    if not all(map(_MEMBER.fullmatch, names)):
        raise BadZipFile
    return names


def _member(pack: Path, name: str) -> bytes:
    with _unzipped(pack) as file:
        if name not in file.NameToInfo:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{pack}/{name}")
        return file.read(name)


@contextmanager
def _unzipped(pack: Path) -> Iterator[ZipFile]:
    """A pack, to be read. Raises BadZipFile for all that zipfile stumbles over; what the disk says stays an OSError."""
    with pack.open("rb") as file:
        try:
            with ZipFile(file) as unzipped:
                yield unzipped
        except Exception as error:  # of zlib, bz2, lzma, struct, …: what is damaged can say that it is anything
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise BadZipFile from None
