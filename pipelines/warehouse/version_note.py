"""version.json of a published version: how its tables and files were made, for an audit and for the next publish."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import duckdb

from pipelines.contracts import columns_of, comment_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import FUNCTIONS, PUBLISHED
from pipelines.files import sync_file
from pipelines.warehouse.computed import Computed, files_digest

VERSION_NOTE: Final = "version.json"


@dataclass(frozen=True)
class PhoneHash:
    """The key of the phones' hashes, and their reach as in policy.phone_hash."""

    key: str = field(repr=False)
    reach: str = "installation"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of key, reach and the statements that select what is published, as hex digits."""
        text = f"{files_digest('published', 'sources', 'functions')} {self.reach} {self.key}"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class PublishedFile:
    """A file of a version as it was written, and what its rows were selected from.

    Files of two versions with the same `digest` have the same rows, if the notes of the versions agree in
    `fingerprint` and `form`; None if only its own version may use it. `campaign_ids` are those of a part of messages.
    """

    byte_count: int
    modified_ns: int
    digest: str | None
    campaign_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, digest: str | None, campaign_ids: tuple[str, ...] = ()) -> Self:
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, digest, campaign_ids)

    def is_at(self, path: Path) -> bool:
        """True if the file at `path` was not written again since: it has the same size and time."""
        try:
            stat = path.lstat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.byte_count, self.modified_ns)


@dataclass(frozen=True)
class VersionNote:
    """How a published version was made: as in `Computed`, the fingerprint of its PhoneHash, its folder and its files.

    `form` stands for all else that decides the files, see `form_fingerprint`; `folder` is where the views read Parquet,
    and `files` are by their path in it.
    """

    as_of: datetime
    tables_fingerprint: str
    loaded: tuple[int, int]
    computed_id: str
    fingerprint: str
    form: str
    folder: str
    files: Mapping[str, PublishedFile] = field(default_factory=dict)

    @classmethod
    def of(cls, computed: Computed, phone_hash: PhoneHash, *, folder: Path) -> Self:
        """The note of a version of these tables in `folder`, without its files."""
        return cls(
            as_of=computed.as_of,
            tables_fingerprint=computed.fingerprint,
            loaded=computed.loaded,
            computed_id=computed.computed_id,
            fingerprint=phone_hash.fingerprint,
            form=form_fingerprint(),
            folder=str(folder),
        )

    def is_alike(self, other: Self) -> bool:
        """True if files with the same digest have the same content in both versions."""
        return (self.fingerprint, self.form) == (other.fingerprint, other.form)

    def is_of_same_rows(self, other: Self, version: Path) -> bool:
        """True if the version of this note, which lies in `version`, is what a version of the `other` would be."""
        is_same = self.is_alike(other) and self.computed_id == other.computed_id
        return is_same and self.folder == str(version) and self.is_whole(version)

    def is_whole(self, version: Path) -> bool:
        """True if `version` has all files of the note, as they were written, and no others."""
        found = {path.relative_to(version).as_posix() for path in version.rglob("*") if not path.is_dir()}
        return found == {*self.files, VERSION_NOTE} and all(
            file.is_at(version / name) for name, file in self.files.items()
        )

    def write(self, version: Path) -> None:
        """Write it into the folder of its version, and sync it to disk."""
        values = {**asdict(self), "as_of": self.as_of.isoformat()}
        path = version / VERSION_NOTE
        path.write_text(json.dumps(values), encoding="utf-8")
        sync_file(path)

    @classmethod
    def read(cls, version: Path) -> Self | None:
        """The note of a version; None if an older version of smsrecon made it, or if it is damaged."""
        try:
            values: dict[str, Any] = json.loads((version / VERSION_NOTE).read_text(encoding="utf-8"))
            file_count, last_event_id = values.pop("loaded")
            as_of = datetime.fromisoformat(values.pop("as_of"))
            files = {
                name: PublishedFile(**{**file, "campaign_ids": tuple(file["campaign_ids"])})
                for name, file in values.pop("files").items()
            }
            return cls(as_of=as_of, loaded=(file_count, last_event_id), files=files, **values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


@cache
def form_fingerprint() -> str:
    """SHA-256 of DuckDB's version, and of the names, types and comments of all that is published, as hex digits."""
    described = [[comment_of(contract), *map(asdict, columns_of(contract))] for contract in (*MARTS, *PUBLISHED)]
    return hashlib.sha256(json.dumps([duckdb.__version__, described, FUNCTIONS]).encode()).hexdigest()
