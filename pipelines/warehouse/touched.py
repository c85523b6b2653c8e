"""The campaigns touched since the last reconcile, and the scope in which statements see only them.

Each file of sql/touching is one way of being touched: a SELECT of the campaigns whose rows may be others by now. The
statements of sql/core and sql/marts know nothing of it: they name their tables by schema, `core.recipients`, and are
evaluated in a *scope*, a database of the session in which `core.recipients` is a view of the touched campaigns' rows.

    scope         the tables of the warehouse; those whose rows belong to campaigns show those of scope_campaigns
    lookup_scope  the tables of the warehouse; core.reports shows the reports that have to be looked up once more

DuckDB writes to one database in a transaction, so both are attached before it begins, if anything is new. Their views
read tables of the session, which are filled in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from pipelines.contracts import Contract, grain_of, kind_of, names_campaigns, table_of
from pipelines.contracts.core import CORE
from pipelines.sql_files import names_in
from pipelines.warehouse.computed import CONTRACTS, Computed, fingerprint, last_computed, last_load_num
from pipelines.warehouse.database import tables_as_described
from pipelines.warehouse.statements import Statement, statement, statements

# The ways of being touched; without a load since the last reconcile there is only the clock.
WAYS: Final = tuple(names_in("touching"))

_CLOCK: Final = "touching/clock"

_COMPUTED: Final = [contract for contract in CONTRACTS if kind_of(contract) != "reference"]

_LOOKUPS: Final = "core.report_lookups"
_PHONES: Final = "core.followed_phones"
_MESSAGES: Final = "core.followed_messages"

# With more of all rows touched a run computes all campaigns: reading and writing whole tables is faster then.
_LARGEST_SHARE: Final = 0.3
_LEAST_ROWS: Final = 1_000_000  # of fewer rows any share is computed in a scope


def _attach_scopes(connection: duckdb.DuckDBPyConnection) -> None:
    """Attach the scopes, empty, with a view for each table that a statement reads in them."""
    connection.execute("CREATE TEMP TABLE phones_not_shown (phone VARCHAR)")
    for name in ("reports", "report_lookups"):
        connection.execute(f"CREATE TEMP TABLE {name}_in_scope AS FROM core.{name} LIMIT 0")
    connection.execute("CREATE TEMP TABLE reports_to_place AS FROM core.reports LIMIT 0")
    for scope in ("lookup_scope", "scope"):
        connection.execute(f"ATTACH ':memory:' AS {scope}; CREATE SCHEMA {scope}.core; CREATE SCHEMA {scope}.marts")
    for table in statement(connection, "core/report_lookups").inputs:
        rows = "temp.reports_to_place" if table == "core.reports" else f"warehouse.{table}"
        connection.execute(f"CREATE VIEW lookup_scope.{table} AS FROM {rows}")
    of_campaigns = {_name_of(contract): contract for contract in _COMPUTED if grain_of(contract) == "campaign"}
    evaluated = statements(connection, [*of_campaigns, *names_in("checks")])
    read = frozenset[str]().union(*(each.inputs for each in evaluated.values()))
    for contract in (*CORE, *_stored(CONTRACTS)):
        if table_of(contract) in read:
            connection.execute(f"CREATE VIEW scope.{table_of(contract)} AS {_shown(contract)}")
    with _in(connection, "scope"):
        for name, contract in of_campaigns.items():
            if kind_of(contract) == "view":
                connection.execute(f"CREATE VIEW {table_of(contract)} AS {evaluated[name].text}")


def _name_of(contract: type[Contract]) -> str:
    """The name of the statement that computes a table."""
    return table_of(contract).replace(".", "/")


def _stored(contracts: tuple[type[Contract], ...]) -> list[type[Contract]]:
    return [contract for contract in contracts if kind_of(contract) != "view"]


def _shown(contract: type[Contract]) -> str:
    """The rows of a table that a scope shows, as a query."""
    table = table_of(contract)
    if table in {"core.reports", _LOOKUPS}:
        return f"FROM temp.{table.removeprefix('core.')}_in_scope"
    if table == _PHONES:
        return f"FROM warehouse.{table} ANTI JOIN temp.phones_not_shown USING (phone)"
    if kind_of(contract) != "bookkeeping" and names_campaigns(contract):
        return f"SELECT * FROM warehouse.{table} SEMI JOIN temp.scope_campaigns USING (campaign_id)"  # noqa: S608 - ours
    return f"FROM warehouse.{table}"


def in_scope(connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
    """Evaluate statements for the campaigns in scope while the block runs."""
    return _in(connection, "scope")


@contextmanager
def _in(connection: duckdb.DuckDBPyConnection, database: str) -> Iterator[None]:
    """Resolve names such as `core.recipients` in this database while the block runs."""
    connection.execute(f"USE {database}")
    yield
    connection.execute("USE warehouse")


@dataclass(frozen=True)
class Touched:
    """The campaigns that were touched since the last reconcile.

    Without `has_news` nothing was loaded and no campaign is touched, so only what reads the clock can be another.
    """

    connection: duckdb.DuckDBPyConnection
    has_news: bool

    @property
    def campaigns(self) -> str:
        """A query of their ids."""
        return "SELECT campaign_id FROM scope_campaigns"

    @property
    def up_to_date(self) -> frozenset[str]:
        """The tables that were brought up to date when the touched campaigns were found."""
        return frozenset({_LOOKUPS})

    def replace(self, contract: type[Contract], computed: Statement, arguments: Mapping[str, Any]) -> None:
        """Replace the touched campaigns' rows of a table whose rows belong to campaigns."""
        table = table_of(contract)
        self.connection.execute(f"DELETE FROM {table} WHERE campaign_id IN ({self.campaigns})")  # noqa: S608 - ours
        self._insert(table, computed, arguments)
        if table == _MESSAGES:
            self._follow_new_phones(table, computed, arguments)

    def _insert(self, table: str, computed: Statement, arguments: Mapping[str, Any]) -> None:
        with in_scope(self.connection):
            self.connection.execute(f"INSERT INTO warehouse.{table}\n{computed.text}", computed.arguments(arguments))

    def _follow_new_phones(self, table: str, computed: Statement, arguments: Mapping[str, Any]) -> None:
        """Bring the other campaigns' messages up to date with the phones that are followed now and were not before."""
        self.connection.execute(f"DELETE FROM {table} WHERE phone NOT IN (SELECT phone FROM {_PHONES})")  # noqa: S608
        self.connection.execute("INSERT INTO phones_not_shown FROM phones_before")
        self.connection.execute("CREATE TEMP TABLE touched AS FROM scope_campaigns")
        _show(
            self.connection,
            "SELECT campaign_id, campaign_key FROM core.campaigns ANTI JOIN touched USING (campaign_id)",
        )
        self._insert(table, computed, arguments)
        _show(self.connection, "FROM touched")
        self.connection.execute("DROP TABLE touched; DELETE FROM phones_not_shown")


@dataclass
class TouchedSearch:
    """The search for the touched campaigns, in two steps: DuckDB attaches the scopes before the transaction.

    `arguments` are the parameters of the statements.
    """

    arguments: Mapping[str, Any]
    since: dict[str, Any] | None = None  # the same with those of the last reconcile, unless all is to be computed
    is_loaded: bool = False  # since then
    has_news: bool = False

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Look for what is new since the last reconcile, and attach the scopes if anything is."""
        before = _comparable(connection, self.arguments)
        if before is None:
            return
        self.since = {"since_load_num": before.load_num, "since_as_of": before.as_of, **self.arguments}
        self.is_loaded = last_load_num(connection) > before.load_num
        for table in ("scope_campaigns", "touched"):
            connection.execute(f"CREATE TEMP TABLE {table} (campaign_id VARCHAR, campaign_key BIGINT)")
        _touch(connection, [way for way in WAYS if way == _CLOCK], self.since)
        self.has_news = self.is_loaded or connection.execute("FROM touched LIMIT 1").fetchone() is not None
        if self.has_news:
            _attach_scopes(connection)

    def touched(self, connection: duckdb.DuckDBPyConnection) -> "Touched | None":
        """Place the reports that came, and show the touched campaigns in the scope; None if all are to be computed."""
        if self.since is None:
            return None
        if not self.has_news:
            return Touched(connection, has_news=False)
        if self.is_loaded:
            _place_reports(connection, self.since)
            _touch(connection, [way for way in WAYS if way != _CLOCK], self.since)
        _show(connection, "SELECT DISTINCT campaign_id, campaign_key FROM touched")
        connection.execute("DROP TABLE touched")
        ((scope_rows, rows),) = connection.sql(statement(connection, "scope/size").text).fetchall()
        if scope_rows > max(_LEAST_ROWS, _LARGEST_SHARE * rows):
            return None
        for name in ("reports", "report_lookups"):
            selected = statement(connection, f"scope/{name}").text
            connection.execute(f"INSERT INTO {name}_in_scope\n{selected}")
        connection.execute(f"CREATE TEMP TABLE phones_before AS FROM {_PHONES}")
        return Touched(connection, has_news=True)


def _comparable(connection: duckdb.DuckDBPyConnection, arguments: Mapping[str, Any]) -> Computed | None:
    """The last reconcile, if the tables can differ from it only by what was loaded since and by the clock."""
    before = last_computed(connection)
    if before is None or not before.is_balanced or fingerprint(arguments) != before.fingerprint:
        return None
    if connection.execute(_REMOVED).fetchall():
        return None
    return before if tables_as_described(connection, CONTRACTS) >= {*_stored(CONTRACTS)} else None


# A report that could belong to a campaign that is gone, or to another one, belongs to the other now.
_REMOVED: Final = (
    "SELECT campaign_id FROM core.computed_campaigns EXCEPT SELECT campaign_id FROM core.campaigns LIMIT 1"
)


def _touch(connection: duckdb.DuckDBPyConnection, ways: Iterable[str], since: Mapping[str, Any]) -> None:
    """Note the campaigns that were touched in these ways."""
    for way in statements(connection, ways).values():
        connection.execute(f"INSERT INTO touched\n{way.text}", way.arguments(since))


def _show(connection: duckdb.DuckDBPyConnection, campaigns: str) -> None:
    """Limit the scope to the campaigns that a query selects."""
    connection.execute("DELETE FROM scope_campaigns")
    connection.execute(f"INSERT INTO scope_campaigns {campaigns}")


def _place_reports(connection: duckdb.DuckDBPyConnection, since: Mapping[str, Any]) -> None:
    """Look up once more the reports whose place may be another one, and bring core.report_lookups up to date.

    The session's tables lookups_before and lookups_now have its rows that were removed and those that were added.
    """
    names = ["touching/journal", "placing/lookups_before", "placing/reports", "core/report_lookups"]
    journal, before, reports, lookups = statements(connection, names).values()
    connection.execute(f"CREATE TEMP TABLE touched_by_load AS\n{journal.text}", journal.arguments(since))
    connection.execute(f"CREATE TEMP TABLE lookups_before AS\n{before.text}", before.arguments(since))
    connection.execute(f"INSERT INTO reports_to_place\n{reports.text}", reports.arguments(since))
    with _in(connection, "lookup_scope"):
        connection.execute(f"CREATE TEMP TABLE lookups_now AS\n{lookups.text}", lookups.arguments(since))
    connection.execute(f"DELETE FROM {_LOOKUPS} WHERE rowid IN (SELECT row_num FROM lookups_before)")  # noqa: S608 - ours
    connection.execute(f"INSERT INTO {_LOOKUPS} FROM lookups_now")
