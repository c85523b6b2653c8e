"""The figures of `smsrecon status`: the landing is loaded and the warehouse reconciled first, then it is read."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pipelines.alerts.findings import Finding
from pipelines.campaign.plan import planned_campaign
from pipelines.landing.campaigns import Purged
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.review.books import BATCH_STATES, Books, books_of, read_books
from pipelines.review.figures import CampaignFigures, read_campaign
from pipelines.review.sources import reconciled
from pipelines.settings import Settings
from pipelines.times import Clock


@dataclass(frozen=True)
class Overview:
    """The books of every campaign, the oldest first, and the ids of the purged ones."""

    campaigns: list[Books]
    findings: list[Finding]
    purged: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "campaigns": [books.to_json() for books in self.campaigns],
            "purged": self.purged,
            "problems": [finding.message for finding in self.findings],
        }


def overview(settings: Settings, *, clock: Clock) -> Overview:
    """Load, reconcile, and return the books of every campaign."""
    if not (settings.data_dir.exists() or settings.shared.bucket):  # a question makes no folder
        return Overview([], [])
    as_of, findings = _brought_up_to_date(settings, clock)
    found = read_overview(settings, as_of=as_of, findings=findings)
    return replace(found, findings=[*findings, *daily.account_findings(settings, as_of=as_of)])


def read_overview(settings: Settings, *, as_of: datetime, findings: list[Finding]) -> Overview:
    """The books of every campaign as they were reconciled at `as_of`; `findings` are the checks that failed."""
    with reconciled(settings, as_of=as_of) as source:
        books = read_books(source, is_sound=not findings)
    return Overview(books, findings, landing_of(settings).campaigns.purged_ids())


def campaign_status(settings: Settings, campaign_id: str, *, clock: Clock) -> CampaignFigures:
    """Load, reconcile, and return the figures of one campaign; the final ones if it was purged.

    Raises UsageError if there is no campaign with that id.
    """
    if purged := landing_of(settings).campaigns.purged(campaign_id):
        return _final_figures(purged)
    planned_campaign(campaign_id, landing_of(settings))
    as_of, findings = _brought_up_to_date(settings, clock)
    return read_campaign_status(settings, campaign_id, as_of=as_of, findings=findings)


def read_campaign_status(
    settings: Settings, campaign_id: str, *, as_of: datetime, findings: list[Finding]
) -> CampaignFigures:
    """The figures of one campaign as they were reconciled at `as_of`; `findings` are the checks that failed."""
    with reconciled(settings, as_of=as_of) as source:
        return read_campaign(source, campaign_id, findings)


def _brought_up_to_date(settings: Settings, clock: Clock) -> tuple[datetime, list[Finding]]:
    """Load and reconcile; returns the instant of the books, and a finding for each check that failed."""
    daily.load(settings)
    as_of = clock()
    return as_of, daily.check_findings(daily.reconcile(settings, as_of=as_of))


def _final_figures(purged: Purged) -> CampaignFigures:
    """The figures that were kept when the campaign was purged: its row of marts.campaign_delivery."""
    row = {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value else value
        for name, value in purged.figures.items()
    }
    not_kept = {"paused_reason": None, "proven_batch_count": 0, "proven_message_count": 0}
    no_batches = {f"{state}_batch_count": 0 for state in BATCH_STATES}
    books = books_of({**row, **not_kept, **no_batches, "file_row_count": row["row_count"]}, purged.purged_at)
    return CampaignFigures(replace(books, batches={}), purged_at=purged.purged_at)
