"""Events of a world, as plain values: plans, events of the journal, calls, pushes, exports, lists."""

from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta, timezone
from typing import Final

from hypothesis.vendor.pretty import RepresentationPrinter

CHINA = timezone(timedelta(hours=8))
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

OPT_OUT_WORDS = ("TD", "T", "N", "unsubscribe", "退订", "取消")
AMBIGUOUS_OPT_OUT_WORDS = ("取消",)

# Texts of replies, and whether each opts out; "near" if a person has to decide.
OPTS_OUT: Final = {
    "T": "yes",
    "td": "yes",
    "退订吧": "yes",
    "ＴＤ！": "yes",
    "t d": "yes",
    "T退订": "yes",
    "请回复TD": "yes",
    "【云鋒網絡】取消": "yes",
    "取消": "yes",
    "UNSUBSCRIBE": "yes",
    "TD ok": "yes",
    "tdk": "near",
    "取消订单吗": "near",
    "不要退订": "near",
    "退": "no",
    "你好": "no",
    "": "no",
}

Record = dict[str, str | None]


@dataclass(frozen=True)
class Recipient:
    """A row of a plan; `position` is null where the row is never to be sent."""

    input_row: int
    position: int | None
    disposition: str
    reason: str | None
    duplicate_of_row: int | None
    phone: str | None
    mission_num: str | None
    planned_batch: int | None
    content: str | None
    extra_num: str | None
    segment_count: int | None


@dataclass(frozen=True)
class Campaign:
    """A campaign as planned, its messages first, in the order of their positions."""

    campaign_id: str
    key: int
    planned_at: datetime
    has_own_mission_nums: bool
    has_secret_key: bool
    rows: tuple[Recipient, ...]

    @property
    def messages(self) -> list[Recipient]:
        return [row for row in self.rows if row.position is not None]


@dataclass(frozen=True)
class Event:
    """An event of the journal; `sending` alone says which messages are meant."""

    campaign_id: str
    event: str
    happened_at: datetime
    batch_num: str | None = None
    planned_batch: int = 0
    first: int = 0
    last: int = 0
    attempt: int = 1
    error_code: str | None = None
    http_status: int | None = None
    answer_ms: int | None = None
    detail: str | None = None
    decided_by: str | None = None


@dataclass(frozen=True)
class Pulled:
    """A call of the gateway: `records` of an answer, or null where nobody can read it; no HTTP status, no answer."""

    kind: str
    called_at: datetime
    day: date | None = None
    http_status: int | None = 200
    error_code: str = "000000"
    records: tuple[Record, ...] | None = ()
    balance: int | None = None


@dataclass(frozen=True)
class Pushed:
    """A segment of pushes of one kind, one record each; `stamp` is what their heads say of the time."""

    kind: str
    pushed_at: datetime
    stamp: str
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Imported:
    """An export of reports from the vendor's console."""

    imported_at: datetime
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Listed:
    """A list of phones that must not be written to: phone, reason, since_at, is_removed."""

    landed_at: datetime
    entries: tuple[tuple[str, str, datetime, bool], ...]


Happening = Campaign | Event | Pulled | Pushed | Imported | Listed


@dataclass(frozen=True, repr=False)
class World:
    """Events in order, and the settings with which the books are closed."""

    steps: tuple[tuple[Happening, ...], ...]
    as_of: datetime
    report_window_hours: int
    hard_failures: int
    price_per_segment: float | None

    def __repr__(self) -> str:
        """All of it where that can be read; else its size, for the world to be made small first."""
        values = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
        return f"World({values})" if len(values) < 5000 else f"<a world of {len(self.happenings)} happenings>"

    def _repr_pretty_(self, printer: RepresentationPrinter, _: bool) -> None:
        printer.text(repr(self))

    @property
    def happenings(self) -> list[Happening]:
        return [happening for step in self.steps for happening in step]


def key_text(key: int) -> str:
    """The seven characters of base 32 that the numbers of a campaign start with."""
    text = ""
    for _ in range(7):
        text = ALPHABET[key % 32] + text
        key //= 32
    return text
