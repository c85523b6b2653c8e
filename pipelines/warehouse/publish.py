"""Publishes the analysts' copy: Parquet and a small DuckDB file, without phones or texts, open to readers at any time.

    published                          link to the newest version, replaced in one step
    published/analytics.duckdb         the marts as tables; messages and replies as views of the Parquet beside it;
                                       functions that query them
    published/messages/campaign_id=…/messages.parquet
    published/replies/replies.parquet
    published/marts/<name>.parquet
    published/version.json             how the tables and the copy were made, for an audit
    .published/<time>/                 the versions: the newest, the one before it, and those that are open somewhere

The views read the Parquet of their own version, so an open session keeps seeing one state of the books, and a new
session sees the newest. sql/published selects what is shown of a message or a reply; the contracts describe it.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any, Final, Self

import duckdb

from pipelines.contracts import columns_of, grain_of, parquet_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import FUNCTIONS, PUBLISHED
from pipelines.errors import UsageError
from pipelines.failpoints import reach
from pipelines.settings import PUBLISHED_DATABASE
from pipelines.warehouse.computed import Computed, files_digest, last_computed
from pipelines.warehouse.database import Warehouse, set_comments
from pipelines.warehouse.statements import define_functions, statement, table_functions

# How a view reads its files, by their grain. campaign_id stays text, even where all of them look like numbers.
READ_OPTIONS: Final = {
    "campaign": "hive_partitioning = TRUE, hive_types = {'campaign_id': VARCHAR}",
    "whole": "hive_partitioning = FALSE",
}

# Stands for the campaign before the first one, so that a view has a file to read from the first day on.
_NO_CAMPAIGN: Final = "none"

_NOTE: Final = "version.json"


@dataclass(frozen=True)
class PublishSummary:
    """The published version: its folder, its numbers of messages and replies, and its number of marts.

    `left_over` are old versions that could not be removed; the next publish tries again.
    """

    version: Path
    message_count: int
    reply_count: int
    mart_count: int
    left_over: tuple[Path, ...] = ()


@dataclass(frozen=True)
class PhoneHash:
    """The key of the phones' hashes, and their reach as in policy.phone_hash."""

    key: str = field(repr=False)
    reach: str = "installation"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of key, reach and the statements that select what is published, as hex digits."""
        text = f"{files_digest('published', 'sources')} {self.reach} {self.key}"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class VersionNote:
    """How a published version was made, as in `Computed`, and the fingerprint of its PhoneHash."""

    as_of: datetime
    tables_fingerprint: str
    loaded: tuple[int, int]
    fingerprint: str

    @classmethod
    def of(cls, computed: Computed, phone_hash: PhoneHash) -> Self:
        return cls(computed.as_of, computed.fingerprint, computed.loaded, phone_hash.fingerprint)

    def write(self, version: Path) -> None:
        """Write it into the folder of its version."""
        values = {**asdict(self), "as_of": self.as_of.isoformat()}
        (version / _NOTE).write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def read(cls, version: Path) -> Self | None:
        """The note of a version; None if an older version of smsrecon made it, or if it is damaged."""
        try:
            values: dict[str, Any] = json.loads((version / _NOTE).read_text(encoding="utf-8"))
            file_count, last_event_id = values.pop("loaded")
            as_of = datetime.fromisoformat(values.pop("as_of"))
            return cls(as_of=as_of, loaded=(file_count, last_event_id), **values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def publish(warehouse: Warehouse, published: Path, *, phone_hash: PhoneHash, keep_old: bool = True) -> PublishSummary:
    """Write a new version of the analysts' copy of `warehouse`, then make `published` a link to it.

    Readers never wait and never see a partial version. Without `keep_old`, all other versions are removed even if they
    are open. Raises UsageError if `published` exists and is not such a link, or if the warehouse was never reconciled.
    """
    published = published.absolute()
    if published.exists() and not published.is_symlink():
        raise UsageError(f"{published} was not created by 'smsrecon publish'; move it away, then publish again")
    versions = published.parent / f".{published.name}"
    versions.mkdir(parents=True, exist_ok=True)
    with _publish_lock(versions):
        return _publish(warehouse, published, versions, phone_hash, keep_old=keep_old)


@contextmanager
def _publish_lock(versions: Path) -> Iterator[None]:
    """Hold the lock of publishing, since a publish removes unfinished versions; the lock ends with its process."""
    folder = os.open(versions, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _publish(
    warehouse: Warehouse, published: Path, versions: Path, phone_hash: PhoneHash, *, keep_old: bool
) -> PublishSummary:
    before = published.resolve() if published.is_symlink() else None
    version = versions / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    version.mkdir()
    try:
        with warehouse.read() as connection:
            message_count, reply_count = _write_parquet(connection, warehouse, version, phone_hash)
            reach("publish.after_parquet")
            if computed := last_computed(connection):
                VersionNote.of(computed, phone_hash).write(version)
            _write_database(connection, version)
            reach("publish.after_database")
        _point(published, version)
    except BaseException:
        if not _points_to(published, version):
            shutil.rmtree(version)
        raise
    old = [path for path in versions.iterdir() if path != version]
    outdated = [path for path in old if not keep_old or (path != before and not _is_open(path))]
    left_over = tuple(path for path in outdated if not _remove(path))
    return PublishSummary(version, message_count, reply_count, len(MARTS), left_over)


def _is_open(version: Path) -> bool:
    """True if another process has the version's database open, since DuckDB locks it meanwhile."""
    try:
        with (version / PUBLISHED_DATABASE).open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it doesn't exist, or belongs to another user
        return False
    return False


def _remove(version: Path) -> bool:
    shutil.rmtree(version, ignore_errors=True)
    return not version.exists()


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, version: Path, phone_hash: PhoneHash
) -> tuple[int, int]:
    """Write messages, replies and marts; return the numbers of messages and of replies."""
    try:
        campaigns = connection.execute("SELECT campaign_id, row_count FROM marts.campaign_delivery").fetchall()
    except duckdb.CatalogException:
        raise UsageError(f"{warehouse.path} has no marts yet; compute them with 'smsrecon reconcile'") from None
    campaign_ids = [campaign_id for campaign_id, _ in campaigns] or [_NO_CAMPAIGN]
    connection.execute(f"CREATE TEMP TABLE masked_owners AS {statement(connection, 'sources/masked_owners').text}")
    hashed = {"phone_hash_key": phone_hash.key, "phone_hash_reach": phone_hash.reach}
    for contract in PUBLISHED:
        select = statement(connection, table_of(contract).replace("main.", "published/"))
        for campaign_id in campaign_ids if grain_of(contract) == "campaign" else [""]:
            values = select.arguments({"campaign_id": campaign_id, **hashed})
            _write(connection.sql(select.text, params=values), version / parquet_of(contract).replace("*", campaign_id))
    for contract in MARTS:
        table = table_of(contract)
        _write(connection.table(table), version / "marts" / f"{table.removeprefix('marts.')}.parquet")
    reply_count = connection.execute("SELECT count(*) FROM core.reply_matches").fetchall()[0][0]
    return sum(row_count for _, row_count in campaigns), reply_count


def _write(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(str(path), compression="zstd")


def _write_database(connection: duckdb.DuckDBPyConnection, version: Path) -> None:
    # The format that every DuckDB since 1.1 opens: analysts' tools are often older than ours.
    connection.execute(f"ATTACH {_literal(version / PUBLISHED_DATABASE)} AS analytics (STORAGE_VERSION 'v1.0.0')")
    connection.execute("USE analytics")
    connection.execute("BEGIN")  # else each comment would be synced by itself
    connection.execute("CREATE SCHEMA marts")
    for contract in MARTS:
        connection.execute(f"CREATE TABLE {table_of(contract)} AS FROM warehouse.{table_of(contract)}")
    for contract in PUBLISHED:
        columns = ", ".join(
            f"CAST({column.name} AS {column.duckdb_type}) AS {column.name}" for column in columns_of(contract)
        )
        files = f"{escape(str(version))}/{parquet_of(contract)}"
        connection.execute(
            f"CREATE VIEW {table_of(contract)} AS SELECT {columns} "  # noqa: S608 - our names
            f"FROM read_parquet({_literal(files)}, {READ_OPTIONS[grain_of(contract)]})"
        )
    set_comments(connection, (*MARTS, *PUBLISHED))
    _define_functions(connection)
    connection.execute("COMMIT")
    connection.execute("USE warehouse")
    connection.execute("DETACH analytics")


def _define_functions(connection: duckdb.DuckDBPyConnection) -> None:
    define_functions(connection, FUNCTIONS, is_temporary=False)
    for name, description in FUNCTIONS.items():
        kind = "MACRO TABLE" if name in table_functions() else "MACRO"
        connection.execute(f"COMMENT ON {kind} {name} IS {_literal(description)}")


def _point(published: Path, version: Path) -> None:
    """Make `published` a link to `version`, in one step."""
    link = version.with_name("next")
    link.unlink(missing_ok=True)  # left by a killed process
    link.symlink_to(version.relative_to(published.parent))
    reach("publish.before_rename")
    link.replace(published)
    reach("publish.after_rename")


def _points_to(published: Path, version: Path) -> bool:
    return published.is_symlink() and published.resolve() == version.resolve()


def _literal(value: Path | str) -> str:
    """A path or a text as a SQL string literal: ATTACH, views and comments take no parameters."""
    return "'" + str(value).replace("'", "''") + "'"
