"""The books of a campaign: how many of its rows have each status, with rates, times, replies and money.

Statuses and rates are decided in sql/marts and read by sql/figures/books.sql.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from pipelines.campaign.journal.records import BatchState
from pipelines.contracts.reconciled import STATUSES
from pipelines.review.sources import FigureSource

BATCH_STATES: Final[tuple[BatchState, ...]] = ("accepted", "refused", "in_doubt", "not_sent", "split")

# Each rate with the counts that it divides.
RATES: Final = {
    "delivered_of_accepted_rate": ("delivered_count", "accepted_total_count"),
    "delivered_of_reported_rate": ("delivered_count", "reported_count"),
    "coverage_rate": ("reported_count", "accepted_total_count"),
}
PERCENTILES: Final = ("p50", "p90", "p99")


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % Wilson interval, and the counts it divides; None if the denominator is 0."""

    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Books:
    """The status of every row of one campaign's file, and how its messages fared."""

    campaign_id: str
    as_of: datetime
    rows: int  # of the file
    statuses: dict[str, int]  # rows by status, every status
    batches: dict[str, int]  # batches by state, every state; empty if the campaign was purged
    is_balanced: bool
    is_mature: bool
    paused_reason: str | None
    first_submitted_at: datetime | None
    last_submitted_at: datetime | None
    rates: dict[str, Rate]
    latency_seconds: dict[str, float | None]  # from submission to delivery, by percentile
    reply_count: int
    opt_out_count: int
    near_opt_out_count: int  # 0 in a copy published before these were counted
    accepted_segment_count: int
    accepted_cost: float | None
    failed_cost: float | None
    proven_batch_count: int  # without a trusted answer, but a report proves that the gateway accepted them
    proven_message_count: int

    @property
    def accepted_total_count(self) -> int:
        """Messages that the gateway accepted, whatever became of them."""
        return self.rates["delivered_of_accepted_rate"].denominator

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_books(source: FigureSource, *, campaign_id: str | None = None, is_sound: bool = True) -> list[Books]:
    """The books of one campaign or of all, the oldest first; they balance only if `is_sound`: no check has failed."""
    rows = source.figure("books", campaign_id=campaign_id)
    return [books_of(row, source.as_of, is_sound=is_sound) for row in rows.iter_rows(named=True)]


def books_of(row: Mapping[str, Any], as_of: datetime, *, is_sound: bool = True) -> Books:
    """The books of one campaign from a row of sql/figures/books.sql."""
    statuses = {status: row[f"{status}_count"] for status in STATUSES}
    return Books(
        campaign_id=row["campaign_id"],
        as_of=as_of,
        rows=row["file_row_count"],
        statuses=statuses,
        batches={state: row[f"{state}_batch_count"] for state in BATCH_STATES},
        is_balanced=is_sound and sum(statuses.values()) == row["file_row_count"],
        is_mature=row["is_mature"],
        paused_reason=row["paused_reason"],
        first_submitted_at=row["first_submitted_at"],
        last_submitted_at=row["last_submitted_at"],
        rates={
            name: Rate(row[name], row[f"{name}_low"], row[f"{name}_high"], row[part], row[whole])
            for name, (part, whole) in RATES.items()
        },
        latency_seconds={each: row[f"latency_{each}_seconds"] for each in PERCENTILES},
        reply_count=row["reply_count"],
        opt_out_count=row["opt_out_count"],
        near_opt_out_count=row.get("near_opt_out_count", 0),
        accepted_segment_count=row["accepted_segment_count"],
        accepted_cost=row["accepted_cost"],
        failed_cost=row["failed_cost"],
        proven_batch_count=row["proven_batch_count"],
        proven_message_count=row["proven_message_count"],
    )
