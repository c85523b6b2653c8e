"""The journal's tables, the same in SQLite and in PostgreSQL, and the texts that make them.

The database itself refuses a second use of a campaign key or a batch_num, and any change of an event. In PostgreSQL
events also commit in the order of their ids: a reader that has seen event 7 never finds event 6 later. So an insert
waits, before it takes an id, for the one before it to commit.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    make_url,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable

SQLITE: Final[Dialect] = make_url("sqlite://").get_dialect()()
POSTGRESQL: Final[Dialect] = make_url("postgresql+psycopg://").get_dialect()()

METADATA: Final = MetaData()

_BIG: Final = BigInteger().with_variant(Integer, "sqlite")  # a strict table of SQLite knows no BIGINT
# In the order of bytes, as in Python and SQLite; PostgreSQL would take that of the server's language.
_NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")

CAMPAIGNS: Final = Table(
    "campaigns",
    METADATA,
    Column("campaign_id", _NAME, primary_key=True, nullable=False),
    Column("campaign_key", _BIG, nullable=False, unique=True),
    Column("planned_at", _BIG, nullable=False),  # microseconds since 1970, UTC; so all times here
    Column("input_sha256", Text, nullable=False),  # of the input's bytes and the campaign's one text or template
    Column("row_count", Integer, nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("segment_count", Integer, nullable=False),
    Column("planned_batch_count", Integer, nullable=False),
    Column("has_own_mission_nums", Integer, nullable=False),
    # campaign_key derives from a secret of the data folder
    Column("has_secret_key", Integer, nullable=False, server_default=text("0")),
    # files of the input's folder that are not Parquet, or hidden
    Column("left_out_count", Integer, nullable=False, server_default=text("0")),
    sqlite_strict=True,
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("event_id", _BIG, primary_key=True, autoincrement=True),
    Column("happened_at", _BIG, nullable=False),
    Column("campaign_id", _NAME, ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("batch_num", _NAME),
    Column("planned_batch", Integer),
    Column("first_position", Integer),
    Column("last_position", Integer),
    Column("attempt", Integer),
    Column("error_code", Text),
    Column("http_status", Integer),
    Column("answer_ms", Integer),
    Column("answer", LargeBinary),
    Column("detail", Text),
    Column("decided_by", Text),  # the operator who decided about a doubt; null if an answer did
    CheckConstraint(
        "event IN ('sending', 'repeating', 'accepted', 'refused', 'in_doubt', 'not_sent', 'split', 'suppressed',"
        " 'paused')",
        name="an_event_is_of_a_known_kind",
    ),
    CheckConstraint("(batch_num IS NULL) = (event = 'paused')", name="all_but_a_pause_have_a_batch"),
    sqlite_strict=True,
)

IS_USED_ONCE: Final = EVENTS.c.event != text("'repeating'")

Index(
    "a_batch_num_is_used_once",
    EVENTS.c.batch_num,
    EVENTS.c.event,
    unique=True,
    sqlite_where=IS_USED_ONCE,
    postgresql_where=IS_USED_ONCE,
)
Index("events_of_a_campaign", EVENTS.c.campaign_id, EVENTS.c.event_id)

# Who sends a campaign: each that takes it over raises the epoch, and a request leaves only under the newest one.
HOLDERS: Final = Table(
    "holders",
    METADATA,
    Column("campaign_id", _NAME, ForeignKey("campaigns.campaign_id"), primary_key=True, nullable=False),
    Column("epoch", _BIG, nullable=False),
    sqlite_strict=True,
)

_APPEND_ONLY: Final = (CAMPAIGNS, EVENTS)


def _sqlite_trigger(table: Table, verb: str) -> str:
    name = f"no_{table.name.removesuffix('s')}_is_{'changed' if verb == 'UPDATE' else 'removed'}"
    return (
        f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name}"
        " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    )


_POSTGRESQL_FUNCTIONS: Final = (
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'the journal is append-only'; END $$
    """,
    """
    CREATE FUNCTION keep_order() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock(TG_RELID::bigint); RETURN NULL; END $$
    """,
)
_EVENTS_ARE_IN_ORDER: Final = (
    "CREATE TRIGGER events_are_in_order BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION keep_order()"
)


def triggers(table: Table, dialect: Dialect) -> Iterator[str]:
    """The texts that make a table append-only, and keep its events in order."""
    if dialect is SQLITE:
        yield _sqlite_trigger(table, "UPDATE")
        yield _sqlite_trigger(table, "DELETE")
        return
    yield (
        f"CREATE TRIGGER is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    if table is EVENTS:
        yield _EVENTS_ARE_IN_ORDER


def making(*tables: Table, dialect: Dialect) -> Iterator[str]:
    """The texts that make these tables, with their indexes and triggers."""
    for table in tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))
        if table in _APPEND_ONLY:
            yield from triggers(table, dialect)


def making_all(dialect: Dialect) -> Iterator[str]:
    """The texts that make a new journal, in order."""
    if dialect is POSTGRESQL:
        yield from _POSTGRESQL_FUNCTIONS
    yield from making(CAMPAIGNS, EVENTS, HOLDERS, dialect=dialect)


def lifting(table: Table, dialect: Dialect) -> tuple[list[str], list[str]]:
    """The texts that lift the protection of a table for the rest of a transaction, and those that put it back."""
    if dialect is POSTGRESQL:
        change = f"ALTER TABLE {table.name} {{}} TRIGGER is_append_only"
        return [change.format("DISABLE")], [change.format("ENABLE")]
    made = list(triggers(table, dialect))
    return [f"DROP TRIGGER {each.split()[2]}" for each in made], made
