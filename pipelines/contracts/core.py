"""The contracts of the tables that are loaded from the landing: what one row is, and what must hold for it."""

from typing import Final

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from pipelines.contracts import JSON, Contract, Instant, TableConfig
from pipelines.phones import PHONE
from pipelines.times import EARLIEST_INSTANT, LATEST_INSTANT

_CALL_FILE: Final = "The landed call it came with, beneath the landing."
_WHERE_FROM: Final = "The landed call, push or import it came with, beneath the landing. The first, if many."
_EXTRA: Final = "Fields the gateway sent that have no column, as JSON; null if there were none."


class Migrations(Contract):
    """One row per migration of sql/schema that this database has been through."""

    migration_num: pl.Int32 = pa.Field(ge=1, description="Its number; they run in this order.")
    name: pl.String = pa.Field(description="The name of its file, without the ending.")

    class Config:
        name = "core.migrations"
        metadata = TableConfig(kind="loaded")


class Files(Contract):
    """One row per file of the landing that is loaded: accepted_count + rejected_count = record_count."""

    source_file: pl.String = pa.Field(description="Its path beneath the landing.")
    kind: pl.String = pa.Field(
        isin=["reports", "replies", "balance", "pushes", "suppressions", "plan", "journal"],
        description="What it holds: reports, replies, balance, pushes, suppressions, a plan, or the journal.",
    )
    record_count: pl.Int64 = pa.Field(
        ge=0,
        description="Records in it; for the journal the id of the last event loaded. A file nobody can read is one.",
    )
    accepted_count: pl.Int64 = pa.Field(ge=0, description="Records that kept the contract, repeated ones included.")
    rejected_count: pl.Int64 = pa.Field(ge=0, description="Records that did not: they are in core.rejects.")

    class Config:
        name = "core.files"
        metadata = TableConfig(kind="loaded")


class Campaigns(Contract):
    """One row per campaign that was planned, with its state of sending."""

    campaign_id: pl.String = pa.Field(str_matches=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Its id; never reused.")
    campaign_key: pl.Int64 = pa.Field(ge=0, lt=2**35, description="The upper 35 bits of its message ids.")
    planned_at: Instant = pa.Field(description="When it was planned.")
    row_count: pl.Int64 = pa.Field(ge=0, description="Rows of the input file.")
    message_count: pl.Int64 = pa.Field(ge=0, description="Rows that are to be sent.")
    segment_count: pl.Int64 = pa.Field(ge=0, description="Segments of all messages; what is paid for.")
    planned_batch_count: pl.Int64 = pa.Field(ge=0, description="Batches of the plan, before any was split.")
    has_own_mission_nums: pl.Boolean = pa.Field(
        description="The input brought its own mission_num column: they are looked up, not read back into message ids."
    )
    is_paused: pl.Boolean = pa.Field(description="Sending rests until 'smsrecon resume'.")
    paused_reason: pl.String = pa.Field(nullable=True, description="Why it rests; null while it does not.")

    class Config:
        name = "core.campaigns"
        metadata = TableConfig(kind="loaded")


class Recipients(Contract):
    """One row per recipient row: a row of a campaign's input file, as planned."""

    campaign_id: pl.String = pa.Field(description="The campaign.")
    input_row: pl.Int64 = pa.Field(ge=0, description="The row of the input file, counted from 0.")
    message_id: pl.Int64 = pa.Field(
        nullable=True, ge=0, description="campaign_key * 2^28 + position in the plan; null if it is never to be sent."
    )
    disposition: pl.String = pa.Field(
        isin=["planned", "invalid", "duplicate", "suppressed"],
        description="What the plan decided for the row: planned, invalid, duplicate or suppressed.",
    )
    reason: pl.String = pa.Field(nullable=True, description="Why it is not to be sent; null if it is.")
    duplicate_of_row: pl.Int64 = pa.Field(nullable=True, ge=0, description="The earlier row with the same phone.")
    phone: pl.String = pa.Field(nullable=True, description="The phone, 11 digits; as it stood if invalid.")
    mission_num: pl.String = pa.Field(nullable=True, description="The message's identity at the gateway.")
    planned_batch: pl.Int32 = pa.Field(nullable=True, ge=0, description="The batch of the plan it belongs to.")
    content: pl.String = pa.Field(nullable=True, description="The text with its signature.")
    extra_num: pl.String = pa.Field(nullable=True, description="The extension of the access number.")
    template_id: pl.String = pa.Field(nullable=True, description="The template the text was made of.")
    segment_count: pl.Int32 = pa.Field(nullable=True, ge=1, description="Segments of the text; each is paid for.")
    owner: pl.String = pa.Field(
        nullable=True, metadata=JSON, description="The owner's own columns of the input, as JSON."
    )

    class Config:
        name = "core.recipients"
        metadata = TableConfig(kind="loaded")


class Batches(Contract):
    """One row per batch_num: a request that left, or was about to, and what became of it."""

    batch_num: pl.String = pa.Field(description="Its identity at the gateway; never used twice.")
    campaign_id: pl.String = pa.Field(description="The campaign.")
    planned_batch: pl.Int32 = pa.Field(ge=0, description="The batch of the plan that it sends, or sends a part of.")
    first_message_id: pl.Int64 = pa.Field(ge=0, description="Its first message.")
    last_message_id: pl.Int64 = pa.Field(ge=0, description="Its last message; all ids between belong to it too.")
    message_count: pl.Int64 = pa.Field(ge=1, description="Messages in it.")
    attempt: pl.Int32 = pa.Field(ge=1, description="1 for the first time that its range was sent.")
    state: pl.String = pa.Field(
        isin=["accepted", "refused", "in_doubt", "not_sent", "split", "suppressed"],
        description="accepted, refused, in_doubt (may have been sent), not_sent (surely not), split (sent as two), "
        "suppressed (kept back: its phones came onto a list after planning).",
    )
    error_code: pl.String = pa.Field(nullable=True, description="The gateway's answer; null if none could be read.")
    http_status: pl.Int32 = pa.Field(nullable=True, description="The answer's HTTP status; null without an answer.")
    detail: pl.String = pa.Field(nullable=True, description="What is known beyond the codes.")
    submitted_at: Instant = pa.Field(description="When the request left.")
    submitted_on: pl.Date = pa.Field(description="The day of that, in Asia/Shanghai.")
    answered_at: Instant = pa.Field(nullable=True, description="When its outcome was known.")
    answer_ms: pl.Int32 = pa.Field(nullable=True, ge=0, description="Milliseconds from request to answer.")
    decided_by: pl.String = pa.Field(
        nullable=True, description="Who settled its doubt with 'smsrecon resolve'; null where nobody did."
    )

    class Config:
        name = "core.batches"
        metadata = TableConfig(kind="loaded")


class Reports(Contract):
    """One row per distinct report: mission_num, phone, code, stat_time and batch_num make the difference.

    Of reports that differ in nothing but a number that is missing, the one with more of them stands for all.
    """

    message_id: pl.Int64 = pa.Field(
        nullable=True, ge=0, description="The message, read back from mission_num; null if that is not one of ours."
    )
    mission_num: pl.String = pa.Field(description="The message's identity; empty if the gateway gave none.")
    phone: pl.String = pa.Field(str_matches=r"^[0-9]{5,20}$", description="The phone, without the prefix 86.")
    code: pl.String = pa.Field(str_length={"min_value": 1}, description="The gateway code: delivered, or why not.")
    stat_time: Instant = pa.Field(
        ge=EARLIEST_INSTANT,
        lt=LATEST_INSTANT,
        description="When the phone got the message, or the attempt was given up, says the gateway.",
    )
    batch_num: pl.String = pa.Field(description="The batch; empty if the gateway gave none.")
    is_delivered: pl.Boolean = pa.Field(description="The code means that the phone got the message.")
    send_status: pl.String = pa.Field(description="State of the submission as sent by the gateway; empty if not given.")
    receive_status: pl.String = pa.Field(description="SUCCESS or FAIL as sent by the gateway; empty if not given.")
    received_at: Instant = pa.Field(description="When we first got it.")
    source_file: pl.String = pa.Field(description=_WHERE_FROM)
    extra: pl.String = pa.Field(nullable=True, metadata=JSON, description=_EXTRA)
    is_pulled: pl.Boolean = pa.Field(description="It came with the answer to a pull.")
    is_pushed: pl.Boolean = pa.Field(description="It was pushed.")
    is_imported: pl.Boolean = pa.Field(description="It came with a file of the vendor's console.")

    class Config:
        name = "core.reports"
        metadata = TableConfig(kind="loaded")

    @pa.dataframe_check(name="mission_num or batch_num must be given")
    @classmethod
    def _can_be_tied_to_a_message(cls, data: PolarsData) -> pl.LazyFrame:
        """Consoles export reports without either, to be matched by phone and time; a gateway that does is wrong."""
        return data.lazyframe.select(
            (pl.col("mission_num") != "") | (pl.col("batch_num") != "") | pl.col("is_imported")
        )


class Replies(Contract):
    """One row per distinct reply: phone, content, access_num and, where the gateway gives one, the time.

    Of replies that differ in nothing but an access_num that is missing, the one with it stands for all.
    """

    phone: pl.String = pa.Field(str_matches=r"^[0-9]{5,20}$", description="Who replied, without the prefix 86.")
    content: pl.String = pa.Field(description="The text.")
    access_num: pl.String = pa.Field(description="The number it was sent to, with its extension; empty if not given.")
    replied_at: Instant = pa.Field(
        ge=EARLIEST_INSTANT,
        lt=LATEST_INSTANT,
        description="When it was sent; when we first got it, if the gateway gives no time.",
    )
    has_own_time: pl.Boolean = pa.Field(description="replied_at is the gateway's.")
    received_at: Instant = pa.Field(description="When we first got it.")
    source_file: pl.String = pa.Field(description=_WHERE_FROM)
    extra: pl.String = pa.Field(nullable=True, metadata=JSON, description=_EXTRA)
    is_pulled: pl.Boolean = pa.Field(description="It came with the answer to a pull.")
    is_pushed: pl.Boolean = pa.Field(description="It was pushed.")
    is_imported: pl.Boolean = pa.Field(description="It came with a file of the vendor's console.")
    plain_content: pl.String = pa.Field(
        description="The text as opt-outs are looked for in it: NFKC, lower case, one blank for all that is no letter "
        "and no digit."
    )

    class Config:
        name = "core.replies"
        metadata = TableConfig(kind="loaded")


class Balances(Contract):
    """One row per balance the gateway told."""

    queried_at: Instant = pa.Field(description="When it was asked for.")
    balance_count: pl.Int64 = pa.Field(description="Segments left.")
    source_file: pl.String = pa.Field(description=_CALL_FILE)

    class Config:
        name = "core.balances"
        metadata = TableConfig(kind="loaded")


class Pulls(Contract):
    """One row per call for reports, replies or the balance."""

    source_file: pl.String = pa.Field(description="The landed call.")
    kind: pl.String = pa.Field(
        isin=["reports", "replies", "balance"], description="What was asked for: reports, replies or the balance."
    )
    pulled_on: pl.Date = pa.Field(nullable=True, description="The day asked for; null where a call asks for no day.")
    called_at: Instant = pa.Field(description="When the call was made.")
    outcome: pl.String = pa.Field(
        isin=["ok", "refused", "unreadable", "no_answer"],
        description="ok, refused (an error code), unreadable (an answer nobody can read), no_answer.",
    )
    http_status: pl.Int32 = pa.Field(nullable=True, description="The answer's HTTP status; null without an answer.")
    error_code: pl.String = pa.Field(nullable=True, description="The answer's error code; null if none could be read.")
    answer_ms: pl.Int32 = pa.Field(ge=0, description="Milliseconds from request to answer.")
    record_count: pl.Int64 = pa.Field(ge=0, description="Records in the answer; an unreadable answer is one.")
    rejected_count: pl.Int64 = pa.Field(ge=0, description="Of these, how many are in core.rejects.")
    new_record_count: pl.Int64 = pa.Field(ge=0, description="Reports or replies that no earlier call had brought.")

    class Config:
        name = "core.pulls"
        metadata = TableConfig(kind="loaded")


class Suppressions(Contract):
    """One row per entry of a list of phones that must not be written to."""

    phone: pl.String = pa.Field(str_matches=PHONE, description="The phone, 11 digits.")
    reason: pl.String = pa.Field(str_length={"min_value": 1}, description="Why: the list's own word.")
    since_at: Instant = pa.Field(ge=EARLIEST_INSTANT, lt=LATEST_INSTANT, description="Since when.")
    source_file: pl.String = pa.Field(description="The landed list, beneath the landing.")
    is_removed: pl.Boolean = pa.Field(
        description="It takes back all entries of the phone up to its instant, so that it can be written to again."
    )

    class Config:
        name = "core.suppressions"
        metadata = TableConfig(kind="loaded")


class Rejects(Contract):
    """One row per record that failed its contract, or per file that nobody can read. Counted, never dropped."""

    source_file: pl.String = pa.Field(description="The file of the landing it stands in.")
    position: pl.Int64 = pa.Field(
        ge=-1, description="The record in the file, counted from 0; -1 is the file as a whole."
    )
    kind: pl.String = pa.Field(
        isin=["reports", "replies", "balance", "suppressions"],
        description="What it should have been: of reports, replies, balance or suppressions.",
    )
    reason: pl.String = pa.Field(description="Columns and the checks they failed; holds no values.")
    raw_record: pl.String = pa.Field(description="The record as received, as JSON; empty for a file as a whole.")

    class Config:
        name = "core.rejects"
        metadata = TableConfig(kind="loaded")


CORE: Final[tuple[type[Contract], ...]] = (
    Migrations,
    Files,
    Campaigns,
    Recipients,
    Batches,
    Reports,
    Replies,
    Balances,
    Pulls,
    Suppressions,
    Rejects,
)
