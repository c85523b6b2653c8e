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

    def files(self) -> list[Path]:
        """All lists, and the other files that were put there; hidden ones that are no lists are drafts."""
        found = self.root.glob("suppressions/*")
        return sorted(path for path in found if path.name.endswith(".parquet") or not path.name.startswith("."))

    def other_files(self) -> list[Path]:
        """The files that are no lists by their names."""
        return [path for path in self.files() if not path.name.endswith(".parquet")]

    def read(self, name: str) -> bytes:
        """The Parquet bytes of one list."""
        return (self.root / name).read_bytes()
