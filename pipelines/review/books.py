"""A campaign's books as data: what the marts say of it, read once, ready to be shown or written as JSON.

Nothing is decided here: statuses, rates and findings are those of sql/.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from pipelines.alerts.findings import Finding
from pipelines.campaign.journal import BatchState, Journal
from pipelines.contracts.reconciled import STATUSES
from pipelines.errors import UsageError
from pipelines.landing.campaigns import Purged
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.settings import Settings
from pipelines.times import Clock
from pipelines.warehouse.database import warehouse_of

BATCH_STATES: tuple[BatchState, ...] = ("accepted", "refused", "in_doubt", "not_sent", "split")

RATES = {
    "delivered_of_accepted_rate": ("delivered_count", "accepted_total_count"),
    "delivered_of_reported_rate": ("delivered_count", "reported_count"),
    "coverage_rate": ("reported_count", "accepted_total_count"),
}
PERCENTILES = ("p50", "p90", "p99")


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % Wilson interval, and the counts it was made of; None where nothing was counted."""

    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Books:
    """Where every row of one campaign is, and how its messages fared."""

    campaign_id: str
    as_of: datetime
    rows: int
    statuses: dict[str, int]  # every status, also those with no row
    batches: dict[str, int]  # every batch state
    is_balanced: bool
    is_mature: bool
    paused_reason: str | None
    first_submitted_at: datetime | None
    last_submitted_at: datetime | None
    rates: dict[str, Rate]
    latency_seconds: dict[str, float | None]  # from submission to phone, by percentile
    reply_count: int
    opt_out_count: int
    accepted_segment_count: int
    accepted_cost: float | None
    failed_cost: float | None
    proven_batch_count: int  # accepted, as a report proves, though no answer could be trusted
    proven_message_count: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ReasonLine:
    """How many rows a reason keeps from being sent."""

    status: str
    reason: str
    row_count: int


@dataclass(frozen=True)
class CodeLine:
    """One gateway code and what it did to a campaign."""

    code: str
    message_count: int
    of_failed_rate: float | None
    meaning: str
    whose_move: str
    what_to_do: str


@dataclass(frozen=True)
class RefusalLine:
    """One error code and the messages it refused."""

    error_code: str
    message_count: int
    meaning: str


@dataclass(frozen=True)
class ExceptionLine:
    """How often one kind of finding was made, and one of them."""

    kind: str
    occurrence_count: int
    example: str


@dataclass(frozen=True)
class CampaignReport:
    """The books of a campaign and what explains them."""

    books: Books
    reasons: list[ReasonLine]
    codes: list[CodeLine]
    refusals: list[RefusalLine]
    exceptions: list[ExceptionLine]
    findings: list[Finding]
    purged_at: datetime | None = None  # then only the books are left

    def to_json(self) -> dict[str, Any]:
        lists: dict[str, list[Any]] = {
            "reasons": self.reasons,
            "codes": self.codes,
            "refusals": self.refusals,
            "exceptions": self.exceptions,
        }
        explained = {name: [asdict(line) for line in lines] for name, lines in lists.items()}
        problems = {"problems": [finding.message for finding in self.findings]}
        purged = {"purged_at": self.purged_at} if self.purged_at else {}
        return {**self.books.to_json(), **explained, **problems, **purged}


@dataclass(frozen=True)
class Overview:
    """The books of every campaign, the oldest first, and the ids of those that were purged."""

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
    """The books of every campaign, after loading and reconciling what has landed."""
    if not settings.data_dir.exists():  # a question makes no folder
        return Overview([], [])
    as_of, findings = _brought_up_to_date(settings, clock)
    return read_overview(settings, as_of=as_of, findings=findings)


def read_overview(settings: Settings, *, as_of: datetime, findings: list[Finding]) -> Overview:
    """The books of every campaign as they were reconciled at `as_of`, with these `findings`."""
    with warehouse_of(settings).read() as connection:
        books = _books(connection, settings, as_of, is_sound=not findings)
    return Overview(books, findings, landing_of(settings).campaigns.purged_ids())


def campaign_report(settings: Settings, campaign_id: str, *, clock: Clock) -> CampaignReport:
    """All about one campaign, after loading and reconciling; of a purged one its final figures.

    Raises UsageError if there is none of that id.
    """
    if purged := landing_of(settings).campaigns.purged(campaign_id):
        return _report_of_purged(purged)
    with Journal.read_only(landing_of(settings).journal_path) as journal:
        if journal.campaign(campaign_id) is None:
            raise UsageError(f"there is no campaign {campaign_id} here; 'smsrecon status' lists all")
    as_of, findings = _brought_up_to_date(settings, clock)
    every = read_overview(settings, as_of=as_of, findings=findings)
    return explain(settings, next(books for books in every.campaigns if books.campaign_id == campaign_id), findings)


def _report_of_purged(purged: Purged) -> CampaignReport:
    figures = {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value else value
        for name, value in purged.figures.items()
    }
    known = {"file_row_count": figures["row_count"], "proven_batch_count": 0, "proven_message_count": 0}
    books = book_of(figures | known, purged.purged_at, batches={}, paused_reason=None, is_sound=True)
    return CampaignReport(books, [], [], [], [], [], purged.purged_at)


def explain(settings: Settings, books: Books, findings: list[Finding]) -> CampaignReport:
    """These books with what explains them, as they were reconciled."""
    with warehouse_of(settings).read() as connection:

        def rows(query: str) -> list[Any]:
            return connection.execute(query, {"campaign_id": books.campaign_id}).fetchall()

        return CampaignReport(
            books=books,
            reasons=[ReasonLine(*row) for row in rows(_REASONS)],
            codes=[CodeLine(*row) for row in rows(_CODES)],
            refusals=[RefusalLine(*row) for row in rows(_REFUSALS)],
            exceptions=[ExceptionLine(*row) for row in rows(_EXCEPTIONS)],
            findings=findings,
        )


# The rows of the file are counted when it is planned; the statuses are counted from the warehouse.
_DELIVERY = """
SELECT d.*, c.row_count AS file_row_count, coalesce(p.batch_count, 0) AS proven_batch_count,
    coalesce(p.message_count, 0) AS proven_message_count
FROM marts.campaign_delivery AS d
INNER JOIN core.campaigns AS c ON d.campaign_id = c.campaign_id
LEFT JOIN (
    SELECT campaign_id, count(*) AS batch_count, CAST(sum(message_count) AS BIGINT) AS message_count
    FROM marts.batch_delivery
    WHERE is_proven_by_report
    GROUP BY campaign_id
) AS p ON d.campaign_id = p.campaign_id
ORDER BY d.planned_at, d.campaign_id
"""

_REASONS = """
WITH reasons AS (
    SELECT disposition AS status, reason, 1 AS n FROM core.recipients
    WHERE campaign_id = $campaign_id AND reason IS NOT NULL
    UNION ALL
    SELECT state, detail, message_count FROM core.batches WHERE campaign_id = $campaign_id AND state = 'suppressed'
)
SELECT status, reason, CAST(sum(n) AS BIGINT) AS n FROM reasons GROUP BY ALL ORDER BY n DESC, reason
"""

_CODES = """
SELECT code, message_count, of_failed_rate, meaning, whose_move, what_to_do
FROM marts.code_breakdown
WHERE campaign_id = $campaign_id AND NOT is_delivered
ORDER BY message_count DESC, code
"""

_REFUSALS = """
SELECT error_code, refused_count, meaning
FROM marts.submit_errors
WHERE campaign_id = $campaign_id AND refused_count > 0
ORDER BY refused_count DESC, error_code
"""

# Orphans, unknown codes and rejects belong to no campaign; they are shown with each.
_EXCEPTIONS = """
SELECT kind, CAST(sum(occurrence_count) AS BIGINT) AS n, min(detail)
FROM marts.exceptions
WHERE campaign_id = $campaign_id OR campaign_id IS NULL
GROUP BY kind ORDER BY n DESC, kind
"""

_BATCHES = "SELECT campaign_id, state, count(*) FROM marts.batch_delivery GROUP BY ALL"


def _brought_up_to_date(settings: Settings, clock: Clock) -> tuple[datetime, list[Finding]]:
    """Load and reconcile; returns the instant of the books, and a finding for every check that found something."""
    daily.load(settings)
    as_of = clock()
    return as_of, daily.check_findings(daily.reconcile(settings, as_of=as_of))


def _books(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: datetime, *, is_sound: bool
) -> list[Books]:
    batches: dict[str, dict[str, int]] = {}
    for campaign_id, state, number in connection.execute(_BATCHES).fetchall():
        batches.setdefault(campaign_id, dict.fromkeys(BATCH_STATES, 0))[state] = number
    paused = _paused_reasons(settings)
    rows = connection.sql(_DELIVERY).pl()
    return [
        book_of(
            row,
            as_of,
            batches=batches.get(row["campaign_id"], dict.fromkeys(BATCH_STATES, 0)),
            paused_reason=paused.get(row["campaign_id"]),
            is_sound=is_sound,
        )
        for row in rows.iter_rows(named=True)
    ]


def _paused_reasons(settings: Settings) -> dict[str, str | None]:
    with Journal.read_only(landing_of(settings).journal_path) as journal:
        return {campaign.campaign_id: journal.paused_reason(campaign.campaign_id) for campaign in journal.campaigns()}


def book_of(
    row: dict[str, Any], as_of: datetime, *, batches: dict[str, int], paused_reason: str | None, is_sound: bool
) -> Books:
    """The books of one campaign, from its row of marts.campaign_delivery and what that row doesn't hold."""
    statuses = {status: row[f"{status}_count"] for status in STATUSES}
    return Books(
        campaign_id=row["campaign_id"],
        as_of=as_of,
        rows=row["file_row_count"],
        statuses=statuses,
        batches=batches,
        is_balanced=is_sound and sum(statuses.values()) == row["file_row_count"],
        is_mature=row["is_mature"],
        paused_reason=paused_reason,
        first_submitted_at=row["first_submitted_at"],
        last_submitted_at=row["last_submitted_at"],
        rates={
            name: Rate(row[name], row[f"{name}_low"], row[f"{name}_high"], row[part], row[whole])
            for name, (part, whole) in RATES.items()
        },
        latency_seconds={each: row[f"latency_{each}_seconds"] for each in PERCENTILES},
        reply_count=row["reply_count"],
        opt_out_count=row["opt_out_count"],
        accepted_segment_count=row["accepted_segment_count"],
        accepted_cost=row["accepted_cost"],
        failed_cost=row["failed_cost"],
        proven_batch_count=row["proven_batch_count"],
        proven_message_count=row["proven_message_count"],
    )
