"""The figures of one campaign and of the gateway; each frame is the result of one statement of sql/figures.

`CampaignFigures` is what `status`, `report` and the artifacts of the flows show. `CampaignReview` adds the figures of
the charts, for the campaign report and its notebook. Counts and rates are defined in the SQL.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from pipelines.alerts.findings import Finding
from pipelines.errors import BooksError, UsageError
from pipelines.review.books import Books, read_books
from pipelines.review.sources import FigureSource, published

MOST_PROVINCES: Final = 12  # the largest; the note of the chart says so


@dataclass(frozen=True)
class CampaignFigures:
    """The books of one campaign, and what explains them; a purged campaign has only its books."""

    books: Books
    reasons: pl.DataFrame = field(default_factory=pl.DataFrame)  # status, reason, row_count
    codes: pl.DataFrame = field(default_factory=pl.DataFrame)  # of the failed messages, the most frequent first
    refusals: pl.DataFrame = field(default_factory=pl.DataFrame)  # error_code, message_count, meaning, meaning_zh
    exceptions: pl.DataFrame = field(default_factory=pl.DataFrame)  # kind, occurrence_count, example
    findings: list[Finding] = field(default_factory=list)
    purged_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        codes = ("code", "message_count", "of_failed_rate", "meaning", "responsible_party", "what_to_do")
        purged = {"purged_at": self.purged_at} if self.purged_at else {}
        return {
            **self.books.to_json(),
            "reasons": self.reasons.to_dicts(),
            "codes": [
                # whose_move: the former name of responsible_party, here for one release
                {name: row[name] for name in codes} | {"whose_move": row["responsible_party"]}
                for row in self.codes.iter_rows(named=True)
            ],
            "refusals": [
                {name: row[name] for name in ("error_code", "message_count", "meaning")}
                for row in self.refusals.iter_rows(named=True)
            ],
            "exceptions": self.exceptions.to_dicts(),
            "problems": [finding.message for finding in self.findings],
            **purged,
        }


@dataclass(frozen=True, kw_only=True)
class CampaignReview(CampaignFigures):
    """The figures of one published campaign, with those that only charts show."""

    earlier: pl.DataFrame
    sending: pl.DataFrame
    latency: pl.DataFrame
    owner: dict[str, pl.DataFrame]  # by column of the owner's
    replies: pl.DataFrame
    carriers: pl.DataFrame  # empty if the published copy has no such mart; so is the next one
    provinces: pl.DataFrame


@dataclass(frozen=True)
class GatewayFigures:
    """The figures of the gateway over the last days, all campaigns together."""

    as_of: datetime
    code_days: pl.DataFrame
    answer_times: pl.DataFrame
    error_codes: pl.DataFrame
    pull_days: pl.DataFrame
    batch_count: int
    balances: pl.DataFrame  # empty if the published copy has no such mart


def read_campaign(source: FigureSource, campaign_id: str, findings: list[Finding]) -> CampaignFigures:
    """The figures of a campaign that the source has; `findings` are the checks that failed."""
    (books,) = read_books(source, campaign_id=campaign_id, is_sound=not findings)
    return CampaignFigures(
        books=books,
        reasons=source.figure("reasons", campaign_id=campaign_id),
        codes=source.figure("codes", campaign_id=campaign_id),
        refusals=source.figure("refusals", campaign_id=campaign_id),
        exceptions=source.figure("exceptions", campaign_id=campaign_id),
        findings=findings,
    )


def published_campaign(folder: Path, campaign_id: str) -> CampaignFigures:
    """The figures of one campaign as they are published. Raises UsageError if the campaign is not published."""
    with published(folder) as source:
        return _published(source, campaign_id)


def campaign_review(folder: Path, campaign_id: str, *, min_message_count: int) -> CampaignReview:
    """The figures of one published campaign, with those of the charts. Raises UsageError if it is not published.

    It is compared with earlier campaigns that have at least `min_message_count` reported messages.
    """
    with published(folder) as source:

        def figure(name: str, **more: Any) -> pl.DataFrame:
            return source.figure(name, campaign_id=campaign_id, **more)

        def ranges(kind: str) -> pl.DataFrame:
            return figure("ranges", range_kind=kind) if source.has_mart("carrier_delivery") else pl.DataFrame()

        figures = _published(source, campaign_id)
        owner = {name: figure("owner_values", owner_column=name) for name in figure("owner_columns")["name"]}
        return CampaignReview(
            **vars(figures),
            earlier=figure("earlier", min_message_count=min_message_count),
            sending=figure("sending"),
            latency=figure("latency"),
            owner={name: groups for name, groups in owner.items() if groups.height},
            replies=figure("replies"),
            carriers=ranges("carrier"),
            provinces=ranges("province").head(MOST_PROVINCES),
        )


def published_campaigns(folder: Path) -> list[str]:
    """The ids of all published campaigns, the latest first."""
    with published(folder) as source:
        return source.figure("campaigns")["campaign_id"].to_list()


def gateway_figures(folder: Path, *, day_count: int) -> GatewayFigures:
    """The figures of the gateway in the last `day_count` days that have any."""
    with published(folder) as source:

        def figure(name: str) -> pl.DataFrame:
            return source.figure(name, day_count=day_count)

        return GatewayFigures(
            as_of=source.as_of,
            code_days=figure("code_days"),
            answer_times=figure("answer_times"),
            error_codes=figure("error_codes"),
            pull_days=figure("pull_days"),
            batch_count=figure("batch_count").item(),
            balances=source.figure("balances") if source.has_mart("balance_reconciliation") else pl.DataFrame(),
        )


def _published(source: FigureSource, campaign_id: str) -> CampaignFigures:
    if campaign_id not in source.figure("campaigns")["campaign_id"]:
        raise UsageError(
            f"campaign {campaign_id} is not published; 'smsrecon status' lists all, 'smsrecon publish' publishes them"
        )
    figures = read_campaign(source, campaign_id, [])
    if figures.books.is_balanced:
        return figures
    error = BooksError(f"the published books of {campaign_id} do not balance; see 'smsrecon status {campaign_id}'")
    return replace(figures, findings=[Finding.of("check_failed", error)])
