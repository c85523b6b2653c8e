"""The slow, obvious twin of sql/marts: every mart counted from the twin of core, by the words of the contracts."""

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from itertools import pairwise

from tests.property.happenings import Campaign
from tests.property.reference import gateway_codes, is_hard, reference
from tests.property.twin_core import TAKEN, TwinCore
from tests.property.twin_findings import TwinFindings, grouped
from tests.property.twin_landing import Row, day_of

Z = 1.959963984540054

# The last whole second of each bucket; the first of the next follows.
BUCKETS = (
    ("before submission", -2),
    ("up to 5 s", 5),
    ("up to 10 s", 10),
    ("up to 30 s", 30),
    ("up to 1 min", 60),
    ("up to 5 min", 300),
    ("up to 15 min", 900),
    ("up to 1 h", 3600),
    ("up to 6 h", 21_600),
    ("up to 24 h", 86_400),
    ("up to 72 h", 259_200),
    ("later", None),
)


class TwinMarts:
    """The marts of one world."""

    def __init__(self, core: TwinCore) -> None:
        self.core = core
        self.world = core.world

    # ── Delivery ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def campaign_delivery(self) -> list[Row]:
        return [self._campaign(campaign) for campaign in self.core.campaigns]

    def _campaign(self, campaign: Campaign) -> Row:
        rows = [row for row in self.core.statuses if row["campaign_id"] == campaign.campaign_id]
        replies = [row for row in self.core.reply_matches if row["campaign_id"] == campaign.campaign_id]
        latencies = [row["latency_seconds"] for row in rows if row["status"] == "delivered"]
        delivery = self._delivery(rows)
        failed = segments(row for row in rows if row["status"] == "failed")
        return (
            {"campaign_id": campaign.campaign_id}
            | delivery
            | {
                "latency_p50_seconds": quantile(latencies, 0.50),
                "latency_p90_seconds": quantile(latencies, 0.90),
                "latency_p99_seconds": quantile(latencies, 0.99),
                "reply_count": len(replies),
                "opt_out_count": sum(reply["is_opt_out"] for reply in replies),
                "near_opt_out_count": sum(reply["is_near_opt_out"] for reply in replies),
                "failed_segment_count": failed,
                "accepted_cost": self._cost(delivery["accepted_segment_count"]),
                "failed_cost": self._cost(failed),
                "planned_at": campaign.planned_at,
                "is_paused": campaign.campaign_id in self.core.paused,
            }
        )

    def latency_percentiles(self) -> list[Row]:
        """core.latency_percentiles."""
        names = ("campaign_id", "latency_p50_seconds", "latency_p90_seconds", "latency_p99_seconds")
        rows = self.campaign_delivery()
        return [{name: row[name] for name in names} for row in rows if row["latency_p50_seconds"] is not None]

    def daily_delivery(self) -> list[Row]:
        """Messages that were never sent are counted in a row without a day; only sent ones can mature."""
        rows = []
        for (campaign_id, day), of_day in grouped(self.core.statuses, "campaign_id", "submitted_on"):
            row = {"campaign_id": campaign_id, "submitted_on": day} | self._delivery(of_day)
            rows.append(row | {"is_mature": self._is_old(row["last_submitted_at"])})
        return rows

    def carrier_delivery(self) -> list[Row]:
        placed = [row | place_of(row["number_range"]) for row in self.core.statuses]
        keys = ("campaign_id", "range_carrier", "range_carrier_zh", "range_province", "range_province_zh")
        return [dict(zip(keys, key, strict=True)) | self._delivery(rows) for key, rows in grouped(placed, *keys)]

    def batch_delivery(self) -> list[Row]:
        outcomes = {outcome["batch_num"]: outcome for outcome in self.core.batch_outcomes}
        names = ("batch_num", "campaign_id", "planned_batch", "attempt", "state", "error_code", "http_status")
        names += ("answer_ms", "submitted_at", "submitted_on", "message_count")
        rows = []
        for batch in self.core.batches:
            if batch["state"] == "suppressed":
                continue  # it never left
            row = {name: batch[name] for name in names} | {"is_proven_by_report": False}
            if outcome := outcomes.get(batch["batch_num"]):
                row |= {name: outcome[name] for name in ("state", "is_proven_by_report")}
            messages = [status for status in self.core.statuses if status["batch_num"] == batch["batch_num"]]
            counts = self._delivery(messages)
            rows.append(row | sent_counts(counts) | {"is_mature": self._is_old(batch["submitted_at"])})
        return rows

    def _delivery(self, rows: list[Row]) -> Row:
        """Counts, rates, first and last submission of these messages, and whether they can still change."""

        def count(*statuses: str) -> int:
            return sum(row["status"] in statuses for row in rows)

        counts: Row = {"row_count": len(rows)}
        for status in ("invalid", "duplicate", "suppressed", "planned", "refused", "in_doubt", *TAKEN):
            counts[f"{status}_count"] = count(status)
        counts["accepted_total_count"] = count(*TAKEN)
        counts["reported_count"] = count("delivered", "failed")
        counts["accepted_segment_count"] = segments(row for row in rows if row["status"] in TAKEN)
        submissions = [row["submitted_at"] for row in rows if row["submitted_at"] is not None]
        last = max(submissions, default=None)
        return (
            counts
            | rate("delivered_of_accepted_rate", count("delivered"), count(*TAKEN))
            | rate("delivered_of_reported_rate", count("delivered"), count("delivered", "failed"))
            | rate("coverage_rate", count("delivered", "failed"), count(*TAKEN))
            | {
                "first_submitted_at": min(submissions, default=None),
                "last_submitted_at": last,
                "is_mature": not count("planned") and self._is_old(last),
            }
        )

    def _is_old(self, submitted_at: datetime | None) -> bool:
        """The report window has passed."""
        return submitted_at is not None and self.world.as_of > submitted_at + self.core.window

    def _cost(self, segment_count: int) -> float | None:
        price = self.world.price_per_segment
        return None if price is None else segment_count * price

    def _of_campaign(self, campaign_id: str) -> Row:
        return next(row for row in self.campaign_delivery() if row["campaign_id"] == campaign_id)

    # ── Codes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def code_breakdown(self) -> list[Row]:
        rows = []
        reported = [row for row in self.core.statuses if row["code"] is not None]
        for (campaign_id, code), messages in grouped(reported, "campaign_id", "code"):
            campaign = self._of_campaign(campaign_id)
            is_delivered = code in {"0", "DELIVRD"}
            count = len(messages)
            rows.append(
                {
                    "campaign_id": campaign_id,
                    "code": code,
                    "is_delivered": is_delivered,
                    "message_count": count,
                    "of_failed_rate": None if is_delivered else count / campaign["failed_count"],
                    "of_accepted_rate": count / campaign["accepted_total_count"],
                    "segment_count": segments(messages),
                    "cost": self._cost(segments(messages)),
                    "is_mature": campaign["is_mature"],
                }
                | meaning_of(code)
            )
        return rows

    def submit_errors(self) -> list[Row]:
        meanings = {row["error_code"]: row for row in reference("error_codes")}
        believed = {outcome["batch_num"]: outcome["state"] for outcome in self.core.batch_outcomes}
        answered = [batch for batch in self.core.batches if batch["error_code"] not in {None, "000000"}]
        rows = []
        for (campaign_id, error_code), batches in grouped(answered, "campaign_id", "error_code"):
            states = [believed.get(batch["batch_num"]) for batch in batches]
            known = meanings.get(error_code, {})
            rows.append(
                {
                    "campaign_id": campaign_id,
                    "error_code": error_code,
                    "meaning": known.get("meaning", "unknown error code"),
                    "meaning_zh": known.get("meaning_zh", "未知错误码"),
                    "action": known.get("action", "ask the vendor what the error code means"),
                    "batch_count": len(batches),
                    "refused_batch_count": states.count("refused"),
                    "in_doubt_batch_count": states.count("in_doubt"),
                    "refused_count": sum(
                        (row["campaign_id"], row["status"], row["error_code"]) == (campaign_id, "refused", error_code)
                        for row in self.core.statuses
                    ),
                    "first_submitted_at": min(batch["submitted_at"] for batch in batches),
                    "last_submitted_at": max(batch["submitted_at"] for batch in batches),
                    "is_mature": self._of_campaign(campaign_id)["is_mature"],
                }
            )
        return rows

    def latency_histogram(self) -> list[Row]:
        rows = []
        for campaign in self.campaign_delivery():
            latencies = [
                row["latency_seconds"]
                for row in self.core.statuses
                if row["campaign_id"] == campaign["campaign_id"] and row["status"] == "delivered"
            ]
            lower: int | None = None
            so_far = 0
            for number, (bucket, upper) in enumerate(BUCKETS):
                count = sum((lower is None or s >= lower) and (upper is None or s <= upper) for s in latencies)
                so_far += count
                rows.append(
                    {
                        "campaign_id": campaign["campaign_id"],
                        "bucket_num": number,
                        "bucket": bucket,
                        "lower_seconds": lower,
                        "upper_seconds": upper,
                        "delivered_count": count,
                        "cumulative_count": so_far,
                        "of_delivered_rate": count / len(latencies) if latencies else None,
                        "cumulative_rate": so_far / len(latencies) if latencies else None,
                        "is_mature": campaign["is_mature"],
                    }
                )
                lower = None if upper is None else upper + 1
        return rows

    # ── Replies ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def replies_by_campaign(self) -> list[Row]:
        return [
            {name: value for name, value in reply.items() if name not in {"phone", "content"}}
            for reply in self.core.reply_matches
        ]

    def suppression_candidates(self) -> list[Row]:
        return [{name: value for name, value in row.items() if name != "phone"} for row in self.core.phones_to_suppress]

    # ── Balances ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def balance_reconciliation(self) -> list[Row]:
        told = sorted(self.core.balances, key=lambda balance: (balance["queried_at"], balance["source_file"]))
        rows = []
        for opening, closing in pairwise(told):
            began_at, ended_at = opening["queried_at"], closing["queried_at"]
            lost = opening["balance_count"] - closing["balance_count"]
            accepted = self._segments(lambda left, known, a=began_at, b=ended_at: a < known <= b, *TAKEN)
            in_doubt = self._segments(lambda left, known, a=began_at, b=ended_at: a < known <= b, "in_doubt")
            at_opening = self._segments(lambda left, known, a=began_at: left <= a < known, *TAKEN, "in_doubt")
            at_closing = self._segments(lambda left, known, b=ended_at: left <= b < known, *TAKEN, "in_doubt")
            rows.append(
                {
                    "began_at": began_at,
                    "ended_at": ended_at,
                    "opening_balance_count": opening["balance_count"],
                    "closing_balance_count": closing["balance_count"],
                    "accepted_segment_count": accepted,
                    "in_doubt_segment_count": in_doubt,
                    "opening_in_flight_segment_count": at_opening,
                    "closing_in_flight_segment_count": at_closing,
                    "unexplained_count": accepted - lost,
                    "is_explained": -(in_doubt + at_closing) <= accepted - lost <= at_opening,
                }
            )
        return rows

    def batches_in_doubt(self) -> list[Row]:
        told = sorted(self.core.balances, key=lambda balance: (balance["queried_at"], balance["source_file"]))
        rows = []
        for outcome in self.core.batch_outcomes:
            if outcome["state"] != "in_doubt":
                continue
            batch = self.core.batch_by_num[outcome["batch_num"]]
            left, known = moments(batch)
            before = [balance for balance in told if balance["queried_at"] <= left]
            after = [balance for balance in told if balance["queried_at"] > known]
            opening, closing = before[-1] if before else None, after[0] if after else None
            row = {
                "campaign_id": batch["campaign_id"],
                "batch_num": batch["batch_num"],
                "message_count": batch["message_count"],
                "segment_count": segments(row for row in self.core.statuses if row["batch_num"] == batch["batch_num"]),
                "submitted_at": batch["submitted_at"],
                "doubted_at": known,
                "error_code": batch["error_code"],
                "http_status": batch["http_status"],
                "detail": batch["detail"],
                "hint_count": outcome["hint_count"],
                "opening_balance_count": opening and opening["balance_count"],
                "opening_balance_at": opening and opening["queried_at"],
                "closing_balance_count": closing and closing["balance_count"],
                "closing_balance_at": closing and closing["queried_at"],
                "accepted_segment_count": None,
                "in_doubt_segment_count": None,
                "charged_count": None,
            }
            if opening and closing:
                a, b = opening["queried_at"], closing["queried_at"]
                accepted = self._segments(lambda left, known, a=a, b=b: a < known <= b, *TAKEN)
                row |= {
                    "accepted_segment_count": accepted,
                    "in_doubt_segment_count": self._segments(lambda left, known, a=a, b=b: a <= left <= b, "in_doubt"),
                    "charged_count": opening["balance_count"] - closing["balance_count"] - accepted,
                }
            rows.append(row)
        return rows

    def _segments(self, is_meant: Callable[[datetime, datetime], bool], *statuses: str) -> int:
        """Segments of the messages in these statuses whose batch left, and whose outcome was known, when meant."""
        return segments(
            row
            for row in self.core.statuses
            if row["status"] in statuses and is_meant(*moments(self.core.batch_by_num[row["batch_num"]]))
        )

    # ── What needs a look ─────────────────────────────────────────────────────────────────────────────────────────────

    def exceptions(self) -> list[Row]:
        return TwinFindings(self.core).all()

    def pull_coverage(self) -> list[Row]:
        due: set[date] = set()
        for batch in self.core.batches:
            if batch["state"] in {"accepted", "in_doubt"}:
                day = batch["submitted_on"]
                while day <= min(day_of(batch["submitted_at"] + self.core.window), day_of(self.world.as_of)):
                    due.add(day)
                    day += timedelta(days=1)
        calls = [pull for pull in self.core.pulls if pull["kind"] == "reports"]
        rows = []
        for day in due | {pull["pulled_on"] for pull in calls}:
            of_day = [pull for pull in calls if pull["pulled_on"] == day]
            good = [pull["called_at"] for pull in of_day if pull["outcome"] == "ok"]
            rows.append(
                {
                    "pulled_on": day,
                    "is_due": day in due,
                    "call_count": len(of_day),
                    "ok_call_count": len(good),
                    "last_called_at": max((pull["called_at"] for pull in of_day), default=None),
                    "last_ok_at": max(good, default=None),
                    "record_count": sum(pull["record_count"] for pull in of_day),
                    "rejected_count": sum(pull["rejected_count"] for pull in of_day),
                    "new_record_count": sum(pull["new_record_count"] for pull in of_day),
                    "is_complete": any(day_of(called_at) > day for called_at in good),
                    "is_missing": day in due and day < day_of(self.world.as_of) and not good,
                }
            )
        return rows


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def segments(rows: Iterable[Row]) -> int:
    return sum(row["segment_count"] or 0 for row in rows)


def sent_counts(counts: Row) -> Row:
    """Without what only a plan or a campaign has."""
    others = {"row_count", "invalid_count", "duplicate_count", "suppressed_count", "planned_count"}
    others |= {"first_submitted_at", "last_submitted_at", "is_mature"}
    return {name: value for name, value in counts.items() if name not in others}


def rate(name: str, part: int, whole: int) -> Row:
    """A share and its 95 % interval after Wilson, in the form of the textbooks."""
    if not whole:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    share = part / whole
    centre = (share + Z**2 / (2 * whole)) / (1 + Z**2 / whole)
    half = Z / (1 + Z**2 / whole) * math.sqrt(share * (1 - share) / whole + Z**2 / (4 * whole**2))
    return {name: share, f"{name}_low": max(0.0, centre - half), f"{name}_high": min(1.0, centre + half)}


def quantile(values: list[int], share: float) -> float | None:
    """Between the two values that the place lies between, in proportion."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (above - below) * (place - math.floor(place))


def place_of(number_range: int | None) -> Row:
    for run in reference("number_ranges"):
        if number_range is not None and int(run["first_range"]) <= number_range <= int(run["last_range"]):
            return {f"range_{name}": run[name] for name in ("carrier", "carrier_zh", "province", "province_zh")}
    unknown = {"range_carrier": "unknown", "range_carrier_zh": "未知"}
    return unknown | {"range_province": "unknown", "range_province_zh": "未知"}


def meaning_of(code: str) -> Row:
    known = gateway_codes().get(code)
    if known is not None:
        same = ("meaning", "meaning_zh", "class", "responsible_party", "what_to_do")
        return {name: known[name] for name in same} | {
            "whose_move": known["responsible_party"],
            "confidence": "high",
            "is_hard": is_hard(code),
            "is_known": True,
        }
    families = {"MK:": "china_mobile", "MI:": "china_mobile", "2:": "china_unicom", "YF:": "platform"}
    family = next((family for start, family in families.items() if code.startswith(start)), "unknown")
    return {
        "meaning": "unknown code",
        "meaning_zh": "未知状态码",
        "class": family,
        "confidence": "low",
        **dict.fromkeys(("responsible_party", "whose_move"), "carrier" if family.startswith("china") else "vendor"),
        "what_to_do": "ask the vendor what the code means",
        "is_hard": False,
        "is_known": False,
    }


def moments(batch: Row) -> tuple[datetime, datetime]:
    """When a batch left and when its outcome was known; a clock that was put back meanwhile makes both one moment."""
    known = batch["answered_at"] or batch["submitted_at"]
    return min(batch["submitted_at"], known), known
