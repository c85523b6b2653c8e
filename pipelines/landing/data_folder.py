"""Trials of the data folder, before a campaign is sent whose books could not be closed there."""

import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipelines.contracts import columns_of
from pipelines.contracts.published import PUBLISHED
from pipelines.errors import UsageError

_NEXT_STEP: Final = "choose another folder with data_dir"

# DuckDB takes what follows ? for options, and \ for /.
_FORBIDDEN: Final = ("?", "\\")
_ADDRESS: Final = re.compile(
    "~|[A-Za-z0-9_]{2,}:"
)  # of a relative path: another home folder, s3:, or a kind of database
_OVER_A_NETWORK: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "9p", "ceph", "glusterfs", "lustre", "beegfs", "davfs", "s3fs")
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")  # how mountinfo writes a blank
_MOST_BYTES: Final = 480  # SQLite opens no path of more than 512, and the journal lies in a folder below
_MOST_BYTES_OF_NAME: Final = 255  # of nearly all file systems


def check_data_folder(folder: Path) -> None:
    """Raise UsageError, saying what is missing, if the data can't be kept in `folder`.

    A folder that doesn't exist yet is tried in the one that it will be made in. Nothing stays of the trials. Raises
    OSError if nothing can be written there at all.
    """
    check_path(folder)
    path = folder.absolute()
    there = next(parent for parent in (path, *path.parents) if parent.is_dir())
    with TemporaryDirectory(dir=there, prefix=".trial-") as scratch:
        missing = [ability for ability, has_it in _ABILITIES.items() if not _succeeds(has_it, Path(scratch))]
    if missing:
        raise UsageError(f"{folder} is on a file system without {' and '.join(missing)}; {_NEXT_STEP}")


def check_path(folder: Path) -> None:
    """Raise UsageError for a path that can't be opened, or that DuckDB reads as columns of the published tables."""
    if _ADDRESS.match(str(folder)):
        raise UsageError(f"the data folder {folder} begins as an address does, which DuckDB can't open; {_NEXT_STEP}")
    path = folder.absolute()
    if not _is_text(str(path)):
        raise UsageError(f"the path of the data folder {path} is not UTF-8; {_NEXT_STEP}")
    lengths = [len(os.fsencode(part)) for part in path.parts]
    if max(lengths) > _MOST_BYTES_OF_NAME or len(os.fsencode(path)) > _MOST_BYTES:
        raise UsageError(
            f"the path of the data folder is too long: {_MOST_BYTES} bytes can be used, {_MOST_BYTES_OF_NAME} in each"
            f" name; {_NEXT_STEP}"
        )
    if found := [sign for sign in _FORBIDDEN if sign in str(path)]:
        raise UsageError(f"the path of the data folder {path} has a {found[0]}, which DuckDB can't open; {_NEXT_STEP}")
    columns = {column.name for contract in PUBLISHED for column in columns_of(contract)} | {"campaign_id"}
    for part in path.parts:
        name, equals, _ = part.partition("=")
        if equals and name.lower() in columns:
            raise UsageError(f"{path} has a folder {part}, which DuckDB takes for a column {name}; {_NEXT_STEP}")


def network_file_system(folder: Path, mounts: str | None = None) -> str | None:
    """The kind of network file system that a folder lies on, such as nfs4; None for a disk, or if it isn't known.

    `mounts` is the content of /proc/self/mountinfo. SQLite's journal needs memory that all its processes share, and
    DuckDB needs locks: on a network file system neither is sure, though both seem to work.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    path = folder.resolve()
    kinds: dict[Path, str] = {}
    for line in mounts.splitlines():
        place, _, source = line.partition(" - ")
        mounted_at = Path(_OCTAL.sub(lambda sign: chr(int(sign[1], 8)), place.split()[4]))
        if path.is_relative_to(mounted_at):
            kinds[mounted_at] = source.split()[0]
    kind = kinds[max(kinds, key=lambda each: len(each.parts))] if kinds else ""
    return kind if kind.removeprefix("fuse.") in _OVER_A_NETWORK else None


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _succeeds(trial: Callable[[Path], bool], scratch: Path) -> bool:
    try:
        return trial(scratch)
    except OSError:
        return False


def _has_links(scratch: Path) -> bool:
    (scratch / "file").touch()
    os.link(scratch / "file", scratch / "link")
    return (scratch / "link").samefile(scratch / "file")


def _has_symlinks(scratch: Path) -> bool:
    (scratch / "symlink").symlink_to("file")
    return (scratch / "symlink").is_symlink()


def _has_locks(scratch: Path) -> bool:
    """True if both kinds of locks can be taken, and an flock keeps others out."""
    with (scratch / "lock").open("wb") as one, (scratch / "lock").open("wb") as other:
        fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


_ABILITIES: Final[dict[str, Callable[[Path], bool]]] = {
    "hard links": _has_links,
    "symbolic links": _has_symlinks,
    "file locks": _has_locks,
}
