"""The slow, obvious twin of the load: what is known after everything that landed was read, each record once.

Loops and dictionaries only, no frames and no SQL. Every property is the rows of one table, as its contract says.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from tests.property.happenings import (
    ALPHABET,
    CHINA,
    Campaign,
    Event,
    Happening,
    Imported,
    Listed,
    Pulled,
    Pushed,
    Record,
    World,
)
from tests.property.reference import gateway_codes

Row = dict[str, Any]

_MISSING = "missing or unreadable"


class TwinLanding:
    """Rows that the load should bring; `files` are the calls, exports and lists, by their paths in the landing."""

    def __init__(self, world: World, files: Mapping[str, Happening]) -> None:
        self.world = world
        self.files = files
        self.campaigns = [each for each in world.happenings if isinstance(each, Campaign)]

    @cached_property
    def batches(self) -> list[Row]:
        """core.batches: the last word on every batch_num; one that has none is in doubt."""
        rows: dict[str, Row] = {}
        keys = {campaign.campaign_id: campaign.key for campaign in self.campaigns}
        for event in self.world.happenings:
            if not isinstance(event, Event) or event.batch_num is None or event.event == "repeating":
                continue
            if event.event == "sending":
                first_id = keys[event.campaign_id] * 2**28
                rows[event.batch_num] = {
                    "batch_num": event.batch_num,
                    "campaign_id": event.campaign_id,
                    "planned_batch": event.planned_batch,
                    "first_message_id": first_id + event.first,
                    "last_message_id": first_id + event.last,
                    "message_count": event.last - event.first + 1,
                    "attempt": event.attempt,
                    "state": "in_doubt",
                    "error_code": None,
                    "http_status": None,
                    "detail": "no answer yet",
                    "submitted_at": event.happened_at,
                    "submitted_on": day_of(event.happened_at),
                    "answered_at": None,
                    "answer_ms": None,
                    "decided_by": None,
                }
            else:
                rows[event.batch_num] |= {
                    "state": event.event,
                    "error_code": event.error_code,
                    "http_status": event.http_status,
                    "detail": event.detail,
                    "answered_at": event.happened_at,
                    "answer_ms": event.answer_ms,
                    "decided_by": event.decided_by,
                }
        return list(rows.values())

    @cached_property
    def batch_by_num(self) -> dict[str, Row]:
        return {batch["batch_num"]: batch for batch in self.batches}

    @cached_property
    def paused(self) -> set[str]:
        """The campaigns that have not been sending since they were paused."""
        last: dict[str, str] = {}
        for event in self.world.happenings:
            if isinstance(event, Event) and event.event in {"paused", "sending", "repeating"}:
                last[event.campaign_id] = event.event
        return {campaign_id for campaign_id, event in last.items() if event == "paused"}

    def received(self, kind: str) -> Iterable[tuple[str, int, datetime, Record]]:
        """Every record that came, with its file, its place in it and when it came.

        A reply that was pushed has the time of its push where it has none of its own.
        """
        for name, happening in self.files.items():
            if isinstance(happening, Pulled) and happening.kind == kind and is_answered(happening):
                for position, record in enumerate(happening.records or ()):
                    yield name, position, happening.called_at, record
            if isinstance(happening, Pushed) and happening.kind == kind:
                for position, record in enumerate(happening.records):
                    timed = record if kind == "reports" or record["moTime"] else record | {"moTime": happening.stamp}
                    yield name, position, happening.pushed_at, timed
            if isinstance(happening, Imported) and kind == "reports":
                for position, record in enumerate(filter(is_filled, happening.records)):
                    yield name, position, happening.imported_at, record

    @cached_property
    def _reports_and_rejects(self) -> tuple[list[Row], list[Row]]:
        good: dict[tuple[Any, ...], Row] = {}
        borrowed: dict[tuple[Any, ...], bool] = {}
        rejects = []
        for name, position, received_at, record in self.received("reports"):
            report, reason = _report(record, name, received_at)
            if reason:
                rejects.append({"source_file": name, "position": position, "kind": "reports", "reason": reason})
                continue
            is_borrowed = report.pop("is_time_borrowed")
            report |= {"received_at": received_at, "source_file": name}
            key = tuple(report[part] for part in ("mission_num", "phone", "code", "stat_time", "batch_num"))
            ways = _ways(name, good.get(key))
            if key not in good or _came(report) < _came(good[key]):
                good[key], borrowed[key] = report, False
            borrowed[key] |= is_borrowed and _came(report) == _came(good[key])
            good[key] |= ways
        kept = [
            one
            for key, one in good.items()
            if not any(
                _says_more(other, one) or (borrowed[key] and _says_when(other, one, is_borrowed=borrowed[name]))
                for name, other in good.items()
            )
        ]
        return kept, rejects

    @property
    def reports(self) -> list[Row]:
        """core.reports: distinct ones, each as it came first; one that another says better is left out."""
        return self._reports_and_rejects[0]

    @cached_property
    def _replies_and_rejects(self) -> tuple[list[Row], list[Row], list[Row]]:
        good: dict[tuple[Any, ...], Row] = {}
        unread: dict[tuple[Any, ...], bool] = {}
        rejects = []
        for name, position, received_at, record in self.received("replies"):
            reply, reason = _reply(record, name, received_at)
            if reason:
                rejects.append({"source_file": name, "position": position, "kind": "replies", "reason": reason})
                continue
            is_unread = reply.pop("is_time_unread")
            reply |= {"received_at": received_at, "source_file": name}
            own_time = reply["replied_at"] if reply["has_own_time"] else None
            key = (reply["phone"], reply["content"], reply["access_num"], reply["has_own_time"], own_time)
            ways = _ways(name, good.get(key))
            first = good.get(key, reply)
            if key not in good or (received_at, name) < (first["received_at"], first["source_file"]):
                good[key], unread[key] = reply, False
            unread[key] |= is_unread and good[key]["source_file"] == name
            good[key] |= ways
        kept = []
        for (phone, content, access_num, *time), reply in good.items():
            others = {more for (*same, more, own, at) in good if same == [phone, content] and [own, at] == time}
            if access_num or others == {""}:
                kept.append(reply)
        return kept, rejects, [reply for key, reply in good.items() if unread[key] and reply in kept]

    @property
    def replies(self) -> list[Row]:
        """core.replies: distinct ones, each as it came first; one without an access number yields to one with it."""
        return self._replies_and_rejects[0]

    @cached_property
    def reply_arrivals(self) -> list[Row]:
        """core.reply_arrivals: each answer in which a reply without a time was."""
        found: dict[tuple[Any, ...], Row] = {}
        for name, _, received_at, record in self.received("replies"):
            reply, reason = _reply(record, name, received_at)
            if name.startswith("replies/") and not reason and not reply["has_own_time"]:
                row = {part: reply[part] for part in ("phone", "content", "access_num")}
                row |= {"received_at": received_at, "source_file": name}
                found[tuple(row.values())] = row
        return list(found.values())

    @property
    def replies_with_unread_times(self) -> list[Row]:
        """Of these, each that came first with a time that can't be read."""
        return self._replies_and_rejects[2]

    @property
    def rejects(self) -> list[Row]:
        """core.rejects, but for the records themselves."""
        whole = []
        for name, happening in self.files.items():
            if isinstance(happening, Pulled) and (fault := fault_of(happening)):
                whole.append({"source_file": name, "position": -1, "kind": happening.kind, "reason": fault})
        return [*self._reports_and_rejects[1], *self._replies_and_rejects[1], *self._lists_and_rejects[1], *whole]

    @cached_property
    def _lists_and_rejects(self) -> tuple[list[Row], list[Row]]:
        good, rejects = [], []
        for name, listed in self.files.items():
            if not isinstance(listed, Listed):
                continue
            for position, (phone, reason, since_at, is_removed) in enumerate(listed.entries):
                if re.fullmatch("1[3-9][0-9]{9}", phone):
                    good.append(
                        {
                            "phone": phone,
                            "reason": reason,
                            "since_at": since_at,
                            "source_file": name,
                            "is_removed": is_removed,
                        }
                    )
                else:
                    fault = "phone: malformed"
                    rejects.append({"source_file": name, "position": position, "kind": "suppressions", "reason": fault})
        return good, rejects

    @property
    def suppressions(self) -> list[Row]:
        return self._lists_and_rejects[0]

    @cached_property
    def balances(self) -> list[Row]:
        return [
            {"queried_at": call.called_at, "balance_count": call.balance, "source_file": name}
            for name, call in self.files.items()
            if isinstance(call, Pulled) and call.kind == "balance" and is_answered(call) and call.balance is not None
        ]

    @cached_property
    def pulls(self) -> list[Row]:
        """core.pulls: every call, and what it was the first to bring."""
        rows = []
        for name, call in self.files.items():
            if not isinstance(call, Pulled):
                continue
            records = len(call.records or ()) if is_answered(call) else 0
            if fault_of(call) or (call.kind == "balance" and is_answered(call)):
                records = 1
            outcome = "ok" if is_answered(call) else "refused"
            if fault_of(call):
                outcome = "unreadable"
            if call.http_status is None:
                outcome = "no_answer"
            rows.append(
                {
                    "source_file": name,
                    "kind": call.kind,
                    "pulled_on": call.day,
                    "called_at": call.called_at,
                    "outcome": outcome,
                    "http_status": call.http_status,
                    "error_code": call.error_code if outcome in {"ok", "refused"} else None,
                    "answer_ms": 7,
                    "record_count": records,
                    "rejected_count": sum(reject["source_file"] == name for reject in self.rejects),
                    "new_record_count": sum(row["source_file"] == name for row in (*self.reports, *self.replies)),
                }
            )
        return rows


# ── Records ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_answered(call: Pulled) -> bool:
    """True if the answer holds what was asked for."""
    return call.records is not None and call.error_code == "000000" and fault_of(call) is None


def fault_of(call: Pulled) -> str | None:
    """Why nobody can read an answer; none if it can be read, or none came."""
    if call.http_status is None:
        return None
    if call.records is None:
        return "the answer of 6 bytes is neither a JSON object nor XML"
    if call.kind == "balance" and call.error_code == "000000" and call.balance is None:
        return "the answer holds no balance"
    return None


def is_filled(record: Record) -> bool:
    """True if a row of an export is more than an empty line; it has no column for the state of the submission."""
    return any(_text(value) for name, value in record.items() if name != "sendStatus")


def _text(value: str | None) -> str:
    return (value or "").strip()


def _phone_of(value: str | None) -> tuple[str | None, list[str]]:
    """The phone without the prefix of China, and what is wrong with it."""
    if value is None:
        return None, [f"phone: {_MISSING}"]
    phone = value.strip()
    for prefix in ("+86", "0086", "86"):
        rest = phone.removeprefix(prefix)
        if rest != phone and re.fullmatch("[0-9]{11}", rest):
            phone = rest
            break
    return phone, [] if re.fullmatch("[0-9]{5,20}", phone) else ["phone: malformed"]


def instant_of(value: str) -> datetime | None:
    if re.fullmatch("[0-9]{13}", value):
        return datetime.fromtimestamp(int(value) / 1000, CHINA)
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y%m%d%H%M%S"):
        try:
            at = datetime.strptime(value.replace("T", " "), form).replace(tzinfo=CHINA)
        except ValueError:
            continue
        return at if 2000 <= at.year < 2100 else None
    return None


def _report(record: Record, name: str, received_at: datetime) -> tuple[Row, str]:
    """A report as it is kept, and what is wrong with it, if anything is."""
    is_import = name.startswith("imports/")
    record = {field: value or None for field, value in record.items()} if is_import else record
    phone, faults = _phone_of(record["destId"])
    code = record["receiveRealStatus"]
    if code is None or (is_import and not code.strip()):
        faults += [f"code: {_MISSING}", f"is_delivered: {_MISSING}"]
    elif not code.strip():
        faults.append("code: empty")
    is_delivered = spelled(_text(code)) in {"0", "DELIVRD"}
    stat_time = instant_of(_text(record["statTime"]))
    is_time_borrowed = is_import and bool(_text(code).strip()) and not is_delivered and not record["statTime"]
    if is_time_borrowed:
        stat_time = received_at.replace(microsecond=0)  # a failure without a time has that of the import
    if stat_time is None:
        faults.append(f"stat_time: {_MISSING}")
    mission_num, batch_num = _text(record["missionNum"]), masked(_text(record["batchNum"]))
    if not (mission_num or batch_num or is_import):
        faults.append("mission_num or batch_num must be given")
    report = {
        "message_id": _message_id(mission_num),
        "mission_num": mission_num,
        "phone": phone,
        "code": masked(spelled(_text(code))),
        "stat_time": stat_time,
        "batch_num": batch_num,
        "is_delivered": is_delivered,
        "send_status": "" if is_import else _text(record["sendStatus"]),
        "receive_status": "",
        "is_time_borrowed": is_time_borrowed,
    }
    return report, "; ".join(sorted(faults))


def spelled(code: str) -> str:
    """A known code in capitals, as the vendor writes all of its codes."""
    if code.upper() == "DELIVERED":
        return "DELIVRD"
    return code.upper() if code.upper() in gateway_codes() else code


def _reply(record: Record, name: str, received_at: datetime) -> tuple[Row, str]:
    """A reply as it is kept, and what is wrong with it; a push comes when the reply does, so it has a time anyway."""
    phone, faults = _phone_of(record["srcId"])
    mo_time = _text(record["moTime"])
    access_num = _text(record["destId"])
    own_time = instant_of(mo_time)
    reply = {
        "phone": phone,
        "content": _text(record["content"]),
        "access_num": "****" if re.fullmatch(r"(\+86|0086|86)?1[3-9][0-9]{9}", access_num) else access_num,
        "replied_at": own_time or received_at,
        "has_own_time": bool(own_time) or name.startswith("pushes/"),
        "is_time_unread": bool(mo_time) and not own_time,
        "plain_content": plain(_text(record["content"])),
    }
    return reply, "; ".join(sorted(faults))


def plain(text: str) -> str:
    """A text in plain letters and digits, lower case, with one blank for all between them."""
    letters = unicodedata.normalize("NFKC", text).lower()
    for signed in (r"\s*【[^【】]*】(.+)", r"(.+)【[^【】]*】\s*"):
        found = re.fullmatch(signed, letters, re.DOTALL)
        letters = found[1] if found and any(map(str.isalnum, found[1])) else letters
    return " ".join("".join(sign if unicodedata.category(sign)[0] in "LN" else " " for sign in letters).split())


def _ways(name: str, known: Row | None) -> Row:
    """The ways that a record has come by, with this file too."""
    ways = {"is_pulled": ("reports/", "replies/"), "is_pushed": ("pushes/",), "is_imported": ("imports/",)}
    return {way: name.startswith(folders) or bool(known and known[way]) for way, folders in ways.items()}


def _message_id(mission_num: str) -> int | None:
    """Campaign key and position, read back from a number as we make them."""
    if not re.fullmatch(f"[{ALPHABET}]{{7}}[0-9]{{9}}", mission_num) or int(mission_num[7:]) >= 2**28:
        return None
    key = 0
    for character in mission_num[:7]:
        key = key * 32 + ALPHABET.index(character)
    return key * 2**28 + int(mission_num[7:])


def _came(report: Row) -> tuple[Any, ...]:
    return report["received_at"], report["source_file"], report["send_status"]


def masked(text: str) -> str:
    """Masks phones in a text that should hold no phone."""
    return re.sub("(1[3-9][0-9])[0-9]{4}([0-9]{4})", r"\1****\2", text)


def _says_more(one: Row, other: Row) -> bool:
    """The first is the second, but for a number that the second lacks."""
    is_same = all(one[name] == other[name] for name in ("phone", "code", "stat_time"))
    numbers = [(one[name], other[name]) for name in ("mission_num", "batch_num")]
    return is_same and one is not other and all(there in (here, "") for here, there in numbers)


def _says_when(one: Row, other: Row, *, is_borrowed: bool) -> bool:
    """The first is the second, whose time is borrowed, with a time of its own or an earlier borrowed one."""
    numbers = [(one[name], other[name]) for name in ("mission_num", "batch_num")]
    is_same = all(one[name] == other[name] for name in ("phone", "code")) and any(there for _, there in numbers)
    is_better = one["stat_time"] != other["stat_time"] and (not is_borrowed or one["stat_time"] < other["stat_time"])
    return is_same and is_better and all(there in (here, "") for here, there in numbers)


def day_of(at: datetime) -> date:
    return at.astimezone(CHINA).date()


def whole_seconds(span: timedelta) -> int:
    """The seconds that have passed in full, in whichever direction."""
    seconds = abs(span) // timedelta(seconds=1)
    return seconds if span >= timedelta(0) else -seconds
