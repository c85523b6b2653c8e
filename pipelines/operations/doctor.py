"""Checks of the installation, from the settings to the gateway and the endpoint; nothing is changed."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import httpx

from pipelines.campaign.journal import database
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.suppressions import suppressed_phones
from pipelines.errors import SmsreconError, UsageError
from pipelines.gateway.client import GatewayClient
from pipelines.landing.data_folder import check_data_folder, check_path, network_file_system
from pipelines.landing.landing import Landing, landing_of
from pipelines.operations.daily import missing_findings, refused_pushes
from pipelines.ownership import check_owner
from pipelines.pull import Puller
from pipelines.receive.probe import problems
from pipelines.settings import Settings, require_credentials, require_receive, unknown_variables
from pipelines.times import Clock
from pipelines.warehouse.database import warehouse_of
from pipelines.warehouse.loading.journal_age import check_journal

LOW_DISK_BYTES = 1 << 30

Verdict = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """The result of one check; `exit_code` is that of the error, or 0."""

    name: str
    verdict: Verdict
    detail: str
    exit_code: int = 0

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "verdict": self.verdict, "detail": self.detail}


def examine(settings: Settings, *, clock: Clock) -> list[Finding]:
    """Run all checks, each after those that it depends on."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("settings", lambda: _settings(settings)),
        ("data folder", lambda: _data_folder(settings.data_dir)),
        ("journal", lambda: _journal(settings, clock)),
        ("bucket", lambda: _bucket(settings, clock)),
        ("warehouse", lambda: _warehouse(settings)),
        ("records", lambda: _records(settings, clock)),
        ("suppression lists", lambda: _lists(settings)),
        ("gateway", lambda: _gateway(settings, clock)),
        ("endpoint", lambda: _endpoint(settings, clock)),
    ]
    findings = []
    for name, check in checks:
        try:
            findings.append(check())
        except SmsreconError as error:
            findings.append(Finding(name, "error", str(error), error.exit_code))
        except OSError as error:
            detail = f"{error.filename}: {error.strerror}; give this user the right to, or set data_dir"
            findings.append(Finding(name, "error", detail, UsageError.exit_code))
    return findings


def _settings(settings: Settings) -> Finding:
    require_credentials(settings.gateway)
    unknown = unknown_variables()
    if unknown:
        return Finding("settings", "warning", f"there is no setting for {', '.join(unknown)}; check the spelling")
    return Finding("settings", "ok", "complete")


def _data_folder(folder: Path) -> Finding:
    check_path(folder)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is not a folder; move it away, or set data_dir")
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"{there} can't be written to; give this user the right to, or set data_dir")
    if folder.exists():
        check_owner(folder)
    check_data_folder(folder)
    if there != folder:
        return Finding("data folder", "ok", f"{folder} does not exist yet: the first submit or pull makes it")
    if kind := network_file_system(folder):
        detail = f"{folder} is on {kind}, where the journal is not safe; move it to a disk of this machine"
        return Finding("data folder", "warning", detail)
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK_BYTES:
        return Finding("data folder", "warning", f"{folder}, {free / 1e9:.1f} GB free; make room soon")
    return Finding("data folder", "ok", f"{folder}, {free / 1e9:.0f} GB free")


def _journal(settings: Settings, clock: Clock) -> Finding:
    landing = landing_of(settings)
    if landing.database:
        if not database.is_made(landing.database, clock()):
            return Finding("journal", "ok", "shared.database answers; none there yet: the first submit makes it")
        check_journal(landing, warehouse_of(settings))
        with Journal.read_only(landing.journal) as journal:
            return Finding("journal", "ok", f"in shared.database, campaigns: {len(journal.campaign_keys())}")
    path = landing.journal_path
    if not path.exists():
        check_journal(landing, warehouse_of(settings))
        return Finding("journal", "ok", "none yet: the first submit makes it")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (state,) = connection.execute("PRAGMA quick_check").fetchone()
            (campaign_count,) = connection.execute("SELECT count(*) FROM campaigns").fetchone()
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{path} can't be read ({error}); restore it from a backup before sending anything") from None
    if state != "ok":
        raise UsageError(f"{path} is damaged; restore it from a backup before sending anything")
    check_journal(landing, warehouse_of(settings))
    return Finding("journal", "ok", f"campaigns: {campaign_count}")


def _bucket(settings: Settings, clock: Clock) -> Finding:
    sharing = landing_of(settings).sharing
    if sharing is None:
        return Finding("bucket", "ok", "none: this machine works alone")
    if landing_of(settings).erased_in_published.exists():
        return Finding("bucket", "warning", "another machine erased data that is still here; run 'smsrecon daily'")
    if problem := sharing.bucket.problem(clock()):
        return Finding("bucket", "warning", problem)
    return Finding("bucket", "ok", f"{sharing.bucket.address} takes, gives and lists; machines can share it")


def _warehouse(settings: Settings) -> Finding:
    warehouse = warehouse_of(settings)
    if not warehouse.path.exists():
        return Finding("warehouse", "ok", "none yet: the first load makes it")
    with warehouse.read() as connection:
        (file_count,) = connection.execute("SELECT count(*) FROM core.files").fetchall()[0]
    return Finding("warehouse", "ok", f"files of the landing loaded: {file_count:,}")


def _records(settings: Settings, clock: Clock) -> Finding:
    if not warehouse_of(settings).path.exists():
        return Finding("records", "ok", "none yet")
    try:
        missing = missing_findings(settings, as_of=clock())
    except UsageError:  # it was never reconciled
        return Finding("records", "ok", "not reconciled yet")
    if missing:
        return Finding("records", "warning", "; ".join(finding.message for finding in missing))
    return Finding("records", "ok", "no share of them is missing that raises an alert")


def _lists(settings: Settings) -> Finding:
    phones = suppressed_phones(landing_of(settings))
    return Finding("suppression lists", "ok", f"phones on them: {phones.height:,}")


def _gateway(settings: Settings, clock: Clock) -> Finding:
    require_credentials(settings.gateway)

    async def ask(landing: Landing) -> int:
        async with GatewayClient(settings.gateway) as client:
            return await Puller(client, landing, settings=settings, clock=clock).balance()

    with TemporaryDirectory() as scratch:  # a check lands nothing in the data folder
        balance = asyncio.run(ask(Landing(Path(scratch))))
    return Finding("gateway", "ok", f"{settings.gateway.base_url} answers: {balance:,} segments left")


def _endpoint(settings: Settings, clock: Clock) -> Finding:
    if not settings.receive.path_secret.get_secret_value():
        return Finding("endpoint", "ok", "not set up: reports and replies are pulled")
    require_receive(settings)
    url = settings.receive.url
    try:
        found = problems(settings.receive)
    except httpx.HTTPError as error:
        return Finding(
            "endpoint", "warning", f"{url} can't be reached ({type(error).__name__}); start 'smsrecon receive'"
        )
    if found:
        raise UsageError(f"{url}: {'; '.join(found)}; check receive.public_url and the proxy before 'smsrecon receive'")
    if refused := refused_pushes(settings, as_of=clock()):
        return Finding("endpoint", "warning", f"{url} answers; {refused[0].message}")
    if settings.receive.sign == "none" and not settings.receive.allow:
        detail = f"{url} takes unsigned pushes from every address; list those of the gateway in receive.allow"
        return Finding("endpoint", "warning", detail)
    return Finding("endpoint", "ok", f"{url} is ours, and refuses wrong requests")
