"""The folder of segments: one subfolder for each day, packed into a zip file once the day is over."""

import errno
import fcntl
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from pipelines.errors import BooksError
from pipelines.files import lock_file, make_folder, write_whole
from pipelines.landing.dated_names import dated, instant_of
from pipelines.landing.listing import Listed, changed_at, is_settled
from pipelines.landing.segments.frames import NOTHING, Frame, frame_bytes, read_frames
from pipelines.landing.segments.writer import OPEN, seal_all

_MEMBER: Final = re.compile(r"([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]\.[0-9]{6}Z-[0-9-]+\.segment")


@dataclass(frozen=True)
class SegmentFolder:
    """Segments of one kind, in a subfolder for each day (UTC) on which they were begun.

        <day>/<time>-<process>.segment[.open]   a segment
        <day>.zip                               the pack: the sealed segments of a day that is over
        loaded                                  the last segment up to which all are in the warehouse
        lock                                    held while packs, or segments that may be packed, are written

    The name of a segment is its path beneath the parent of `root`, the landing; packing doesn't change it.
    """

    root: Path
    machine: int = 0  # 0 where one machine lands segments

    def new_path(self, at: datetime) -> Path:
        """The path of a segment that begins at `at`; its folder is made."""
        process = f"{self.machine}-{os.getpid()}" if self.machine else f"{os.getpid()}"
        path = self.root / f"{dated(at)}-{process}.segment"
        if path.exists():  # the clock stood still, or stepped back
            return self.new_path(at + timedelta(microseconds=1))
        make_folder(path.parent)
        return path

    def names(self) -> list[str]:
        """The names of all segments, in the order of their beginnings; open segments are sealed first."""
        return sorted({name for listed in self.listed({}) for name in listed.names})

    def listed(self, seen: Mapping[str, datetime]) -> Iterator[Listed]:
        """The segments of each folder and pack, without the packs that are as in `seen`.

        Open segments are sealed first. A segment may be in both, if packing was interrupted.
        """
        seal_all(self.root)
        for folder in (path for path in self.root.glob("*") if path.is_dir()):
            names = [path.name for path in folder.glob("*.segment")]
            yield Listed(self._name(folder), _beneath(self._name(folder), names), None)
        for pack in self.root.glob("*.zip"):
            at = changed_at(pack)
            if seen.get(self._name(pack)) == at:
                continue
            try:
                names = _beneath(self._name(pack.with_suffix("")), _members(pack))
            except BadZipFile:
                names = [self._name(pack)]
            yield Listed(self._name(pack), names, at if is_settled(at) else None)

    def has(self, name: str) -> bool:
        """True if there is a sealed segment, or a pack, of this name."""
        path = self._path(name)
        try:
            return path.exists() or path.name in _members(_pack_of(path.parent))
        except BadZipFile:
            return True  # nobody knows what it holds; reading says that it is damaged

    def read(self, name: str) -> list[Frame]:
        """The frames of a sealed segment; [NOTHING] for a damaged pack or a damaged member of a pack."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            try:
                content = _member(_pack_of(path.parent), path.name)
            except BadZipFile:
                return [NOTHING]
        return [NOTHING] if _is_pack(name) else list(read_frames(content))

    def read_all(self, names: Iterable[str]) -> Iterator[tuple[str, list[Frame]]]:
        """The frames of sealed segments, each as `read` has them, one after the other; a pack is read once."""
        for folder, of_day in groupby(names, key=lambda name: self._path(name).parent):
            packed: dict[str, bytes] | None = None
            for name in of_day:
                path = self._path(name)
                if packed is None and not path.exists():
                    packed = _contents(_pack_of(folder))
                if packed and path.name in packed:
                    yield name, list(read_frames(packed[path.name]))
                else:
                    yield name, self.read(name)

    def latest_first(self) -> Iterator[Frame]:
        """All frames, the latest first."""
        for name in reversed(self.names()):
            yield from reversed(self.read(name))

    def rewrite(self, name: str, frames: Iterable[Frame]) -> None:
        """Replace the frames of a sealed segment; without frames it is removed.

        Raises BooksError if its pack is damaged, since a pack is written as a whole.
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
        """Compress the sealed segments of each day but the last into one zip file.

        Does nothing while another process is packing, or where machines share their segments.
        """
        if self.machine:
            return
        days = sorted(path for path in self.root.glob("*") if path.is_dir())
        if len(days) < 2:
            return
        with suppress(BlockingIOError), self._packing(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for folder in days[:-1]:
                segments = {path.name: path for path in folder.glob("*.segment")}
                with suppress(BadZipFile):  # a damaged pack stays as it is, and its day unpacked
                    if segments:
                        self._write_pack(_pack_of(folder), {name: path.read_bytes() for name, path in segments.items()})
                    for path in segments.values():
                        path.unlink(missing_ok=True)
                with suppress(OSError):  # other files are left in it
                    folder.rmdir()

    def unpack(self) -> None:
        """Make single files of the segments in packs again. Raises BooksError for a damaged pack."""
        seal_all(self.root)
        with self._packing(fcntl.LOCK_EX):
            for pack in sorted(self.root.glob("*.zip")):
                try:
                    names = _members(pack)
                except BadZipFile:
                    raise BooksError(f"{pack} is damaged; restore it from a backup or remove it") from None
                for name in names:
                    write_whole(pack.with_suffix("") / name, _member(pack, name), overwrite=True)
                pack.unlink()

    @contextmanager
    def _packing(self, operation: int) -> Iterator[None]:
        """Hold the lock for writing packs and their members: one of two writers would lose the other's work."""
        with lock_file(self.root / "lock") as lock:
            fcntl.flock(lock, operation)
            yield

    def note_loaded(self, loaded: Container[str]) -> None:
        """Note up to which segment all are in the warehouse, for `oldest_unloaded`."""
        through = ""
        for name in self._unpacked():
            if name not in loaded:
                break
            through = name
        if through and through != self._loaded_through():
            write_whole(self.root / "loaded", through.encode(), overwrite=True)

    def oldest_unloaded(self) -> datetime | None:
        """The beginning of the oldest segment that is not in the warehouse yet."""
        through = self._loaded_through()
        behind = next((name for name in self._unpacked() if name > through), None)
        return begun_at(behind) if behind else None

    def _loaded_through(self) -> str:
        note = self.root / "loaded"
        return note.read_text() if note.exists() else ""

    def size(self) -> int:
        """The size of all segments in bytes, without packs."""
        return sum(path.stat().st_size for path in self.root.glob("*/*"))

    def _unpacked(self) -> list[str]:
        """All segments that are not packed, sealed or not, in the order of their beginnings."""
        names = (self._name(path) for path in self.root.glob("*/*"))
        return sorted(name.removesuffix(OPEN) for name in names if name.endswith((".segment", OPEN)))

    @staticmethod
    def _write_pack(pack: Path, changed: Mapping[str, bytes]) -> None:
        """Rewrite a pack with these segments added or changed; empty ones are left out."""
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
    """The beginning of a segment, as its name says; for a damaged pack, the last moment of its day."""
    if _is_pack(name):
        return datetime.strptime(f"{name[-14:-4]}+0000", "%Y-%m-%d%z") + timedelta(days=1, microseconds=-1)
    return instant_of(name)


def _beneath(folder: str, names: Iterable[str]) -> list[str]:
    """The names of files with that of their folder; a year has 35,000, and a Path for each takes most of a load."""
    return [f"{folder}/{name}" for name in names]


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


def _contents(pack: Path) -> dict[str, bytes]:
    """The segments in a pack, by name, without those that can't be read."""
    contents: dict[str, bytes] = {}
    with suppress(BadZipFile, FileNotFoundError), _unzipped(pack) as file:
        for name in file.namelist():
            contents[name] = file.read(name)
    return contents


def _member(pack: Path, name: str) -> bytes:
    with _unzipped(pack) as file:
        if name not in file.NameToInfo:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{pack}/{name}")
        return file.read(name)


@contextmanager
def _unzipped(pack: Path) -> Iterator[ZipFile]:
    """Open a pack for reading. Raises BadZipFile for any damage; an error of the disk stays an OSError."""
    with pack.open("rb") as file:
        try:
            with ZipFile(file) as unzipped:
                yield unzipped
        except Exception as error:  # from zlib, bz2, lzma, struct, …: a damaged header can name any method
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise BadZipFile from None
