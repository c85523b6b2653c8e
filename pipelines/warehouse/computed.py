"""How the computed tables were made: the one row of core.computed, so that the same tables can be made once more."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import uuid4

import duckdb

from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.sql_files import SQL_FOLDER
from pipelines.warehouse.database import fetched

CONTRACTS: Final = (*RECONCILED, *MARTS)  # of all tables that a reconcile makes

# Those that are loaded and those that were.
ALL_CAMPAIGNS: Final = "SELECT campaign_id FROM core.campaigns UNION SELECT campaign_id FROM core.computed_campaigns"


@dataclass(frozen=True)
class Computed:
    """The instant, the parameters and the fingerprint of the statements, and how much had been loaded by then.

    `parameters` are those of the statements besides `as_of`. `computed_id` changes with any row of a computed table.
    """

    as_of: datetime
    parameters: dict[str, Any]
    fingerprint: str
    file_count: int
    last_event_id: int
    load_num: int
    computed_id: str
    is_balanced: bool

    @property
    def loaded(self) -> tuple[int, int]:
        """How much had been loaded: files of the landing, and the last event of the journal."""
        return self.file_count, self.last_event_id

    @property
    def arguments(self) -> dict[str, Any]:
        """All parameters of the statements."""
        return {"as_of": self.as_of, **self.parameters}


def note_computed(
    connection: duckdb.DuckDBPyConnection,
    arguments: Mapping[str, Any],
    *,
    is_balanced: bool = True,
    is_changed: bool = True,
    campaigns: str = ALL_CAMPAIGNS,
) -> None:
    """Note that the tables were made with these parameters of the statements, of all that is loaded.

    `campaigns` is a query of the ids of those that were computed; unless `is_changed`, no row of a table changed.
    """
    before = last_computed(connection)
    computed_id = before.computed_id if before and not is_changed else uuid4().hex
    values = [arguments["as_of"], _without_clock(arguments), fingerprint(arguments), *loaded(connection)]
    values += [last_load_num(connection), computed_id, is_balanced]
    connection.execute("DELETE FROM core.computed")
    connection.execute("INSERT INTO core.computed VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.execute(f"DELETE FROM core.computed_campaigns WHERE campaign_id IN ({campaigns})")  # noqa: S608 - ours
    loaded_now = f"FROM core.campaigns WHERE campaign_id IN ({campaigns})"
    connection.execute(
        f"INSERT INTO core.computed_campaigns SELECT campaign_id, campaign_key, ? {loaded_now}",
        [computed_id],
    )


def last_load_num(connection: duckdb.DuckDBPyConnection) -> int:
    """The highest number of a load; 0 before the first one."""
    ((load_num,),) = connection.execute("SELECT coalesce(max(load_num), 0) FROM core.loads").fetchall()
    return int(load_num)


def last_computed(connection: duckdb.DuckDBPyConnection) -> Computed | None:
    """How the tables were made; None before the first reconcile by a version that notes it."""
    rows = fetched(connection, "FROM core.computed").rows()
    if not rows:
        return None
    as_of, parameters, *others = rows[0]
    return Computed(as_of, json.loads(parameters), *others)


def loaded(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How much is loaded now, in the terms of `Computed.loaded`."""
    counts = "SELECT count(*), coalesce(max(record_count) FILTER (kind = 'journal'), 0) FROM core.files"
    ((file_count, last_event_id),) = connection.execute(counts).fetchall()
    return file_count, last_event_id


def fingerprint(arguments: Mapping[str, Any]) -> str:
    """SHA-256 of all that decides the tables besides the clock and the loaded rows, as hex digits."""
    statements = files_digest("core", "marts", "functions", "reference")
    return hashlib.sha256(f"{statements} {_without_clock(arguments, sort_keys=True)}".encode()).hexdigest()


def _without_clock(arguments: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """The parameters of the statements besides `as_of`, as JSON."""
    parameters = {name: value for name, value in arguments.items() if name != "as_of"}
    return json.dumps(parameters, sort_keys=sort_keys)


@cache
def files_digest(*folders: str) -> str:
    """SHA-256 of the files in these folders of sql/, as hex digits."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((SQL_FOLDER / folder).glob("*.*")):
            digest.update(f"{folder}/{path.name} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
