"""The slow, obvious twin of sql/core: which message a report is for, what became of each, who answered, by DESIGN.

Loops and dictionaries only, no frames and no SQL. Every function gives the rows of one table, as its contract says.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from tests.property.happenings import OPTS_OUT, Campaign, Happening, Recipient, World
from tests.property.reference import is_hard
from tests.property.twin_landing import Row, TwinLanding, whole_seconds

TAKEN = ("accepted", "unreported", "delivered", "failed")


@dataclass(frozen=True)
class Message:
    """A row of a campaign that is to be sent."""

    campaign: Campaign
    row: Recipient

    @property
    def message_id(self) -> int:
        return self.campaign.key * 2**28 + (self.row.position or 0)


class TwinCore(TwinLanding):
    """The tables of core that reconcile should compute from that."""

    def __init__(self, world: World, files: Mapping[str, Happening]) -> None:
        super().__init__(world, files)
        self.window = timedelta(hours=world.report_window_hours)
        self.messages = [
            Message(campaign, row) for campaign in self.campaigns for row in campaign.rows if row.position is not None
        ]
        self.by_id = {message.message_id: message for message in self.messages}
        self.by_row = {(message.campaign.campaign_id, message.row.input_row): message for message in self.messages}

    # ── Which message a report is for ─────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def matches(self) -> list[tuple[Row, Message | None, str | None]]:
        """Every report, the message that it names, and the rule by which that was found; an orphan names none."""
        return [(report, *self._match(report)) for report in self.reports]

    def _match(self, report: Row) -> tuple[Message | None, str | None]:
        if report["message_id"] in self.by_id:
            return self.by_id[report["message_id"]], "mission_num"
        if report["mission_num"]:
            return self._by_own_mission_num(report), "own_mission_num"
        if report["batch_num"]:
            return self._by_batch_phone(report), "batch_phone"
        return self._by_phone_time(report), "phone_time"

    def _by_own_mission_num(self, report: Row) -> Message | None:
        """The message that has this number from its file; of several, the batch tells which, the phone, the newer."""
        batch = self.batch_by_num.get(report["batch_num"])
        named = [
            message
            for message in self.messages
            if message.campaign.has_own_mission_nums and message.row.mission_num == report["mission_num"]
        ]

        def likeness(message: Message) -> tuple[Any, ...]:
            is_of_batch = batch is not None and batch["campaign_id"] == message.campaign.campaign_id
            is_of_phone = message.row.phone == report["phone"]
            return is_of_batch, is_of_phone, message.campaign.planned_at, message.message_id

        return max(named, key=likeness, default=None)

    def _by_batch_phone(self, report: Row) -> Message | None:
        batch = self.batch_by_num.get(report["batch_num"])
        if batch is None:
            return None
        for message in self.messages_of(batch):
            if message.row.phone == report["phone"]:
                return message
        return None

    def _by_phone_time(self, report: Row) -> Message | None:
        """The only message that was sent to the phone in the report window before; one in doubt may not be guessed.

        The gateway's seconds are whole: a report may seem to come up to a second before its message.
        """
        sent = []
        for batch in self.batches:
            if batch["state"] not in {"accepted", "in_doubt"}:
                continue
            earliest, latest = batch["submitted_at"] - timedelta(seconds=1), batch["submitted_at"] + self.window
            for message in self.messages_of(batch):
                if message.row.phone == report["phone"] and earliest <= report["stat_time"] <= latest:
                    sent.append((message, batch["state"]))
        if len(sent) == 1 and sent[0][1] == "accepted":
            return sent[0][0]
        return None

    def messages_of(self, batch: Row) -> list[Message]:
        ids = range(batch["first_message_id"], batch["last_message_id"] + 1)
        return [self.by_id[message_id] for message_id in ids]

    def report_lookups(self) -> list[Row]:
        rows = []
        for report, message, rule in self.matches:
            if rule != "mission_num":
                found = {"message_id": message and message.message_id, "match_rule": rule if message else None}
                found |= {"foreign_message_id": report["message_id"], "is_contradicted": is_contradicted(report)}
                rows.append(_of_report(report) | found)
        return rows

    def report_matches(self) -> list[Row]:
        return [
            _of_report(report) | {"message_id": message.message_id, "match_rule": rule}
            for report, message, rule in self.matches
            if message
        ]

    def repeated_messages(self) -> list[Row]:
        return [
            {"campaign_id": self.by_id[message_id].campaign.campaign_id, "message_id": message_id}
            for message_id, named in self.reports_of.items()
            if len(named) > 1
        ]

    @cached_property
    def reports_of(self) -> dict[int, list[tuple[Row, str | None]]]:
        """The reports that name a message, by its id, with the rule; some may be for another phone."""
        found: dict[int, list[tuple[Row, str | None]]] = {}
        for report, message, rule in self.matches:
            if message:
                found.setdefault(message.message_id, []).append((report, rule))
        return found

    def believed(self, message: Message) -> list[tuple[Row, str | None]]:
        """The reports of a message that are for its phone, the one that decides first."""

        def weight(match: tuple[Row, str | None]) -> tuple[Any, ...]:
            report, _ = match
            return report["is_delivered"], report["stat_time"], report["received_at"]

        own = [m for m in self.reports_of.get(message.message_id, []) if m[0]["phone"] == message.row.phone]
        own.sort(key=lambda m: (m[0]["code"], m[0]["batch_num"], m[0]["mission_num"]))  # where nothing else decides
        return sorted(own, key=weight, reverse=True)

    def is_proof(self, batch: Row, message: Message, report: Row, rule: str | None) -> bool:
        """True if nobody can have forged the report: it did not only come as a push, or names a secret number."""
        if report["is_pulled"] or report["is_imported"]:
            return True
        names_secret = rule == "mission_num" or report["batch_num"] == batch["batch_num"]
        return message.campaign.has_secret_key and names_secret

    # ── What became of batches and messages ───────────────────────────────────────────────────────────────────────────

    @cached_property
    def batch_outcomes(self) -> list[Row]:
        rows = []
        for batch in self.batches:
            if batch["state"] in {"not_sent", "split"}:
                continue
            told = [
                self.is_proof(batch, message, *match)
                for message in (self.messages_of(batch) if batch["state"] == "in_doubt" else [])
                for match in self.believed(message)
            ]
            is_proven = any(told)
            is_kept_back = batch["state"] == "suppressed"
            same = ("batch_num", "campaign_id", "planned_batch", "first_message_id", "last_message_id", "error_code")
            rows.append(
                {name: batch[name] for name in same}
                | {
                    "state": "accepted" if is_proven else batch["state"],
                    "is_proven_by_report": is_proven,
                    "hint_count": 0 if is_proven else len(told),
                    "submitted_at": None if is_kept_back else batch["submitted_at"],
                    "submitted_on": None if is_kept_back else batch["submitted_on"],
                }
            )
        return rows

    @cached_property
    def statuses(self) -> list[Row]:
        """The rows of core.message_status, each with what its batch says of it too."""
        return [self._status(campaign, row) for campaign in self.campaigns for row in campaign.rows]

    def message_status(self) -> list[Row]:
        of_batch = {"batch_num", "submitted_on", "error_code"}
        return [{name: row[name] for name in row.keys() - of_batch} for row in self.statuses]

    @cached_property
    def status_of(self) -> dict[int, Row]:
        return {row["message_id"]: row for row in self.statuses if row["message_id"] is not None}

    def _status(self, campaign: Campaign, row: Recipient) -> Row:
        digits = row.phone if row.phone and re.fullmatch("[0-9]{11}", row.phone) else None
        status: Row = {
            "campaign_id": campaign.campaign_id,
            "input_row": row.input_row,
            "message_id": None,
            "status": row.disposition,
            "code": None,
            "error_code": None,
            "batch_num": None,
            "first_message_id": None,
            "submitted_at": None,
            "submitted_on": None,
            "delivered_at": None,
            "latency_seconds": None,
            "lookup_rule": None,
            "report_count": 0,
            "phone_mismatch_count": 0,
            "number_range": int(digits[:7]) if digits else None,
            "segment_count": row.segment_count,
        }
        message = self.by_row.get((campaign.campaign_id, row.input_row))
        if message is None:
            return status
        believed = self.believed(message)
        others = len(self.reports_of.get(message.message_id, [])) - len(believed)
        status |= {"message_id": message.message_id, "report_count": len(believed), "phone_mismatch_count": others}
        if believed and believed[0][1] != "mission_num":
            status["lookup_rule"] = believed[0][1]
        for batch in self.batch_outcomes:
            if batch["first_message_id"] <= message.message_id <= batch["last_message_id"]:
                return status | self._sent(batch, believed[0][0] if believed else None)
        return status

    def _sent(self, batch: Row, report: Row | None) -> Row:
        """The status of a message that was sent in this batch, or suppressed with it."""
        found: Row = {name: batch[name] for name in ("batch_num", "first_message_id", "submitted_at", "submitted_on")}
        found["status"] = batch["state"]
        if batch["state"] == "refused":
            found["error_code"] = batch["error_code"]
        if batch["state"] != "accepted":
            return found
        if report is not None:
            found["status"] = "delivered" if report["is_delivered"] else "failed"
            found["code"] = report["code"]
            found["latency_seconds"] = whole_seconds(report["stat_time"] - batch["submitted_at"])
            found["delivered_at"] = report["stat_time"] if report["is_delivered"] else None
        elif self.world.as_of > batch["submitted_at"] + self.window:
            found["status"] = "unreported"
        return found

    def message_counts(self) -> list[Row]:
        keys = ("campaign_id", "batch_num", "submitted_at", "submitted_on", "status", "code", "error_code")
        empty = {"message_count": 0, "segment_count": None, "report_count": 0, "phone_mismatch_count": 0}
        rows: dict[tuple[Any, ...], Row] = {}
        for status in self.statuses:
            key = tuple(status[name] for name in keys)
            row = rows.setdefault(key, dict(zip(keys, key, strict=True)) | empty)
            row["message_count"] += 1
            row["report_count"] += status["report_count"]
            row["phone_mismatch_count"] += status["phone_mismatch_count"]
            if status["segment_count"] is not None:
                row["segment_count"] = (row["segment_count"] or 0) + status["segment_count"]
        return list(rows.values())

    def report_counts(self) -> list[Row]:
        counts: dict[tuple[Any, ...], Row] = {}
        for report, message, rule in self.matches:
            if message is None or rule != "mission_num":
                continue
            key = (message.campaign.campaign_id, report["code"], report["is_delivered"], is_contradicted(report))
            names = ("campaign_id", "code", "is_delivered", "is_contradicted")
            at = report["received_at"]
            row = counts.setdefault(
                key,
                dict(zip(names, key, strict=True))
                | {"report_count": 0, "first_received_at": at, "last_received_at": at},
            )
            row["report_count"] += 1
            row["first_received_at"] = min(row["first_received_at"], at)
            row["last_received_at"] = max(row["last_received_at"], at)
        return list(counts.values())

    # ── Who replied, and who should get no more ───────────────────────────────────────────────────────────────────────

    @cached_property
    def sendings(self) -> list[tuple[Message, Row]]:
        """The messages that were sent, or may have been, and were not refused, with their status."""
        return [
            (self.by_id[message_id], status)
            for message_id, status in self.status_of.items()
            if status["submitted_at"] is not None and status["status"] != "refused"
        ]

    @cached_property
    def reply_matches(self) -> list[Row]:
        return [self._reply_match(reply) for reply in self.replies if not self._is_told_better(reply)]

    def repeated_replies(self) -> list[Row]:
        """core.repeated_replies: what another row tells too counts there."""
        names = ("phone", "content", "access_num", "replied_at", "has_own_time")
        return [{name: reply[name] for name in names} for reply in self.replies if self._is_told_better(reply)]

    def _is_told_better(self, reply: Row) -> bool:
        """A push has only the time of its sending, a pull may have none: the time of the reply itself is better."""
        for other in self.replies:
            numbers = {reply["access_num"], other["access_num"]} - {""}
            if any(reply[name] != other[name] for name in ("phone", "content")) or len(numbers) > 1:
                continue
            if not reply["has_own_time"] and other["is_pushed"] and other["has_own_time"]:
                return True
            is_only_pushed = not (reply["is_pulled"] or reply["is_imported"])
            is_timed = other["has_own_time"] and (other["is_pulled"] or other["is_imported"])
            is_near = -timedelta(minutes=1) <= reply["replied_at"] - other["replied_at"] <= timedelta(days=1)
            if reply["has_own_time"] and is_only_pushed and is_timed and is_near:
                return True
        return False

    def _reply_match(self, reply: Row) -> Row:
        sent = [
            (has_extension(message, reply["access_num"]), status["submitted_at"], message.message_id)
            for message, status in self.sendings
            if message.row.phone == reply["phone"] and status["submitted_at"] <= reply["replied_at"]
        ]
        row = {
            name: reply[name]
            for name in ("phone", "content", "access_num", "replied_at", "has_own_time", "received_at")
        }
        text = reply["content"]
        row |= {
            "campaign_id": None,
            "input_row": None,
            "message_id": None,
            "submitted_at": None,
            "reply_seconds": None,
            "match_rule": None,
            "character_count": len(text),
            "is_opt_out": OPTS_OUT[text] == "yes",
            "is_near_opt_out": OPTS_OUT[text] == "near",
        }
        if sent:
            has_its_extension, submitted_at, message_id = max(sent)
            row |= {
                "campaign_id": self.by_id[message_id].campaign.campaign_id,
                "input_row": self.by_id[message_id].row.input_row,
                "message_id": message_id,
                "submitted_at": submitted_at,
                "reply_seconds": whole_seconds(reply["replied_at"] - submitted_at),
                "match_rule": "extension" if has_its_extension else "latest",
            }
        return row

    def hard_failures(self) -> list[Row]:
        failed = {
            (status["campaign_id"], message.row.phone)
            for message, status in self.sendings
            if status["status"] == "failed" and is_hard(status["code"])
        }
        return [{"campaign_id": campaign_id, "phone": phone} for campaign_id, phone in failed]

    def followed_phones(self) -> list[Row]:
        campaigns = Counter(row["phone"] for row in self.hard_failures())
        failed = {phone for phone, count in campaigns.items() if count >= self.world.hard_failures}
        return [{"phone": phone} for phone in failed | {reply["phone"] for reply in self.replies}]

    def followed_messages(self) -> list[Row]:
        followed = {row["phone"] for row in self.followed_phones()}
        names = ("campaign_id", "input_row", "message_id", "status", "code", "submitted_at")
        return [
            {name: status[name] for name in names} | {"phone": message.row.phone, "extra_num": message.row.extra_num}
            for message, status in self.sendings
            if message.row.phone in followed
        ]

    @cached_property
    def phones_to_suppress(self) -> list[Row]:
        phones = {reply["phone"] for reply in self.replies} | {message.row.phone for message in self.messages}
        rows = [self._to_suppress(phone) for phone in phones if phone and re.fullmatch("1[3-9][0-9]{9}", phone)]
        return [row for row in rows if row is not None]

    def _later_comings(self, phone: str) -> Iterable[datetime]:
        """When an answer held an opt-out without a time that an answer before it, since it last came, had not."""
        answers = [pull["called_at"] for pull in self.pulls if (pull["kind"], pull["outcome"]) == ("replies", "ok")]
        for arrival in self.reply_arrivals:
            if arrival["phone"] != phone or OPTS_OUT[arrival["content"]] != "yes":
                continue
            names, at = ("phone", "content", "access_num"), arrival["received_at"]
            came = [
                other[time]
                for rows, time in ((self.reply_arrivals, "received_at"), (self.replies, "replied_at"))
                for other in rows
                if all(other[name] == arrival[name] for name in names) and other[time] < at
            ]
            if came and any(max(came) < answered_at < at for answered_at in answers):
                yield at

    def _to_suppress(self, phone: str) -> Row | None:
        """Reasons to suppress a phone, since it was last removed from the lists."""
        beginning = datetime(1970, 1, 1, tzinfo=UTC)
        entries = [entry for entry in self.suppressions if entry["phone"] == phone]
        removed_at = max((entry["since_at"] for entry in entries if entry["is_removed"]), default=beginning)
        if any(entry["since_at"] > removed_at for entry in entries if not entry["is_removed"]):
            return None  # it is on a list
        opt_outs = [
            reply["replied_at"]
            for reply in self.reply_matches
            if reply["phone"] == phone and reply["is_opt_out"] and reply["replied_at"] > removed_at
        ]
        opt_outs += [at for at in self._later_comings(phone) if at > removed_at]
        sent = sorted(
            (status["submitted_at"], message.message_id, status)
            for message, status in self.sendings
            if message.row.phone == phone
        )
        last_arrival = max((at for at, _, status in sent if status["status"] == "delivered"), default=beginning)
        hard = [
            (at, message_id, status)
            for at, message_id, status in sent
            if status["status"] == "failed" and is_hard(status["code"]) and at > max(last_arrival, removed_at)
        ]
        hard_campaigns = {status["campaign_id"] for _, _, status in hard}
        if not opt_outs and len(hard_campaigns) < self.world.hard_failures:
            return None
        latest = sent[-1][2] if sent else {}
        return {
            "phone": phone,
            "reason": "opted_out" if opt_outs else "hard_code",
            "since_at": min(opt_outs) if opt_outs else hard[-1][0],
            "opted_out_at": min(opt_outs, default=None),
            "hard_campaign_count": len(hard_campaigns),
            "code": hard[-1][2]["code"] if hard else None,
            "campaign_id": latest.get("campaign_id"),
            "input_row": latest.get("input_row"),
            "message_id": latest.get("message_id"),
            "message_count": len(sent),
            "last_submitted_at": latest.get("submitted_at"),
        }


def has_extension(message: Message, access_num: str) -> bool:
    extra_num = message.row.extra_num
    return bool(extra_num) and access_num.endswith(extra_num or "")


def is_contradicted(report: Row) -> bool:
    """True if the report's own word for its outcome is the opposite of what its code means."""
    return str(report["receive_status"]).upper() == ("FAIL" if report["is_delivered"] else "SUCCESS")


def _of_report(report: Row) -> Row:
    names = ("mission_num", "phone", "code", "stat_time", "batch_num", "is_delivered", "received_at")
    is_pushed_only = report["is_pushed"] and not (report["is_pulled"] or report["is_imported"])
    return {name: report[name] for name in names} | {"is_pushed_only": is_pushed_only}
