"""Suppression lists: Parquet files with phone, reason and since_at."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.files import write_whole


@dataclass(frozen=True)
class SuppressionLists:
    """The landed suppression lists beneath `root`, the landing; their names are paths beneath it."""

    root: Path

    def land(self, parquet: bytes, *, name: str, at: datetime) -> str:
        """Write a list and sync it to disk; returns its name, which begins with the instant. Never overwrites."""
        path = f"suppressions/{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{name}.parquet"
        write_whole(self.root / path, parquet, overwrite=False)
        return path

    def names(self) -> list[str]:
        """The names of all lists, in the order of their instants."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("suppressions/*.parquet"))

    def other_files(self) -> list[Path]:
        """Files that were put there and are no lists, by their names; hidden ones are drafts."""
        lists = {self.root / name for name in self.names()}
        found = self.root.glob("suppressions/*")
        return sorted(path for path in found if path not in lists and not path.name.startswith("."))

    def read(self, name: str) -> bytes:
        """The Parquet bytes of one list."""
        return (self.root / name).read_bytes()
