"""What an operator can choose of the sandbox; no reading of files, variables or options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

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
    unreported: float = 0.02
    late: float = 0.03  # reported minutes to a day later instead of seconds
    beyond_window: float = 0.002  # reported after 72 hours
    duplicate: float = 0.01  # the same report once more
    conflict: float = 0.003  # a second report with the opposite verdict
    phone_mismatch: float = 0.001  # a second report of the mission number with another phone
    orphan: float = 0.001  # one more report, of a mission number that was never sent
    reply: float = 0.005
    country_code: float = 0.005  # reports whose phone has the prefix 86
    leading_blank: float = 0.02  # reports whose batch number starts with a blank, as on the vendor's page

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
    """Everything that can be chosen. `truth` is an SQLite file: made where there is none, else gone on with."""

    truth: Path
    host: str = "127.0.0.1"
    port: int = 0  # 0 = any free one
    app_key: str = "sandbox-key"
    app_secret: str = field(default="sandbox-secret", repr=False)
    allowed_peers: tuple[str, ...] = ("127.0.0.1",)  # others get 100004; "*" allows all
    seed: int = 1
    shares: Shares = field(default_factory=Shares)

    balance: int = 1_000_000  # of a new truth file; later only the control endpoint changes it
    daily_limit: int | None = None  # messages a day in China, else 100010
    requests_per_second: float | None = None  # above it 100014
    phone_limit: int | None = None  # messages to one phone within the time below, else 100008
    phone_limit_seconds: float = 3600.0
    signatures: tuple[str, ...] | None = None  # registered ones; texts with others fail with YF:11. None = any
    templates: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_TEMPLATES))  # {} stands for any text

    report_mode: Literal["snapshot", "drain"] = "snapshot"
    report_day: Literal["reported", "submitted"] = "reported"  # what `time` of queryStatusReport means
    max_records_per_call: int | None = None
    field_case: Literal["camel", "snake"] = "camel"  # of the records; errorCode and errorMsg are documented
    envelope: Literal["records", "data", "list", "reports"] = "records"
    charset: Literal["utf-8", "utf-8-sig", "gb18030"] = "utf-8"  # of the answers
    has_reply_time: bool = True

    fault_rate: float = 0.0  # of sends
    query_fault_rate: float = 0.0  # of the three queries
    fault_kinds: tuple[FaultKind, ...] = FAULT_KINDS
    delay_seconds: float = 60.0  # of the fault "delay": longer than the client waits
    clock_shift_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.fault_rate <= 1 and 0 <= self.query_fault_rate <= 1):
            raise UsageError("fault_rate and query_fault_rate are shares between 0 and 1; correct them")
        if not 0 <= self.port <= 65535:
            raise UsageError("the port must lie between 0 and 65535; choose another")

    def to_json(self) -> bytes:
        """One line, secret included: for the pipe to a child process only."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, line: bytes) -> "SandboxSettings":
        return msgspec.json.decode(line, type=cls, dec_hook=lambda kind, value: kind(value))
