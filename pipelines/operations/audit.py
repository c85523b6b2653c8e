"""The audit: every computed table and the published copy, compared with those computed again in a scratch folder.

A reconcile computes what changed since the one before. The audit shares nothing with it but the SQL: it takes a copy of
the warehouse, drops all computed tables there, or loads the bytes of the landing into an empty file, and computes as of
the instant and with the parameters of the last reconcile. What is kept must be equal, row for row.

The warehouse is open for as long as its file is copied, read-only, and nothing is written but the scratch folder.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import Any, Final

import duckdb

from pipelines.alerts.findings import Finding
from pipelines.campaign.journal.journal import Journal
from pipelines.contracts import Contract, is_compared, parquet_of, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.errors import BooksError, UsageError, environment_error
from pipelines.files import link_or_copy
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.scratch import check_space, scratch_folder
from pipelines.operations import daily
from pipelines.progress import Progress, no_progress
from pipelines.settings import PUBLISHED_DATABASE, Settings
from pipelines.warehouse.comparison import Difference, compare
from pipelines.warehouse.computed import CONTRACTS, Computed, fingerprint, last_computed, loaded
from pipelines.warehouse.database import Warehouse, warehouse_of
from pipelines.warehouse.loading.campaigns import load_campaigns
from pipelines.warehouse.loading.journal_age import check_journal
from pipelines.warehouse.loading.load import load_again
from pipelines.warehouse.publish import READ_OPTIONS, mart_parquet, write_tables
from pipelines.warehouse.reconcile import reconcile_with
from pipelines.warehouse.version_note import VERSION_NOTE, VersionNote

_SPARE_BYTES: Final = 64 * 2**20
_LOADED: Final = tuple(contract for contract in CORE if is_compared(contract))
_AGAIN: Final = "run 'smsrecon reconcile', then 'smsrecon audit' again"


@dataclass(frozen=True)
class AuditSummary:
    """The instant of the compared tables, their number, and what was found.

    `notes` say what is as it may be, but not as one might think.
    """

    as_of: datetime
    table_count: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of,
            "table_count": self.table_count,
            "differences": [asdict(difference) for difference in self.differences],
            "notes": self.notes,
            "problems": [finding.message for finding in self.findings],
        }


@dataclass(frozen=True)
class _Kept:
    """Copies of the warehouse and of the published version, None if nothing is published, in a scratch folder."""

    scratch: Path
    warehouse: Warehouse
    published: Path | None
    computed: Computed
    files: tuple[str, ...]  # rows of core.files
    campaign_ids: tuple[str, ...]


def audit(settings: Settings, *, from_landing: bool = False, progress: Progress = no_progress) -> AuditSummary:
    """Compute every table again, and compare; with `from_landing` the loaded tables too, from the bytes.

    Raises UsageError if there is no reconciled warehouse or no room for the copies, WarehouseBusy while another audit
    runs, and BooksError if the tables are not those of what is loaded, or if the landing is damaged.
    """
    warehouse, landing = warehouse_of(settings), landing_of(settings)
    if from_landing:
        check_journal(landing, warehouse)
    with ExitStack() as held:
        progress("copying the warehouse")
        kept = _copy(settings, warehouse, held)
        fresh = Warehouse(kept.scratch / "fresh.duckdb", settings.warehouse)
        if from_landing:
            _load(fresh, landing, kept, progress)
        else:
            _copy_database(kept.warehouse.path, fresh.path)
            _drop_computed(fresh)
        progress("computing every table")
        summary = reconcile_with(fresh, kept.computed.arguments)
        differences = [*_of_tables(fresh, kept, (*(_LOADED if from_landing else ()), *CONTRACTS), progress)]
        findings = daily.check_findings(summary)
        findings += _finding(differences, "run 'smsrecon rebuild', then 'smsrecon publish'")
        published, problem = _of_published(settings, fresh, kept, progress)
        if problem is not None:
            findings.append(Finding.of("audit_not_possible", BooksError(problem)))
        findings += _finding(
            published or [],
            f"remove {settings.published_folder / VERSION_NOTE}, so that every file is written again, and run"
            " 'smsrecon publish'",
        )
    table_count = len(CONTRACTS) + len(_LOADED) * from_landing
    if published is not None:
        table_count += len(PUBLISHED) + 2 * len(MARTS)
    notes = tuple(_notes(settings, kept))
    return AuditSummary(kept.computed.as_of, table_count, (*differences, *(published or ())), notes, findings)


# Copies


def _copy(settings: Settings, warehouse: Warehouse, held: ExitStack) -> _Kept:
    """Copy the warehouse, and link the published version, into the scratch folder, which `held` keeps."""
    with warehouse.read() as connection:
        computed = _computed(connection, warehouse)
        files = connection.execute("SELECT source_file FROM core.files ORDER BY source_file").fetchall()
        campaigns = connection.execute("SELECT campaign_id FROM core.campaigns ORDER BY campaign_id").fetchall()
        scratch = held.enter_context(scratch_folder(settings.scratch_folder.absolute()))
        version = settings.published_folder.resolve() if settings.published_folder.is_symlink() else None
        published = None if version is None else _link(version, scratch / "kept_published")
        needed = 2 * sum(path.stat().st_size for path in _files_of(warehouse.path))
        needed += sum(path.stat().st_size for path in (published or scratch).rglob("*") if path.is_file())
        check_space(scratch, needed + _SPARE_BYTES)
        kept = Warehouse(scratch / "kept.duckdb", settings.warehouse)
        _copy_database(warehouse.path, kept.path)
    return _Kept(
        scratch, kept, published, computed, tuple(name for (name,) in files), tuple(name for (name,) in campaigns)
    )


def _computed(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> Computed:
    """How the tables were made. Raises an error if they aren't those of what is loaded and of these statements."""
    computed = last_computed(connection)
    if computed is None:
        raise UsageError(f"{warehouse.path} was not reconciled by this version yet; {_AGAIN}")
    if fingerprint(computed.parameters) != computed.fingerprint:
        raise BooksError(
            f"the statements or the reference tables are others than those of the last reconcile; {_AGAIN}"
        )
    if loaded(connection) != computed.loaded:
        raise BooksError(f"more was loaded since the last reconcile; {_AGAIN}")
    return computed


def _files_of(database: Path) -> list[Path]:
    """The files of a database: itself, and the log of what isn't in it yet, if there is one."""
    return [path for path in (database, Path(f"{database}.wal")) if path.exists()]


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database that nobody writes to meanwhile.

    The locks of a process on a file end as soon as it closes the file once, whoever had opened it; so all files stay
    open until everything is copied.
    """
    with ExitStack() as opened:
        for path in _files_of(source):
            log = ".wal" if path != source else ""
            written = opened.enter_context(Path(f"{target}{log}").open("wb"))
            shutil.copyfileobj(opened.enter_context(path.open("rb")), written, 2**20)


def _link(version: Path, target: Path) -> Path:
    """Make a folder of links to the files of a published version, so that they stay when it is removed."""
    target.mkdir()
    for path in version.rglob("*"):
        linked = target / path.relative_to(version)
        if path.is_file():
            linked.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, linked)
    return target


# Computing again


def _drop_computed(fresh: Warehouse) -> None:
    """Drop all but the loaded tables, and forget when they were computed."""
    loaded_tables = {table_of(contract) for contract in CORE}
    with fresh.write() as connection:
        for kind in ("view", "table"):
            found = connection.execute(
                f"SELECT schema_name || '.' || {kind}_name FROM duckdb_{kind}s()"  # noqa: S608 - our names
                " WHERE database_name = current_database() AND NOT internal"
            ).fetchall()
            for table in {name for (name,) in found} - loaded_tables:
                connection.execute(f"DROP {kind} {table}")
        connection.execute("DELETE FROM core.computed")


def _load(fresh: Warehouse, landing: Landing, kept: _Kept, progress: Progress) -> None:
    """Load into `fresh` what was loaded into the warehouse, from the bytes; the landing isn't changed."""
    load_again(landing, fresh, [*kept.files], progress=progress)
    of_then = Landing(kept.scratch / "landing")  # its journal ends where the warehouse's ends
    of_then.root.mkdir()
    (of_then.root / landing.campaigns.root.name).symlink_to(landing.campaigns.root.absolute())
    planned = {name.split("/")[1] for name in kept.files if name.startswith("campaigns/")}
    with Journal.read_only(landing.journal) as journal:
        journal.copy_until(
            kept.computed.last_event_id, of_then.journal_path, campaign_ids=planned.union(kept.campaign_ids)
        )
    with fresh.write() as connection:
        load_campaigns(connection, of_then)


# Comparing


def _of_tables(
    fresh: Warehouse, kept: _Kept, contracts: Sequence[type[Contract]], progress: Progress
) -> Iterator[Difference]:
    with fresh.read() as connection:
        connection.execute(f"ATTACH {_quoted(kept.warehouse.path)} AS kept (READ_ONLY)")
        for number, contract in enumerate(contracts):
            table = table_of(contract)
            progress(f"comparing {table}", number / len(contracts))
            if difference := compare(connection, contract, name=table, kept=f"kept.{table}", fresh=table):
                yield difference


def _of_published(
    settings: Settings, fresh: Warehouse, kept: _Kept, progress: Progress
) -> tuple[list[Difference] | None, str | None]:
    """The differences of the published version, or None and the reason why it can't be compared, if there is one."""
    if kept.published is None:
        return None, None
    if not (landing_of(settings).root / "phone_hash.key").exists():
        return None, "landing/phone_hash.key is missing; restore it from a backup, or run 'smsrecon publish'"
    note, phone_hash = VersionNote.read(kept.published), daily.phone_hash_of(settings)
    if note is None:
        return None, "what is published was made by an older version, or lacks its version.json; run 'smsrecon publish'"
    if note.fingerprint != phone_hash.fingerprint:
        return None, "policy.phone_hash, its key or the statements changed after publishing; run 'smsrecon publish'"
    if note.computed_id != kept.computed.computed_id:  # else these are the same rows, whatever was loaded meanwhile
        if (note.tables_fingerprint, note.loaded) != (kept.computed.fingerprint, kept.computed.loaded):
            return None, "what is published is older than the last reconcile; run 'smsrecon publish'"
        if note.as_of != kept.computed.as_of:  # 'status' reconciles too, and publishes nothing
            progress("computing every table as of what is published")
            reconcile_with(fresh, {**kept.computed.arguments, "as_of": note.as_of})
    progress("selecting what is published")
    again = kept.scratch / "fresh_published"
    write_tables(fresh, again, phone_hash=phone_hash)
    return [*_published_differences(fresh, kept.published, again, progress)], None


def _published_differences(fresh: Warehouse, kept: Path, again: Path, progress: Progress) -> Iterator[Difference]:
    def files(version: Path, contract: type[Contract]) -> str:
        path = parquet_of(contract) if contract in PUBLISHED else mart_parquet(contract)
        return f"read_parquet({_quoted(f'{escape(str(version))}/{path}')}, {READ_OPTIONS})"

    with fresh.read() as connection:
        for number, contract in enumerate((*PUBLISHED, *MARTS)):
            name = table_of(contract).removeprefix("main.").replace(".", "/")
            progress(f"comparing published/{name}", number / len((*PUBLISHED, *MARTS)))
            source = files(again, contract) if contract in PUBLISHED else table_of(contract)
            found = compare(connection, contract, name=f"published/{name}", kept=files(kept, contract), fresh=source)
            if found:
                yield found
        try:
            connection.execute(f"ATTACH {_quoted(kept / PUBLISHED_DATABASE)} AS published (READ_ONLY)")
        except duckdb.Error as error:
            if environment_error(error) is not None and (kept / PUBLISHED_DATABASE).exists():
                raise
            yield Difference(PUBLISHED_DATABASE, problem="it is missing, or can't be read")
            return
        for contract in MARTS:
            table = table_of(contract)
            name = f"{PUBLISHED_DATABASE} {table}"
            if found := compare(connection, contract, name=name, kept=f"published.{table}", fresh=table):
                yield found


def _quoted(text: Path | str) -> str:
    """A SQL string literal: ATTACH and views take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


# What it means


def _finding(differences: Sequence[Difference], next_step: str) -> list[Finding]:
    """One finding for these tables, if there are any."""
    if not differences:
        return []
    names = ", ".join(difference.table for difference in differences)
    what = "differs" if len(differences) == 1 else "differ"
    error = BooksError(f"{names} {what} from the same computed again; {next_step}; please report it")
    return [Finding.of("audit_difference", error)]


def _notes(settings: Settings, kept: _Kept) -> Iterator[str]:
    if kept.computed.parameters != daily.parameters_of(settings):
        yield "the settings were changed since the last reconcile; its own were used"
    if kept.published is None:
        yield "nothing is published yet"
