"""Files exported from a vendor's console that a person brought."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pipelines.files import write_whole
from pipelines.landing.dated_names import dated
from pipelines.landing.header import header_and_body, with_header
from pipelines.landing.listing import Listed, listed_days


@dataclass(frozen=True)
class Import:
    """An exported file: what it holds, and which heading of its columns stands for which field."""

    kind: Literal["reports", "replies"]
    imported_at: datetime
    file_name: str
    mapping: dict[str, str]
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Import":
        """Read an `.import` file. Raises one of UNREADABLE_HEADER if its header is damaged."""
        header, body = header_and_body(content)
        header["imported_at"] = datetime.fromisoformat(header["imported_at"])
        return cls(**header, body=body)


@dataclass(frozen=True)
class Imports:
    """The landed imports beneath `root`, the landing; their names are paths beneath it."""

    root: Path

    def land(self, imported: Import) -> str:
        """Write `imported` and sync it to disk; returns its name.

        The same bytes with the same kind and mapping land once: later landings return the name of the first.
        """
        meaning = json.dumps([imported.kind, imported.mapping], sort_keys=True).encode()
        digest = hashlib.sha256(meaning + b"\n" + imported.body).hexdigest()[:16]
        if landed := sorted(self.root.glob(f"imports/*/*-{digest}.import")):
            return landed[0].relative_to(self.root).as_posix()
        name = f"imports/{dated(imported.imported_at)}-{digest}.import"
        write_whole(self.root / name, with_header(imported), overwrite=False)
        return name

    def names(self) -> list[str]:
        """The names of all imports, in the order of landing."""
        return sorted(name for listed in self.listed({}) for name in listed.names)

    def listed(self, seen: Mapping[str, datetime]) -> Iterator[Listed]:
        """The imports, day by day, without the folders that are as in `seen`."""
        return listed_days(self.root, "imports", ".import", seen)

    def read(self, name: str) -> Import:
        """Read one import. Raises one of UNREADABLE_HEADER if its header is damaged."""
        return Import.from_bytes((self.root / name).read_bytes())
