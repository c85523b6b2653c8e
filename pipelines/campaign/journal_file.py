"""The journal's SQLite file: its tables, how it is made, and how a file of an earlier version is upgraded.

The database itself refuses a second use of a campaign key or a batch_num, and any change of an event.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from pipelines.errors import UsageError
from pipelines.files import make_folder, written_whole

_VERSION = 4

_CAMPAIGNS = """
CREATE TABLE campaigns (
    campaign_id TEXT PRIMARY KEY,
    campaign_key INTEGER NOT NULL UNIQUE,
    planned_at INTEGER NOT NULL,                -- microseconds since 1970, UTC; so all times here
    input_sha256 TEXT NOT NULL,                 -- of the input's bytes and the campaign's one text or template
    row_count INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    segment_count INTEGER NOT NULL,
    planned_batch_count INTEGER NOT NULL,
    has_own_mission_nums INTEGER NOT NULL,
    has_secret_key INTEGER NOT NULL DEFAULT 0,  -- campaign_key derives from a secret of the data folder
    left_out_count INTEGER NOT NULL DEFAULT 0   -- files of the input's folder that are not Parquet, or hidden
) STRICT;
CREATE TRIGGER no_campaign_is_changed BEFORE UPDATE ON campaigns
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER no_campaign_is_removed BEFORE DELETE ON campaigns
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""

NEVER_CHANGED = """
CREATE TRIGGER no_event_is_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""

NEVER_REMOVED = """
CREATE TRIGGER no_event_is_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""

_EVENTS = f"""
CREATE TABLE events (
    event_id INTEGER PRIMARY KEY,
    happened_at INTEGER NOT NULL,
    campaign_id TEXT NOT NULL REFERENCES campaigns (campaign_id),
    event TEXT NOT NULL CHECK (event IN (
        'sending', 'repeating', 'accepted', 'refused', 'in_doubt', 'not_sent', 'split', 'suppressed', 'paused'
    )),
    batch_num TEXT CHECK ((batch_num IS NULL) = (event = 'paused')),
    planned_batch INTEGER,
    first_position INTEGER,
    last_position INTEGER,
    attempt INTEGER,
    error_code TEXT,
    http_status INTEGER,
    answer_ms INTEGER,
    answer BLOB,
    detail TEXT,
    decided_by TEXT                             -- the operator who decided about a doubt; null if an answer did
) STRICT;
CREATE UNIQUE INDEX a_batch_num_is_used_once ON events (batch_num, event) WHERE event <> 'repeating';
CREATE INDEX events_of_a_campaign ON events (campaign_id, event_id);
{NEVER_CHANGED}
{NEVER_REMOVED}
"""

TABLES = _CAMPAIGNS + _EVENTS

# SQLite can't change a CHECK in place: the table is replaced by a new one with the same events.
_REPLACED_EVENTS = f"""
ALTER TABLE events RENAME TO events_before;
DROP INDEX a_batch_num_is_used_once;
DROP INDEX events_of_a_campaign;
DROP TRIGGER no_event_is_changed;
DROP TRIGGER no_event_is_removed;
{_EVENTS}
INSERT INTO events SELECT * FROM events_before;
DROP TABLE events_before;
"""  # noqa: S608  texts of ours

_DECISIONS = "ALTER TABLE events ADD COLUMN decided_by TEXT;" + _REPLACED_EVENTS

_KEYED_CAMPAIGNS = "ALTER TABLE campaigns ADD COLUMN has_secret_key INTEGER NOT NULL DEFAULT 0;"

_CAMPAIGNS_OF_FOLDERS = "ALTER TABLE campaigns ADD COLUMN left_out_count INTEGER NOT NULL DEFAULT 0;"

_REPEATS = _REPLACED_EVENTS

# From each earlier version to the next.
_UPGRADES = (_DECISIONS, _KEYED_CAMPAIGNS, _CAMPAIGNS_OF_FOLDERS, _REPEATS)


def make(path: Path) -> None:
    """Make an empty journal in one step, so that processes that start together all find a complete one."""
    make_folder(path.parent)
    with (
        suppress(FileExistsError),  # another process made it first
        written_whole(path, overwrite=False) as draft,
        closing(sqlite3.connect(draft)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{TABLES} PRAGMA user_version = {_VERSION}")


def upgrade(path: Path) -> None:
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
