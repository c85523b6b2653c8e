"""The warehouse's database file: opened for one short transaction, waited for while busy, migrated and commented.

Only one process can write at a time, and no other process can read meanwhile, so transactions are short. The statements
that run in them are in sql/; nothing here depends on the meaning of the tables.
"""

import errno
import os
import random
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from pipelines.contracts import Contract, columns_of, comment_of, table_of
from pipelines.contracts.core import CORE
from pipelines.errors import BooksError, UsageError, WarehouseBusy
from pipelines.failpoints import reach
from pipelines.files import make_folder, written_whole
from pipelines.landing.data_folder import check_path
from pipelines.settings import Settings, WarehouseSettings
from pipelines.sql_files import SQL_FOLDER
from pipelines.times import CHINA
from pipelines.warehouse.interruption import interruptible
from pipelines.warehouse.statements import called_functions, define_functions

# Every supported version of DuckDB opens files of 1.5, and so do older tools.
_STORAGE_VERSION: Final = "v1.5.0"

_FIRST_WAIT_SECONDS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 0.5


# An instance of DuckDB that is free, by process and configuration. To make one takes 10 ms, five times as long as to
# attach a file to it, and a command opens the warehouse several times. A fork lacks the threads of its parent's.
_free: Final[dict[tuple[object, ...], duckdb.DuckDBPyConnection]] = {}

_ATTACHED: Final = "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"


@contextmanager
def _session(settings: WarehouseSettings, *, spilled: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database in memory, whose large rows go to the folder `spilled`.

    What the block attaches is detached. When it raises, the instance is closed, which rolls back and frees all files.
    """
    config: dict[str, str | bool | int | float | list[str]] = {}
    if settings.memory_limit is not None:
        config["memory_limit"] = settings.memory_limit
    if settings.threads is not None:
        config["threads"] = settings.threads
    key = (os.getpid(), *config.items())
    instance = _free.pop(key, None) or duckdb.connect(":memory:", config=config)  # nobody else has it meanwhile
    try:
        with instance.cursor() as connection:
            connection.execute(f"SET temp_directory = {_quoted(str(spilled))}")
            yield connection
            connection.execute("USE memory")
            attached = connection.execute(_ATTACHED).fetchall()
            connection.execute("".join(f"DETACH {name};" for (name,) in attached))
        instance.execute("RESET disabled_optimizers")  # those of a reconcile
    except BaseException:
        instance.close()
        raise
    # One that has spilled keeps a file in that folder until it is closed.
    has_spilled = next(spilled.glob("*"), None) is not None
    if has_spilled or _free.setdefault(key, instance) is not instance:
        instance.close()


@dataclass(frozen=True)
class Warehouse:
    """The database file at `path`, which can be rebuilt from the landing at any time."""

    path: Path
    settings: WarehouseSettings

    @contextmanager
    def write(
        self, *, prepare: Callable[[duckdb.DuckDBPyConnection], None] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for one transaction, which is committed when the block ends and rolled back when it raises.

        Creates and migrates the file if needed. Waits while another process has the file open; raises WarehouseBusy
        after `busy_timeout_seconds`. `prepare` is called before the transaction: it may attach databases.
        """
        if not self.path.exists():
            self._make()
        with self._attached(f"STORAGE_VERSION '{_STORAGE_VERSION}'") as connection:
            reach("warehouse.after_attach")
            migrate(connection)
            reach("warehouse.after_migration")
            if prepare is not None:
                prepare(connection)
            connection.execute("BEGIN")
            yield connection
            reach("warehouse.before_commit")
            connection.execute("COMMIT")  # not reached when the block raises: closing rolls back
            reach("warehouse.after_commit")
        reach("warehouse.after_close")

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file read-only. Waits like `write`. Raises UsageError if there is no file yet."""
        if not self.path.exists():
            raise UsageError(f"there is no warehouse {self.path} yet; make it with 'smsrecon load'")
        with self._attached("READ_ONLY") as connection:
            if pending_migrations(connection):
                raise UsageError(f"{self.path} was made by an older version; bring it up to date with 'smsrecon load'")
            yield connection

    def delete(self) -> None:
        """Remove the file, if there is one, once no process has it open. Raises WarehouseBusy like `write`."""
        with ExitStack() as held:
            if self.path.exists():
                with suppress(BooksError):  # a damaged file can't be opened, but is removed too
                    held.enter_context(self._attached("READ_ONLY"))
            self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)
            reach("warehouse.half_deleted")
            self.path.unlink(missing_ok=True)
            shutil.rmtree(self._spilled, ignore_errors=True)  # a killed process leaves its own there

    @property
    def _spilled(self) -> Path:
        """Folder for rows that DuckDB can't keep in memory."""
        return Path(f"{self.path}.tmp")

    def _make(self) -> None:
        """Create an empty file in one step, since DuckDB can't open a file if it was killed while creating it."""
        make_folder(self.path.parent)
        with (
            suppress(FileExistsError),  # another process created it first
            written_whole(self.path, overwrite=False) as draft,
            _session(self.settings, spilled=self._spilled) as connection,
        ):
            draft.unlink()  # an empty file is no database to DuckDB
            connection.execute(f"ATTACH {_quoted(str(draft))} AS warehouse (STORAGE_VERSION '{_STORAGE_VERSION}')")

    @contextmanager
    def _attached(self, options: str) -> Iterator[duckdb.DuckDBPyConnection]:
        make_folder(self._spilled)  # DuckDB would create it readable for others
        with _session(self.settings, spilled=self._spilled) as connection, interruptible(connection):
            connection.execute(f"SET TimeZone = '{CHINA.key}'")
            self._attach_when_free(connection, f"ATTACH {_quoted(str(self.path))} AS warehouse ({options})")
            connection.execute("USE warehouse")
            yield connection

    def _attach_when_free(self, connection: duckdb.DuckDBPyConnection, attach: str) -> None:
        give_up_at = time.monotonic() + self.settings.busy_timeout_seconds
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                connection.execute(attach)
            except duckdb.Error as error:
                holder = _holder(str(error))
                if holder is None:
                    for code in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
                        if os.strerror(code) in str(error):
                            raise OSError(code, os.strerror(code), str(self.path)) from None
                    raise BooksError(
                        f"{self.path} can't be opened ({_first_line(error)}); "
                        "rebuild it from the landing with 'smsrecon rebuild'"
                    ) from None
                if time.monotonic() >= give_up_at:
                    raise WarehouseBusy(
                        f"{self.path} has been in use by {holder} for {self.settings.busy_timeout_seconds:g} s; "
                        "try again when it has ended, or raise warehouse.busy_timeout_seconds"
                    ) from None
            else:
                return
            time.sleep(min(wait * random.uniform(0.5, 1.0), max(0.0, give_up_at - time.monotonic())))  # noqa: S311 - jitter
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Run the pending migrations in order, in one transaction, and comment their tables."""
    pending = pending_migrations(connection)
    if not pending:
        return
    connection.execute("BEGIN")
    for number, path in pending:
        migration = path.read_text(encoding="utf-8")
        define_functions(connection, called_functions(migration))
        connection.execute(migration)
        connection.execute("INSERT INTO core.migrations VALUES (?, ?)", [number, path.stem])
    set_comments(connection, CORE)
    connection.execute("COMMIT")


def pending_migrations(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, Path]]:
    """Number and path of the migrations of sql/schema that were not applied yet, in order.

    Raises UsageError if the database has a migration that sql/schema doesn't.
    """
    known = _migrations()
    try:
        done = {number for (number,) in connection.execute("SELECT migration_num FROM core.migrations").fetchall()}
    except duckdb.CatalogException:  # a new file
        done = set()
    if not done <= known.keys():
        raise UsageError("the warehouse was made by a newer version of smsrecon; install that version")
    return [(number, known[number]) for number in sorted(known.keys() - done)]


@cache
def _migrations() -> dict[int, Path]:
    return {int(path.name.split("_")[0]): path for path in SQL_FOLDER.glob("schema/[0-9]*.sql")}


def set_comments(connection: duckdb.DuckDBPyConnection, contracts: Iterable[type[Contract]]) -> None:
    """Set the comments of the tables and views that exist, and of their columns, to the contracts' descriptions."""
    kinds = dict(connection.execute(_KINDS).fetchall())
    current = {(table, column): comment for table, column, comment in connection.execute(_COMMENTS).fetchall()}
    script = []
    for contract in contracts:
        table = table_of(contract)
        wanted = {(table, ""): comment_of(contract)}
        wanted |= {(table, column.name): column.description for column in columns_of(contract)}
        for (_, column), comment in wanted.items():
            if table in kinds and current[table, column] != comment:
                target = f"COLUMN {table}.{column}" if column else f"{kinds[table]} {table}"
                script.append(f"COMMENT ON {target} IS {_quoted(comment)}")
    connection.execute(";\n".join(script))


_KINDS: Final = """
SELECT schema_name || '.' || table_name, 'TABLE' FROM duckdb_tables() WHERE database_name = current_database()
UNION ALL
SELECT schema_name || '.' || view_name, 'VIEW' FROM duckdb_views() WHERE database_name = current_database()
"""

_COMMENTS: Final = """
SELECT schema_name || '.' || table_name, '', comment FROM duckdb_tables() WHERE database_name = current_database()
UNION ALL
SELECT schema_name || '.' || view_name, '', comment FROM duckdb_views() WHERE database_name = current_database()
UNION ALL
SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = current_database()
"""


def tables_as_described(
    connection: duckdb.DuckDBPyConnection, contracts: Iterable[type[Contract]]
) -> set[type[Contract]]:
    """The contracts whose table exists with the same columns, in the same order."""
    columns: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, *column in connection.execute(_COLUMNS).fetchall():
        columns[table].append((column[0], column[1]))
    return {
        contract
        for contract in contracts
        if columns[table_of(contract)] == [(column.name, column.duckdb_type) for column in columns_of(contract)]
    }


_COLUMNS: Final = """
SELECT c.schema_name || '.' || c.table_name, c.column_name, c.data_type
FROM duckdb_columns() AS c
SEMI JOIN duckdb_tables() AS t ON c.database_oid = t.database_oid AND c.table_oid = t.table_oid
WHERE c.database_name = current_database()
ORDER BY c.column_index
"""


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Let statements read frames under their names while the block runs."""
    for name, frame in frames.items():
        connection.register(name, _Stream(frame))
    yield
    for name in frames:
        connection.unregister(name)


class _Stream:
    """A frame that DuckDB reads as an Arrow stream; it would hand a frame itself to pyarrow, 0.15 s of imports."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def fetched(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """The rows of a query, read as an Arrow stream too: DuckDB's own `pl` takes pyarrow. Raises duckdb.Error."""
    try:
        return pl.DataFrame(connection.sql(query, params=parameters))
    except pl.exceptions.ComputeError as error:  # DuckDB's error in the words of polars
        raise duckdb.Error(str(error)) from None


def insert(connection: duckdb.DuckDBPyConnection, contract: type[Contract], frame: pl.DataFrame, load_num: int) -> None:
    """Add the rows of `frame` to the contract's table, as brought by this load."""
    with registered(connection, incoming=frame):
        connection.execute(
            f"INSERT INTO {table_of(contract)} BY NAME SELECT *, $load_num AS load_num FROM incoming",  # noqa: S608 - ours
            {"load_num": load_num},
        )


def _holder(message: str) -> str | None:
    """The process that has the file open, from DuckDB's message; None if the message is about something else."""
    if "Unique file handle conflict" in message:
        return "another connection of this process"
    if "Could not set lock" not in message:
        return None
    found = re.search(r"\(PID ([0-9]+)\)", message)
    return f"process {found[1]}" if found else "another process"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _quoted(text: str) -> str:
    """A SQL string literal, for statements that take no parameters, such as ATTACH and COMMENT."""
    return "'" + text.replace("'", "''") + "'"


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of an installation. Raises UsageError if DuckDB can't open its data folder's path."""
    check_path(settings.data_dir)
    return Warehouse(settings.warehouse_path, settings.warehouse)
