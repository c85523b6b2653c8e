"""What an operator can choose of the sandbox; no reading of files, variables or options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from pipelines.errors import UsageError

FaultKind = Literal["drop", "delay", "http_500", "http_502", "truncated", "garbage", "malformed_json", "system_error"]
FAULT_KINDS: tuple[FaultKind, ...] = (
    "drop", "delay", "http_500", "http_502", "truncated", "garbage", "malformed_json", "system_error",
)  # fmt: skip

# The first two are those of the vendor's sample clients; the third takes any text.
DEFAULT_TEMPLATES: Mapping[str, str] = {
    "1": "【云鋒網絡】您好,您的驗證碼是{}",
    "27": "【云鋒網絡】您好,這是測試{}",
    "100": "{}",
}


CallKind = Literal["send", "query"]
PushKind = Literal["reports", "replies"]


@dataclass(frozen=True)
class Fault:
    """One fault, for the next send or query; the kinds are explained in faults.py."""

    kind: FaultKind
    is_accepted: bool = True  # whether the gateway did its work before: accepted the send, handed out the records
    call: CallKind = "send"
    seconds: float | None = None  # of a delay; None = the setting


@dataclass(frozen=True)
class Shares:
    """Of all messages, the share that ends in a certain way; what is left is delivered."""

    failed: float = 0.05
    """Reported as failed, over all codes."""
    unreported: float = 0.02
    """Never reported."""
    late: float = 0.03
    """Reported minutes to a day later instead of seconds."""
    beyond_window: float = 0.002
    """Reported after 72 hours."""
    duplicate: float = 0.01
    """The same report once more."""
    conflict: float = 0.003
    """A second report with the opposite verdict."""
    phone_mismatch: float = 0.001
    """A second report of the mission number with another phone."""
    orphan: float = 0.001
    """One more report, of a mission number that was never sent."""
    reply: float = 0.005
    """Answered by the person."""
    country_code: float = 0.005
    """Reports whose phone has the prefix 86."""
    leading_blank: float = 0.02
    """Reports whose batch number starts with a blank, as on the vendor's page."""

    def __post_init__(self) -> None:
        wrong = [name.name for name in fields(self) if not 0 <= getattr(self, name.name) <= 1]
        if wrong:
            raise UsageError(f"not a share between 0 and 1: {', '.join(wrong)}; correct it")
        if self.failed + self.unreported > 1:
            raise UsageError("the shares failed and unreported are more than 1 together; lower one of them")
        if self.duplicate + self.conflict + self.phone_mismatch > 1:
            raise UsageError("the shares duplicate, conflict and phone_mismatch are more than 1 together; lower one")


@dataclass(frozen=True)
class SandboxSettings:
    """Everything that can be chosen."""

    truth: Path
    """The SQLite file of what really happened: made where there is none, else gone on with."""
    host: str = "127.0.0.1"
    """The address it listens on."""
    port: int = 0
    """The port it listens on; 0 takes any free one."""
    app_key: str = "sandbox-key"
    """The key that callers must have."""
    app_secret: str = field(default="sandbox-secret", repr=False)
    """The secret that callers must have."""
    allowed_peers: tuple[str, ...] = ("127.0.0.1",)
    """Addresses that may call; others get 100004. * allows all."""
    seed: int = 1
    """Decides what becomes of every message, and which calls fail."""
    shares: Shares = field(default_factory=Shares)

    balance: int = 1_000_000
    """Segments on the account of a new truth file."""
    daily_limit: int | None = None
    """Messages a day in China; more get 100010."""
    requests_per_second: float | None = None
    """More get 100014."""
    phone_limit: int | None = None
    """Messages to one phone within phone-limit-seconds; more get 100008."""
    phone_limit_seconds: float = 3600.0
    """The time that phone-limit counts in."""
    signatures: tuple[str, ...] | None = None
    """Registered signatures, without 【】; texts with others fail with YF:11. None given: any will do."""
    templates: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_TEMPLATES))
    """Registered templates by id; {} stands for any text."""

    report_mode: Literal["snapshot", "drain"] = "snapshot"
    """A day's reports again at every call, or each handed out once."""
    report_day: Literal["reported", "submitted"] = "reported"
    """What the day asked for means: that of the report, or that of the sending."""
    max_records_per_call: int | None = None
    """Most records in one answer."""
    field_case: Literal["camel", "snake"] = "camel"
    """How fields of records are named: missionNum or mission_num."""
    envelope: Literal["records", "data", "list", "reports"] = "records"
    """The name of the list of records."""
    charset: Literal["utf-8", "utf-8-sig", "gb18030"] = "utf-8"
    """How answers are encoded; utf-8-sig is with a byte order mark."""
    has_reply_time: bool = True
    """Whether replies say when they were sent."""

    push_url: str | None = field(default=None, repr=False)
    """Where reports and replies are pushed as they become due. None given: nowhere."""
    push_kinds: tuple[PushKind, ...] = ("reports", "replies")
    """What is pushed."""
    push_records: int = 1
    """Most reports in one packet; a reply has one of its own."""
    push_sign_text: str = "{app_key}{time_stamp}{nonce_str}{app_secret}"
    """What the MD5 in sign is of."""
    push_stamp: Literal["made", "due"] = "made"
    """What time_stamp says: when the packet was made, or when what it brings was due."""
    push_connections: int = 4
    """Packets on their way at once."""
    push_timeout_seconds: float = 10.0
    """How long an answer to a packet may take."""
    push_retry_seconds: tuple[float, ...] = (1.0, 5.0, 30.0, 60.0, 300.0)
    """The waits before a packet that was not answered 200 is pushed again; after the last it is given up."""
    push_duplicate_rate: float = 0.0
    """Share of packets pushed once more though they were answered 200."""

    fault_rate: float = 0.0
    """Share of sends whose answer goes wrong on its way."""
    query_fault_rate: float = 0.0
    """The same of queries."""
    fault_kinds: tuple[FaultKind, ...] = FAULT_KINDS
    """What can go wrong."""
    delay_seconds: float = 60.0
    """How long the fault delay takes: longer than the client waits."""
    clock_shift_seconds: float = 0.0
    """How far its clock is ahead of this machine's; negative: behind."""

    def __post_init__(self) -> None:
        if not (0 <= self.fault_rate <= 1 and 0 <= self.query_fault_rate <= 1):
            raise UsageError("fault_rate and query_fault_rate are shares between 0 and 1; correct them")
        if not 0 <= self.port <= 65535:
            raise UsageError("the port must lie between 0 and 65535; choose another")
        self._check_pushes()

    def _check_pushes(self) -> None:
        if self.push_url is not None and not _is_http(self.push_url):
            raise UsageError("push_url is no address of http:// or https://; correct it")
        if self.push_records < 1 or self.push_connections < 1:
            raise UsageError("push_records and push_connections are at least 1; correct them")
        if self.push_timeout_seconds <= 0 or any(seconds < 0 for seconds in self.push_retry_seconds):
            raise UsageError("push_timeout_seconds and push_retry_seconds are seconds to wait; correct them")
        if not 0 <= self.push_duplicate_rate <= 1:
            raise UsageError("push_duplicate_rate is a share between 0 and 1; correct it")
        try:
            self.push_sign_text.format(app_key="", time_stamp="", nonce_str="", app_secret="")
        except (LookupError, ValueError, AttributeError):
            fields = "{app_key}, {time_stamp}, {nonce_str} and {app_secret}"
            raise UsageError(f"push_sign_text may hold {fields}, and other text; correct it") from None

    def to_json(self) -> bytes:
        """One line, secret included: for the pipe to a child process only."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, line: bytes) -> "SandboxSettings":
        return msgspec.json.decode(line, type=cls, dec_hook=lambda kind, value: kind(value))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
