"""Erasing one person's data from everything that is stored: landing, journal, warehouse and published files.

The phone is replaced by a tombstone: eleven digits that no phone can have, the same in every file. So reports still
find their messages, every row keeps its status, and the books stay balanced. The person's texts and the owner's columns
of their rows are removed. Files are rewritten one by one; an erasure that was interrupted continues when the same phone
is given again. Nothing but an erasure and a purge changes what has landed.
"""

import json
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import scrypt
from io import BytesIO
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
from lxml import etree

from pipelines.campaign.holding import exclusive_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.plan import write_plan
from pipelines.campaign.suppressions import land_entries
from pipelines.errors import BooksError, UsageError
from pipelines.gateway.document import json_text
from pipelines.gateway.push import UnreadablePush, edited
from pipelines.gateway.wire import UnreadableAnswer, read_replies
from pipelines.landing.header import UNREADABLE_HEADER
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.scratch import remove_left_over
from pipelines.landing.segments.folder import SegmentFolder
from pipelines.landing.segments.frames import NOTHING, Frame
from pipelines.operations import daily
from pipelines.operations.erased_person import Person
from pipelines.phones import PHONE, holds, national, written
from pipelines.progress import Progress, no_progress
from pipelines.settings import PUBLISHED_DATABASE, Settings
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.tabular.sheet import UnreadableExport, read_sheet
from pipelines.times import Clock
from pipelines.warehouse.database import warehouse_of
from pipelines.warehouse.search import columns_holding

REASON: Final = "forgotten"

Rewrite = Callable[[], None]


@dataclass(frozen=True)
class ErasureSummary:
    """Counts of an erasure."""

    file_count: int  # files of the landing that were rewritten
    row_count: int  # rows of plans that were the person's


def erase_person(
    phone: str, *, keep_suppressed: bool = False, settings: Settings, clock: Clock, progress: Progress = no_progress
) -> ErasureSummary:
    """Erase a person's data permanently; with `keep_suppressed` their entries of suppression lists stay.

    Raises UsageError if `phone` is not valid or another phone's erasure is unfinished, CampaignBusy, WarehouseBusy
    while an audit has a copy, and BooksError if the phone is still in the landing, in a table or in a published file
    afterwards.
    """
    number = str(pl.select(national(pl.lit(phone))).item())
    if not re.fullmatch(PHONE, number):
        raise UsageError("the phone is not valid; give 11 digits, or - and the digits on standard input")
    landing = landing_of(settings)
    remove_left_over(settings.scratch_folder, *settings.inputs_folder.glob("*"))
    daily.load(settings)
    daily.reconcile(settings, as_of=clock())
    with exclusive_lock(landing):
        landing.catch_up()
        landing.refuse_versions()
        landing.remove_drafts()
        person = Person(number, _tombstone(landing, number), _opt_outs(settings, number))
        rows = sum(_rows_of(person, path) for path in landing.campaigns.plan_paths())
        rewrites = [*_rewrites(landing, person, keep_suppressed=keep_suppressed)]
        for done, rewrite in enumerate(rewrites):
            progress("rewriting", done / len(rewrites))
            rewrite()
        if [*_rewrites(landing, person, keep_suppressed=keep_suppressed)]:
            raise BooksError("the phone is still in the landing; run the same command again")
        if rows:  # so that messages that are still to be sent to them are kept back
            listed = {"phone": [person.tombstone], "reason": [REASON], "since_at": [clock()], "is_removed": [False]}
            land_entries(landing, pl.DataFrame(listed), name=REASON, at=clock())
        landing.put_changes()
    daily.rebuild(settings, as_of=clock(), progress=progress)
    left_over = daily.publish(settings, keep_old=False).left_over
    _require_gone(settings, person, keep_suppressed=keep_suppressed)
    if left_over:
        raise BooksError(f"{left_over[0]} still holds the person's data and can't be removed; remove it by hand")
    landing.forgetting_path.unlink()
    return ErasureSummary(len(rewrites), rows)


def _tombstone(landing: Landing, phone: str) -> str:
    """The phone's tombstone, the same again after an interruption. Raises UsageError if another phone's is unfinished.

    It is random, since anything computed from the phone could be traced back to it. So it is noted with a slow hash of
    the phone until the erasure is finished.
    """
    path = landing.forgetting_path
    if not path.exists():
        salt = secrets.token_hex(16)
        note = {"salt": salt, "digest": _digest(phone, salt), "tombstone": f"10{secrets.randbelow(10**9):09}"}
        landing.note_forgetting(json.dumps(note).encode())
    note = json.loads(path.read_text())
    if note["digest"] != _digest(phone, note["salt"]):
        raise UsageError("the erasure of another phone is unfinished; run it again first")
    return str(note["tombstone"])


def _digest(phone: str, salt: str) -> str:
    return scrypt(phone.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()


def _opt_outs(settings: Settings, phone: str) -> frozenset[str]:
    with warehouse_of(settings).read() as connection:
        texts = connection.execute(
            "SELECT DISTINCT content FROM core.reply_matches WHERE phone = ? AND is_opt_out", [phone]
        ).fetchall()
    return frozenset(text for (text,) in texts)


def _require_gone(settings: Settings, person: Person, *, keep_suppressed: bool) -> None:
    """Raises BooksError with the columns whose values still hold the phone: in core, marts and published."""
    is_kept = {"core.suppressions.phone", "core.suppressions.reason"} if keep_suppressed else set()
    with warehouse_of(settings).read() as connection:
        found = [*columns_holding(connection, person.phone, person.is_in)]
    with duckdb.connect(settings.published_folder / PUBLISHED_DATABASE, read_only=True) as connection:
        found += [f"published {name}" for name in columns_holding(connection, person.phone, person.is_in)]
    columns = sorted(set(found) - is_kept)
    if columns:
        raise BooksError(
            f"the phone is still in {', '.join(columns)}, in a form that is not found in the landing; report this, and"
            " remove the file that it came from by hand, then run the same command again"
        )


def _rewrites(landing: Landing, person: Person, *, keep_suppressed: bool) -> Iterator[Rewrite]:
    """A function for each file of the landing that holds the person, which rewrites the file without them."""
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
        body = (
            _replies_without(person, call.body, call.format)
            if call.kind == "replies"
            else person.erased_from(call.body)
        )
        if body != call.body:
            yield partial(landing.rewrite, name, replace(call, body=body))
    yield from _rewrites_of_pushes(landing, person)
    for name in landing.imports.names():
        try:
            imported = landing.imports.read(name)
        except UNREADABLE_HEADER:
            yield from _rewrites_of_damaged(landing, person, name)
            continue
        cleaned_import = replace(
            imported,
            file_name=person.erased_from_text(imported.file_name),
            mapping={field: person.erased_from_text(heading) for field, heading in imported.mapping.items()},
            body=_export_without(person, imported.body, imported.mapping.get("content")),
        )
        if cleaned_import != imported:
            yield partial(landing.rewrite, name, cleaned_import)
    if not keep_suppressed:
        yield from _rewrites_of_lists(landing, person)
    with Journal.read_only(landing.journal) as journal:
        if any(person.erased_from(answer) != answer for answer in journal.answers_and_details()):
            yield partial(_redact_journal, landing, person)


def _rewrites_of_lists(landing: Landing, person: Person) -> Iterator[Rewrite]:
    """Raises BooksError for a file among the lists that can't be read, since the person may be in it."""
    unread = [landing.name(path) for path in landing.suppressions.other_files()]
    for name in landing.suppressions.names():
        try:
            entries = read_parquet(landing.suppressions.read(name))
            others = _texts_without(person, entries.filter(~_is_of(person, pl.col("phone").cast(pl.String))))
        except (UnreadableParquet, pl.exceptions.PolarsError, OSError):
            unread.append(name)
            continue
        if not others.equals(entries):
            yield partial(_write_list, landing, name, others)
    if unread:
        raise BooksError(
            f"landing/{unread[0]} can't be read as a suppression list and may hold the person; correct it or take it"
            " away, then run the same command again"
        )


def _rewrites_of_damaged(landing: Landing, person: Person, name: str) -> Iterator[Rewrite]:
    content = landing.path(name).read_bytes()
    if person.erased_from(content) != content:
        yield partial(landing.rewrite, name, person.erased_from(content))


def _rewrites_of_pushes(landing: Landing, person: Person) -> Iterator[Rewrite]:
    for name in landing.pushes.names():
        frames = _frames_of(landing.pushes, name)
        cleaned = [replace(frame, body=_push_without(person, frame.body)) for frame in frames]
        if cleaned != frames:
            yield partial(landing.pushes.rewrite, name, cleaned)
    for name in landing.refused.names():
        frames = _frames_of(landing.refused, name)
        others = [frame for frame in frames if person.erased_from(frame.body) == frame.body]
        if others != frames:
            yield partial(landing.refused.rewrite, name, others)


def _frames_of(segments: SegmentFolder, name: str) -> list[Frame]:
    """The frames of a segment. Raises BooksError if a damaged pack hides some, since the person may be in them."""
    frames = segments.read(name)
    if NOTHING in frames:
        raise BooksError(
            f"landing/{name} is in a damaged pack, which may hold the person; restore the pack from a backup or remove"
            " it, then run the same command again"
        )
    return frames


def _is_of(person: Person, phone: pl.Expr) -> pl.Expr:
    """True for the person's phone, and for a cell that isn't a phone but holds theirs."""
    return holds(phone, person.phone)


def _rows_of(person: Person, path: Path) -> int:
    frame = pl.read_parquet(path, columns=["phone"], glob=False)
    is_erased = pl.col("phone").eq_missing(person.tombstone)
    return int(frame.select((_is_of(person, pl.col("phone")) | is_erased).sum()).item())


def _plan_without(person: Person, frame: pl.DataFrame) -> pl.DataFrame:
    is_theirs = _is_of(person, pl.col("phone"))
    cleaned = _texts_without(person, frame, besides={"phone"})
    replacements = {"content": pl.lit("·")}
    if "owner" in frame.columns:
        cleaned = cleaned.with_columns(_owner_without(person, frame["owner"]))
        replacements["owner"] = pl.lit(None, cleaned.schema["owner"])
    return cleaned.with_columns(
        pl.when(is_theirs).then(pl.lit(person.tombstone)).otherwise("phone").alias("phone"),
        *(pl.when(is_theirs).then(value).otherwise(name).alias(name) for name, value in replacements.items()),
    )


def _texts_without(person: Person, frame: pl.DataFrame, *, besides: Collection[str] = ()) -> pl.DataFrame:
    """The frame without the phone in its columns of text."""
    texts = [column for column in frame if column.dtype == pl.String and column.name not in besides]
    return frame.with_columns(_text_without(person, column) for column in texts)


def _text_without(person: Person, cells: pl.Series) -> pl.Series:
    if not cells.alias("cells").str.contains(written(person.phone)).any():  # its own name may be *, or a pattern
        return cells
    return cells.map_elements(person.erased_from_text, return_dtype=pl.String, skip_nulls=True)


def _owner_without(person: Person, owner: pl.Series) -> pl.Series:
    """The owner's columns without the phone, also in their names; a cell that holds it and isn't text becomes null."""

    def without(cells: pl.Series) -> pl.Series:
        if cells.dtype == pl.String:
            return _text_without(person, cells)
        if person.is_in(str(cells.dtype)):  # in a name within it
            return pl.Series(cells.name, [None] * len(cells), pl.String)
        as_json = pl.struct(cells.alias("cell"), eager=True).struct.json_encode()
        plain = as_json.str.replace_all(r"\\(?:[bfnrt]|u00[01][0-9a-f])", " ")  # escapes of blanks, which are gaps
        holds_phone = plain.to_frame("cell").select(_is_of(person, pl.col("cell"))).to_series()
        return pl.select(pl.when(~holds_phone).then(cells)).to_series() if holds_phone.any() else cells

    columns: dict[str, pl.Series] = {}
    for place, cells in enumerate(owner.struct.unnest(), 1):
        name = person.erased_from_text(cells.name)
        columns[f"{name} ({place})" if name in columns else name] = without(cells)
    cleaned = pl.DataFrame(columns).to_struct(owner.name)
    return pl.select(pl.when(owner.is_not_null()).then(cleaned)).to_series().alias(owner.name)


def _replies_without(person: Person, body: bytes, form: str) -> bytes:
    """An answer without the phone and texts of the person; written again as JSON if it held them."""
    if person.erased_from(body) == body:
        return body
    try:
        records = read_replies(body, "xml" if form == "xml" else "json")
    except UnreadableAnswer:
        return person.erased_from(body)
    texts = []
    for place in range(records.record_count):
        raw = records.raw(place)
        if person.is_in(records.columns["phone"][place] or ""):
            names = {"phone": "srcId", "content": "content", "access_num": "destId", "mo_time": "moTime"}
            values = {ours: records.columns[ours][place] for ours in names}
            values |= {
                "phone": person.erased_from_text(values["phone"] or ""),
                "content": person.blanked(values["content"] or ""),
            }
            raw = json_text({name: values[ours] for ours, name in names.items() if values[ours] is not None})
        texts.append(person.erased_from_text(raw))
    return replace(records, error_msg=person.erased_from_text(records.error_msg)).holding(texts)


def _push_without(person: Person, body: bytes) -> bytes:
    """A push without the phone and texts of the person."""
    if person.erased_from(body) == body:
        return body

    def edit(record: etree._Element, _: int) -> bool:
        if any(person.is_in(child.text or "") for child in record.iter()):
            for content in record.iter("content"):
                content.text = person.blanked((content.text or "").strip())
        return True

    try:
        return person.erased_from(edited(body, edit))
    except UnreadablePush:
        return person.erased_from(body)


def _export_without(person: Person, body: bytes, content: str | None) -> bytes:
    """An export without the phone and texts of the person; written again as Parquet if it held them.

    The Parquet file has the rows alone: titles, hidden sheets and the cells of rows that are too long are gone.
    """
    try:
        sheet = read_sheet(body)
    except UnreadableExport:
        return person.erased_from(body)
    frame = sheet.frame
    is_left_out = person.is_in(sheet.text_left_out)
    has_phone = pl.any_horizontal(pl.all().str.contains(written(person.phone)).fill_null(value=False))
    is_theirs = frame.select(has_phone).to_series()
    if not (is_theirs.any() or is_left_out):
        return body
    cleaned = frame.with_columns(
        pl.all().map_elements(person.erased_from_text, return_dtype=pl.String, skip_nulls=True)
    )
    if content is not None:
        blanked = pl.col(content).map_elements(person.blanked, return_dtype=pl.String, skip_nulls=True)
        cleaned = cleaned.with_columns(pl.when(pl.lit(is_theirs)).then(blanked).otherwise(content).alias(content))
    if cleaned.equals(frame) and not is_left_out:
        return body
    file = BytesIO()
    cleaned.write_parquet(file)
    return file.getvalue()


def _write_list(landing: Landing, name: str, entries: pl.DataFrame) -> None:
    file = BytesIO()
    entries.write_parquet(file)
    landing.rewrite(name, file.getvalue())


def _redact_journal(landing: Landing, person: Person) -> None:
    with Journal.open(landing.journal) as journal:
        journal.redact(person.erased_from)
