"""High-water marks: what may have left of each campaign, kept beside its plan, to find out that the journal is older.

A journal that was restored from a backup, or is gone, doesn't know the batches sent since, and would send them again.
A mark is written and synced after the journal has a batch and before its request leaves. So, wherever a process ends,
the journal is never behind the mark, unless it was replaced. Loading raises the marks too, to whatever the warehouse
or a report proves; then everything that sends or closes books refuses.
"""

import fcntl
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Self

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import BatchRecord
from pipelines.errors import BooksError
from pipelines.failpoints import reach
from pipelines.files import write_whole
from pipelines.landing.landing import Landing
from pipelines.message_ids import MAX_MESSAGES, batch_number

_NEXT_STEP: Final = "restore the newest copy of the journal, or run 'smsrecon journal repair'"

# Eight bytes, overwritten in place at once, so that a reader never sees a part of a change.
_FORM: Final = struct.Struct("<II")


class HighWater(NamedTuple):
    """The number of the last batch that may have left; no message at or after position `end` has left."""

    number: int
    end: int

    def raised_to(self, other: "HighWater") -> "HighWater":
        return self if self == other else HighWater(max(self.number, other.number), max(self.end, other.end))

    @classmethod
    def of(cls, batches: Iterable[BatchRecord]) -> Self:
        """The mark once these batches of one campaign have left."""
        marks = [cls.after(batch.batch_num, batch.last_position) for batch in batches]
        return cls(max((mark.number for mark in marks), default=0), max((mark.end for mark in marks), default=0))

    @classmethod
    def after(cls, batch_num: str, last_position: int) -> Self:
        """The mark once a batch has left whose last message is at this position; a number of another form is 0."""
        return cls(batch_number(batch_num), last_position + 1)


NOTHING_SENT: Final = HighWater(0, 0)


class Mark:
    """The mark of one campaign, opened for raising."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def open(cls, landing: Landing, campaign_id: str, *, at_least: HighWater) -> Iterator["Mark"]:
        """Open the mark, raised to what is known; a campaign of an earlier version gets its mark so."""
        make_mark(landing, campaign_id, at_least)
        descriptor = os.open(landing.campaigns.mark_path(campaign_id), os.O_RDWR)
        try:
            mark = cls(descriptor)
            mark.raise_to(at_least)
            yield mark
        finally:
            os.close(descriptor)

    def raise_to(self, water: HighWater) -> None:
        """Raise both numbers of the mark to those of `water` where they are lower, synced to disk."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # a load may raise it meanwhile
        try:
            known = HighWater._make(_FORM.unpack(os.pread(self._descriptor, _FORM.size, 0)))
            raised = known.raised_to(water)
            if raised != known:
                reach("high_water.before_write")
                os.pwrite(self._descriptor, _FORM.pack(raised.number, raised.end), 0)
                reach("high_water.before_sync")
                os.fdatasync(self._descriptor)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def make_mark(landing: Landing, campaign_id: str, water: HighWater = NOTHING_SENT) -> None:
    """Make the mark of a campaign unless it has one.

    This comes before its plan is written: a plan without a mark was made by an earlier version.
    """
    path = landing.campaigns.mark_path(campaign_id)
    if not path.exists():
        write_whole(path, _FORM.pack(water.number, water.end), overwrite=False)


def read_mark(landing: Landing, campaign_id: str) -> HighWater | None:
    """The campaign's mark; None for a campaign of an earlier version. Raises BooksError if it is damaged."""
    return read_marks(landing, [campaign_id])[campaign_id]


def read_marks(landing: Landing, campaign_ids: Iterable[str]) -> dict[str, HighWater | None]:
    """The marks of some campaigns, as `read_mark` has them; a load reads those of all."""
    root, name = landing.campaigns.root, landing.campaigns.mark_path("").name
    return {each: _read(f"{root}/{each}/{name}") for each in campaign_ids}  # a Path for each takes most of the time


def _read(path: str) -> HighWater | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return HighWater._make(_FORM.unpack(os.read(descriptor, _FORM.size + 1)))
    except struct.error:
        raise BooksError(f"{path} is damaged; restore it from a backup before anything is sent") from None
    finally:
        os.close(descriptor)


def last_sent_at(landing: Landing, campaign_id: str) -> datetime | None:
    """When the campaign's mark was raised last; None without a mark."""
    path: Path = landing.campaigns.mark_path(campaign_id)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None


def raise_mark(landing: Landing, campaign_id: str, water: HighWater) -> None:
    """Raise a campaign's mark to what is proven to have left."""
    known = read_mark(landing, campaign_id)
    if known is None or known.raised_to(water) != known:
        with Mark.open(landing, campaign_id, at_least=water):
            pass


def raise_to_reported(landing: Landing, confirmed: Mapping[int, int], pushed: Mapping[int, int]) -> None:
    """Raise the marks of campaigns where a report names a batch that the journal hasn't sent.

    Both mappings are the highest numbers that reports name, by campaign key; `pushed` are those of reports that only
    were pushed, which could be forged where the key can be guessed. Which messages the batch had isn't known.
    """
    if not confirmed and not pushed:
        return
    with Journal.read_only(landing.journal) as journal:
        beyond, known = {}, journal.last_batch_numbers()
        for campaign in journal.campaigns():
            key = campaign.campaign_key
            number = max(confirmed.get(key, 0), pushed.get(key, 0) if campaign.has_secret_key else 0)
            if number > known.get(key, 0):
                beyond[campaign.campaign_id] = number
    for campaign_id in sorted(beyond.keys() - {*landing.campaigns.purged_ids()}):
        mark = read_mark(landing, campaign_id) or NOTHING_SENT
        if mark.number < beyond[campaign_id]:
            raise_mark(landing, campaign_id, HighWater(beyond[campaign_id], MAX_MESSAGES))


@dataclass(frozen=True)
class Loaded:
    """A warehouse's rows of the journal: marks by campaign, the id of the last event, and whose plans it has."""

    marks: Mapping[str, HighWater] = field(default_factory=dict)
    last_event_id: int = 0
    planned_ids: frozenset[str] = frozenset()


NOTHING_LOADED: Final = Loaded()


Marks = Mapping[str, HighWater | None]


def raise_to_loaded(landing: Landing, loaded: Loaded, marks: Marks) -> Marks:
    """Raise the marks that are behind the warehouse, or that a campaign of an earlier version lacks; returns all."""
    behind = {
        campaign_id: loaded.marks[campaign_id]
        for campaign_id, mark in marks.items()
        if campaign_id in loaded.marks and (mark is None or mark.number < loaded.marks[campaign_id].number)
    }
    if not behind:
        return marks
    with Journal.read_only(landing.journal) as journal:
        for campaign_id, water in behind.items():
            known = HighWater.of(journal.batches(campaign_id))
            # Of a journal that is behind the warehouse, it isn't known what it has lost since the last load.
            raise_mark(
                landing, campaign_id, known if known.number >= water.number else water._replace(end=MAX_MESSAGES)
            )
    return {**marks, **read_marks(landing, behind)}


@dataclass(frozen=True)
class Lost:
    """A campaign whose last batches the journal doesn't know; `mark` is None for one of an earlier version."""

    campaign_id: str
    is_registered: bool
    known_number: int
    mark: HighWater | None


def lost_campaigns(landing: Landing, loaded: Loaded = NOTHING_LOADED, marks: Marks | None = None) -> list[Lost]:
    """The campaigns of which the journal knows less than their marks or the warehouse, or nothing at all.

    The marks are read before the journal, which they follow: by the caller, or here.
    """
    if marks is None:
        marks = read_marks(landing, landing.campaigns.kept_ids())
    lost = []
    with Journal.read_only(landing.journal) as journal:
        keys, numbers = journal.campaign_keys(), journal.last_batch_numbers()
    for campaign_id, own_mark in marks.items():
        in_warehouse = loaded.marks.get(campaign_id)
        mark = in_warehouse.raised_to(own_mark or NOTHING_SENT) if in_warehouse else own_mark
        if campaign_id not in keys:
            if mark != NOTHING_SENT:  # else its process ended before it was registered
                lost.append(Lost(campaign_id, is_registered=False, known_number=0, mark=mark))
        elif mark is not None and (known := numbers.get(keys[campaign_id], 0)) < mark.number:
            lost.append(Lost(campaign_id, is_registered=True, known_number=known, mark=mark))
    return lost


def is_shorter(landing: Landing, loaded: Loaded) -> bool:
    """True if the journal lacks the last events that were loaded from it."""
    if landing.purging_before():  # an unfinished purge may have removed the last events
        return False
    with Journal.read_only(landing.journal) as journal:
        return journal.last_event_id() < loaded.last_event_id


def refuse_older_journal(landing: Landing, loaded: Loaded = NOTHING_LOADED, marks: Marks | None = None) -> None:
    """Raise BooksError if the journal is not the newest one: it would send again what it doesn't know."""
    journal = "the journal of shared.database" if landing.database else landing.journal_path
    lost = lost_campaigns(landing, loaded, marks)
    if lost:
        first, others = lost[0], f", and {len(lost) - 1} more campaigns so" if len(lost) > 1 else ""
        if first.is_registered and first.mark is not None:
            what = f"ends at batch {first.known_number} of {first.campaign_id}, of which {first.mark.number} have left"
        else:
            what = f"does not know the campaign {first.campaign_id}, which has a plan"
        raise BooksError(f"{journal} is missing or older than the data: it {what}{others}; {_NEXT_STEP}")
    if is_shorter(landing, loaded):
        raise BooksError(f"{journal} is older than the warehouse, which has loaded later events; {_NEXT_STEP}")
