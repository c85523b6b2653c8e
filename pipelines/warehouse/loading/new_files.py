"""The files of the landing that are not loaded yet, found without listing again what is over and loaded."""

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime

import duckdb
import polars as pl

from pipelines.contracts import schema_of
from pipelines.contracts.core import Listings
from pipelines.landing.calls import CALL_KINDS, CallKind
from pipelines.landing.campaigns import CampaignFolders
from pipelines.landing.landing import Landing
from pipelines.landing.listing import Listed
from pipelines.sql_files import statement
from pipelines.times import CHINA, from_microseconds
from pipelines.warehouse.database import registered


@dataclass(frozen=True)
class NewFiles:
    """The names of the new files of each kind, in order.

    `segments` are all segments that were listed, loaded or new; `unchanged` the folders that were not listed again.
    """

    calls: dict[CallKind, list[str]]
    imports: list[str]
    pushes: list[str]
    lists: list[str]
    segments: frozenset[str]
    unchanged: frozenset[str]

    @property
    def count(self) -> int:
        return len(self.lists) + len(self.imports) + len(self.pushes) + sum(map(len, self.calls.values()))


def find_new_files(connection: duckdb.DuckDBPyConnection, landing: Landing) -> NewFiles:
    """List the landing; folders that are over and loaded are noted in core.listings, and not listed the next time."""
    seen = _seen(connection)
    calls = {kind: list(landing.calls.listed(kind, seen)) for kind in CALL_KINDS}
    imports, pushes = list(landing.imports.listed(seen)), list(landing.pushes.listed(seen))
    lists = landing.suppressions.names()
    folders = [*(folder for listed in calls.values() for folder in listed), *imports, *pushes]
    new = _not_loaded(connection, [*lists, *_names(folders)])
    _note(connection, [each for each in folders if new.isdisjoint(each.names)])
    return NewFiles(
        calls={kind: sorted(new.intersection(_names(listed))) for kind, listed in calls.items()},
        imports=sorted(new.intersection(_names(imports))),
        pushes=sorted(new.intersection(_names(pushes))),
        lists=sorted(new.intersection(lists)),
        segments=frozenset(_names(pushes)),
        unchanged=frozenset(seen.keys() - {each.folder for each in folders}),
    )


def find_campaigns(connection: duckdb.DuckDBPyConnection, landing: Landing, loaded: Set[str]) -> CampaignFolders:
    """List the folders of campaigns; `loaded` are those whose plans are loaded.

    Those without drafts are noted together, once no loaded plan is gone, and not looked into until they change.
    """
    folder = landing.name(landing.campaigns.root)
    found = landing.campaigns.listed(_seen(connection).get(folder), loaded)
    _note(connection, [Listed(folder, [], found.settled_at)])
    return found


def files_named(names: Iterable[str], landing: Landing) -> NewFiles:
    """Those of these names that are files of the landing."""
    of_folder: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        folder = name.partition("/")[0]
        if landing.pushes.has(name) if folder == "pushes" else landing.path(name).exists():
            of_folder[folder].append(name)
    return NewFiles(
        calls={kind: of_folder[kind] for kind in CALL_KINDS},
        imports=of_folder["imports"],
        pushes=of_folder["pushes"],
        lists=of_folder["suppressions"],
        segments=frozenset(),
        unchanged=frozenset(),
    )


def _seen(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """The folders that are noted, and when they had changed last."""
    known = connection.execute("SELECT folder, epoch_us(changed_at) FROM core.listings").fetchall()
    return {folder: from_microseconds(at) for folder, at in known}


def _names(folders: Iterable[Listed]) -> list[str]:
    return [name for each in folders for name in each.names]


def _not_loaded(connection: duckdb.DuckDBPyConnection, names: list[str]) -> set[str]:
    if not names:
        return set()
    with registered(connection, listed=pl.DataFrame({"source_file": names})):
        rows = connection.execute("SELECT source_file FROM listed ANTI JOIN core.files USING (source_file)").fetchall()
    return {name for (name,) in rows}


def _note(connection: duckdb.DuckDBPyConnection, listed: list[Listed]) -> None:
    """Note those of these folders that are settled."""
    rows = [(each.folder, each.settled_at.astimezone(CHINA)) for each in listed if each.settled_at is not None]
    if not rows:
        return
    with registered(connection, noted=pl.DataFrame(rows, schema=schema_of(Listings), orient="row")):
        connection.execute(statement("load/forget_listings"))
        connection.execute("INSERT INTO core.listings FROM noted")
