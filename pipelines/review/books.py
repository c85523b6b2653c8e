"""A campaign's books as data: what the marts say of it, read once, ready to be shown or written as JSON.

Nothing is decided here: statuses, rates and findings are those of sql/.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import duckdb

from pipelines import daily
from pipelines.campaign.journal import BatchState, Journal
from pipelines.errors import UsageError
from pipelines.pull import Clock
from pipelines.settings import Settings

NEVER_SENT = ("invalid", "duplicate", "suppressed")
STATUSES = (*NEVER_SENT, "planned", "refused", "in_doubt", "accepted", "unreported", "delivered", "failed")
BATCH_STATES: tuple[BatchState, ...] = ("accepted", "refused", "in_doubt", "not_sent", "split")

RATES = {
    "delivered_of_accepted_rate": ("delivered / accepted", "delivered_count", "accepted_total_count"),
    "delivered_of_reported_rate": ("delivered / reported", "delivered_count", "reported_count"),
    "coverage_rate": ("reported / accepted", "reported_count", "accepted_total_count"),
}


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % Wilson interval, and the counts it was made of; None where nothing was counted."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Books:
    """Where every row of one campaign is."""

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
    segments: int
    rates: dict[str, Rate]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class CodeLine:
    """One gateway code and what it did to a campaign."""

    code: str
    message_count: int
    failures_share: float | None
    meaning: str
    whose_move: str
    what_to_do: str


@dataclass(frozen=True)
class ExceptionLine:
    """How often one kind of finding was made."""

    kind: str
    finding_count: int
    detail: str


@dataclass(frozen=True)
class CampaignReport:
    """The books of a campaign and what explains them."""

    books: Books
    reasons: list[tuple[str, str, int]]  # of rows never sent: disposition, reason, rows
    codes: list[CodeLine]
    refusals: list[tuple[str, str, int]]  # error code, meaning, messages
    exceptions: list[ExceptionLine]

    def to_json(self) -> dict[str, Any]:
        rest = asdict(self)
        return {**rest.pop("books"), **rest}


def all_books(settings: Settings, *, clock: Clock) -> list[Books]:
    """The books of every campaign, the oldest first, after loading and reconciling what has landed."""
    as_of = _brought_up_to_date(settings, clock)
    with daily.warehouse_of(settings).read() as connection:
        return _books(connection, as_of, _paused_reasons(settings))


def campaign_report(settings: Settings, campaign_id: str, *, clock: Clock) -> CampaignReport:
    """All about one campaign, after loading and reconciling. Raises UsageError if there is none of that id."""
    with Journal.read_only(daily.landing_of(settings).journal_path) as journal:
        if journal.campaign(campaign_id) is None:
            raise UsageError(f"there is no campaign {campaign_id} here; 'smsrecon status' lists all")
    as_of = _brought_up_to_date(settings, clock)
    with daily.warehouse_of(settings).read() as connection:
        books = {each.campaign_id: each for each in _books(connection, as_of, _paused_reasons(settings))}
        return CampaignReport(
            books=books[campaign_id],
            reasons=_rows(connection, _REASONS, campaign_id),
            codes=[CodeLine(*row) for row in _rows(connection, _CODES, campaign_id)],
            refusals=_rows(connection, _REFUSALS, campaign_id),
            exceptions=[ExceptionLine(*row) for row in _rows(connection, _EXCEPTIONS, campaign_id)],
        )


# The rows of the file are counted when it is planned; the statuses are counted from the warehouse.
_DELIVERY = """
SELECT d.*, c.row_count AS file_row_count
FROM marts.campaign_delivery AS d
INNER JOIN core.campaigns AS c ON d.campaign_id = c.campaign_id
ORDER BY d.planned_at, d.campaign_id
"""

_REASONS = """
SELECT disposition, reason, count(*) AS n
FROM core.recipients
WHERE campaign_id = $campaign_id AND reason IS NOT NULL
GROUP BY ALL ORDER BY n DESC, reason
"""

_CODES = """
SELECT code, message_count, of_failed_rate, meaning, whose_move, what_to_do
FROM marts.code_breakdown
WHERE campaign_id = $campaign_id AND NOT is_delivered
ORDER BY message_count DESC, code
"""

_REFUSALS = """
SELECT error_code, meaning, refused_count
FROM marts.submit_errors
WHERE campaign_id = $campaign_id
ORDER BY refused_count DESC, error_code
"""

# Orphans, unknown codes and rejects belong to no campaign; they are shown with each.
_EXCEPTIONS = """
SELECT kind, CAST(sum(occurrence_count) AS BIGINT) AS n, min(detail)
FROM marts.exceptions
WHERE campaign_id = $campaign_id OR campaign_id IS NULL
GROUP BY kind ORDER BY n DESC, kind
"""

_BATCHES = """
SELECT b.campaign_id, coalesce(o.state, b.state) AS state, count(*) AS n
FROM core.batches AS b
LEFT JOIN core.batch_outcomes AS o ON b.batch_num = o.batch_num
GROUP BY ALL
"""


def _brought_up_to_date(settings: Settings, clock: Clock) -> datetime:
    daily.load(settings)
    as_of = clock()
    daily.reconcile(settings, as_of=as_of)
    return as_of


def _paused_reasons(settings: Settings) -> dict[str, str | None]:
    with Journal.read_only(daily.landing_of(settings).journal_path) as journal:
        return {campaign.campaign_id: journal.paused_reason(campaign.campaign_id) for campaign in journal.campaigns()}


def _books(connection: duckdb.DuckDBPyConnection, as_of: datetime, paused: dict[str, str | None]) -> list[Books]:
    batches: dict[str, dict[str, int]] = {}
    for campaign_id, state, count in connection.execute(_BATCHES).fetchall():
        batches.setdefault(campaign_id, dict.fromkeys(BATCH_STATES, 0))[state] = count
    rows = connection.sql(_DELIVERY).pl()
    return [
        _book(row, as_of, batches.get(row["campaign_id"], dict.fromkeys(BATCH_STATES, 0)), paused[row["campaign_id"]])
        for row in rows.iter_rows(named=True)
    ]


def _book(row: dict[str, Any], as_of: datetime, batches: dict[str, int], paused_reason: str | None) -> Books:
    statuses = {status: row[f"{status}_count"] for status in STATUSES}
    rates = {
        column: Rate(name, row[column], row[f"{column}_low"], row[f"{column}_high"], row[part], row[whole])
        for column, (name, part, whole) in RATES.items()
    }
    return Books(
        campaign_id=row["campaign_id"],
        as_of=as_of,
        rows=row["file_row_count"],
        statuses=statuses,
        batches=batches,
        is_balanced=sum(statuses.values()) == row["file_row_count"],
        is_mature=row["is_mature"],
        paused_reason=paused_reason,
        first_submitted_at=row["first_submitted_at"],
        last_submitted_at=row["last_submitted_at"],
        segments=row["accepted_segment_count"],
        rates=rates,
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str, campaign_id: str) -> list[Any]:
    return connection.execute(query, {"campaign_id": campaign_id}).fetchall()
