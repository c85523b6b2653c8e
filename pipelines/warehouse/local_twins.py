"""Files of a bucket as DuckDB opens them while it makes views of them: it reads their twins on this machine.

DuckDB binds a view when it is made, and would need its S3 extension, which is fetched from its makers' server.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem


class _Closing(FileIO):
    """A file that closes itself when nobody has it any more: DuckDB closes none."""

    def __del__(self) -> None:
        self.close()


class LocalTwins(AbstractFileSystem):  # type: ignore[misc]
    """Addresses `s3://…` and the paths of files with the same content."""

    protocol = "s3"
    cachable = False

    def __init__(self, twins: Mapping[str, Path]) -> None:
        super().__init__()
        self._twins = {address.removeprefix("s3://"): path for address, path in twins.items()}

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name, size in bytes and type of a file."""
        return {"name": path, "size": self._twin(path).stat().st_size, "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """The address itself: views name every file."""
        return [path]

    def modified(self, path: str) -> datetime:
        """The time of the last change."""
        return datetime.fromtimestamp(self._twin(path).stat().st_mtime, UTC)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> FileIO:
        return _Closing(self._twin(path))

    def _twin(self, path: str) -> Path:
        return self._twins[path.removeprefix("s3://")]
