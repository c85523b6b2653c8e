"""A campaign's plan: a file that says which rows are messages, with which numbers, and in which batches.

The same input gives the same plan. Once a campaign is registered in the journal its plan is never made again. Nothing
is sent here.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy.exc import IntegrityError

from pipelines.campaign.fetched_input import local_copy
from pipelines.campaign.high_water import make_mark
from pipelines.campaign.input_address import Address
from pipelines.campaign.input_files import InputFiles, input_files, input_sha256s, input_state
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.recipients import read_recipients
from pipelines.campaign.suppressions import suppressed_phones
from pipelines.errors import BooksError, InputRefused, UsageError
from pipelines.failpoints import reach
from pipelines.files import make_folder, written_whole
from pipelines.landing.landing import Landing
from pipelines.message_ids import MAX_MESSAGES, campaign_key, message_id, mission_num, position_of
from pipelines.phones import phone_number
from pipelines.settings import Settings

ROW_GROUP = 128_000  # rows of the plan that are read at once while sending

_CAMPAIGN_ID = re.compile("[a-z0-9][a-z0-9-]{0,39}")

_COLUMNS = (
    "input_row",
    "message_id",
    "disposition",
    "reason",
    "duplicate_of_row",
    "phone",
    "mission_num",
    "planned_batch",
    "content",
    "extra_num",
    "template_id",
    "segment_count",
)


@dataclass(frozen=True)
class PlanRequest:
    """The owner's input: a file of recipients, and the text or template if it is the same for all."""

    campaign_id: str
    source: Path | Address
    content: str | None = None
    template_id: str | None = None


@dataclass(frozen=True)
class Plan:
    """Counts of a finished plan; `path` is its file, None for a dry run."""

    record: CampaignRecord
    path: Path | None
    disposition_counts: dict[str, int]  # all four, in the order of DESIGN: invalid, duplicate, suppressed, planned
    reason_counts: list[tuple[str, str, int]]  # disposition, reason, rows; most first
    first_texts: list[str] = field(repr=False)
    input: InputFiles | None = field(default=None, compare=False)  # None if the plan was read without them


def planned_campaign(campaign_id: str, landing: Landing) -> CampaignRecord:
    """The record of a campaign. Raises UsageError if no campaign with that id was planned here."""
    with Journal.read_only(landing.journal) as journal:
        record = journal.campaign(campaign_id)
    if record is None:
        raise UsageError(f"there is no campaign {campaign_id} here; 'smsrecon status' lists all")
    return record


def make_plan(
    request: PlanRequest,
    *,
    landing: Landing,
    settings: Settings,
    at: datetime,
    is_dry_run: bool = False,
    accept_unreadable: bool = False,
) -> Plan:
    """Plan a campaign and, unless it is a dry run, write the plan and register the campaign.

    A campaign that is registered already keeps its plan. The caller holds the campaign's lock. Raises UsageError for a
    malformed campaign id or a purged campaign, and InputRefused for an input that can't be sent, or that isn't the one
    of the registered campaign, and for a suppression list that can't be read or, unless `accept_unreadable`, has
    entries that are no phones.
    """
    check_campaign_id(request.campaign_id)
    landing.catch_up()
    landing.campaigns.refuse_purged(request.campaign_id)
    with local_copy(request.source, settings.inputs_folder) as source:
        return _plan_files(
            request,
            source,
            landing=landing,
            settings=settings,
            at=at,
            is_dry_run=is_dry_run,
            accept_unreadable=accept_unreadable,
        )


def _plan_files(
    request: PlanRequest,
    source: Path,
    *,
    landing: Landing,
    settings: Settings,
    at: datetime,
    is_dry_run: bool,
    accept_unreadable: bool,
) -> Plan:
    """The plan of a request whose input lies at the path `source`."""
    found = input_files(source)
    state = input_state(found)
    sha256s = input_sha256s(found, content=request.content, template_id=request.template_id)
    with Journal.read_only(landing.journal) as journal:
        registered = journal.campaign(request.campaign_id)
        campaigns = journal.campaigns()
    if registered is not None:
        if registered.input_sha256 not in sha256s:
            raise InputRefused(
                f"{source}: campaign {request.campaign_id} was planned with another file or text; continue it"
                f" with 'smsrecon resume {request.campaign_id}'; for other people choose another campaign id"
            )
        return replace(read_plan(registered, landing), input=found)
    recipients = read_recipients(
        found.files,
        content=request.content,
        template_id=request.template_id,
        max_content_length=settings.plan.max_content_length,
    )
    if input_state(found) != state:
        raise InputRefused(f"{source}: changed while it was read; submit again when it is written")
    has_own_mission_nums = recipients["mission_num"].null_count() < recipients.height
    if has_own_mission_nums:
        kept = {each.campaign_id for each in campaigns} - {*landing.campaigns.purged_ids()}
        _refuse_known_mission_nums(
            found.paths[0], recipients, [landing.campaigns.plan_path(each) for each in sorted(kept)]
        )
    suppressed = suppressed_phones(landing, accept_unreadable=accept_unreadable)
    messages, others = _decided(recipients, suppressed)
    _refuse_unsendable(source, messages, others)
    messages = _ordered(messages, settings.plan.batch_size)
    leaves_no_file = is_dry_run and not landing.number_key_path.exists()  # nor does an input that was refused above
    secret = secrets.token_hex() if leaves_no_file else landing.number_key()
    taken = {each.campaign_key for each in campaigns}
    key = campaign_key(secret, settings.installation, request.campaign_id, taken=taken)
    rows = _arranged(messages, others, key=key)
    record = CampaignRecord(
        campaign_id=request.campaign_id,
        campaign_key=key,
        planned_at=at,
        input_sha256=sha256s[0],
        row_count=recipients.height,
        message_count=messages.height,
        segment_count=int(messages["segment_count"].sum()),
        planned_batch_count=int(messages["planned_batch"][-1]) + 1,
        has_own_mission_nums=has_own_mission_nums,
        has_secret_key=True,
        left_out_count=len(found.left_out),
    )
    if is_dry_run:
        return replace(_summarised(record, rows, path=None), input=found)
    path = landing.campaigns.plan_path(request.campaign_id)
    make_mark(landing, request.campaign_id)
    write_plan(rows, path)
    landing.put(landing.name(path))
    reach("plan.before_register")
    with Journal.open(landing.journal) as journal:
        try:
            journal.register(record)
        except IntegrityError:  # another campaign took the key meanwhile; plan again with another salt
            return make_plan(request, landing=landing, settings=settings, at=at, accept_unreadable=accept_unreadable)
    reach("plan.after_register")
    return replace(_summarised(record, rows, path), input=found)


def read_plan(record: CampaignRecord, landing: Landing) -> Plan:
    """The plan of a registered campaign, from its file. Raises BooksError if the file is missing or damaged."""
    path = landing.campaigns.plan_path(record.campaign_id)
    try:
        plan = _summarised(record, pl.scan_parquet(path, glob=False), path)
    except (pl.exceptions.PolarsError, OSError):
        plan = None
    if plan is None or sum(plan.disposition_counts.values()) != record.row_count:
        raise BooksError(
            f"{path} is missing or damaged; restore it from a backup, since only this file has the numbers of the rows"
        )
    return plan


class PlanFile:
    """A plan's file, read for sending: by position, one row group at a time."""

    def __init__(self, path: Path) -> None:
        self._rows = pl.scan_parquet(path, glob=False)
        self._windows: dict[int, pl.DataFrame] = {}

    def batches(self) -> list[tuple[int, int, int]]:
        """(planned_batch, first position, last position) of all batches, in the order of sending."""
        position = position_of(pl.col("message_id"))
        batches = (
            self._rows.filter(pl.col("message_id").is_not_null())
            .group_by("planned_batch")
            .agg(first=position.min(), last=position.max())
            .sort("planned_batch")
        )
        return list(batches.collect().iter_rows())

    def messages(self, first: int, last: int) -> pl.DataFrame:
        """phone, mission_num, content, extra_num, template_id of the messages at these positions."""
        windows = range(first // ROW_GROUP, last // ROW_GROUP + 1)
        rows = pl.concat([self._window(number) for number in windows])
        return rows.slice(first - windows.start * ROW_GROUP, last - first + 1)

    def listed(self, suppressed: pl.DataFrame) -> list[tuple[int, str]]:
        """(position, reason) of the messages whose phone is among the `suppressed` (phone, reason), in order."""
        messages = self._rows.filter(pl.col("message_id").is_not_null()).with_columns(
            position=position_of(pl.col("message_id"))
        )
        found = messages.select("position", "phone").join(suppressed.lazy(), on="phone")
        return list(found.select("position", "reason").sort("position").collect().iter_rows())

    def segment_count(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Segments of the messages at these (first, last) positions."""
        upto = self._rows.select(pl.col("segment_count").cast(pl.Int64).cum_sum()).collect().to_series()
        return sum(upto[last] - (upto[first - 1] if first else 0) for first, last in ranges)

    def _window(self, number: int) -> pl.DataFrame:
        if number not in self._windows:
            if len(self._windows) > 2:  # the batches in flight lie in two neighbouring row groups
                del self._windows[min(self._windows)]
            columns = ("phone", "mission_num", "content", "extra_num", "template_id")
            self._windows[number] = self._rows.slice(number * ROW_GROUP, ROW_GROUP).select(columns).collect()
        return self._windows[number]


def check_campaign_id(campaign_id: str) -> None:
    if not _CAMPAIGN_ID.fullmatch(campaign_id):
        raise UsageError(
            f"'{campaign_id}' is not a campaign id; give up to 40 lower-case letters, digits and '-', the first not '-'"
        )


def _summarised(record: CampaignRecord, rows: pl.LazyFrame, path: Path | None) -> Plan:
    counts = rows.group_by("disposition", "reason").len().collect()
    counts = counts.sort("len", "disposition", "reason", descending=[True, False, False])
    dispositions = dict.fromkeys(("invalid", "duplicate", "suppressed", "planned"), 0)
    for disposition, _, count in counts.iter_rows():
        dispositions[disposition] += count
    reasons = [row for row in counts.iter_rows() if row[1] is not None]
    texts = rows.slice(0, min(record.message_count, ROW_GROUP)).select("content").collect()["content"]
    return Plan(record, path, dispositions, reasons, texts.unique(maintain_order=True).head(3).to_list())


def _refuse_unsendable(source: Path, messages: pl.DataFrame, others: pl.DataFrame) -> None:
    """Raises InputRefused if no row can be sent, or too many."""
    if messages.is_empty():
        counts = others.group_by("reason").len().sort("len", descending=True).head(5)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.iter_rows())
        raise InputRefused(f"{source}: no row can be sent: {reasons}; correct the file")
    if messages.height > MAX_MESSAGES:
        raise InputRefused(f"{source}: has {messages.height} messages; split it into files of at most {MAX_MESSAGES}")


def _arranged(messages: pl.DataFrame, others: pl.DataFrame, *, key: int) -> pl.LazyFrame:
    """Number the messages, which are in their order; the other rows come after them.

    Lazily, so that the numbers are made a piece at a time while the plan is written.
    """
    position = pl.col("position").cast(pl.Int64)
    has_own = messages["mission_num"].null_count() == 0  # all have, or none: of an input's own none is missing
    numbered = (
        messages.lazy()
        .with_row_index("position")
        .with_columns(
            message_id=message_id(key, position),
            mission_num="mission_num" if has_own else mission_num(key, position),
            disposition=pl.lit("planned"),
            duplicate_of_row=pl.lit(None, pl.Int64),
        )
    )
    unsent = others.lazy().with_columns(message_id=pl.lit(None, pl.Int64), planned_batch=pl.lit(None, pl.Int32))
    columns = [*_COLUMNS, *(["owner"] if "owner" in messages.columns else [])]
    return pl.concat([numbered.select(columns), unsent.select(columns)])


def _decided(recipients: pl.DataFrame, suppressions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that are to be sent, and the others, with what becomes of each.

    A duplicate has the number of the first valid row of its phone.
    """
    is_valid = recipients["reason"].is_null()
    valid = recipients.select("input_row", "phone_number").filter(is_valid)
    duplicates = _duplicates(valid)
    numbers = suppressions.select(phone_number=phone_number(pl.col("phone")), suppressed_for="reason")
    listed = valid.join(numbers, on="phone_number").select("input_row", "suppressed_for")
    is_message = is_valid.clone().scatter(pl.concat([duplicates["input_row"], listed["input_row"]]), False)
    others = (
        recipients.filter(~is_message)
        .join(duplicates, on="input_row", how="left", maintain_order="left")
        .join(listed, on="input_row", how="left", maintain_order="left")
    )
    is_duplicate = pl.col("duplicate_of_row").is_not_null()
    others = others.with_columns(
        disposition=pl.when(pl.col("reason").is_not_null())
        .then(pl.lit("invalid"))
        .when(is_duplicate)
        .then(pl.lit("duplicate"))
        .otherwise(pl.lit("suppressed")),
        reason=pl.coalesce("reason", pl.when(is_duplicate).then(pl.lit("phone_repeated")), "suppressed_for"),
    )
    return recipients.filter(is_message), others


def _duplicates(valid: pl.DataFrame) -> pl.DataFrame:
    """input_row, duplicate_of_row: the rows whose phone an earlier row has, and the first such row.

    Sorting the numbers finds those that repeat in half the time of hashing them; only these are looked at further.
    """
    numbers = valid["phone_number"].sort()
    repeated = numbers.filter(numbers == numbers.shift()).unique()
    rows = valid.filter(valid["phone_number"].is_in(repeated.implode()))
    first_row = pl.col("input_row").min().over("phone_number")
    return rows.select("input_row", duplicate_of_row=first_row).filter(
        pl.col("input_row") != pl.col("duplicate_of_row")
    )


def _ordered(messages: pl.DataFrame, batch_size: int) -> pl.DataFrame:
    """Group the messages that can share a request, ordered by each group's first row, and cut the groups into batches.

    sendSms takes one text for all its phones; sendTplSms takes one for each, so there the template makes the group.
    """
    shared = messages.select(pl.col("content", "template_id", "extra_num").n_unique() == 1).row(0)
    if all(shared):
        batch = pl.int_range(pl.len(), dtype=pl.Int64) // batch_size
        return messages.with_columns(planned_batch=batch.cast(pl.Int32))
    text = pl.when(pl.col("template_id").is_null()).then("content")
    ordered = (
        messages.with_columns(group=pl.col("input_row").min().over(text, "template_id", "extra_num"))
        .sort("group", "input_row")
        .with_columns(in_group=pl.int_range(pl.len(), dtype=pl.Int64).over("group") // batch_size)
    )
    starts = (pl.col("group") != pl.col("group").shift()) | (pl.col("in_group") != pl.col("in_group").shift())
    return ordered.with_columns(planned_batch=starts.fill_null(value=False).cum_sum().cast(pl.Int32))


def _refuse_known_mission_nums(file: Path, recipients: pl.DataFrame, plans: Sequence[Path]) -> None:
    """Raises InputRefused if another campaign has used one of these mission numbers: each names one message only."""
    if not plans:
        return
    known = pl.concat(
        pl.scan_parquet(plan, glob=False).filter(pl.col("message_id").is_not_null()).select("mission_num")
        for plan in plans
    )
    valid = recipients.lazy().filter(pl.col("reason").is_null())
    row = valid.join(known, on="mission_num", how="semi").select(pl.col("input_row").min()).collect().item()
    if row is not None:
        raise InputRefused(
            f"{file}: row {row}, column 'mission_num': another campaign has used this number; choose unused ones"
        )


def write_plan(rows: pl.DataFrame | pl.LazyFrame, path: Path) -> None:
    """Write the plan in one step, synced to disk."""
    make_folder(path.parent)
    with written_whole(path, overwrite=True) as draft:
        # Level 1 takes a quarter less CPU than the usual 3, and a twentieth less space: phones compress no further.
        rows.lazy().sink_parquet(draft, row_group_size=ROW_GROUP, compression_level=1, statistics=False)
        reach("plan.before_sync")
