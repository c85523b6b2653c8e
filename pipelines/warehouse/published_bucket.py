"""The analysts' copy in the bucket: the newest version that any machine published, for DuckDB and polars anywhere.

    published/analytics.duckdb           the marts as tables; messages and replies as views of the Parquet in the bucket
    published/files/<sha256>.parquet     never changed, shared by the versions that have the same rows
    published/versions/<epoch>.json      which files a version has, by table

A version counts from the moment at which analytics.duckdb is replaced, in one step and only by a higher epoch, so a
machine that was held up never puts back an older one. The files of the version before stay for who reads it.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from pipelines.contracts import parquet_of
from pipelines.contracts.published import PUBLISHED
from pipelines.errors import BooksError
from pipelines.landing.bucket import Bucket
from pipelines.settings import PUBLISHED_DATABASE
from pipelines.warehouse.database import set_comments
from pipelines.warehouse.publish import view_of
from pipelines.warehouse.version_note import VersionNote

_DATABASE: Final = f"published/{PUBLISHED_DATABASE}"
_FILES: Final = "published/files"
_VERSIONS: Final = "published/versions"
_EPOCH: Final = "epoch"  # of the database's metadata
_LONGEST_READ: Final = timedelta(days=1)  # for which the files of an older version are kept


def ship(bucket: Bucket, version: Path, *, epoch: int, keep_old: bool = True) -> None:
    """Make the published `version` of this machine the one in the bucket.

    Without `keep_old` the files of all other versions are removed at once. Raises BooksError if a higher epoch was
    published meanwhile, and SharedUnavailable.
    """
    note = VersionNote.read(version)
    if note is None:
        raise BooksError(f"{version} has no readable note; remove it, then publish again")
    names = {name: f"{_FILES}/{_sha256(version / name)}.parquet" for name in note.files if name != PUBLISHED_DATABASE}
    bucket.overwrite(f"{_VERSIONS}/{epoch:012}.json", json.dumps(names).encode())  # so that nobody removes the files
    there = {name for name, _ in bucket.listed(_FILES)}
    for name, target in names.items():
        if target not in there:
            bucket.create(target, (version / name).read_bytes())
    with TemporaryDirectory() as scratch:
        database = Path(scratch) / PUBLISHED_DATABASE
        shutil.copyfile(version / PUBLISHED_DATABASE, database)
        _read_from_bucket(database, {name: (bucket.url(target), version / name) for name, target in names.items()})
        _point(bucket, database.read_bytes(), epoch)
    _remove_old(bucket, epoch, keep_old=keep_old)


def _point(bucket: Bucket, database: bytes, epoch: int) -> None:
    """Replace the database, unless one of a higher epoch is there."""
    metadata = {_EPOCH: str(epoch)}
    while True:
        found = bucket.head(_DATABASE)
        if found is not None and int(found.metadata.get(_EPOCH, 0)) > epoch:
            raise BooksError("another machine published a newer version meanwhile; nothing was replaced")
        with suppress(FileExistsError):  # another machine published just now
            if found is None:
                bucket.create(_DATABASE, database, metadata=metadata)
            else:
                bucket.replace(_DATABASE, database, etag=found.etag, metadata=metadata)
            return


def _read_from_bucket(database: Path, files: Mapping[str, tuple[str, Path]]) -> None:
    """Make the views of a database read the files at these addresses."""
    from pipelines.warehouse.local_twins import LocalTwins  # noqa: PLC0415  fsspec, which nothing else needs

    with duckdb.connect(database) as connection:
        connection.register_filesystem(LocalTwins(dict(files.values())))
        for contract in PUBLISHED:
            pattern = parquet_of(contract)
            urls = [url for name, (url, _) in sorted(files.items()) if Path(name).match(pattern)]
            connection.execute(view_of(contract, *urls))
        set_comments(connection, PUBLISHED)


def _remove_old(bucket: Bucket, epoch: int, *, keep_old: bool) -> None:
    """Remove the files that only versions have that nobody reads any more."""
    versions = {name for name, _ in bucket.listed(_VERSIONS)}
    ours = f"{_VERSIONS}/{epoch:012}.json"
    before = max((name for name in versions if name < ours), default=None)
    kept = {name for name in versions if name >= ours or (keep_old and name == before)}
    used = {target for name in kept for target in json.loads(bucket.read(name)[0]).values()}
    recent = datetime.now(UTC) - _LONGEST_READ
    for name, found in bucket.listed(_FILES):
        if name not in used and (not keep_old or found.changed_at < recent):
            bucket.remove(name)
    for name in versions - kept:
        bucket.remove(name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
