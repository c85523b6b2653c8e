"""The slow, obvious twin of marts.exceptions and core.message_findings: whatever somebody should look at."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tests.property.happenings import ALPHABET
from tests.property.reference import gateway_codes
from tests.property.twin_core import TwinCore
from tests.property.twin_landing import Row, masked


class TwinFindings:
    """The findings of one world."""

    def __init__(self, core: TwinCore) -> None:
        self.core = core

    def all(self) -> list[Row]:
        found = [*self._of_reports(), *self._of_messages(), *self._counted()]
        return [row | {"mission_num": masked_mission_num(row["mission_num"])} for row in found]

    def of_messages(self) -> list[Row]:
        """core.message_findings: those about one message, where numbers are not masked yet."""
        return [row for row in (*self._of_reports(), *self._of_messages()) if row["message_id"] is not None]

    def _of_reports(self) -> Iterable[Row]:
        """Orphans, and reports for another phone."""
        mismatches: dict[tuple[int, str], list[Row]] = {}
        for report, message, _ in self.core.matches:
            if message is None:
                detail = f"code {report['code']}: belongs to no message of ours"
                yield finding("orphan", [report], detail, batch_num=report["batch_num"])
            elif report["phone"] != message.row.phone:
                mismatches.setdefault((message.message_id, report["code"]), []).append(report)
        for (message_id, code), reports in mismatches.items():
            detail = f"code {code}: reported for another phone, not believed"
            yield self._of_message("phone_mismatch", message_id, reports, detail)

    def _of_messages(self) -> Iterable[Row]:
        """Contradictions of the reports for a message's phone with each other, or with the books."""
        for message in self.core.messages:
            message_id = message.message_id
            status = self.core.status_of[message_id]
            reports = [report for report, _ in self.core.believed(message)]
            codes = f"codes {', '.join(sorted({report['code'] for report in reports}))}"
            if status["status"] in {"planned", "refused", "suppressed"} and reports:
                detail = f"{codes}: a report of a message that is {status['status']} with us"
                yield self._of_message("report_of_unsent", message_id, reports, detail)
            if status["status"] in {"delivered", "failed"}:
                if len({report["is_delivered"] for report in reports}) == 2:
                    segments, failed = message.row.segment_count or 0, [not r["is_delivered"] for r in reports]
                    what = "both delivered and failed"
                    if len(reports) <= segments:
                        what = f"of its {segments} segments, {sum(failed)} may have failed"
                    detail = f"{codes}: {what}; delivered is believed"
                    yield self._of_message("conflict", message_id, reports, detail)
                window_ends_at = status["submitted_at"] + self.core.window
                # The gateway's seconds are whole: less than one before the submission doesn't count.
                early = [r for r in reports if r["stat_time"] < status["submitted_at"] - timedelta(seconds=1)]
                late = [r for r in reports if r["stat_time"] > window_ends_at]
                if early:
                    detail = f"code {min(r['code'] for r in early)}: its stat_time precedes the submission"
                    yield self._of_message("report_before_submission", message_id, early, detail)
                if late:
                    detail = f"code {min(r['code'] for r in late)}: its stat_time is after the report window"
                    yield self._of_message("late_report", message_id, late, detail)
            if status["status"] not in {"planned", "refused", "suppressed"}:
                yield from self._sent_twice(message_id, reports, status["batch_num"])

    def _sent_twice(self, message_id: int, reports: list[Row], batch_num: str) -> Iterable[Row]:
        for batch in self.core.batches:
            is_earlier = batch["state"] == "not_sent" and batch["batch_num"] != batch_num
            if is_earlier and batch["first_message_id"] <= message_id <= batch["last_message_id"]:
                told = [report for report in reports if report["batch_num"] == batch["batch_num"]]
                if told:
                    codes = ", ".join(sorted({report["code"] for report in told}))
                    detail = f"codes {codes}: reported in a batch that was not sent, by our books; the message was sent"
                    row = self._of_message("sent_twice", message_id, told, f"{detail} again")
                    yield row | {"batch_num": batch["batch_num"]}

    def _of_message(self, kind: str, message_id: int, reports: list[Row], detail: str) -> Row:
        status, phone = self.core.status_of[message_id], self.core.by_id[message_id].row.phone or ""
        row = finding(kind, reports, detail, batch_num=status["batch_num"], phone=phone)
        return row | {"campaign_id": status["campaign_id"], "message_id": message_id}

    def _counted(self) -> Iterable[Row]:
        """Frequent findings: one row with a count."""
        empty = {"campaign_id": None, "batch_num": None, "message_id": None, "mission_num": None}
        silent = [row for row in self.core.statuses if row["status"] == "unreported"]
        for (campaign_id, day), rows in grouped(silent, "campaign_id", "submitted_on"):
            detail = f"sent on {day}: no report within the report window"
            seen = [row["submitted_at"] for row in rows]
            yield empty | counted("unreported", detail, len(rows), seen) | {"campaign_id": campaign_id}
        for outcome in self.core.batch_outcomes:
            if outcome["state"] == "in_doubt":
                why = f", error code {outcome['error_code']}" if outcome["error_code"] else None
                detail = f"may have been sent{why or ', no answer that can be trusted'}"
                count = self.core.batch_by_num[outcome["batch_num"]]["message_count"]
                row = empty | counted("in_doubt", detail, count, [outcome["submitted_at"]])
                yield row | {name: outcome[name] for name in ("campaign_id", "batch_num")}
        for (code,), reports in grouped(self.core.reports, "code"):
            if code not in gateway_codes():
                seen = [report["received_at"] for report in reports]
                yield empty | counted("unknown_code", f"code {code}: is in no table of the vendor", len(reports), seen)
        for (is_pushed,), replies in grouped(self.core.replies_with_unread_times, "is_pushed"):
            detail = f"{'pushed' if is_pushed else 'pulled'} with a time that can't be read: the time of receipt counts"
            seen = [reply["received_at"] for reply in replies]
            yield empty | counted("reply_time_unread", detail, len(replies), seen)
        calls = {pull["source_file"]: pull["called_at"] for pull in self.core.pulls}
        for (kind, file, reason), rejects in grouped(self.core.rejects, "kind", "source_file", "reason"):
            seen = [calls[file]] if file in calls else []
            yield empty | counted("reject", f"{kind} of {file}: {reason}", len(rejects), seen)


def grouped(rows: Iterable[Row], *names: str) -> list[tuple[tuple[Any, ...], list[Row]]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return list(found.items())


def finding(kind: str, reports: list[Row], detail: str, *, batch_num: str | None, phone: str = "") -> Row:
    """A finding about reports; a mission number that holds a phone is not shown."""
    shown = [
        report["mission_num"]
        for report in reports
        if not any(person and person in report["mission_num"] for person in (report["phone"], phone))
    ]
    row = counted(kind, detail, len(reports), [report["received_at"] for report in reports])
    return row | {
        "campaign_id": None,
        "batch_num": batch_num,
        "message_id": None,
        "mission_num": min(shown, default=None),
    }


def counted(kind: str, detail: str, count: int, seen: list[datetime]) -> Row:
    return {
        "kind": kind,
        "detail": detail,
        "occurrence_count": count,
        "first_seen_at": min(seen, default=None),
        "last_seen_at": max(seen, default=None),
    }


def masked_mission_num(mission_num: str | None) -> str | None:
    """Masks phones in a text, except in generated numbers, where such digits are chance."""
    if mission_num is None or re.fullmatch(f"[{ALPHABET}]{{7}}[0-9]{{9}}", mission_num):
        return mission_num
    return masked(mission_num)
