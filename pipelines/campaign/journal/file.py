"""The journal of one machine, a SQLite file: how it is made, opened, and upgraded from an earlier version."""

import sqlite3
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, NullPool, Table, create_engine

from pipelines.campaign.journal.tables import CAMPAIGNS, EVENTS, HOLDERS, SQLITE, making, making_all
from pipelines.errors import UsageError
from pipelines.files import make_folder, written_whole

_VERSION: Final = 5


def _script(*tables: Table) -> str:
    return "".join(f"{text};\n" for text in making(*tables, dialect=SQLITE))


# SQLite can't change a CHECK in place: the table is replaced by a new one with the same events.
_REPLACED_EVENTS: Final = f"""
ALTER TABLE events RENAME TO events_before;
DROP INDEX a_batch_num_is_used_once;
DROP INDEX events_of_a_campaign;
DROP TRIGGER no_event_is_changed;
DROP TRIGGER no_event_is_removed;
{_script(EVENTS)}
INSERT INTO events SELECT * FROM events_before;
DROP TABLE events_before;
"""  # noqa: S608  texts of ours

_DECISIONS = "ALTER TABLE events ADD COLUMN decided_by TEXT;" + _REPLACED_EVENTS

_KEYED_CAMPAIGNS = "ALTER TABLE campaigns ADD COLUMN has_secret_key INTEGER NOT NULL DEFAULT 0;"

_CAMPAIGNS_OF_FOLDERS = "ALTER TABLE campaigns ADD COLUMN left_out_count INTEGER NOT NULL DEFAULT 0;"

_REPEATS = _REPLACED_EVENTS

_TAKING_OVER = _script(HOLDERS)

# From each earlier version to the next.
_UPGRADES = (_DECISIONS, _KEYED_CAMPAIGNS, _CAMPAIGNS_OF_FOLDERS, _REPEATS, _TAKING_OVER)


def writing(path: Path) -> Connection:
    """Open for appending, making the file if it is missing. Every append is synced to disk before it returns."""
    if not path.exists():
        _make(path)
    _upgrade(path)
    return _writer(path.absolute()).connect()


def reading(path: Path) -> Connection:
    """Open for reading; an empty journal if the file is missing."""
    if path.exists():
        _upgrade(path)
        return _reader(path.absolute()).connect()
    connection = _engine(":memory:").connect()
    for text in making_all(SQLITE):
        connection.exec_driver_sql(text)
    return connection


@lru_cache(maxsize=4)  # compiles each statement once, not once for each opening
def _writer(path: Path) -> Engine:
    return _engine(path, "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")


@lru_cache(maxsize=4)
def _reader(path: Path) -> Engine:
    return _engine(f"{path.as_uri()}?mode=ro")


def _engine(database: Path | str, *pragmas: str) -> Engine:
    def connect() -> sqlite3.Connection:
        # Opened in one thread and written to in the sender's, never in both at the same time.
        connection = sqlite3.connect(
            database, timeout=30, isolation_level=None, check_same_thread=False, uri=isinstance(database, str)
        )
        for pragma in pragmas:
            connection.execute(pragma)
        return connection

    return create_engine(
        "sqlite://", creator=connect, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True
    )


def _make(path: Path) -> None:
    """Make an empty journal in one step, so that processes that start together all find a complete one."""
    make_folder(path.parent)
    with (
        suppress(FileExistsError),  # another process made it first
        written_whole(path, overwrite=False) as draft,
        closing(sqlite3.connect(draft)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(
            f"BEGIN; {_script(CAMPAIGNS, EVENTS, HOLDERS)} PRAGMA user_version = {_VERSION}; COMMIT;"
        )


def _upgrade(path: Path) -> None:
    """Upgrade a journal of an earlier version. Raises UsageError for one of a later version."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        if (version := _version(connection)) < _VERSION:
            steps = "".join(_UPGRADES[version:])
            try:
                connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {_VERSION}; COMMIT;")
            except sqlite3.OperationalError:  # another process upgraded it first; closing rolls back this one's changes
                if _version(connection) < _VERSION:
                    raise
        if _version(connection) > _VERSION:
            raise UsageError(f"{path} was made by a newer version of smsrecon; install that version")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
