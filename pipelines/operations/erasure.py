"""One person taken out of all that is kept: plans, answers, imports, lists, journal, warehouse, and what is published.

In the place of the phone stands a tombstone from then on: eleven digits that no phone can be, the same in every file.
So reports still find their message, every row keeps its status, and the books say what they said. The person's texts
and the owner's columns of their rows go. Files are written anew one by one; giving the same phone again goes on with a
forgetting that was interrupted. Nothing else changes what has landed.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import scrypt
from io import BytesIO
from pathlib import Path
from typing import Final

import polars as pl
from lxml import etree

from pipelines.campaign.journal import Journal
from pipelines.campaign.plan import write_plan
from pipelines.campaign.suppressions import land_entries
from pipelines.errors import BooksError, UsageError
from pipelines.gateway.document import json_text
from pipelines.gateway.push import UnreadablePush, edited
from pipelines.gateway.wire import UnreadableAnswer, read_replies
from pipelines.landing.header import UNREADABLE_HEADER
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.segments.folder import SegmentFolder
from pipelines.landing.segments.frames import NOTHING, Frame
from pipelines.message_ids import NOT_IN_MISSION_NUM
from pipelines.operations import daily
from pipelines.phones import PHONE, PREFIX, holds, national
from pipelines.progress import Progress, no_progress
from pipelines.settings import Settings
from pipelines.tabular.parquet import read_parquet
from pipelines.tabular.sheet import UnreadableExport, read_sheet
from pipelines.times import Clock
from pipelines.warehouse.database import warehouse_of

REASON: Final = "forgotten"

Rewrite = Callable[[], None]


@dataclass(frozen=True)
class Forgotten:
    """What was done: files of the landing that were written anew, and rows of plans that were the person's."""

    file_count: int
    row_count: int


@dataclass(frozen=True)
class _Person:
    """Who is to be forgotten, what stands in their place, and which of their texts ask for no more messages."""

    phone: str = field(repr=False)
    tombstone: str
    opt_outs: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def _written(self) -> re.Pattern[str]:
        """The phone wherever it is written, but not the end of a mission number that we made."""
        return re.compile(rf"(?<![0-9]){NOT_IN_MISSION_NUM}({PREFIX}?){self.phone}(?![0-9])")

    def is_in(self, text: str) -> bool:
        return self.phone in text and self._written.search(text) is not None

    def text(self, text: str) -> str:
        return self._written.sub(rf"\g<1>{self.tombstone}", text) if self.phone in text else text

    def bytes(self, body: bytes) -> bytes:
        """Of whatever encoding: digits are one byte each in all that occur but UTF-16."""
        for encoding in ("utf-16-le", "utf-16-be"):
            body = body.replace(self.phone.encode(encoding), self.tombstone.encode(encoding))
        return self.text(body.decode("latin-1")).encode("latin-1")

    def said(self, text: str) -> str:
        """A text of theirs: as long as it was, and unreadable, unless it says only that they want no more messages."""
        return text if text in self.opt_outs else "·" * len(text)


def forget(
    phone: str, *, keep_suppressed: bool = False, settings: Settings, clock: Clock, progress: Progress = no_progress
) -> Forgotten:
    """Take a person out of everything; with `keep_suppressed` but the lists of who must not be written to.

    Raises UsageError for what is no phone, CampaignBusy, and BooksError if the phone is still somewhere afterwards.
    """
    number = str(pl.select(national(pl.lit(phone))).item())
    if not re.fullmatch(PHONE, number):
        raise UsageError("that is no phone; give 11 digits, or - and the digits on standard input")
    landing = landing_of(settings)
    daily.load(settings)
    daily.reconcile(settings, as_of=clock())
    with landing.exclusive_lock():
        landing.remove_drafts()
        person = _Person(number, _tombstone(landing, number), _opt_outs(settings, number))
        rows = sum(_rows_of(person, path) for path in landing.campaigns.plan_paths())
        rewrites = [*_rewrites(landing, person, keep_suppressed=keep_suppressed)]
        for done, rewrite in enumerate(rewrites):
            progress("rewriting", done / len(rewrites))
            rewrite()
        if [*_rewrites(landing, person, keep_suppressed=keep_suppressed)]:
            raise BooksError("the phone is still in the landing; run the same command again")
        if rows:  # what is still to be sent to them is kept back
            listed = {"phone": [person.tombstone], "reason": [REASON], "since_at": [clock()], "is_removed": [False]}
            land_entries(landing, pl.DataFrame(listed), name=REASON, at=clock())
    daily.rebuild(settings, as_of=clock(), progress=progress)
    left_over = daily.publish(settings, keep_old=False).left_over
    if left_over:
        raise BooksError(f"{left_over[0]} still holds the person and can't be removed; remove it by hand")
    landing.forgetting_path.unlink()
    return Forgotten(len(rewrites), rows)


def _tombstone(landing: Landing, phone: str) -> str:
    """What stands for the phone, in a forgetting that was interrupted too. Raises UsageError if that was another's.

    It is random, since what is made from a phone leads back to it; so it is noted, with a slow hash, until all is done.
    """
    path = landing.forgetting_path
    if not path.exists():
        salt = secrets.token_hex(16)
        note = {"salt": salt, "digest": _digest(phone, salt), "tombstone": f"10{secrets.randbelow(10**9):09}"}
        landing.note_forgetting(json.dumps(note).encode())
    note = json.loads(path.read_text())
    if note["digest"] != _digest(phone, note["salt"]):
        raise UsageError("another phone is half forgotten; give that one again first")
    return str(note["tombstone"])


def _digest(phone: str, salt: str) -> str:
    return scrypt(phone.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()


def _opt_outs(settings: Settings, phone: str) -> frozenset[str]:
    with warehouse_of(settings).read() as connection:
        texts = connection.execute(
            "SELECT DISTINCT r.content FROM core.replies AS r INNER JOIN core.reply_matches AS m"
            " USING (phone, access_num, replied_at) WHERE r.phone = ? AND m.is_opt_out",
            [phone],
        ).fetchall()
    return frozenset(text for (text,) in texts)


def _rewrites(landing: Landing, person: _Person, *, keep_suppressed: bool) -> Iterator[Rewrite]:
    """For each file of the landing that holds the person what writes it anew without them."""
    for path in landing.campaigns.plan_paths():
        frame = pl.read_parquet(path, glob=False)
        cleaned = _plan_without(person, frame)
        if not cleaned.equals(frame):
            yield partial(write_plan, cleaned, path)
    for name in (*landing.calls.names("reports"), *landing.calls.names("replies")):
        try:
            call = landing.calls.read(name)
        except UNREADABLE_HEADER:
            yield from _rewrites_of_damaged(landing, person, name)
            continue
        body = _replies_without(person, call.body, call.format) if call.kind == "replies" else person.bytes(call.body)
        if body != call.body:
            yield partial(landing.rewrite, name, replace(call, body=body))
    yield from _rewrites_of_pushes(landing, person)
    for name in landing.imports.names():
        try:
            imported = landing.imports.read(name)
        except UNREADABLE_HEADER:
            yield from _rewrites_of_damaged(landing, person, name)
            continue
        body = _export_without(person, imported.body, imported.mapping.get("content"))
        if body != imported.body:
            yield partial(landing.rewrite, name, replace(imported, body=body))
    for name in () if keep_suppressed else landing.suppressions.names():
        entries = read_parquet(landing.suppressions.read(name))
        others = entries.filter(~_is_theirs(person, pl.col("phone").cast(pl.String)))
        if others.height < entries.height:
            yield partial(_write_list, landing, name, others)
    with Journal.read_only(landing.journal_path) as journal:
        if any(person.bytes(answer) != answer for answer in journal.answers()):
            yield partial(_redact_journal, landing.journal_path, person)


def _rewrites_of_damaged(landing: Landing, person: _Person, name: str) -> Iterator[Rewrite]:
    content = landing.path(name).read_bytes()
    if person.bytes(content) != content:
        yield partial(landing.rewrite, name, person.bytes(content))


def _rewrites_of_pushes(landing: Landing, person: _Person) -> Iterator[Rewrite]:
    for name in landing.pushes.names():
        frames = _frames_of(landing.pushes, name)
        cleaned = [replace(frame, body=_push_without(person, frame.body)) for frame in frames]
        if cleaned != frames:
            yield partial(landing.pushes.rewrite, name, cleaned)
    for name in landing.refused.names():
        frames = _frames_of(landing.refused, name)
        others = [frame for frame in frames if person.bytes(frame.body) == frame.body]
        if others != frames:
            yield partial(landing.refused.rewrite, name, others)


def _frames_of(segments: SegmentFolder, name: str) -> list[Frame]:
    """Raises BooksError if they can't be read, since they are packed: nobody can tell who is in there."""
    frames = segments.read(name)
    if NOTHING in frames:
        raise BooksError(
            f"landing/{name} is in a damaged pack, which may hold the person; restore the pack from a backup or remove"
            " it, then run the same command again"
        )
    return frames


def _is_theirs(person: _Person, phone: pl.Expr) -> pl.Expr:
    """Whether it is their phone, or no phone but holds theirs: -138…, or two in a cell."""
    return holds(phone, person.phone)


def _rows_of(person: _Person, path: Path) -> int:
    frame = pl.read_parquet(path, columns=["phone"], glob=False)
    gone = pl.col("phone").eq_missing(person.tombstone)
    return int(frame.select((_is_theirs(person, pl.col("phone")) | gone).sum()).item())


def _plan_without(person: _Person, frame: pl.DataFrame) -> pl.DataFrame:
    theirs = _is_theirs(person, pl.col("phone"))
    of_all = [name for name in frame.columns if frame.schema[name] == pl.String and name != "phone"]
    cleaned = frame.with_columns(
        pl.col(name).map_elements(person.text, return_dtype=pl.String)
        for name in of_all
        if frame.select(pl.col(name).str.contains(person.phone, literal=True).any()).item()
    )
    gone = {"content": pl.lit("·")}
    if "owner" in frame.columns:
        cleaned = cleaned.with_columns(_owner_without(person, frame["owner"]))
        gone["owner"] = pl.lit(None, frame.schema["owner"])
    return cleaned.with_columns(
        pl.when(theirs).then(pl.lit(person.tombstone)).otherwise("phone").alias("phone"),
        *(pl.when(theirs).then(value).otherwise(name).alias(name) for name, value in gone.items()),
    )


def _owner_without(person: _Person, owner: pl.Series) -> pl.Series:
    """The owner's columns of all rows without the phone: a cell that is no text but holds it is emptied."""

    def held(cells: pl.Series) -> pl.Series:
        as_json = cells.to_frame("cell").select(pl.struct("cell").struct.json_encode()).to_series()
        return as_json.map_elements(person.is_in, return_dtype=pl.Boolean)

    def without(cells: pl.Series) -> pl.Series:
        if cells.dtype == pl.String:
            return cells.map_elements(person.text, return_dtype=pl.String, skip_nulls=True)
        return cells.to_frame().select(pl.when(~held(cells)).then(cells.name)).to_series()

    if not owner.struct.json_encode().str.contains(person.phone, literal=True).any():
        return owner
    return pl.struct(map(without, owner.struct.unnest().iter_columns()), eager=True).alias(owner.name)


def _replies_without(person: _Person, body: bytes, form: str) -> bytes:
    """A body whose records of the person hold neither their phone nor what they said; made anew, as JSON."""
    if person.bytes(body) == body:
        return body
    try:
        records = read_replies(body, "xml" if form == "xml" else "json")
    except UnreadableAnswer:
        return person.bytes(body)
    texts = []
    for place in range(records.record_count):
        raw = records.raw(place)
        if person.is_in(records.columns["phone"][place] or ""):
            names = {"phone": "srcId", "content": "content", "access_num": "destId", "mo_time": "moTime"}
            values = {ours: records.columns[ours][place] for ours in names}
            values |= {"phone": person.text(values["phone"] or ""), "content": person.said(values["content"] or "")}
            raw = json_text({name: values[ours] for ours, name in names.items() if values[ours] is not None})
        texts.append(person.text(raw))
    return replace(records, error_msg=person.text(records.error_msg)).holding(texts)


def _push_without(person: _Person, body: bytes) -> bytes:
    """A push that holds neither their phone nor what they said."""
    if person.bytes(body) == body:
        return body

    def edit(record: etree._Element, _: int) -> bool:
        if any(person.is_in(child.text or "") for child in record):
            for said in record.iter("content"):
                said.text = person.said((said.text or "").strip())
        return True

    try:
        return person.bytes(edited(body, edit))
    except UnreadablePush:
        return person.bytes(body)


def _export_without(person: _Person, body: bytes, content: str | None) -> bytes:
    """An export whose rows of the person hold neither their phone nor what they said; made anew, as Parquet."""
    try:
        frame = read_sheet(body).frame
    except UnreadableExport:
        return person.bytes(body)
    has_phone = pl.any_horizontal(pl.all().str.contains(person.phone, literal=True).fill_null(value=False))
    theirs = frame.select(has_phone).to_series()
    if not theirs.any():
        return body
    cleaned = frame.with_columns(pl.all().map_elements(person.text, return_dtype=pl.String, skip_nulls=True))
    if content is not None:
        said = pl.col(content).map_elements(person.said, return_dtype=pl.String, skip_nulls=True)
        cleaned = cleaned.with_columns(pl.when(pl.lit(theirs)).then(said).otherwise(content).alias(content))
    if cleaned.equals(frame):
        return body
    file = BytesIO()
    cleaned.write_parquet(file)
    return file.getvalue()


def _write_list(landing: Landing, name: str, entries: pl.DataFrame) -> None:
    file = BytesIO()
    entries.write_parquet(file)
    landing.rewrite(name, file.getvalue())


def _redact_journal(path: Path, person: _Person) -> None:
    with Journal.open(path) as journal:
        journal.redact(person.bytes)
