"""The steps of a day that need no gateway: load, reconcile, suppress and publish, and what they find.

Each step is a plain function of settings and clock, the same for the command line and for a scheduler, and can be run
again at any time. Pulling is in pulling.py, all of a day in daily_run.py.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pipelines.alerts import rules
from pipelines.alerts.findings import Finding
from pipelines.campaign.holding import publishing_lock
from pipelines.campaign.suppressions import land_entries
from pipelines.errors import BooksError
from pipelines.landing.landing import landing_of
from pipelines.operations.steps import RunStep, Steps, call_step
from pipelines.progress import Progress, no_progress
from pipelines.receive.refusals import recent_refusals
from pipelines.settings import Settings
from pipelines.times import Clock
from pipelines.warehouse import publish as publishing
from pipelines.warehouse import reconcile as reconciling
from pipelines.warehouse.database import fetched, warehouse_of
from pipelines.warehouse.loading import load as loading
from pipelines.warehouse.loading.journal_age import check_journal
from pipelines.warehouse.loading.load import LoadSummary
from pipelines.warehouse.publish import PublishSummary
from pipelines.warehouse.published_bucket import ship
from pipelines.warehouse.reconcile import ReconcileSummary
from pipelines.warehouse.version_note import PhoneHash


@dataclass(frozen=True)
class BooksSummary:
    """Results of closing the books; a failed step is None, and a finding."""

    load: LoadSummary | None
    reconcile: ReconcileSummary | None
    publish: PublishSummary | None
    findings: list[Finding]


def load(settings: Settings, *, progress: Progress = no_progress) -> LoadSummary:
    """Load the new files of the landing into the warehouse, and remove drafts that killed processes left there."""
    return loading.load(landing_of(settings), warehouse_of(settings), progress=progress)


def reconcile(settings: Settings, *, as_of: datetime) -> ReconcileSummary:
    """Compute every message's status and the marts, and run the checks."""
    return reconciling.reconcile_with(warehouse_of(settings), {"as_of": as_of, **parameters_of(settings)})


def parameters_of(settings: Settings) -> dict[str, Any]:
    """The parameters of the statements of a reconcile, besides `as_of`."""
    return reconciling.parameters_of(
        report_window_hours=settings.policy.report_window_hours,
        hard_failures=settings.policy.hard_failures,
        price_per_segment=settings.billing.price_per_segment,
        opt_out_words=settings.policy.opt_out_words,
        ambiguous_opt_out_words=settings.policy.ambiguous_opt_out_words,
    )


def publish(settings: Settings, *, keep_old: bool = True) -> PublishSummary:
    """Publish a new version of the files for analysts; the one before stays for readers who have it open.

    Without `keep_old` all older versions are removed.
    """
    landing, published = landing_of(settings), settings.published_folder
    phone_hash = phone_hash_of(settings)
    with publishing_lock(landing) as epoch:
        keep_old = keep_old and not landing.erased_in_published.exists()
        with _readable_by_all():
            summary = publishing.publish(warehouse_of(settings), published, phone_hash=phone_hash, keep_old=keep_old)
        if landing.sharing and epoch is not None:
            ship(landing.sharing.bucket, summary.version, epoch=epoch, keep_old=keep_old)
        landing.erased_in_published.unlink(missing_ok=True)
        return summary


def phone_hash_of(settings: Settings) -> PhoneHash:
    """The key of the published phone hash, made at first use, and its reach."""
    return PhoneHash(landing_of(settings).phone_hash_key(), settings.policy.phone_hash)


@contextmanager
def _readable_by_all() -> Iterator[None]:
    """Make files that every user can read, unlike all others; the data folder's own mode still applies."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def examine_figures(settings: Settings, *, as_of: datetime) -> list[Finding]:
    """Findings of the rules of [alerts] in the reconciled warehouse and in the refused pushes."""
    return _examined(settings, as_of, rules.RULES) + refused_pushes(settings, as_of=as_of)


def account_findings(settings: Settings, *, as_of: datetime) -> list[Finding]:
    """Findings about pushes that were refused, and about what else is missing."""
    return refused_pushes(settings, as_of=as_of) + missing_findings(settings, as_of=as_of)


def missing_findings(settings: Settings, *, as_of: datetime) -> list[Finding]:
    """Findings about records that were rejected, files that were not read, and segments that the balance lacks."""
    return _examined(settings, as_of, ("reject_share", "files_left_out", "segment_gap"))


def refused_pushes(settings: Settings, *, as_of: datetime) -> list[Finding]:
    """Findings of the rule on refused pushes."""
    return rules.refused_pushes(recent_refusals(landing_of(settings), as_of=as_of), settings.alerts)


def _examined(settings: Settings, as_of: datetime, names: Iterable[str]) -> list[Finding]:
    hours = settings.policy.report_window_hours
    return rules.examine(warehouse_of(settings), settings.alerts, as_of=as_of, report_window_hours=hours, rules=names)


def suppress(settings: Settings, *, clock: Clock, reasons: Collection[str] | None = None) -> int:
    """Put phones on a suppression list, for these `reasons` (default: policy.suppress); returns how many are new.

    The phones and reasons are those of core.phones_to_suppress. The next load brings the list into the warehouse.
    """
    with warehouse_of(settings).read() as connection:
        found = fetched(
            connection,
            "SELECT phone, reason, since_at, FALSE AS is_removed FROM core.phones_to_suppress"
            " WHERE list_contains($reasons, reason) ORDER BY phone",
            {"reasons": [*(settings.policy.suppress if reasons is None else reasons)]},
        )
    if not found.is_empty():
        land_entries(landing_of(settings), found, name="found", at=clock())
    return int(found.height)


def _suppress_and_reconcile(settings: Settings, *, clock: Clock) -> tuple[LoadSummary, ReconcileSummary] | None:
    """`suppress`, and if that made a list, load it and reconcile again; returns what that brought.

    The list follows from a reconcile, and belongs to the books that are published: else those would show people as
    candidates who are on it, and be older than the warehouse as soon as anything loads it.
    """
    if not suppress(settings, clock=clock):
        return None
    return load(settings), reconcile(settings, as_of=clock())


def close_books(
    settings: Settings, *, clock: Clock, progress: Progress = no_progress, run_step: RunStep = call_step
) -> BooksSummary:
    """Load, reconcile, suppress and publish; a failed step doesn't stop the next ones."""
    steps = Steps(run_step)
    progress("loading")
    loaded = steps.run("load", lambda: load(settings, progress=progress))
    progress("reconciling")
    reconciled = steps.run("reconcile", lambda: reconcile(settings, as_of=clock()))
    if reconciled and (again := steps.run("suppress", lambda: _suppress_and_reconcile(settings, clock=clock))):
        loaded, reconciled = loaded + again[0] if loaded else again[0], again[1]
    progress("publishing")
    published = steps.run("publish", lambda: publish(settings))
    findings = [*steps.findings, *(books_findings(reconciled) if reconciled else [])]
    return BooksSummary(loaded, reconciled, published, findings)


def rebuild(
    settings: Settings, *, as_of: datetime, progress: Progress = no_progress
) -> tuple[LoadSummary, ReconcileSummary]:
    """Delete the warehouse and compute it again from the landing.

    Raises BooksError if the journal isn't the newest one, before the warehouse goes, which may know the rest.
    """
    check_journal(landing_of(settings), warehouse_of(settings))
    warehouse_of(settings).delete()
    loaded = load(settings, progress=progress)
    progress("reconciling")
    return loaded, reconcile(settings, as_of=as_of)


def books_as_json(summary: ReconcileSummary) -> dict[str, Any]:
    return {**asdict(summary), "is_balanced": summary.is_balanced}


def check_findings(summary: ReconcileSummary) -> list[Finding]:
    """A finding for every failed check."""
    return [
        Finding.of(
            "check_failed",
            BooksError(f"check {check.name}: {check.message} ({check.row_count} rows); try 'smsrecon rebuild'"),
        )
        for check in summary.failed_checks
    ]


def books_findings(summary: ReconcileSummary) -> list[Finding]:
    """Findings that keep the books open: failed checks, and days whose reports were never pulled."""
    findings = check_findings(summary)
    if summary.missing_days:
        days = ", ".join(str(day) for day in summary.missing_days)
        error = BooksError(f"no reports were ever pulled for {days}; run 'smsrecon pull --day' for each")
        findings.append(Finding.of("day_not_pulled", error))
    return findings
