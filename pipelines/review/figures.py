"""What the published tables say, figure by figure: each is one statement of sql/figures, read as a frame.

All figures of a page are read together, read-only. What is counted and how stands in the SQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipelines.contracts.reconciled import STATUSES
from pipelines.errors import UsageError
from pipelines.sql_files import statement
from pipelines.warehouse.interruption import interruptible

MOST_PROVINCES = 12  # the largest; the note of the chart says so


@dataclass(frozen=True)
class Published:
    """What is published, open for reading."""

    connection: duckdb.DuckDBPyConnection
    as_of: datetime

    def figure(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The rows of one statement of sql/figures."""
        rows: pl.DataFrame = self.connection.sql(statement(f"figures/{name}"), params=parameters or None).pl()
        return rows

    def has(self, mart: str) -> bool:
        """Whether the copy was published by a version that knows this mart."""
        found = self.connection.execute("FROM duckdb_tables() WHERE table_name = ?", [mart]).fetchall()
        return bool(found)


@dataclass(frozen=True)
class CampaignFigures:
    """All that is shown of one campaign."""

    campaign_id: str
    as_of: datetime
    delivery: dict[str, Any]  # its row of marts.campaign_delivery
    reasons: pl.DataFrame
    earlier: pl.DataFrame
    sending: pl.DataFrame
    latency: pl.DataFrame
    codes: pl.DataFrame
    owner: dict[str, pl.DataFrame]  # by column of the owner's
    replies: pl.DataFrame
    carriers: pl.DataFrame  # no row where the published copy has no such mart, here and in the next one
    provinces: pl.DataFrame
    refusals: pl.DataFrame
    exceptions: pl.DataFrame
    batch_states: pl.DataFrame
    proven: pl.DataFrame
    message_count: int  # rows of main.messages

    @property
    def is_balanced(self) -> bool:
        """Whether the statuses add up to the rows of the file, and the messages that are published are as many."""
        statuses = sum(self.delivery[f"{status}_count"] for status in STATUSES)
        return bool(statuses == self.delivery["row_count"] == self.message_count)


@dataclass(frozen=True)
class GatewayFigures:
    """All that is shown of the gateway, of the last days."""

    as_of: datetime
    code_days: pl.DataFrame
    answer_times: pl.DataFrame
    error_codes: pl.DataFrame
    pull_days: pl.DataFrame
    batch_count: int
    balances: pl.DataFrame  # no row where the published copy has no such mart


@contextmanager
def published(data_dir: Path) -> Iterator[Published]:
    """Open what is published beneath `data_dir`. Raises UsageError if nothing is."""
    path = data_dir / "published" / "analytics.duckdb"
    if not path.exists():
        raise UsageError(f"{path} is not there yet; make it with 'smsrecon publish'")
    try:
        with duckdb.connect(str(path), read_only=True) as connection, interruptible(connection):
            connection.execute("SET TimeZone = 'Asia/Shanghai'")
            connection.execute(statement("functions/wilson"))
            yield Published(connection, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except duckdb.Error as error:
        raise UsageError(
            f"{path} can't be read ({str(error).splitlines()[0]}); make it again with 'smsrecon publish'"
        ) from None


def campaigns(data_dir: Path) -> list[str]:
    """The ids of all campaigns, the latest first."""
    with published(data_dir) as source:
        return source.figure("campaigns")["campaign_id"].to_list()


def of_campaign(data_dir: Path, campaign_id: str, *, min_message_count: int) -> CampaignFigures:
    """The figures of one campaign. Raises UsageError if nothing is published of it.

    Earlier campaigns with fewer than `min_message_count` reported messages are not compared with.
    """
    with published(data_dir) as source:
        if campaign_id not in source.figure("campaigns")["campaign_id"]:
            raise UsageError(
                f"nothing is published of a campaign {campaign_id}; 'smsrecon status' lists all, "
                "'smsrecon publish' publishes them"
            )

        def figure(name: str, **more: Any) -> pl.DataFrame:
            return source.figure(name, campaign_id=campaign_id, **more)

        def ranges(kind: str) -> pl.DataFrame:
            return figure("ranges", range_kind=kind) if source.has("carrier_delivery") else pl.DataFrame()

        owner = {name: figure("owner_values", owner_column=name) for name in figure("owner_columns")["name"]}
        return CampaignFigures(
            campaign_id=campaign_id,
            as_of=source.as_of,
            delivery=figure("delivery").row(0, named=True),
            reasons=figure("reasons"),
            earlier=figure("earlier", min_message_count=min_message_count),
            sending=figure("sending"),
            latency=figure("latency"),
            codes=figure("codes"),
            owner={name: groups for name, groups in owner.items() if groups.height},
            replies=figure("replies"),
            carriers=ranges("carrier"),
            provinces=ranges("province").head(MOST_PROVINCES),
            refusals=figure("refusals"),
            exceptions=figure("exceptions"),
            batch_states=figure("batch_states"),
            proven=figure("proven"),
            message_count=figure("message_count").item(),
        )


def of_gateway(data_dir: Path, *, day_count: int) -> GatewayFigures:
    """The figures of the gateway in the last `day_count` days that have any."""
    with published(data_dir) as source:

        def figure(name: str) -> pl.DataFrame:
            return source.figure(name, day_count=day_count)

        return GatewayFigures(
            as_of=source.as_of,
            code_days=figure("code_days"),
            answer_times=figure("answer_times"),
            error_codes=figure("error_codes"),
            pull_days=figure("pull_days"),
            batch_count=figure("batch_count").item(),
            balances=source.figure("balances") if source.has("balance_reconciliation") else pl.DataFrame(),
        )
