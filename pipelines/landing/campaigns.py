"""Folders of campaigns: the plan, the lock of its sender, its high-water mark, and the mark of a purge."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import CampaignBusy, UsageError
from pipelines.files import is_draft, lock_file, write_whole


@dataclass(frozen=True)
class Purged:
    """The remains of a purged campaign: when it was purged, and its final figures."""

    campaign_id: str
    purged_at: datetime
    figures: dict[str, Any]


@dataclass(frozen=True)
class CampaignFolders:
    """All folders of campaigns, listed once: their ids in order, by what the folders hold."""

    planned: list[str]
    purged: list[str]
    without_drafts: list[str]


@dataclass(frozen=True)
class Campaigns:
    """The folders of campaigns in `root`."""

    root: Path

    def plan_path(self, campaign_id: str) -> Path:
        return self.root / campaign_id / "plan.parquet"

    def mark_path(self, campaign_id: str) -> Path:
        return self.root / campaign_id / "high_water"

    def listed(self) -> CampaignFolders:
        """The folders of all campaigns, each opened once, for a caller that asks more than one thing about them."""
        held: dict[str, list[str]] = {}
        if self.root.exists():
            with os.scandir(self.root) as folders:
                # os.listdir, since a Path for each of them takes most of the time
                held = {folder.name: os.listdir(folder.path) for folder in folders if folder.is_dir()}  # noqa: PTH208
        return CampaignFolders(
            planned=sorted(name for name, files in held.items() if "plan.parquet" in files),
            purged=sorted(name for name, files in held.items() if "purged.json" in files),
            without_drafts=sorted(name for name, files in held.items() if not any(map(is_draft, files))),
        )

    def planned_ids(self) -> list[str]:
        """The ids of all campaigns that have a plan, in order."""
        return self._with("plan.parquet")

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
        return self._with("purged.json")

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

    def _with(self, file_name: str) -> list[str]:
        """The ids of the campaigns that have such a file, in order; Path.glob takes five times as long."""
        with suppress(FileNotFoundError), os.scandir(self.root) as folders:
            return sorted(folder.name for folder in folders if os.access(f"{folder.path}/{file_name}", os.F_OK))
        return []

    def _mark(self, campaign_id: str) -> Path:
        return self.root / campaign_id / "purged.json"
