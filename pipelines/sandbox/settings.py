"""Settings of the sandbox; each is an option of `smsrecon sandbox`, with its docstring as help."""

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
    """A fault for the next send or query; faults.py explains the kinds."""

    kind: FaultKind
    is_accepted: bool = True  # the gateway accepts the send, or hands out the records, before the fault strikes
    call: CallKind = "send"
    seconds: float | None = None  # duration of a delay; None means `delay_seconds` of the settings


@dataclass(frozen=True)
class Shares:
    """Shares of all messages by outcome; the rest is delivered."""

    failed: float = 0.05
    """Reported as failed, with any code."""
    unreported: float = 0.02
    """Never reported."""
    late: float = 0.03
    """Reported minutes to a day later instead of seconds."""
    beyond_window: float = 0.002
    """Reported after 72 hours."""
    duplicate: float = 0.01
    """Reported twice with the same report."""
    conflict: float = 0.003
    """A second report with the opposite verdict."""
    phone_mismatch: float = 0.001
    """A second report of the mission number with another phone."""
    orphan: float = 0.001
    """An additional report of a mission number that was never sent."""
    reply: float = 0.005
    """Answered with a reply."""
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
    """All settings of the sandbox."""

    truth: Path
    """SQLite file that records everything that happened; created if missing; an existing file is continued."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 0
    """Port to listen on; 0 takes any free port."""
    app_key: str = "sandbox-key"
    """appKey that callers must send."""
    app_secret: str = field(default="sandbox-secret", repr=False)
    """appSecret that callers must send."""
    allowed_peers: tuple[str, ...] = ("127.0.0.1",)
    """Addresses that may call; others get error code 100004. * allows all."""
    seed: int = 1
    """Determines the outcome of every message, and which calls fail."""
    shares: Shares = field(default_factory=Shares)

    balance: int = 1_000_000
    """Segments on the account when the truth file is created."""
    daily_limit: int | None = None
    """Limit of messages a day (China time); more get error code 100010. Unset: no limit."""
    requests_per_second: float | None = None
    """Limit of calls a second; more get error code 100014. Unset: no limit."""
    phone_limit: int | None = None
    """Limit of messages to one phone within phone-limit-seconds; more get error code 100008. Unset: no limit."""
    phone_limit_seconds: float = 3600.0
    """Time span of phone-limit, in seconds."""
    signatures: tuple[str, ...] | None = None
    """Registered signatures, without 【】; a text with another one fails with code YF:11. Unset: all are valid."""
    templates: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_TEMPLATES))
    """Registered templates by id; {} stands for any text."""

    report_mode: Literal["snapshot", "drain"] = "snapshot"
    """snapshot: every call returns all reports of the day; drain: each report is handed out once."""
    report_day: Literal["reported", "submitted"] = "reported"
    """Meaning of the day in a query: reported, the day of the report; submitted, the day of sending."""
    max_records_per_call: int | None = None
    """Limit of records in one answer. Unset: no limit."""
    field_case: Literal["camel", "snake"] = "camel"
    """Names of record fields: camel is missionNum, snake is mission_num."""
    envelope: Literal["records", "data", "list", "reports"] = "records"
    """Name of the list of records."""
    charset: Literal["utf-8", "utf-8-sig", "gb18030"] = "utf-8"
    """Encoding of answers; utf-8-sig adds a byte order mark."""
    has_reply_time: bool = True
    """Replies carry the time they were sent."""

    push_url: str | None = field(default=None, repr=False)
    """URL that reports and replies are pushed to as they become due. Unset: no pushes."""
    push_kinds: tuple[PushKind, ...] = ("reports", "replies")
    """Kinds of records to push."""
    push_records: int = 1
    """Limit of reports in one packet; each reply is a packet of its own."""
    push_sign_text: str = "{app_key}{time_stamp}{nonce_str}{app_secret}"
    """Text whose MD5 is sent as sign."""
    push_stamp: Literal["made", "due"] = "made"
    """Meaning of time_stamp: made, when the packet was made; due, when its records were due."""
    push_connections: int = 4
    """Most packets in flight at once."""
    push_timeout_seconds: float = 10.0
    """Timeout for the answer to a packet, in seconds."""
    push_retry_seconds: tuple[float, ...] = (1.0, 5.0, 30.0, 60.0, 300.0)
    """Waits before each retry of a packet that was not answered 200; after the last it is given up."""
    push_duplicate_rate: float = 0.0
    """Share of packets that are pushed again though they were answered 200."""

    fault_rate: float = 0.0
    """Share of sends whose answers are damaged by a fault."""
    query_fault_rate: float = 0.0
    """Share of queries whose answers are damaged by a fault."""
    fault_kinds: tuple[FaultKind, ...] = FAULT_KINDS
    """Kinds of faults to draw from."""
    delay_seconds: float = 60.0
    """Duration of the fault delay, in seconds; longer than the client's timeout."""
    clock_shift_seconds: float = 0.0
    """Seconds that the gateway's clock is ahead of this machine's; negative: behind."""

    def __post_init__(self) -> None:
        if not (0 <= self.fault_rate <= 1 and 0 <= self.query_fault_rate <= 1):
            raise UsageError("fault_rate and query_fault_rate must be between 0 and 1; correct them")
        if not 0 <= self.port <= 65535:
            raise UsageError("the port must lie between 0 and 65535; choose another")
        self._check_pushes()

    def _check_pushes(self) -> None:
        if self.push_url is not None and not _is_http(self.push_url):
            raise UsageError("push_url is not an http:// or https:// URL; correct it")
        if self.push_records < 1 or self.push_connections < 1:
            raise UsageError("push_records and push_connections must be 1 or more; correct them")
        if self.push_timeout_seconds <= 0 or any(seconds < 0 for seconds in self.push_retry_seconds):
            raise UsageError("push_timeout_seconds must be above 0 and push_retry_seconds 0 or more; correct them")
        if not 0 <= self.push_duplicate_rate <= 1:
            raise UsageError("push_duplicate_rate must be between 0 and 1; correct it")
        try:
            self.push_sign_text.format(app_key="", time_stamp="", nonce_str="", app_secret="")
        except (LookupError, ValueError, AttributeError):
            fields = "{app_key}, {time_stamp}, {nonce_str} and {app_secret}"
            raise UsageError(f"push_sign_text may hold {fields}, and other text; correct it") from None

    def to_json(self) -> bytes:
        """One line of JSON with the secret, for the pipe to a child process only."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, line: bytes) -> "SandboxSettings":
        return msgspec.json.decode(line, type=cls, dec_hook=lambda kind, value: kind(value))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port
        return False
