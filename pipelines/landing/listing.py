"""Lists the landing folder by folder, and leaves out folders that are as they were when they were listed before.

Nothing is ever removed from the landing but by an erasure or a purge, so a day that is over soon has the same files for
good. A change of a folder's names, or of a pack's bytes, changes its ctime, which no program can set.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipelines.files import is_draft
from pipelines.times import from_microseconds

# A folder that changed less than this ago could change again with the same ctime: clocks of file systems tick.
SETTLING_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Listed:
    """The files of one folder, or of a pack; `settled_at` is when it changed last, None if it must be listed again."""

    folder: str
    names: list[str]
    settled_at: datetime | None


def listed_days(root: Path, kind: str, suffix: str, seen: Mapping[str, datetime]) -> Iterator[Listed]:
    """The folders of the days of a kind, in order, without those of `seen` (folder → when it had changed last)."""
    days = sorted(path.name for path in (root / kind).glob("*") if path.is_dir())
    for day in days:
        folder, path = f"{kind}/{day}", root / kind / day
        at = changed_at(path)  # before its files, so that one that comes meanwhile changes it
        if seen.get(folder) == at:
            continue
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries]
        is_over = day != days[-1] and not any(map(is_draft, names))
        found = sorted(f"{folder}/{name}" for name in names if name.endswith(suffix))
        yield Listed(folder, found, at if is_over and is_settled(at) else None)


def changed_at(path: Path) -> datetime:
    """The ctime of a folder or file, to the microsecond."""
    return from_microseconds(changed_us(path))


def changed_us(path: Path | str, folder: int | None = None) -> int:
    """The same in microseconds, which takes less time for many; a path may be one beneath an opened folder."""
    return os.stat(path, dir_fd=folder).st_ctime_ns // 1000


def is_settled(at: datetime) -> bool:
    """True if whatever comes now gives the folder another ctime."""
    return time.time() - at.timestamp() > SETTLING_SECONDS
