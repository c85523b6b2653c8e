"""Small worlds as plain values: campaigns and their batches, reports, replies, balances, lists, as they came to us.

Everything is of few kinds, so that it meets: few phones, codes and times, on whole seconds and between them, on both
sides of midnight in China. A world is a list of steps, in each of which something happens; between two of them the
books may be closed. Nothing is left out that DESIGN speaks of: reports that are lost, late, repeated, shuffled,
contradictory, for another phone, without numbers, of nobody's messages; batches accepted, refused, split, in doubt,
proven, decided, kept back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.happenings import (
    CHINA,
    OPTS_OUT,
    Campaign,
    Event,
    Happening,
    Imported,
    Listed,
    Pulled,
    Pushed,
    Recipient,
    Record,
    World,
    key_text,
)

MIDNIGHT = datetime(2026, 11, 10, tzinfo=CHINA)

PHONES = (
    "13800000001",
    "13800000002",  # of the same range
    "15000000003",
    "18600000004",
    "19900000005",  # of a range without a province
    "16000000006",  # of no range
    "13300000007",
)
INVALID_PHONES = (None, "", "12345", "12345678901", "1380000000x", "1e500000000", " 1380000000", "138000000011")
NOBODY = "13700000009"

CODES = (
    "DELIVRD",
    "DELIVRD",
    "DELIVRD",
    "0",
    "MK:0001",
    "2:1",
    "MI:0012",
    "delivrd",
    "Delivered",
    "mk:0001",
    "YF:03",
    "MI:?",
    "2:?",
    "YF:?",
    "UNDELIV",
    f"E:{NOBODY}",
)

_KEYS = (1, 2**35 - 2, 0, 2**20, 33, 32)

# From a submission to what a report says, in whole seconds: the edges of buckets and of the report window.
DELAYS = (-3600, -3, -2, -1, 0, 1, 5, 6, 11, 60, 61, 901, 86_401)
FRACTIONS = (0, 400_000, 999_999)


@dataclass
class _Drawn:
    """The events drawn so far, and the report window."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    window: timedelta
    step_count: int
    steps: list[list[Happening]] = field(init=False)
    sent_in: dict[str, int] = field(default_factory=dict)  # the step of each batch's sending

    def __post_init__(self) -> None:
        self.steps = [[] for _ in range(self.step_count)]

    def among(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def upto(self, most: int) -> int:
        return self.draw(st.integers(0, most))

    def chance(self, one_in: int) -> bool:
        """Once in so many; the simplest world has none of it."""
        return self.draw(st.integers(1, one_in)) == one_in

    def at_some_step(self, happening: Happening, first: int = 0) -> int:
        number = self.draw(st.integers(first, self.step_count - 1))
        self.steps[number].append(happening)
        return number

    def after_sending(self, happening: Happening, records: Iterable[Record]) -> None:
        """At some step, but not before the batches that the records name: the journal has a batch before it leaves."""
        named = [self.sent_in.get(record.get("batchNum") or "", 0) for record in records]
        self.at_some_step(happening, max(named, default=0))

    def instant(self, days: int = 6) -> datetime:
        """On some day, at an hour that others choose too."""
        hour, second = self.among((9, 0), (9, 0), (0, 0), (12, 0), (23, 3599))
        fraction = self.among(0, 0, *FRACTIONS)
        return MIDNIGHT + timedelta(days=self.upto(days), hours=hour, seconds=second, microseconds=fraction)


@st.composite
def worlds(
    draw: Callable[[st.SearchStrategy[Any]], Any],
    *,
    step_counts: tuple[int, int] = (1, 3),
    campaign_counts: Sequence[int] = (1, 2, 3, 3),
) -> World:
    """Some campaigns and all that comes of them, in some steps: from the first to the last of `step_counts`."""
    drawn = _Drawn(draw, timedelta(hours=draw(st.sampled_from((72, 30, 24)))), draw(st.integers(*step_counts)))
    keys = draw(st.permutations(_KEYS[: max(campaign_counts)]))
    names = "abcdef"[: drawn.among(*campaign_counts)]
    campaigns = [_campaign(drawn, name, key) for name, key in zip(names, keys, strict=False)]
    sent: list[tuple[Campaign, Event]] = []
    for campaign in campaigns:
        first = drawn.at_some_step(campaign)
        for event in _sending(drawn, campaign):
            first = drawn.at_some_step(event, first)
            if event.event == "sending":
                sent.append((campaign, event))
                drawn.sent_in[event.batch_num or ""] = first
    _reports(drawn, campaigns, sent)
    _replies(drawn, campaigns, sent)
    _balances(drawn, sent)
    _lists(drawn)
    return World(
        steps=tuple(tuple(step) for step in drawn.steps),
        as_of=_as_of(drawn, sent),
        report_window_hours=drawn.window // timedelta(hours=1),
        hard_failures=drawn.among(1, 2),
        price_per_segment=drawn.among(0.05, None),
    )


def _as_of(drawn: _Drawn, sent: Sequence[tuple[Campaign, Event]]) -> datetime:
    """Some days later, or at the end of a report window, to the microsecond."""
    if sent and drawn.chance(2):
        _, event = drawn.among(*sent)
        return event.happened_at + drawn.window + timedelta(microseconds=drawn.among(0, 0, 1, -1))
    return MIDNIGHT + timedelta(days=drawn.among(9, 5, 4, 3, 1), hours=drawn.among(0, 12))


# ── Plans ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _campaign(drawn: _Drawn, campaign_id: str, key: int) -> Campaign:
    has_own = drawn.chance(2)
    phones = drawn.draw(st.permutations(PHONES))[: drawn.among(3, 7, 5, 7, 6, 1, 0)]
    others = [_never_sent(drawn, phones, has_own) for _ in range(drawn.upto(3))]
    rows: list[Recipient] = []
    planned_batch = 0
    for position, phone in enumerate(phones):
        planned_batch += bool(position) and drawn.chance(2)
        shared = f"777777700000000{position}"
        own = drawn.among(f"{campaign_id}{position}", f"{campaign_id}_{phone}", shared, shared)
        rows.append(
            Recipient(
                input_row=0,
                position=position,
                disposition="planned",
                reason=None,
                duplicate_of_row=None,
                phone=phone,
                mission_num=own if has_own else f"{key_text(key)}{position:09}",
                planned_batch=planned_batch,
                content="【云鋒網絡】秋季会员日",
                extra_num=drawn.among(None, "01", "8"),
                segment_count=drawn.among(1, 1, 2, 9),
            )
        )
    rows += others
    order = drawn.draw(st.permutations(range(len(rows))))
    return Campaign(
        campaign_id=campaign_id,
        key=key,
        planned_at=MIDNIGHT - timedelta(hours=drawn.among(1, 1, 2)),
        has_own_mission_nums=has_own,
        has_secret_key=drawn.among(True, False),
        rows=tuple(replace(row, input_row=number) for row, number in zip(rows, order, strict=True)),
    )


def _never_sent(drawn: _Drawn, phones: Sequence[str], has_own: bool) -> Recipient:
    disposition = drawn.among("invalid", "duplicate", "suppressed")
    is_invalid = disposition == "invalid"
    return Recipient(
        input_row=0,
        position=None,
        disposition=disposition,
        reason={"invalid": "phone_malformed", "duplicate": "phone_repeated"}.get(disposition, "opted_out"),
        duplicate_of_row=0 if disposition == "duplicate" else None,
        phone=drawn.among(*INVALID_PHONES) if is_invalid else drawn.among(*(phones or PHONES)),
        mission_num=drawn.among("a0", "spare") if has_own else None,
        planned_batch=None,
        content=drawn.among(None, "【云鋒網絡】秋季会员日") if is_invalid else "【云鋒網絡】秋季会员日",
        extra_num=None,
        segment_count=None if is_invalid else 1,
    )


# ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Piece:
    planned_batch: int
    first: int
    last: int
    attempt: int = 1


# What became of a request: the outcome, and which error code, HTTP status and detail it came with.
_OUTCOMES: dict[str, tuple[tuple[str | None, int | None, str | None], ...]] = {
    "accepted": (("000000", 200, None),),
    "refused": (("100001", 200, None), ("100007", 200, None), ("123456", 200, None)),
    "in_doubt": (("999999", 200, None), (None, 502, "no answer"), (None, None, "the sender stopped")),
    "not_sent": (("100014", 200, None), (None, None, "no connection")),
    "split": (("100007", 200, None),),
    "suppressed": ((None, None, "opted_out"),),
}
_FATES = ("accepted", "in_doubt", "refused", "not_sent", "split", "suppressed", "silent", "rest")
_FATES += ("accepted", "in_doubt", "in_doubt", "refused", *["accepted"] * 5)


def _sending(drawn: _Drawn, campaign: Campaign) -> list[Event]:
    """The journal of a campaign: every piece of the plan is sent until it is settled, or rests."""
    events: list[Event] = []
    pieces = _planned_pieces(campaign)
    clock = campaign.planned_at + timedelta(hours=drawn.among(1, 10, 24), microseconds=drawn.among(*FRACTIONS))
    number = 0
    while pieces:
        piece = pieces.pop(0)
        fate = drawn.among(*_FATES)
        if fate == "rest" or piece.attempt > 3:
            continue
        if fate == "split" and piece.first == piece.last:
            fate = "accepted"
        number += 1
        clock += timedelta(seconds=drawn.among(0, 0, 0.4, 37, 3599, 40_000))
        sending = Event(
            campaign_id=campaign.campaign_id,
            event="sending",
            happened_at=clock,
            batch_num=f"{key_text(campaign.key)}B{number:08}",
            planned_batch=piece.planned_batch,
            first=piece.first,
            last=piece.last,
            attempt=piece.attempt,
        )
        events.append(sending)
        if fate != "silent":
            events.append(_answer(drawn, sending, fate))
        last, outcome = events[-1], fate
        if fate == "in_doubt" and drawn.chance(3):
            events.append(Event(campaign.campaign_id, "repeating", clock, sending.batch_num))
        if fate in {"silent", "in_doubt"} and drawn.chance(3):
            outcome = drawn.among("accepted", "not_sent")
            events.append(_decision(drawn, last, outcome))
        if outcome == "not_sent":
            pieces.append(_Piece(piece.planned_batch, piece.first, piece.last, piece.attempt + 1))
        elif outcome == "split":
            middle = (piece.first + piece.last) // 2
            pieces.append(_Piece(piece.planned_batch, piece.first, middle, piece.attempt + 1))
            pieces.append(_Piece(piece.planned_batch, middle + 1, piece.last, piece.attempt + 1))
        if drawn.chance(8):
            events.append(Event(campaign.campaign_id, "paused", clock, detail="balance too low"))
    return events


def _planned_pieces(campaign: Campaign) -> list[_Piece]:
    ranges: dict[int, list[int]] = {}
    for row in campaign.messages:
        ranges.setdefault(row.planned_batch or 0, []).append(row.position or 0)
    return [_Piece(number, positions[0], positions[-1]) for number, positions in ranges.items()]


def _answer(drawn: _Drawn, sending: Event, state: str) -> Event:
    """The outcome of a request; kept back is what never left, and a clock may be put back meanwhile."""
    error_code, http_status, detail = drawn.among(*_OUTCOMES[state])
    seconds = 0 if state == "suppressed" else drawn.among(0.2, 0, 45, 7200, -3, -3)
    return Event(
        campaign_id=sending.campaign_id,
        event=state,
        happened_at=sending.happened_at + timedelta(seconds=seconds),
        batch_num=sending.batch_num,
        error_code=error_code,
        http_status=http_status,
        answer_ms=None if http_status is None else 200,
        detail=detail,
    )


def _decision(drawn: _Drawn, doubt: Event, state: str) -> Event:
    """Somebody's word, a day later; what the answer was is still known."""
    return Event(
        campaign_id=doubt.campaign_id,
        event=state,
        happened_at=doubt.happened_at + timedelta(hours=drawn.among(1, 24)),
        batch_num=doubt.batch_num,
        error_code=doubt.error_code,
        http_status=doubt.http_status,
        answer_ms=doubt.answer_ms,
        detail="ticket 4711",
        decided_by="the operator",
    )


# ── What comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


def _reports(drawn: _Drawn, campaigns: Sequence[Campaign], sent: Sequence[tuple[Campaign, Event]]) -> None:
    """Reports of what was sent, and of what was not; each comes in no call, in one, or in some, or in an export."""
    records = [
        _report(drawn, campaign, row, event, [event for _, event in sent])
        for campaign, event in sent
        if not drawn.chance(4)  # of a whole batch nothing is ever heard
        for row in campaign.messages[event.first : event.last + 1]
        for _ in range(drawn.among(1, 1, 2, 3, 0, 4))
    ]
    for campaign in campaigns:
        for row in campaign.messages:
            if drawn.chance(8):  # whether it was sent or not
                records.append(_report(drawn, campaign, row, None, [event for _, event in sent]))
    # At the same second with another code, where the later arrival decides; or the same with a number less.
    others = ({"receiveRealStatus": drawn.among(*CODES)}, {"missionNum": None}, {"batchNum": None})
    records += [record | drawn.among(*others) for record in records if drawn.chance(5)]
    records += [_report_of_nobody(drawn) for _ in range(drawn.among(0, 1, 2, 3))]
    calls = [_call(drawn, "reports") for _ in range(2 + drawn.upto(3))]
    exports = [drawn.instant() for _ in range(drawn.among(0, 1, 1))]
    carried: list[list[Record]] = [[] for _ in (*calls, *exports)]
    for record in records:
        is_numberless = not (record["missionNum"] or record["batchNum"])
        for _ in range(drawn.among(1, 1, 1, 1, 2, 0)):
            number = drawn.upto(len(carried) - 1)
            if is_numberless and exports and not drawn.chance(6):  # only exports may lack both numbers
                number = len(carried) - 1
            carried[number].insert(drawn.upto(len(carried[number])), record)
    for call, some in zip(calls, carried, strict=False):
        _bring(drawn, call, some)
    for imported_at, some in zip(exports, carried[len(calls) :], strict=True):
        drawn.after_sending(Imported(imported_at, tuple(some)), some)


def _bring(drawn: _Drawn, call: Pulled, records: Sequence[Record]) -> None:
    """Have records come with a call, or be pushed instead, or too."""
    is_pushed, is_pulled = drawn.among((True, False), (True, True), (False, True), (False, True))
    if is_pulled:
        drawn.after_sending(replace(call, records=tuple(records)) if call.records is not None else call, records)
    if is_pushed and records:
        said_at = drawn.among(call.called_at, call.called_at - timedelta(days=2), MIDNIGHT + timedelta(hours=10))
        plain = f"{said_at.astimezone(CHINA):%Y%m%d%H%M%S}"
        stamp = drawn.among(plain, plain, f"{int(said_at.timestamp())}000", "", "noon")
        drawn.after_sending(Pushed(call.kind, drawn.instant(), stamp, tuple(records)), records)


def _call(drawn: _Drawn, kind: str) -> Pulled:
    """A call, most often answered well."""
    called_at = drawn.instant()
    day = (MIDNIGHT + timedelta(days=drawn.upto(5))).date() if kind == "reports" else None
    fault = drawn.among(*["none"] * 9, "refused", "no answer", "unreadable")
    return {
        "none": Pulled(kind, called_at, day),
        "refused": Pulled(kind, called_at, day, error_code="100014"),
        "no answer": Pulled(kind, called_at, day, http_status=None, records=None),
        "unreadable": Pulled(kind, called_at, day, http_status=502, records=None),
    }[fault]


def _report(
    drawn: _Drawn, campaign: Campaign, row: Recipient, sending: Event | None, others: Sequence[Event]
) -> Record:
    """A report for a message; `sending` is null for one that need not have been sent."""
    submitted_at = sending.happened_at if sending else MIDNIGHT + timedelta(hours=10)
    window = int(drawn.window.total_seconds())
    delay = drawn.among(*DELAYS, -1, -1, window - 1, window, *[window + 1] * 3, window + 7200)
    stat_time = submitted_at.replace(microsecond=0) + timedelta(seconds=delay)
    batch_num = sending.batch_num if sending else None
    if drawn.chance(6):
        batch_num = drawn.among(None, "", "nobody's", *[event.batch_num for event in others])
    mission_num = row.mission_num
    if drawn.chance(4):
        mission_num = drawn.among(None, "", " ")
        batch_num = drawn.among(batch_num, None)
    return {
        "missionNum": mission_num,
        "destId": _phone(drawn, row.phone or NOBODY),
        "receiveRealStatus": drawn.among(*CODES) if not drawn.chance(40) else drawn.among(None, " "),
        "batchNum": batch_num,
        "statTime": _time(drawn, stat_time),
        "sendStatus": drawn.among("SUCCESS", None),
    }


def _report_of_nobody(drawn: _Drawn) -> Record:
    """A report that names no message of ours, or nearly does."""
    return {
        "missionNum": drawn.among(
            "nobody",
            f"{key_text(2**35 - 2)}000000900",
            f"{key_text(3)}000000000",
            f"{key_text(0)}{2**28}",
            f"x{PHONES[0]}",
            "spare",
            "a0",
        ),
        "destId": drawn.among(*PHONES, NOBODY),
        "receiveRealStatus": drawn.among(*CODES),
        "batchNum": drawn.among("nobody's", f"x{NOBODY}", "", None),
        "statTime": _time(drawn, MIDNIGHT + timedelta(hours=12)),
        "sendStatus": None,
    }


def _phone(drawn: _Drawn, phone: str) -> str | None:
    """Written in one of the ways that a gateway has, or another one's, or none."""
    if drawn.chance(8):
        return drawn.among(None, "x", "1x", *PHONES, *PHONES)
    return drawn.among(phone, phone, f"86{phone}", f"+86{phone}", f"0086{phone}", f" {phone} ")


def _time(drawn: _Drawn, at: datetime) -> str | None:
    if drawn.chance(40):
        return drawn.among(None, "noon", "2026-02-30 12:00:00", "1999-12-31 23:59:59")
    text = f"{at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    return drawn.among(text, text, text, text.replace(" ", "T"), f"{text}.0")


def _replies(drawn: _Drawn, campaigns: Sequence[Campaign], sent: Sequence[tuple[Campaign, Event]]) -> None:
    times = [event.happened_at for _, event in sent] or [MIDNIGHT]
    phones = [row.phone for campaign in campaigns for row in campaign.messages] or [NOBODY]
    records = [_reply(drawn, phones, times) for _ in range(drawn.among(1, 2, 3, 5, 0))]
    records += [record | drawn.among({"destId": None}, {"moTime": None}) for record in records if drawn.chance(3)]
    for _ in range(drawn.among(1, 2, 3)):
        call = _call(drawn, "replies")
        _bring(drawn, call, [record for record in records if not drawn.chance(3)])


def _reply(drawn: _Drawn, phones: Sequence[str | None], times: Sequence[datetime]) -> Record:
    at = drawn.among(*times).replace(microsecond=0) + timedelta(seconds=drawn.among(-1, 0, 1, 30, 90_000))
    return {
        "srcId": _phone(drawn, drawn.among(*phones, *phones, NOBODY)),
        "content": drawn.among(*OPTS_OUT),
        "destId": drawn.among(None, "", "10690001", "1069000108", "106900018", f"86{NOBODY}"),
        "moTime": _time(drawn, at) if drawn.chance(2) else drawn.among(None, ""),
    }


def _balances(drawn: _Drawn, sent: Sequence[tuple[Campaign, Event]]) -> None:
    """Balances told now and then, some at the very instant at which a batch left or two at once."""
    left_at = [event.happened_at for _, event in sent]
    told_at: datetime | None = None
    for _ in range(drawn.among(0, 2, 3, 5, 7)):
        call = _call(drawn, "balance")
        if told_at is not None and drawn.chance(4):
            call = replace(call, called_at=told_at)
        elif left_at and not drawn.chance(3):
            moment = drawn.among(*left_at) + timedelta(seconds=drawn.among(0, 0.2, -0.2, -2, 10, 3600))
            call = replace(call, called_at=moment)
        told_at = call.called_at
        drawn.at_some_step(replace(call, balance=drawn.among(1000, 999, 997, 990, None)))


def _lists(drawn: _Drawn) -> None:
    for _ in range(drawn.among(0, 1, 1, 2)):
        entries = tuple(
            (drawn.among(*PHONES, "x"), drawn.among("opted_out", "complained"), drawn.instant(), drawn.chance(2))
            for _ in range(1 + drawn.upto(2))
        )
        drawn.at_some_step(Listed(drawn.instant().astimezone(UTC), entries))
