"""Files of the owner alone, written whole or not at all, and on disk before anything relies on them."""

import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from pipelines.failpoints import reach

_DRAFT_PREFIX: Final = ".draft-"
_DRAFT_SECONDS: Final = 3600  # a younger draft may still have a writer


def make_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, and its missing parents, and sync their names to disk."""
    if not path.is_dir():
        make_folder(path.parent)
        if path.exists() and not path.is_dir():  # FileExistsError would tell callers that their file exists already
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


@contextmanager
def written_whole(path: Path, *, overwrite: bool, mode: int = 0o600) -> Iterator[Path]:
    """Yield an empty draft to fill; when the block ends, sync it and give it the name `path` in one step.

    A block that raises leaves no draft and no change. The folder must exist. Raises FileExistsError at the end of the
    block if the file exists already and `overwrite` is false.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_DRAFT_PREFIX)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        reach("file.before_sync")
        draft.chmod(mode)
        _sync(draft)
        reach("file.before_rename")
        if overwrite:
            draft.replace(path)
        else:
            os.link(draft, path)
        reach("file.after_rename")
        sync_folder(path.parent)
        reach("file.after_sync")
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file as `written_whole` does, making its folder if it is missing."""
    make_folder(path.parent)
    with written_whole(path, overwrite=overwrite) as draft:
        reach("file.before_write")
        draft.write_bytes(content)


def secret_kept_in(path: Path, prefix: str = "") -> str:
    """The secret in a file, made at first use and kept for good: `prefix` and 64 random hex digits."""
    if not path.exists():
        with suppress(FileExistsError):  # another process made it first
            write_whole(path, (prefix + secrets.token_hex(32)).encode(), overwrite=False)
    return path.read_text(encoding="utf-8")


def remove_drafts(folder: Path, *, without: Iterable[str] = ()) -> None:
    """Remove drafts in and below `folder` that killed processes left behind an hour ago or earlier.

    Folders of `without` are not looked into.
    """
    skipped = set(without)
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if f"{parent}/{name}" not in skipped]
        for draft in (Path(parent, name) for name in filter(is_draft, names)):
            with suppress(FileNotFoundError):  # it was renamed just now, or another process removed it first
                if draft.stat().st_mtime < time.time() - _DRAFT_SECONDS:
                    draft.unlink()


def is_draft(name: str) -> bool:
    """True for the name of a file that is being written, or was when its process was killed."""
    return name.startswith(_DRAFT_PREFIX)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name for the same content; where the file system has no hard links, copy and sync it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        _sync(target)


def sync_file(path: Path) -> None:
    """Sync a file's content to disk."""
    _sync(path)


def sync_folder(path: Path) -> None:
    """Sync the names in a folder to disk."""
    _sync(path)


def lock_file(path: Path) -> IO[bytes]:
    """Open the file that a lock is held on, making it if it is missing."""
    make_folder(path.parent)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
