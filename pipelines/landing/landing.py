"""Raw bytes to disk and back, before anybody reads a meaning into them.

    landing/campaigns/<id>/plan.parquet       the plan of a campaign
    landing/campaigns/<id>/lock               held by the one process that plans or sends the campaign
    landing/campaigns/<id>/purged.json        when the campaign was purged, and its final figures; its plan is gone
    landing/journal.sqlite                    every batch's fate
    landing/{reports,replies,balance}/<day of the call>/<time of the call>-<number>.call
    landing/asking/<kind>-<time of the call>-<process>.call   a call on its way: the mark of an answer to come
    landing/imports/<day of the import>/<time of it>-<hash>.import
    landing/pushes/<day>/<time>-<process>.segment   pushes, one after the other, as segments/ says
    landing/refused/<day>/<time>-<process>.segment  pushes that were not taken, for a person to look at
    landing/suppressions/<time>-<name>.parquet   phone, reason, since_at
    landing/phone_hash.key                    the key of the published phone hash
    landing/forgetting.json                   while a person is being forgotten: what stands in their place
    landing/purging.json                      while what is old is being purged: the instant before which all goes

A `.call` file is one call of the gateway: a line of JSON that says what was asked and how it went, then the body,
byte for byte as received (empty if no answer came). Folders and names sort in the order of the calls.
An `.import` file is a file that a person brought, in the same way: a line of JSON that says what its columns mean, then
the file. Nothing here decodes a body, and nothing but the mark of a call is ever changed or removed, unless a person is
to be forgotten or what is old is purged.
"""

import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pipelines.errors import CampaignBusy, UsageError
from pipelines.failpoints import reach
from pipelines.files import lock_file, write_whole
from pipelines.landing.segments.folder import SegmentFolder
from pipelines.settings import Settings

CallKind = Literal["reports", "replies", "balance"]
CALL_KINDS: tuple[CallKind, ...] = ("reports", "replies", "balance")

NOT_LANDED: Final = (ValueError, TypeError, LookupError, AttributeError)
"""What reading a call or an import raises whose first line is not what was landed."""


@dataclass(frozen=True)
class Call:
    """One call of the gateway and what came back; `failure` names what went wrong where no answer came."""

    kind: CallKind
    called_at: datetime
    answer_ms: int
    format: Literal["json", "xml"]
    day: date | None = None
    http_status: int | None = None
    content_type: str | None = None
    failure: str | None = None
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Import:
    """A file exported from a vendor's console: what it holds, and which of its columns (heading) is which field."""

    kind: Literal["reports", "replies"]
    imported_at: datetime
    file_name: str
    mapping: dict[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Purged:
    """What is kept of a purged campaign: when it was purged, and what its books said last."""

    campaign_id: str
    purged_at: datetime
    figures: dict[str, Any]


@dataclass(frozen=True)
class Landing:
    """The folder of raw bytes beneath `root`."""

    root: Path

    @property
    def journal_path(self) -> Path:
        return self.root / "journal.sqlite"

    def plan_path(self, campaign_id: str) -> Path:
        return self.root / "campaigns" / campaign_id / "plan.parquet"

    def plan_paths(self) -> list[Path]:
        return sorted(self.root.glob("campaigns/*/plan.parquet"))

    @contextmanager
    def campaign_lock(self, campaign_id: str) -> Iterator[None]:
        """Hold the campaign for this process; the lock dies with it. Raises CampaignBusy at once if held elsewhere."""
        with lock_file(self.root / "campaigns" / campaign_id / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CampaignBusy(
                    f"campaign {campaign_id} is being sent by another process; see 'smsrecon status {campaign_id}'"
                ) from None
            yield

    @contextmanager
    def pending_call(self, call: Call) -> Iterator[Callable[[Call], str]]:
        """Mark on disk that `call` is about to be asked; yields the function that lands it with its answer.

        A gateway that hands out each record once has forgotten an answer that it gave. So a call whose process ends
        before it is landed, however it ends, must be known: the next call lands its mark as a call without an answer.
        """
        self._settle_calls()
        mark = (
            self.root / "asking" / f"{call.kind}-{call.called_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{os.getpid()}.call"
        )

        def land(answered: Call) -> str:
            name = self.land_call(answered)
            reach("landing.before_unmarking")
            mark.unlink()
            return name

        with self._pending_lock(fcntl.LOCK_SH):
            write_whole(
                mark, _content(replace(call, failure="the process ended before an answer was landed")), overwrite=True
            )
            reach("landing.before_asking")
            yield land

    def _settle_calls(self) -> None:
        """Land the marks that processes have left behind; while another process asks, wait for a better time."""
        with suppress(BlockingIOError), self._pending_lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for mark in sorted(self.root.glob("asking/*.call")):
                call = self.read_call(mark.relative_to(self.root).as_posix())
                if not list(self.root.glob(f"{_stem(call)}-*.call")):  # else it was landed, and only the mark is left
                    self.land_call(call)
                reach("landing.half_settled")
                mark.unlink()

    @contextmanager
    def _pending_lock(self, operation: int) -> Iterator[None]:
        """Hold the lock that all who ask share, and who settles has alone; it dies with the process."""
        with lock_file(self.root / "asking" / "lock") as file:
            fcntl.flock(file, operation)
            yield

    def land_call(self, call: Call) -> str:
        """Write `call` and sync it to disk; returns its path beneath `root`. Never overwrites."""
        stem, content = _stem(call), _content(call)
        number = 0  # of several calls in one microsecond, so that the names sort in their order even then
        while True:
            name = f"{stem}-{number:03}.call"
            try:
                write_whole(self.root / name, content, overwrite=False)
            except FileExistsError:
                number += 1
            else:
                return name

    def call_files(self, kind: CallKind) -> list[str]:
        """The paths of all calls of one kind, beneath `root`, in the order of the calls."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(f"{kind}/*/*.call"))

    def read_call(self, name: str) -> Call:
        head, _, body = (self.root / name).read_bytes().partition(b"\n")
        header: dict[str, Any] = json.loads(head)
        header["called_at"] = datetime.fromisoformat(header["called_at"])
        header["day"] = date.fromisoformat(header["day"]) if header["day"] else None
        return Call(**header, body=body)

    def land_import(self, imported: Import) -> str:
        """Write `imported` and sync it to disk; returns its path beneath `root`.

        The same bytes with the same meaning are landed once: it is then the path of the first time.
        """
        meaning = json.dumps([imported.kind, imported.mapping], sort_keys=True).encode()
        digest = hashlib.sha256(meaning + b"\n" + imported.body).hexdigest()[:16]
        if landed := sorted(self.root.glob(f"imports/*/*-{digest}.import")):
            return landed[0].relative_to(self.root).as_posix()
        at = imported.imported_at.astimezone(UTC)
        name = f"imports/{at:%Y-%m-%d}/{at:%H%M%S.%f}Z-{digest}.import"
        write_whole(self.root / name, _content(imported), overwrite=False)
        return name

    def import_files(self) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("imports/*/*.import"))

    def read_import(self, name: str) -> Import:
        head, _, body = (self.root / name).read_bytes().partition(b"\n")
        header: dict[str, Any] = json.loads(head)
        header["imported_at"] = datetime.fromisoformat(header["imported_at"])
        return Import(**header, body=body)

    @property
    def pushes(self) -> SegmentFolder:
        return SegmentFolder(self.root / "pushes")

    @property
    def refused(self) -> SegmentFolder:
        return SegmentFolder(self.root / "refused")

    def land_suppressions(self, parquet: bytes, *, name: str, at: datetime) -> str:
        """Write a list of suppressions (phone, reason, since_at) and sync it to disk; returns its path."""
        path = f"suppressions/{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{name}.parquet"
        write_whole(self.root / path, parquet, overwrite=False)
        return path

    def suppression_files(self) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("suppressions/*.parquet"))

    # Forgetting and purging, which alone change what has landed

    @property
    def forgetting_path(self) -> Path:
        return self.root / "forgetting.json"

    def note_forgetting(self, note: bytes) -> None:
        write_whole(self.forgetting_path, note, overwrite=True)

    @contextmanager
    def exclusive_lock(self) -> Iterator[None]:
        """Hold every campaign, and wait until nobody asks the gateway. Raises CampaignBusy."""
        with ExitStack() as held:
            for path in self.plan_paths():
                held.enter_context(self.campaign_lock(path.parent.name))
            held.enter_context(self._pending_lock(fcntl.LOCK_EX))
            yield

    def clear_drafts(self) -> None:
        """Remove what processes that were killed had not finished, an hour ago or more; others may be writing."""
        for draft in self.root.rglob(".draft-*"):
            with suppress(FileNotFoundError):  # it has just got its name, or another process was faster
                if draft.stat().st_mtime < time.time() - 3600:
                    draft.unlink()

    def rewrite(self, name: str, landed: Call | Import | bytes) -> None:
        """Put a call, an import or the bytes of a list in the place of the one that has this path beneath `root`."""
        content = landed if isinstance(landed, bytes) else _content(landed)
        write_whole(self.root / name, content, overwrite=True)

    @property
    def purging_path(self) -> Path:
        return self.root / "purging.json"

    def note_purging(self, before: datetime) -> None:
        write_whole(self.purging_path, json.dumps({"before": before.isoformat()}).encode(), overwrite=True)

    def purging_before(self) -> datetime | None:
        """The instant of a purge that is under way or was interrupted; None where there is none."""
        if not self.purging_path.exists():
            return None
        return datetime.fromisoformat(json.loads(self.purging_path.read_text())["before"])

    def mark_purged(self, purged: Purged) -> None:
        """From here on the campaign counts as gone, whatever is still there of it."""
        mark = {"purged_at": purged.purged_at, "figures": purged.figures}
        write_whole(self._mark(purged.campaign_id), json.dumps(mark, default=str).encode(), overwrite=True)

    def purged(self, campaign_id: str) -> Purged | None:
        if not self._mark(campaign_id).exists():
            return None
        mark = json.loads(self._mark(campaign_id).read_text())
        return Purged(campaign_id, datetime.fromisoformat(mark["purged_at"]), mark["figures"])

    def purged_campaigns(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.glob("campaigns/*/purged.json"))

    def refuse_purged(self, campaign_id: str) -> None:
        """Raise UsageError if the campaign was purged: who got its messages is known no more, so it is never sent."""
        if purged := self.purged(campaign_id):
            raise UsageError(
                f"campaign {campaign_id} was purged on {purged.purged_at:%Y-%m-%d}, and an id is never used twice;"
                " choose another campaign id"
            )

    def clear_purged(self, campaign_id: str) -> None:
        """Remove all that is left of a purged campaign but its mark and its lock."""
        for path in self._mark(campaign_id).parent.iterdir():
            if path.name not in ("purged.json", "lock"):
                path.unlink()

    def remove(self, name: str) -> None:
        """Remove a call or an import, and the folder of its day if that was the last one in it."""
        path = self.root / name
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def _mark(self, campaign_id: str) -> Path:
        return self.plan_path(campaign_id).with_name("purged.json")

    def phone_hash_key(self) -> str:
        """The key of the published phone hash, 64 hex digits, made at first use and kept for good."""
        path = self.root / "phone_hash.key"
        if not path.exists():
            with suppress(FileExistsError):  # another process made it first
                write_whole(path, secrets.token_hex(32).encode(), overwrite=False)
        return path.read_text()


def landed_at(name: str) -> datetime | None:
    """When a call was made or an import taken in, as its path says; None for a file that is not named as ours are."""
    _, day, time_of_day = f"{name}//".split("/")[:3]
    try:
        return datetime.strptime(f"{day} {time_of_day[:13]}+0000", "%Y-%m-%d %H%M%S.%f%z")
    except ValueError:
        return None


def _stem(call: Call) -> str:
    """How the paths of all calls of this kind and instant begin."""
    at = call.called_at.astimezone(UTC)
    return f"{call.kind}/{at:%Y-%m-%d}/{at:%H%M%S.%f}Z"


def _content(landed: Call | Import) -> bytes:
    header = {name: value for name, value in asdict(landed).items() if name != "body"}
    return json.dumps(header, default=str).encode() + b"\n" + landed.body


def landing_of(settings: Settings) -> Landing:
    return Landing(settings.data_dir / "landing")
