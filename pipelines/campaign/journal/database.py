"""The journal that several machines share: tables in a PostgreSQL database, and the locks that lie beside them.

A session that isn't heard of for some ten seconds is ended, by the server and by the client alike, so that a machine
that dies or is cut off holds no lock for longer.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from threading import Event, Thread
from typing import Final

from sqlalchemy import URL, Connection, Engine, ExceptionContext, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError

from pipelines.campaign.journal.tables import POSTGRESQL, making_all
from pipelines.errors import CampaignBusy, SharedUnavailable, UsageError

_VERSION: Final = 1

_HEARD_OF_SECONDS: Final = 10  # how often the holder of a lock is heard of
_IDLE_SECONDS: Final = 3 * _HEARD_OF_SECONDS  # after which the server ends the session of a frozen holder
_KEEPALIVE: Final = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
_OF_SERVER: Final = (
    "-ctcp_keepalives_idle=5 -ctcp_keepalives_interval=2 -ctcp_keepalives_count=3 -ctcp_user_timeout=10000"
)
_READING: Final = "-cdefault_transaction_read_only=on"
_OF_LOCK: Final = f"-cidle_session_timeout={_IDLE_SECONDS}s"

_LOCK_ALL: Final = text("SELECT pg_advisory_lock(hashtextextended(current_schema() || '/journal', 0))")
_LOCK_PUBLISHING: Final = text("SELECT pg_advisory_lock(hashtextextended(current_schema() || '/publishing', 0))")
_NEXT_EPOCH: Final = text("SELECT nextval('publishing_epoch')")
_TRY_LOCK: Final = text(
    "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/campaign/' || :campaign_id, 0))"
)
# Of SQLSTATE: the connection, the log-in, the database's name, a server without room, one that is being ended.
_CLASSES_OF_CONNECTION: Final = ("08", "28", "3D", "53", "57")
_HAS_TABLES: Final = text("SELECT to_regclass('journal_version') IS NOT NULL")
_STATE: Final = text(
    "SELECT to_regclass('journal_version') IS NOT NULL, has_schema_privilege(current_schema(), 'CREATE'), now()"
)
_MOST_SKEW_SECONDS: Final = 60
_VERSION_OF: Final = text("SELECT version FROM journal_version")


def writing(url: str) -> Connection:
    """Open for appending, making the tables if they are missing. Every append is committed before it returns.

    Raises SharedUnavailable if the database can't be reached, also later, from every use of the connection.
    """
    _prepare(url)
    return _engine(url).connect()


def reading(url: str) -> Connection:
    """Open for reading. Raises as `writing` does."""
    _prepare(url)
    return _engine(url, _READING).connect()


def is_made(url: str, now: datetime) -> bool:
    """True if the database has the tables; nothing is changed.

    Raises SharedUnavailable, and UsageError if the tables could not be made or the clocks differ by a minute.
    """
    with _engine(url).connect() as connection:
        has_tables, may_make, server_now = connection.execute(_STATE).one()
    if not has_tables and not may_make:
        raise UsageError("the user of shared.database may not make tables in its schema; grant CREATE on the schema")
    if abs(server_now - now).total_seconds() > _MOST_SKEW_SECONDS:
        raise UsageError(
            f"this machine's clock and that of shared.database differ by {abs(server_now - now).total_seconds():.0f} s;"
            " set them by NTP"
        )
    return bool(has_tables)


@contextmanager
def lock(url: str, campaign_ids: Iterable[str]) -> Iterator[None]:
    """Hold campaigns for this session. Raises CampaignBusy at once if another one holds one of them.

    The lock is lost with the session, and its holder may not notice: see `Journal.take_over`.
    """
    _prepare(url)
    with _engine(url, _OF_LOCK).connect() as connection:
        for campaign_id in campaign_ids:
            if not connection.execute(_TRY_LOCK, {"campaign_id": campaign_id}).scalar_one():
                raise CampaignBusy(
                    f"campaign {campaign_id} is being sent by another machine; see 'smsrecon status {campaign_id}'"
                )
        with _heard_of(connection):
            yield


@contextmanager
def publishing(url: str) -> Iterator[int]:
    """Wait until no other machine publishes; yields the epoch, a number above that of everyone who published before.

    As with every lock, another may publish meanwhile without its holder's noticing: the higher epoch wins.
    """
    _prepare(url)
    with _engine(url, _OF_LOCK).connect() as connection:
        connection.execute(_LOCK_PUBLISHING)
        epoch = connection.execute(_NEXT_EPOCH).scalar_one()
        with _heard_of(connection):
            yield epoch


def parsed(url: str) -> URL:
    """The address of a PostgreSQL database. Raises UsageError, without the address, which may hold a password."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        found = None
    if found is None or found.get_backend_name() != "postgresql" or not found.database:
        raise UsageError(
            "shared.database is not the address of a PostgreSQL database; give one such as"
            " postgresql://user@host:5432/smsrecon"
        )
    return found.set(drivername="postgresql+psycopg")


@contextmanager
def _heard_of(connection: Connection) -> Iterator[None]:
    """Let the server hear of a session that does nothing, as long as the block runs."""
    is_over = Event()

    def hear() -> None:
        try:
            while not is_over.wait(_HEARD_OF_SECONDS):
                connection.execute(text("SELECT 1"))
        except SharedUnavailable:
            return  # the session has ended, and the lock is lost

    thread = Thread(target=hear, name="journal-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@lru_cache(maxsize=4)
def _prepare(url: str) -> None:
    """Make the tables if they are missing. Raises UsageError for those of a later version."""
    with _engine(url).connect() as connection:
        if not connection.execute(_HAS_TABLES).scalar_one():
            _make(connection)
        version = connection.execute(_VERSION_OF).scalar_one()
    if version > _VERSION:
        raise UsageError("the journal of shared.database was made by a newer version of smsrecon; install that version")


def _make(connection: Connection) -> None:
    connection.execute(_LOCK_ALL)  # until the session ends; else of machines that begin together all but one would fail
    if connection.execute(_HAS_TABLES).scalar_one():
        return
    connection.exec_driver_sql("BEGIN")
    for statement in making_all(POSTGRESQL):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("CREATE SEQUENCE publishing_epoch")
    connection.exec_driver_sql(f"CREATE TABLE journal_version AS SELECT {_VERSION} AS version")
    connection.exec_driver_sql("COMMIT")


@lru_cache(maxsize=8)  # compiles each statement once, not once for each opening
def _engine(url: str, options: str = "") -> Engine:
    address = parsed(url)
    own = address.query.get("options", "")
    try:
        import_module("psycopg")
    except ImportError:
        raise UsageError("shared.database needs the PostgreSQL driver: pip install 'smsrecon[shared]'") from None
    engine = create_engine(
        address.difference_update_query(["options"]),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "options": " ".join(filter(None, (_OF_SERVER, options, own if isinstance(own, str) else " ".join(own)))),
            **_KEEPALIVE,
        },
    )
    where = f"{address.host or 'localhost'}:{address.port or 5432}/{address.database}"

    def unavailable(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        if isinstance(error, OperationalError | InterfaceError) and _is_of_connection(error):
            raise SharedUnavailable(
                f"the database {where} can't be reached ({type(error.orig).__name__});"
                " check shared.database and the server, then run the same command again"
            ) from None

    event.listen(engine, "handle_error", unavailable)
    return engine


def _is_of_connection(error: OperationalError | InterfaceError) -> bool:
    """True if the session could not be opened, or has ended."""
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state[:2] in _CLASSES_OF_CONNECTION
