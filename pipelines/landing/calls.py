"""Calls of the gateway: what was asked, how it went, and the answer byte for byte."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

from pipelines.files import write_whole
from pipelines.landing.dated_names import dated
from pipelines.landing.header import header_and_body, with_header
from pipelines.landing.listing import Listed, listed_days

CallKind = Literal["reports", "replies", "balance"]
CALL_KINDS: Final[tuple[CallKind, ...]] = ("reports", "replies", "balance")


@dataclass(frozen=True)
class Call:
    """One call of the gateway and its answer; `failure` names what went wrong if no answer came."""

    kind: CallKind
    called_at: datetime
    answer_ms: int
    format: Literal["json", "xml"]
    day: date | None = None
    http_status: int | None = None
    content_type: str | None = None
    failure: str | None = None
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Call":
        """Read a `.call` file. Raises one of UNREADABLE_HEADER if its header is damaged."""
        header, body = header_and_body(content)
        header["called_at"] = datetime.fromisoformat(header["called_at"])
        header["day"] = date.fromisoformat(header["day"]) if header["day"] else None
        return cls(**header, body=body)


@dataclass(frozen=True)
class Calls:
    """The landed calls beneath `root`, the landing; their names, paths beneath it, sort in the order of calling."""

    root: Path
    first_number: int = 0  # of names, different on each machine

    def land(self, call: Call) -> str:
        """Write `call` and sync it to disk; returns its name. Never overwrites."""
        stem, content = _stem(call), with_header(call)
        number = self.first_number  # of several calls in one microsecond: even their names sort in the order of calling
        while True:
            name = f"{stem}-{number:03}.call"
            try:
                write_whole(self.root / name, content, overwrite=False)
            except FileExistsError:
                number += 1
            else:
                return name

    def names(self, kind: CallKind) -> list[str]:
        """The names of all calls of one kind."""
        return sorted(name for listed in self.listed(kind, {}) for name in listed.names)

    def listed(self, kind: CallKind, seen: Mapping[str, datetime]) -> Iterator[Listed]:
        """The calls of one kind, day by day, without the folders that are as in `seen`."""
        return listed_days(self.root, kind, ".call", seen)

    def read(self, name: str) -> Call:
        """Read one call. Raises one of UNREADABLE_HEADER if its header is damaged."""
        return Call.from_bytes((self.root / name).read_bytes())

    def has_landed(self, call: Call) -> bool:
        """True if a call of this kind and instant has landed."""
        return any(self.root.glob(f"{_stem(call)}-*.call"))


def _stem(call: Call) -> str:
    """The part of the name that all calls of this kind and instant share."""
    return f"{call.kind}/{dated(call.called_at)}"
