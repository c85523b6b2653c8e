"""Files that are there whole or not at all, on disk before anybody relies on them, and their owner's alone."""

import errno
import os
import tempfile
from pathlib import Path
from typing import IO

from pipelines.failpoints import reach


def make_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, with all above it that are missing, and sync their names to disk."""
    if not path.is_dir():
        make_folder(path.parent)
        if path.exists() and not path.is_dir():  # a FileExistsError would say that the name of a call is taken
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file whole or not at all, readable by its owner only, and sync it to disk.

    Raises FileExistsError if it is there already and `overwrite` is false.
    """
    make_folder(path.parent)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            reach("landing.before_write")
            file.write(content)
            file.flush()
            reach("landing.before_sync")
            os.fsync(file.fileno())
        place(Path(draft), path, overwrite=overwrite)
    finally:
        Path(draft).unlink(missing_ok=True)


def place(draft: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished, synced draft its name in one step, and sync the folder."""
    reach("landing.before_rename")
    if overwrite:
        draft.replace(path)
    else:
        os.link(draft, path)
    reach("landing.after_rename")
    sync_folder(path.parent)
    reach("landing.after_sync")


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_file(path: Path) -> IO[bytes]:
    """A file to hold a lock on, made where there is none."""
    make_folder(path.parent)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb")
