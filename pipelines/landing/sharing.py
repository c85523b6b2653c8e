"""The sharing of landings: each machine has all files on its own disk, and a bucket has them for all.

A machine writes its files as if it were alone, each under a name that no other machine gives, then puts them in the
bucket. Its note of the files that it knows to be there tells three cases apart: a file that is not noted is new here;
one that is noted and gone from the bucket was erased elsewhere; one that is noted and not as noted was changed here.

    machine             the number of this machine in the names of its files
    shared.sqlite       the note: each file that is in the bucket, with its ETag, size and time
    shared.lock         held by the process that compares landing and bucket
    erased.warehouse    another machine erased or purged something that is still in the warehouse
    erased.published    the same of the published copies
"""

import fcntl
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.errors import BooksError
from pipelines.failpoints import reach
from pipelines.files import lock_file, write_whole
from pipelines.landing.bucket import Bucket

# Which files of a landing are shared. Not the locks, marks, open segments and packs of a machine.
_SHARED: Final = (
    "*.key",
    "campaigns/*/plan.parquet",
    "campaigns/*/purged.json",
    "suppressions/*",
    "reports/*/*.call",
    "replies/*/*.call",
    "balance/*/*.call",
    "imports/*/*.import",
    "pushes/*/*.segment",
    "refused/*/*.segment",
)
_FOLDER: Final = "landing"  # in the bucket
# Marks of what is still to be made again here, since files were changed or removed elsewhere: by an erasure or a purge.
ERASED_IN_WAREHOUSE: Final = "erased.warehouse"
ERASED_IN_PUBLISHED: Final = "erased.published"
_AT_ONCE: Final = 8  # downloads
_IDENTITY: Final = "identity"  # an object of random content: a bucket that lacks it has lost everything, or is another
_NOTES: Final = """
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, etag TEXT NOT NULL, size INTEGER, changed INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS buckets (identity TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True)
class _Noted:
    """A file as it was when it was the same here and in the bucket."""

    etag: str
    stat: tuple[int, int]  # size in bytes, time of the last change in nanoseconds


@dataclass(frozen=True)
class Sharing:
    """The landing at `root`, and the bucket that has the files of all machines.

    Every method raises SharedUnavailable; then what has landed here stays here, and goes with the next call.
    """

    root: Path
    bucket: Bucket

    def catch_up(self, folder: str = "") -> None:
        """Put what is new here in the bucket, and bring what is new there, so that both have the same; of one folder.

        It is a folder of _SHARED, by default all.
        """
        with self._notes() as notes:
            self._put_new(notes, folder)
            beneath = self.bucket.listed(f"{_FOLDER}/{folder}".rstrip("/"))
            there = {name.removeprefix(f"{_FOLDER}/"): found.etag for name, found in beneath}
            noted = {name: known for name, known in _read(notes).items() if name.startswith(folder)}
            changed = [name for name in there.keys() & noted.keys() if noted[name].etag != there[name]]
            gone = sorted(noted.keys() - there.keys())
            if changed or gone:
                for name in (ERASED_IN_WAREHOUSE, ERASED_IN_PUBLISHED):
                    write_whole(self.root / name, b"", overwrite=True)
            wanted = [*changed, *(there.keys() - noted.keys())]
            wanted += [name for name in there.keys() & noted.keys() if not (self.root / name).exists()]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for name, etag in pool.map(self._bring, sorted({*wanted})):
                    if etag is not None:
                        _note(notes, name, etag, self.root / name)
            for name in gone:
                (self.root / name).unlink(missing_ok=True)
                _forget(notes, name)

    def put(self, name: str) -> None:
        """Put a file in the bucket that was written here just now.

        Raises BooksError if another machine has written it meanwhile.
        """
        with self._notes() as notes:
            self._put(notes, name, _read(notes).get(name))

    def put_new(self, folder: str = "") -> None:
        """Put what is new here in the bucket, in all or in one folder."""
        with self._notes() as notes:
            self._put_new(notes, folder)

    def file_count(self) -> int:
        """The number of files that are noted to be in the bucket."""
        with self._notes() as notes:
            return len(_read(notes))

    def put_changes(self) -> None:
        """Put what was changed here in the bucket, and remove what was removed here: after an erasure or a purge.

        The caller caught up before it began, and removes nothing else.
        """
        with self._notes() as notes:
            self._put_new(notes)
            for name, known in _read(notes).items():
                path = self.root / name
                if not path.exists():
                    self.bucket.remove(f"{_FOLDER}/{name}")
                    _forget(notes, name)
                elif _stat(path) != known.stat:
                    self._put(notes, name, known)

    def secret(self, name: str) -> None:
        """Bring a secret that all machines have, or make it for all."""
        with self._notes() as notes:
            with suppress(FileExistsError):  # another machine made it first
                self.bucket.create(f"{_FOLDER}/{name}", secrets.token_hex(32).encode())
            _, etag = self._bring(name)
            _note(notes, name, str(etag), self.root / name)

    def _check_identity(self, notes: sqlite3.Connection) -> None:
        """Raise BooksError if the bucket isn't the one of the notes: what it lacks must not count as removed."""
        known = notes.execute("SELECT identity FROM buckets").fetchone()
        try:
            found = self.bucket.read(_IDENTITY)[0].decode()
        except FileNotFoundError:
            found = ""
        if known is None:
            if not found:
                with suppress(FileExistsError):  # another machine was first
                    self.bucket.create(_IDENTITY, secrets.token_hex(16).encode())
                found = self.bucket.read(_IDENTITY)[0].decode()
            notes.execute("INSERT INTO buckets VALUES (?)", (found,))
        elif known[0] != found:
            raise BooksError(
                f"{self.bucket.address} is not the bucket that {self.root} shares, or it has lost its objects; correct"
                " shared.bucket, or restore the bucket from a backup"
            )

    def _put_new(self, notes: sqlite3.Connection, folder: str = "") -> None:
        noted = _read(notes)
        for pattern in _SHARED:
            if not pattern.startswith(folder):
                continue
            for path in sorted(self.root.glob(pattern)):
                name = path.relative_to(self.root).as_posix()
                if name not in noted and not path.name.startswith("."):
                    self._put(notes, name, None)

    def _put(self, notes: sqlite3.Connection, name: str, known: _Noted | None) -> None:
        path, target = self.root / name, f"{_FOLDER}/{name}"
        content = path.read_bytes()
        reach("sharing.before_put")
        try:
            if known is None:
                etag = self.bucket.create(target, content)
            else:
                etag = self.bucket.replace(target, content, etag=known.etag)
        except FileExistsError:
            raise BooksError(
                f"another machine wrote {self.bucket.url(target)} at the same time; run the same command again, which"
                " takes its file"
            ) from None
        reach("sharing.after_put")
        _note(notes, name, etag, path)

    def _bring(self, name: str) -> tuple[str, str | None]:
        """Copy an object here; without an ETag if it was removed meanwhile."""
        try:
            content, etag = self.bucket.read(f"{_FOLDER}/{name}")
        except FileNotFoundError:
            return name, None
        write_whole(self.root / name, content, overwrite=True)
        return name, etag

    @contextmanager
    def _notes(self) -> Iterator[sqlite3.Connection]:
        """The notes, held by one process of this machine at a time."""
        with lock_file(self.root / "shared.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with closing(sqlite3.connect(self.root / "shared.sqlite", isolation_level=None)) as notes:
                notes.executescript(_NOTES)
                self._check_identity(notes)
                yield notes


def _read(notes: sqlite3.Connection) -> dict[str, _Noted]:
    rows: Iterable[tuple[str, str, int, int]] = notes.execute("SELECT name, etag, size, changed FROM files")
    return {name: _Noted(etag, (size, changed)) for name, etag, size, changed in rows}


def _note(notes: sqlite3.Connection, name: str, etag: str, path: Path) -> None:
    notes.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (name, etag, *_stat(path)))


def _forget(notes: sqlite3.Connection, name: str) -> None:
    notes.execute("DELETE FROM files WHERE name = ?", (name,))


def _stat(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
