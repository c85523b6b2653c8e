"""Publishes the analysts' copy: Parquet and a small DuckDB file, without phones or texts, open to readers at any time.

    published                          link to the newest version, replaced in one step
    published/analytics.duckdb         the marts as tables; messages and replies as views of the Parquet beside it;
                                       functions that query them
    published/messages/part-*.parquet  of whole campaigns, in order of planning
    published/replies/replies.parquet
    published/marts/<name>.parquet
    published/version.json             how the tables and the copy were made, for an audit and for the next version
    .published/<time>/                 the versions: the newest, the one before it, and those that are open somewhere

The views read the Parquet of their own version, so an open session keeps seeing one state of the books, and a new
session sees the newest. sql/published selects what is shown of a message or a reply; the contracts describe it.

A version costs what is new: Parquet whose rows are those of the version before is a hard link to it, and without news
there is no new version.
"""

import fcntl
import hmac
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from glob import escape
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from pipelines.contracts import Contract, columns_of, grain_of, parquet_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import FUNCTIONS, PUBLISHED
from pipelines.errors import UsageError
from pipelines.failpoints import reach
from pipelines.files import link_or_copy, sync_file, sync_folder
from pipelines.settings import PUBLISHED_DATABASE
from pipelines.warehouse.computed import last_computed
from pipelines.warehouse.database import Warehouse, registered, set_comments
from pipelines.warehouse.parts import PART_ROWS, Part, plan_parts
from pipelines.warehouse.statements import Statement, define_functions, statement, table_functions
from pipelines.warehouse.version_note import PhoneHash, PublishedFile, VersionNote

READ_OPTIONS: Final = "hive_partitioning = FALSE"  # no name of a folder above is a column

_NOTHING_NEW: Final = "nothing is new since the last publish, and no file was written"
_NEXT: Final = "next"
_NO_END: Final = 2**62  # above all rows of an input file

_CAMPAIGNS: Final = "SELECT campaign_id, row_count FROM marts.campaign_delivery ORDER BY planned_at, campaign_id"
_ROWS_DIGEST: Final = """
SELECT count(*), bit_xor(row_hash), sum(row_hash::HUGEINT) FROM (SELECT hash(*COLUMNS(*)) AS row_hash FROM {table})
"""


@dataclass(frozen=True)
class PublishSummary:
    """The published version: its folder, its numbers of messages and replies, and its number of marts.

    If nothing was new, it is the version before, and `notes` say so. `left_over` are old versions that could not be
    removed; the next publish tries again.
    """

    version: Path
    message_count: int
    reply_count: int
    mart_count: int
    is_new: bool = True
    written_file_count: int = 0
    shared_file_count: int = 0
    notes: tuple[str, ...] = ()
    left_over: tuple[Path, ...] = ()


@dataclass
class _Draft:
    """A version that is being written; `shareable` has files of the version before, by the digest of their rows."""

    folder: Path
    shareable: Mapping[str, Path]
    files: dict[str, PublishedFile] = field(default_factory=dict)
    shared_count: int = 0

    def add(
        self, name: str, digest: str | None, write: Callable[[Path], None], campaign_ids: tuple[str, ...] = ()
    ) -> None:
        """Add a file: shared, if there is one with the same digest; else written, and synced to disk."""
        reach("publish.between_files")
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        shared = self.shareable.get(digest) if digest is not None else None
        if shared is not None:
            link_or_copy(shared, path)
            self.shared_count += 1
        else:
            write(path)
            sync_file(path)
        self.files[name] = PublishedFile.of(path, digest, campaign_ids)


def publish(
    warehouse: Warehouse, published: Path, *, phone_hash: PhoneHash, keep_old: bool = True, part_rows: int = PART_ROWS
) -> PublishSummary:
    """Write a new version of the analysts' copy of `warehouse`, then make `published` a link to it.

    Files without news are shared with the version before; if there is no news at all, that version stays. Without
    `keep_old` nothing is shared, and all other versions are removed even if they are open. A file of messages has at
    most `part_rows` rows. Readers never wait and never see a partial version. Raises UsageError if `published` exists
    and is not such a link, or if the warehouse was never reconciled.
    """
    published = published.absolute()
    if published.exists() and not published.is_symlink():
        raise UsageError(f"{published} was not created by 'smsrecon publish'; move it away, then publish again")
    versions = published.parent / f".{published.name}"
    versions.mkdir(parents=True, exist_ok=True)
    with _publish_lock(versions):
        (versions / _NEXT).unlink(missing_ok=True)  # left by a killed process
        before = versions / published.readlink().name if published.is_symlink() else None
        last = before if keep_old else None
        summary = _publish(warehouse, published, versions, last, phone_hash=phone_hash, part_rows=part_rows)
        if not summary.is_new:
            before = max((path for path in versions.iterdir() if path < summary.version), default=None)
        old = [path for path in versions.iterdir() if path != summary.version]
        outdated = [path for path in old if not keep_old or (path != before and not _is_open(path))]
        return replace(summary, left_over=tuple(path for path in outdated if not _remove(path)))


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
    warehouse: Warehouse,
    published: Path,
    versions: Path,
    before: Path | None,
    *,
    phone_hash: PhoneHash,
    part_rows: int,
) -> PublishSummary:
    """Make `published` a link to a new version, which shares files with the one `before`, or find nothing new in it."""
    last = VersionNote.read(before) if before is not None else None
    version = versions / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    try:
        with warehouse.read() as connection:
            row_counts = _row_counts(connection, warehouse)
            ((reply_count,),) = connection.execute("SELECT count(*) FROM core.reply_matches").fetchall()
            summary = PublishSummary(version, sum(row_counts.values()), reply_count, len(MARTS))
            computed = last_computed(connection)
            note = VersionNote.of(computed, phone_hash, folder=version) if computed is not None else None
            if before is not None and last is not None and note is not None and last.is_of_same_rows(note, before):
                return replace(
                    summary, version=before, is_new=False, shared_file_count=len(last.files), notes=(_NOTHING_NEW,)
                )
            version.mkdir()
            draft = _Draft(version, _shareable(before, last, note))
            parts = plan_parts(row_counts, _members(last), part_rows=part_rows)
            _write_messages(connection, draft, parts, phone_hash)
            _write_whole_tables(connection, draft, phone_hash)
            _write_marts(connection, draft, phone_hash)
            reach("publish.after_parquet")
            draft.add(PUBLISHED_DATABASE, None, partial(_write_database, connection, version))
            reach("publish.after_database")
        if note is not None:
            replace(note, files=draft.files).write(version)
        for folder in {path.parent for path in map(version.joinpath, draft.files)} | {versions}:
            sync_folder(folder)
        _point(published, version)
    except BaseException:
        if version.exists() and not _points_to(published, version):
            shutil.rmtree(version)
        raise
    written_count = len(draft.files) - draft.shared_count
    return replace(summary, written_file_count=written_count, shared_file_count=draft.shared_count)


def write_tables(warehouse: Warehouse, folder: Path, *, phone_hash: PhoneHash) -> None:
    """Write the files of PUBLISHED, as a publish without a version before does, into a new folder."""
    folder.mkdir()
    draft = _Draft(folder, {})
    with warehouse.read() as connection:
        _write_messages(connection, draft, plan_parts(_row_counts(connection, warehouse)), phone_hash)
        _write_whole_tables(connection, draft, phone_hash)


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


# The version before


def _shareable(before: Path | None, last: VersionNote | None, note: VersionNote | None) -> dict[str, Path]:
    """The files of the version before that are as they were written, by the digest of their rows."""
    if before is None or last is None or note is None or not last.is_alike(note):
        return {}
    files = {file.digest: (before / name, file) for name, file in last.files.items()}
    return {digest: path for digest, (path, file) in files.items() if digest is not None and file.is_at(path)}


def _members(last: VersionNote | None) -> list[tuple[str, ...]]:
    """The campaigns of each part of the version before, in order."""
    return [file.campaign_ids for file in last.files.values() if file.campaign_ids] if last is not None else []


# Parquet


def _row_counts(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> dict[str, int]:
    """The number of rows of each campaign, in order of planning."""
    try:
        return dict(connection.execute(_CAMPAIGNS).fetchall())
    except duckdb.CatalogException:
        raise UsageError(f"{warehouse.path} has no marts yet; compute them with 'smsrecon reconcile'") from None


def _write_messages(
    connection: duckdb.DuckDBPyConnection, draft: _Draft, parts: Iterable[Part], phone_hash: PhoneHash
) -> None:
    """Add the tables that have one file for each part."""
    computed_ids = dict(connection.execute("SELECT campaign_id, computed_id FROM core.computed_campaigns").fetchall())
    selects = {contract: _statement_of(connection, contract) for contract in _of_grain("campaign")}
    for number, part in enumerate(parts, 1):
        for contract, select in selects.items():
            draft.add(
                parquet_of(contract).replace("*", f"part-{number:05}"),
                part.digest(computed_ids),
                partial(_write_part, connection, select, part, phone_hash),
                part.campaign_ids,
            )


def _write_part(
    connection: duckdb.DuckDBPyConnection, select: Statement, part: Part, phone_hash: PhoneHash, path: Path
) -> None:
    members = pl.DataFrame({"campaign_id": part.campaign_ids}, {"campaign_id": pl.String})
    with registered(connection, members=members):
        connection.execute("CREATE OR REPLACE TEMP TABLE part_campaigns AS FROM members")
    rows = {"first_row": part.first_row, "end_row": _NO_END if part.end_row is None else part.end_row}
    owners = statement(connection, "sources/owners_with_digits")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE masked_owners AS {owners.text}", owners.arguments(rows))
    if connection.execute("FROM masked_owners LIMIT 1").fetchone() is not None:  # else the masks are not even planned
        masked = statement(connection, "sources/masked_owners")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE masked_owners AS {masked.text}")
    _write_parquet(_selected(connection, select, {**rows, **_hashing(phone_hash)}), path)


def _write_whole_tables(connection: duckdb.DuckDBPyConnection, draft: _Draft, phone_hash: PhoneHash) -> None:
    """Add the tables of PUBLISHED that have one file."""
    for contract in _of_grain("whole"):
        select = _statement_of(connection, contract)
        rows = _selected(connection, select, _hashing(phone_hash))
        digest = _rows_digest(connection, phone_hash, *sorted(select.inputs))
        draft.add(parquet_of(contract), digest, partial(_write_parquet, rows))


def _write_marts(connection: duckdb.DuckDBPyConnection, draft: _Draft, phone_hash: PhoneHash) -> None:
    for contract in MARTS:
        table = table_of(contract)
        digest = _rows_digest(connection, phone_hash, table)
        draft.add(mart_parquet(contract), digest, partial(_write_parquet, connection.table(table)))


def mart_parquet(contract: type[Contract]) -> str:
    """Path of a mart's file in the analysts' copy."""
    return f"marts/{table_of(contract).removeprefix('marts.')}.parquet"


def _of_grain(grain: str) -> list[type[Contract]]:
    return [contract for contract in PUBLISHED if grain_of(contract) == grain]


def _statement_of(connection: duckdb.DuckDBPyConnection, contract: type[Contract]) -> Statement:
    return statement(connection, table_of(contract).replace("main.", "published/"))


def _hashing(phone_hash: PhoneHash) -> dict[str, str]:
    return {"phone_hash_key": phone_hash.key, "phone_hash_reach": phone_hash.reach}


def _selected(
    connection: duckdb.DuckDBPyConnection, select: Statement, values: Mapping[str, int | str]
) -> duckdb.DuckDBPyRelation:
    return connection.sql(select.text, params=select.arguments(values))


def _write_parquet(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    rows.write_parquet(str(path), compression="zstd")


def _rows_digest(connection: duckdb.DuckDBPyConnection, phone_hash: PhoneHash, *tables: str) -> str:
    """Digest of all rows of these tables, whatever their order, as hex digits.

    It is keyed: replies hold phones, and whoever reads the digest could try which phone gives it.
    """
    found = []
    for table in tables:
        relation = connection.table(table)
        counted = connection.execute(_ROWS_DIGEST.format(table=table)).fetchall()
        found.append((table, relation.columns, [*map(str, relation.types)], *counted))
    return hmac.digest(phone_hash.key.encode(), repr(found).encode(), "sha256").hex()


# The database


def _write_database(connection: duckdb.DuckDBPyConnection, version: Path, path: Path) -> None:
    # The format that every DuckDB since 1.1 opens: analysts' tools are often older than ours.
    connection.execute(f"ATTACH {_literal(path)} AS analytics (STORAGE_VERSION 'v1.0.0')")
    connection.execute("USE analytics")
    connection.execute("BEGIN")  # else each comment would be synced by itself
    connection.execute("CREATE SCHEMA marts")
    for contract in MARTS:
        connection.execute(f"CREATE TABLE {table_of(contract)} AS FROM warehouse.{table_of(contract)}")
    for contract in PUBLISHED:
        connection.execute(view_of(contract, f"{escape(str(version))}/{parquet_of(contract)}"))
    set_comments(connection, (*MARTS, *PUBLISHED))
    _define_functions(connection)
    connection.execute("COMMIT")
    connection.execute("USE warehouse")
    connection.execute("DETACH analytics")


def view_of(contract: type[Contract], *files: str) -> str:
    """The statement that makes a view of PUBLISHED, or replaces it, over these files or patterns."""
    columns = ", ".join(
        f"CAST({column.name} AS {column.duckdb_type}) AS {column.name}" for column in columns_of(contract)
    )
    return (
        f"CREATE OR REPLACE VIEW {table_of(contract)} AS SELECT {columns} "  # noqa: S608 - our names
        f"FROM read_parquet([{', '.join(map(_literal, files))}], {READ_OPTIONS})"
    )


def _define_functions(connection: duckdb.DuckDBPyConnection) -> None:
    define_functions(connection, FUNCTIONS, is_temporary=False)
    for name, description in FUNCTIONS.items():
        kind = "MACRO TABLE" if name in table_functions() else "MACRO"
        connection.execute(f"COMMENT ON {kind} {name} IS {_literal(description)}")


def _point(published: Path, version: Path) -> None:
    """Make `published` a link to `version`, in one step."""
    link = version.with_name(_NEXT)
    link.symlink_to(version.relative_to(published.parent))
    reach("publish.before_rename")
    link.replace(published)
    reach("publish.after_rename")


def _points_to(published: Path, version: Path) -> bool:
    return published.is_symlink() and published.resolve() == version.resolve()


def _literal(value: Path | str) -> str:
    """A path or a text as a SQL string literal: ATTACH, views and comments take no parameters."""
    return "'" + str(value).replace("'", "''") + "'"
