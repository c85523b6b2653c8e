"""Outcomes of accepted messages: their reports and replies, drawn from the seed.

A pure function of the seed and the message's mission number (without one: its batch and phone), so neither order nor
retries change the outcome. Times are counted from the acceptance.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Literal, NamedTuple

from pipelines.sandbox.settings import Shares

DELIVERED_CODES = ("DELIVRD", "0")
UNREGISTERED_SIGNATURE = "YF:11"
ACCESS_NUM = "10690001"

ReportKind = Literal["first", "duplicate", "conflict", "orphan", "phone_mismatch"]
Carrier = Literal["mobile", "unicom", "telecom"]

_DAY = 86_400
_FIRST_DAY = date(1970, 1, 1)
_CHINA_OFFSET_SECONDS = 8 * 3600  # no summer time since 1991
_WINDOW_SECONDS = 72 * 3600
_MEDIAN_SECONDS = 6.0
_SPREAD = 1.0  # of the logarithm: 1 % take longer than a minute, besides the late ones
_UNIT = 2.0**-32
_DRAWS = Struct("<12I")

_UNICOM_PREFIXES = "130 131 132 145 146 155 156 166 167 171 175 176 185 186 196"
_TELECOM_PREFIXES = "133 149 153 162 173 174 177 180 181 189 190 191 193 199"
_CARRIERS: Mapping[str, Carrier] = {
    **dict.fromkeys(_UNICOM_PREFIXES.split(), "unicom"),
    **dict.fromkeys(_TELECOM_PREFIXES.split(), "telecom"),
}  # all others count as mobile


def _weighted(**codes: int) -> tuple[str, ...]:
    return tuple(code for code, weight in codes.items() for _ in range(weight))


# Failure code → relative frequency. YF codes are the platform's own, for all carriers; the codes in the last line of
# each carrier are missing from the vendor's tables, like many real codes.
_PLATFORM = {"YF:01": 1, "YF:02": 1, "YF:03": 3, "YF:11": 1, "YF:13": 2, "YF:21": 1}
_FAILURES: Mapping[Carrier, tuple[str, ...]] = {
    "mobile": _weighted(
        **{"MK:0001": 8, "MK:0000": 5, "MK:0010": 5, "MI:0012": 5, "MK:0004": 2, "MK:0005": 2, "MK:0015": 2},
        **_PLATFORM,
        **{"MK:0012": 1, "MC:0055": 1, "MN:0017": 1, "EXPIRED": 1},
    ),
    "unicom": _weighted(
        **{"2:1": 5, "2:10": 5, "2:12": 4, "2:5": 3, "2:13": 3, "2:3": 2, "2:11": 1, "2:15": 1, "2:33": 2, "2:37": 2},
        **_PLATFORM,
        **{"2:24": 1, "2:182": 1, "UNDELIV": 1},
    ),
    "telecom": _weighted(**_PLATFORM, **{"660": 2, "701": 1, "602": 1, "UNDELIV": 2, "EXPIRED": 1}),
}
# Percentage of a carrier's delivered messages that are reported as DELIVRD; the others are reported as 0.
_DELIVRD_PERCENT: Mapping[Carrier, int] = {"mobile": 90, "unicom": 15, "telecom": 60}

# People opt out in many spellings.
_REPLIES = ("TD", "T", "td", "退订", " 退订 ", "退訂", "TD,谢谢", "N", "收到", "谢谢", "好的", "你是谁?", "几点开始?")


class Message(NamedTuple):
    """An accepted message, with the columns that drawing needs."""

    message: int
    batch_id: int
    batch_num: str
    mission_num: str
    phone: str
    accepted_at: float
    is_signed: int
    extra_num: str


class Report(NamedTuple):
    """A report; phone and batch number are clean, the two flags say how they are spoilt when handed out."""

    batch_id: int
    kind: ReportKind
    mission_num: str
    phone: str
    code: str
    stat_time: str
    batch_num: str
    has_country_code: bool
    has_leading_blank: bool
    submitted_on: str
    due_at: int


class Reply(NamedTuple):
    """A reply of a person."""

    phone: str
    content: str
    access_num: str
    mo_time: str
    due_at: int


@dataclass
class Outcomes:
    """Reports and replies of some messages."""

    reports: list[Report] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)


def carrier(phone: str) -> Carrier:
    """The carrier of the number range."""
    return _CARRIERS.get(phone[:3], "mobile")


def draw_outcomes(seed: int, shares: Shares, messages: Iterable[Message]) -> Outcomes:
    """The reports and replies of `messages`, whenever they are due."""
    outcomes = Outcomes()
    key = seed.to_bytes(16, "little", signed=True)
    delivered_below = 1.0 - shares.failed - shares.unreported
    for message in messages:
        identity = message.mission_num or f"{message.batch_num or message.batch_id}/{message.phone}"
        digest = blake2b(identity.encode(), key=key, digest_size=48).digest()
        fate, pick, speed, angle, tail, tail_length, extra, extra_delay, orphan, reply, prefix, blank = [
            number * _UNIT for number in _DRAWS.unpack(digest)
        ]
        submitted_on = day_text(message.accepted_at)
        if orphan < shares.orphan:
            outcomes.reports.append(_orphan(message, digest.hex(), submitted_on, extra_delay))
        is_delivered = fate < delivered_below and bool(message.is_signed)
        if fate >= delivered_below + shares.failed:
            continue
        stat_at = int(message.accepted_at) + 1 + _latency(shares, speed, angle, tail, tail_length)
        report = Report(
            message.batch_id,
            "first",
            message.mission_num,
            message.phone,
            _code(message, is_delivered=is_delivered, pick=pick),
            stat_time_text(stat_at),
            message.batch_num,
            prefix < shares.country_code,
            bool(message.batch_num) and blank < shares.leading_blank,
            submitted_on,
            stat_at,
        )
        outcomes.reports.append(report)
        if extra < shares.duplicate + shares.conflict + shares.phone_mismatch:
            again = _second_report(shares, report, extra, pick, 30 + int(extra_delay * 3600), is_delivered=is_delivered)
            if again is not None and (message.is_signed or again.kind == "duplicate"):
                outcomes.reports.append(again)
        if is_delivered and reply < shares.reply:
            outcomes.replies.append(_reply(message, stat_at + 20 + int(extra_delay * 7200), pick))
    return outcomes


def _latency(shares: Shares, speed: float, angle: float, tail: float, tail_length: float) -> int:
    """Seconds to the report: log-normal around some seconds; some minutes to a day; a few 72 to 90 hours."""
    if tail < shares.beyond_window:
        return _WINDOW_SECONDS + 60 + int(tail_length * 18 * 3600)
    if tail < shares.beyond_window + shares.late:
        return int(300 * 288**tail_length)  # 5 minutes to 24 hours, the shorter the likelier
    gauss = math.sqrt(-2 * math.log(1 - speed)) * math.cos(2 * math.pi * angle)
    return int(_MEDIAN_SECONDS * math.exp(_SPREAD * gauss))


def _code(message: Message, *, is_delivered: bool, pick: float) -> str:
    if not message.is_signed:
        return UNREGISTERED_SIGNATURE
    kind = carrier(message.phone)
    if is_delivered:
        return DELIVERED_CODES[0] if pick * 100 < _DELIVRD_PERCENT[kind] else DELIVERED_CODES[1]
    failures = _FAILURES[kind]
    return failures[int(pick * len(failures))]


def _second_report(
    shares: Shares, report: Report, extra: float, pick: float, delay: int, *, is_delivered: bool
) -> Report | None:
    due_at = report.due_at + delay
    if extra < shares.duplicate:
        return report._replace(kind="duplicate", due_at=due_at)
    later = report._replace(stat_time=stat_time_text(due_at), due_at=due_at)
    if extra < shares.duplicate + shares.conflict:
        if not is_delivered:
            return later._replace(kind="conflict", code=DELIVERED_CODES[0])
        failures = _FAILURES[carrier(report.phone)]
        return later._replace(kind="conflict", code=failures[int(pick * len(failures))])
    if not report.mission_num:
        return None  # without a mission number the report belongs to its message by the phone
    return later._replace(kind="phone_mismatch", phone=_other_phone(report.phone))


def _orphan(message: Message, digits: str, submitted_on: str, delay: float) -> Report:
    """A report of a message that was never sent here, as of another client of the account."""
    stat_at = int(message.accepted_at) + 1 + int(delay * 600)
    if stat_at % 2:
        mission_num, batch_num = f"orphan_{digits[:20]}", f"orphan_{digits[:8]}"
    else:  # numbers in the form of smsrecon
        mission_num, batch_num = f"{digits[:7].upper()}{int(digits[7:13], 16):09}", f"{digits[:7].upper()}B00000000"
    return Report(
        message.batch_id,
        "orphan",
        mission_num,
        _other_phone(message.phone),
        DELIVERED_CODES[0],
        stat_time_text(stat_at),
        batch_num,
        has_country_code=False,
        has_leading_blank=False,
        submitted_on=submitted_on,
        due_at=stat_at,
    )


def _reply(message: Message, replied_at: int, pick: float) -> Reply:
    content = _REPLIES[int(pick * 1e6) % len(_REPLIES)]
    return Reply(message.phone, content, ACCESS_NUM + message.extra_num, stat_time_text(replied_at), replied_at)


def _other_phone(phone: str) -> str:
    return f"{phone[:10]}{(int(phone[10]) + 5) % 10}"


@lru_cache(maxsize=64)
def _day_text(day: int) -> str:
    return (_FIRST_DAY + timedelta(days=day)).isoformat()


def day_text(at: float) -> str:
    """`2017-04-21`, the day in China, of seconds since 1970."""
    return _day_text((int(at) + _CHINA_OFFSET_SECONDS) // _DAY)


def stat_time_text(at: float) -> str:
    """`2017-04-21 22:42:22` in China, of seconds since 1970."""
    day, second = divmod(int(at) + _CHINA_OFFSET_SECONDS, _DAY)
    hour, rest = divmod(second, 3600)
    return f"{_day_text(day)} {hour:02}:{rest // 60:02}:{rest % 60:02}"
