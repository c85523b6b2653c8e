"""Folders of campaigns: the plan, the lock of its sender, its high-water mark, and the mark of a purge."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import CampaignBusy, UsageError
from pipelines.files import is_draft, lock_file, remove_drafts, write_whole
from pipelines.landing.listing import changed_us, is_settled
from pipelines.times import from_microseconds, to_microseconds


@dataclass(frozen=True)
class Purged:
    """The remains of a purged campaign: when it was purged, and its final figures."""

    campaign_id: str
    purged_at: datetime
    figures: dict[str, Any]


@dataclass(frozen=True)
class CampaignFolders:
    """The ids of all campaigns, in order, by what their folders hold; `kept` have a plan and are not purged.

    Folders that have changed are looked into. `settled_at` is when the last one changed; None if nothing is to be
    noted: none has changed, or they are to be looked into again.
    """

    kept: list[str]
    purged: list[str]
    with_drafts: list[str]
    settled_at: datetime | None


@dataclass(frozen=True)
class Campaigns:
    """The folders of campaigns in `root`."""

    root: Path

    def plan_path(self, campaign_id: str) -> Path:
        return self.root / campaign_id / "plan.parquet"

    def mark_path(self, campaign_id: str) -> Path:
        return self.root / campaign_id / "high_water"

    def listed(self, seen: datetime | None = None, loaded: Set[str] = frozenset()) -> CampaignFolders:
        """The folders of all campaigns, for a caller that asks more than one thing about them.

        Those that last changed at `seen` or before had no drafts then, and those of them whose plan is `loaded` had
        that plan and were not purged: what is noted is an instant at which this held for all. A campaign that is
        loaded later had its plan at that time. To ask for two names takes a third of the time of listing a folder.
        """
        seen_us = to_microseconds(seen) if seen is not None else -1
        with self._opened() as (root, names):
            changed = {name: at for name in names if (at := changed_us(name, root)) > seen_us}
            last = from_microseconds(max(changed.values(), default=0))
            with_drafts = [name for name in changed if any(map(is_draft, os.listdir(f"{self.root}/{name}")))]  # noqa: PTH208
            asked = [name for name in names if name in changed or name not in loaded]
            found, purged = _kept_and_purged(asked, root)
            gone = {*asked} - {*found}
            is_noted = changed and not with_drafts and loaded.isdisjoint(gone) and is_settled(last)
            return CampaignFolders(
                kept=[name for name in names if name not in gone],
                purged=purged,
                with_drafts=with_drafts,
                settled_at=last if is_noted else None,
            )

    def remove_drafts(self, campaign_ids: Iterable[str]) -> None:
        """Remove what killed processes left unfinished in these folders, an hour ago or earlier."""
        for campaign_id in campaign_ids:
            remove_drafts(self.root / campaign_id)

    def planned_ids(self) -> list[str]:
        """The ids of all campaigns that have a plan, in order."""
        with self._opened() as (root, names):
            return _with("plan.parquet", names, root)

    def kept_ids(self) -> list[str]:
        """The ids of all campaigns that have a plan and are not purged, in order."""
        with self._opened() as (root, names):
            kept, _ = _kept_and_purged(names, root)
            return kept

    def plan_paths(self) -> list[Path]:
        """The plans of all campaigns that are not purged, in the order of their ids."""
        return [self.plan_path(campaign_id) for campaign_id in self.planned_ids()]

    @contextmanager
    def lock(self, campaign_id: str) -> Iterator[None]:
        """Hold the campaign for this process; the lock dies with it. Raises CampaignBusy at once if held elsewhere."""
        with lock_file(self.root / campaign_id / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CampaignBusy(
                    f"campaign {campaign_id} is being sent by another process; see 'smsrecon status {campaign_id}'"
                ) from None
            yield

    def mark_purged(self, purged: Purged) -> None:
        """Mark the campaign as gone, whatever files of it still exist."""
        mark = {"purged_at": purged.purged_at, "figures": purged.figures}
        write_whole(self._mark(purged.campaign_id), json.dumps(mark, default=str).encode(), overwrite=True)

    def purged(self, campaign_id: str) -> Purged | None:
        """The remains of the campaign if it was purged, else None."""
        if not self._mark(campaign_id).exists():
            return None
        mark = json.loads(self._mark(campaign_id).read_text())
        return Purged(campaign_id, datetime.fromisoformat(mark["purged_at"]), mark["figures"])

    def purged_ids(self) -> list[str]:
        """The ids of all purged campaigns."""
        with self._opened() as (root, names):
            return _with("purged.json", names, root)

    def refuse_purged(self, campaign_id: str) -> None:
        """Raise UsageError if the campaign was purged: it is no longer known who got its messages."""
        if purged := self.purged(campaign_id):
            raise UsageError(
                f"campaign {campaign_id} was purged on {purged.purged_at:%Y-%m-%d}, and an id is never used twice;"
                " choose another campaign id"
            )

    def clear_purged(self, campaign_id: str) -> None:
        """Remove all files of a purged campaign but its mark and its lock."""
        for path in self._mark(campaign_id).parent.iterdir():
            if path.name not in ("purged.json", "lock"):
                path.unlink()

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, list[str]]]:
        """A descriptor of `root`, beneath which names are found in half the time, and the ids in order."""
        try:
            root = os.open(self.root, os.O_RDONLY)
        except FileNotFoundError:
            yield -1, []
            return
        try:
            with os.scandir(root) as folders:
                names = sorted(folder.name for folder in folders if folder.is_dir())
            yield root, names
        finally:
            os.close(root)

    def _mark(self, campaign_id: str) -> Path:
        return self.root / campaign_id / "purged.json"


def _kept_and_purged(campaign_ids: list[str], root: int) -> tuple[list[str], list[str]]:
    """The campaigns that have a plan and are not purged, and the purged ones."""
    purged = _with("purged.json", campaign_ids, root)
    gone = {*purged}
    return [each for each in _with("plan.parquet", campaign_ids, root) if each not in gone], purged


def _with(file_name: str, campaign_ids: list[str], root: int) -> list[str]:
    """Those of the campaigns that have such a file; Path.glob takes ten times as long."""
    return [each for each in campaign_ids if os.access(f"{each}/{file_name}", os.F_OK, dir_fd=root)]
