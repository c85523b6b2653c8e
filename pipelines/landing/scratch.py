"""Scratch folders of the data folder: copies that one process makes to look at, removed when it has ended.

They hold personal data, as the warehouse does. A process that is killed leaves them; the next one that takes the
folder, and an erasure, removes them first.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.errors import UsageError, WarehouseBusy
from pipelines.files import make_folder


@contextmanager
def new_scratch_folder(parent: Path) -> Iterator[Path]:
    """Hold a new folder below `parent`, as `scratch_folder` does, and remove those whose processes were killed."""
    for left_over in parent.glob("*"):
        with suppress(WarehouseBusy):
            remove_left_over(left_over)
    with scratch_folder(parent / secrets.token_hex(8)) as folder:
        yield folder


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Hold an empty folder at `path` that only its owner can enter; it is removed when the block ends.

    Raises WarehouseBusy if another process holds it. Its lock ends with its process.
    """
    descriptor = _locked(path)
    try:
        for left_over in path.iterdir():
            _remove(left_over)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_left_over(*paths: Path) -> None:
    """Remove what killed processes left in scratch folders. Raises WarehouseBusy while a process uses one."""
    for path in paths:
        if path.exists():
            with scratch_folder(path):
                pass


def check_space(path: Path, byte_count: int) -> None:
    """Raise UsageError unless the file system of `path` has room for so many bytes."""
    free = shutil.disk_usage(path).free
    if free < byte_count:
        raise UsageError(
            f"{path.parent} has {free / 2**20:,.0f} MB of free space, and an audit needs about"
            f" {byte_count / 2**20:,.0f} MB for its copies; free some, then run the command again"
        )


def _locked(path: Path) -> int:
    """The descriptor of the folder, made if it is missing and locked."""
    while True:
        make_folder(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor  # else its holder removed it just now
        except BlockingIOError:
            os.close(descriptor)
            raise WarehouseBusy(
                f"{path} is in use by an audit, one at a time, or by a submission that reads its input; run the command"
                " again when that has ended"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
