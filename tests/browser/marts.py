"""Figures of the published tables in plain SQL, independent of the code that draws the charts."""

from datetime import date
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

Row = dict[str, Any]

RATES = ("delivered_of_accepted_rate", "delivered_of_reported_rate", "coverage_rate")


class Marts:
    """The analysts' copy, open for reading."""

    def __init__(self, path: Path) -> None:
        self._connection = duckdb.connect(str(path), read_only=True)
        self._connection.execute("SET TimeZone = 'Asia/Shanghai'")

    def close(self) -> None:
        self._connection.close()

    def rows(self, query: str, *parameters: Any) -> list[Row]:
        found = self._connection.execute(query, parameters)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def one(self, query: str, *parameters: Any) -> Any:
        """The only value of the only row."""
        ((value,),) = (row.values() for row in self.rows(query, *parameters))
        return value

    # One campaign

    def campaigns(self) -> list[str]:
        """The latest first."""
        rows = self.rows("SELECT campaign_id FROM marts.campaign_delivery ORDER BY first_submitted_at DESC")
        return [row["campaign_id"] for row in rows]

    def delivery(self, campaign: str) -> Row:
        (row,) = self.rows("FROM marts.campaign_delivery WHERE campaign_id = ?", campaign)
        return row

    def earlier(self, campaign: str) -> list[Row]:
        """The campaigns that were sent before it; none where they are fewer than three."""
        rows = self.rows(
            """
            FROM marts.campaign_delivery
            WHERE first_submitted_at < (SELECT first_submitted_at FROM marts.campaign_delivery WHERE campaign_id = ?)
            """,
            campaign,
        )
        return rows if len(rows) >= 3 else []

    def medians(self, campaign: str) -> Row:
        rows = self.earlier(campaign)
        return {rate: median(row[rate] for row in rows) for rate in RATES} if rows else {}

    def codes(self, campaign: str) -> list[Row]:
        """The codes that failed messages, the most frequent first."""
        return self.rows(
            """
            FROM marts.code_breakdown
            WHERE campaign_id = ? AND NOT is_delivered
            ORDER BY message_count DESC, code
            """,
            campaign,
        )

    def parties(self, campaign: str) -> list[Row]:
        """The failed messages by who can act on them, with the most frequent next step."""
        return self.rows(
            """
            WITH advice AS (
                SELECT responsible_party, what_to_do, sum(message_count)::BIGINT AS n
                FROM marts.code_breakdown
                WHERE campaign_id = ? AND NOT is_delivered
                GROUP BY ALL
            )
            SELECT
                responsible_party,
                sum(n)::BIGINT AS message_count,
                first(what_to_do ORDER BY n DESC, what_to_do) AS what_to_do
            FROM advice
            GROUP BY responsible_party
            ORDER BY message_count DESC, responsible_party
            """,
            campaign,
        )

    def exceptions(self, campaign: str) -> list[Row]:
        """By kind: of the campaign, and of none."""
        return self.rows(
            """
            SELECT kind, sum(occurrence_count)::BIGINT AS n
            FROM marts.exceptions
            WHERE campaign_id = ? OR campaign_id IS NULL
            GROUP BY kind
            ORDER BY n DESC, kind
            """,
            campaign,
        )

    def ranges(self, campaign: str, kind: str) -> list[Row]:
        """By carrier or by province of the number range, the largest twelve, the best first."""
        rows = self.rows(
            f"""
            SELECT
                range_{kind} AS name,
                range_{kind}_zh AS name_zh,
                sum(accepted_total_count)::BIGINT AS accepted,
                sum(delivered_count)::BIGINT AS delivered
            FROM marts.carrier_delivery
            WHERE campaign_id = ?
            GROUP BY ALL
            HAVING accepted > 0
            ORDER BY accepted DESC, name
            LIMIT 12
            """,
            campaign,
        )
        return _best_first(rows)

    def owned(self, campaign: str, column: str) -> list[Row]:
        """By the values of a column of the owner's, the best first."""
        rows = self.rows(
            """
            WITH answered AS (
                SELECT message_id, count(*) AS n, count_if(is_opt_out) AS opt_outs FROM replies GROUP BY message_id
            )
            SELECT
                owner ->> ? AS name,
                count(*) AS accepted,
                count_if(status = 'delivered') AS delivered,
                coalesce(sum(n), 0)::BIGINT AS replies,
                coalesce(sum(opt_outs), 0)::BIGINT AS opt_outs
            FROM messages LEFT JOIN answered USING (message_id)
            WHERE campaign_id = ? AND status IN ('accepted', 'unreported', 'delivered', 'failed')
            GROUP BY name
            """,
            column,
            campaign,
        )
        return _best_first(rows)

    def sending(self, campaign: str) -> list[Row]:
        """The batches in twentieths of the accepted messages, each by where its first message lies."""
        batches = self.rows(
            """
            FROM marts.batch_delivery
            WHERE campaign_id = ? AND accepted_total_count > 0
            ORDER BY submitted_at, batch_num
            """,
            campaign,
        )
        whole = sum(batch["accepted_total_count"] for batch in batches)
        parts: dict[int, Row] = {}
        before = 0
        for batch in batches:
            part = parts.setdefault(20 * before // whole, {"accepted": 0, "delivered": 0})
            part["accepted"] += batch["accepted_total_count"]
            part["delivered"] += batch["delivered_count"]
            before += batch["accepted_total_count"]
        return [_with_rate(part) for part in parts.values()]

    def replies(self, campaign: str) -> list[Row]:
        """By hour, and whether they opt out."""
        return self.rows(
            """
            SELECT date_trunc('hour', replied_at) AS hour, is_opt_out, count(*) AS n
            FROM replies
            WHERE campaign_id = ?
            GROUP BY ALL
            ORDER BY ALL
            """,
            campaign,
        )

    # The gateway, in its last days

    def code_days(self, days: int) -> list[Row]:
        """By day of sending and failing code: its share of the day's reported messages."""
        return self.rows(
            """
            WITH reported AS (
                SELECT submitted_on, count(*) AS reported
                FROM messages
                WHERE status IN ('delivered', 'failed')
                GROUP BY submitted_on
            ),
            failed AS (
                SELECT submitted_on, code, count(*) AS n FROM messages WHERE status = 'failed' GROUP BY ALL
            ),
            codes AS (
                SELECT DISTINCT code, meaning, meaning_zh, is_known FROM marts.code_breakdown
            )
            SELECT *, n / reported AS share
            FROM failed JOIN reported USING (submitted_on) JOIN codes USING (code)
            WHERE submitted_on > ?
            ORDER BY submitted_on, code
            """,
            self._before("messages", "submitted_on", days),
        )

    def answers(self, days: int) -> list[Row]:
        """By day of sending: within how many milliseconds half of the batches, and 95 of 100, were answered."""
        return self.rows(
            """
            SELECT submitted_on, median(answer_ms) AS half, quantile_cont(answer_ms, 0.95) AS most
            FROM marts.batch_delivery
            WHERE answer_ms IS NOT NULL AND submitted_on > ?
            GROUP BY ALL
            ORDER BY ALL
            """,
            self._before("marts.batch_delivery", "submitted_on", days),
        )

    def batches(self, days: int) -> list[Row]:
        """By day of sending and error code; none where no answer came."""
        return self.rows(
            """
            SELECT submitted_on, coalesce(error_code, 'none') AS error_code, count(*) AS n
            FROM marts.batch_delivery
            WHERE submitted_on > ?
            GROUP BY ALL
            ORDER BY ALL
            """,
            self._before("marts.batch_delivery", "submitted_on", days),
        )

    def pulls(self, days: int) -> list[Row]:
        """By day that was asked for."""
        return self.rows(
            "FROM marts.pull_coverage WHERE pulled_on > ? ORDER BY pulled_on",
            self._before("marts.pull_coverage", "pulled_on", days),
        )

    def balances(self) -> list[Row]:
        return self.rows("FROM marts.balance_reconciliation ORDER BY ended_at")

    def _before(self, table: str, column: str, days: int) -> date:
        """The day before the last `days` days that the table knows."""
        day: date = self.one(f"SELECT max({column}) - ?::INTEGER FROM {table}", days)
        return day


def _best_first(rows: list[Row]) -> list[Row]:
    return sorted((_with_rate(row) for row in rows), key=lambda row: (-row["rate"], row["name"]))


def _with_rate(row: Row) -> Row:
    """With the rate and its 95 % interval, after Wilson (1927)."""
    z, n, share = 1.959964, row["accepted"], row["delivered"] / row["accepted"]
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return row | {"rate": share, "low": middle - half, "high": middle + half}
