"""Contracts of the tables of `core` that load fills from the landing."""

from typing import Final

import polars as pl

from pipelines.contracts import JSON, Contract, Instant, TableConfig, column
from pipelines.phones import PHONE
from pipelines.times import EARLIEST_INSTANT, LATEST_INSTANT

NUMBER_RANGE_DESCRIPTION: Final = "First 7 digits of the phone; null unless the phone has 11 digits."
HAS_OWN_TIME_DESCRIPTION: Final = (
    "replied_at is the time sent by the gateway, or that of a push without a readable one."
)
_CALL_FILE: Final = "Path in the landing of the call that brought it."
_SOURCE_FILE: Final = "Path in the landing of the call, push or import that brought it; the first, if several did."
_EXTRA: Final = (
    "Other fields that the gateway sent, as JSON; null without any. In an imported report without a time of its own, "
    "stat_time_from says which was taken: sent_at or imported_at. In a reply whose time can't be read, "
    "replied_at_from is received_at."
)


class Migrations(Contract):
    """One row per migration of sql/schema that was applied to this database."""

    migration_num: pl.Int32 = column(ge=1, description="Number of the migration; they are applied in this order.")
    name: pl.String = column(description="Name of its file, without the extension.")

    config = TableConfig("core.migrations", kind="bookkeeping")


class Loads(Contract):
    """One row per transaction of a load that changed something: a load of many files has several.

    Another process may close the books between two of them, so rows of the second must have another number.
    """

    load_num: pl.Int64 = column(ge=1, description="Number of the transaction; later ones have higher numbers.")
    loaded_at: Instant = column(description="When it was begun.")

    config = TableConfig("core.loads", kind="bookkeeping")


class Listings(Contract):
    """One row per folder of the landing, or pack of segments, whose files are all loaded.

    It is not listed again unless it changes. The folder `campaigns` stands for those of all campaigns, without drafts.
    """

    folder: pl.String = column(description="Path in the landing.")
    changed_at: Instant = column(description="When it had changed last, as the file system says (its ctime).")

    config = TableConfig("core.listings", kind="bookkeeping")


class Computed(Contract):
    """One row per reconcile, the last one only: how the computed tables were made."""

    as_of_at: Instant = column(description="Instant as of which the tables were computed.")
    parameters: pl.String = column(
        duckdb_type=JSON,
        description="Parameters of the statements besides it, as JSON: settings, patterns of opt-outs.",
    )
    fingerprint: pl.String = column(
        description="SHA-256 of these parameters, of the statements and of the reference tables, as hex digits."
    )
    file_count: pl.Int64 = column(ge=0, description="Rows that core.files had.")
    last_event_id: pl.Int64 = column(ge=0, description="Id of the last event that was loaded from the journal.")
    load_num: pl.Int64 = column(ge=0, description="Highest number in core.loads; 0 without one.")
    computed_id: pl.String = column(
        description="Random id of the last reconcile that changed a row of a computed table."
    )
    is_balanced: pl.Boolean = column(description="Every check passed; if not, the next reconcile computes all.")

    config = TableConfig("core.computed", kind="bookkeeping")


class ComputedCampaigns(Contract):
    """One row per campaign that was computed: its rows in the computed tables are the same until the id changes."""

    campaign_id: pl.String = column(unique=True, description="Id of the campaign.")
    campaign_key: pl.Int64 = column(ge=0, lt=2**35, description="Upper 35 bits of its message ids.")
    computed_id: pl.String = column(description="Random id of the reconcile that computed it last.")

    config = TableConfig("core.computed_campaigns", kind="bookkeeping")


class Files(Contract):
    """One row per loaded file of the landing: accepted_count + rejected_count = record_count."""

    source_file: pl.String = column(description="Path in the landing.")
    kind: pl.String = column(
        isin=["reports", "replies", "balance", "pushes", "suppressions", "plan", "journal"],
        description="Kind of file: reports, replies, balance, pushes, suppressions, plan or journal.",
    )
    record_count: pl.Int64 = column(
        ge=0,
        description="Records in the file; an unreadable file counts as one. For the journal, the id of the last "
        "event loaded.",
    )
    accepted_count: pl.Int64 = column(ge=0, description="Records that satisfy the contract, duplicates included.")
    rejected_count: pl.Int64 = column(ge=0, description="Records that do not; they are in core.rejects.")

    config = TableConfig("core.files", kind="loaded")


class Campaigns(Contract):
    """One row per planned campaign, with the state of its sending."""

    campaign_id: pl.String = column(
        matches=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Id of the campaign; never reused."
    )
    campaign_key: pl.Int64 = column(ge=0, lt=2**35, description="Upper 35 bits of its message ids.")
    planned_at: Instant = column(description="When it was planned.")
    row_count: pl.Int64 = column(ge=0, description="Rows of the input file.")
    message_count: pl.Int64 = column(ge=0, description="Rows that are to be sent.")
    segment_count: pl.Int64 = column(ge=0, description="Segments of all messages; the gateway charges by segment.")
    planned_batch_count: pl.Int64 = column(ge=0, description="Batches of the plan, before any split.")
    has_own_mission_nums: pl.Boolean = column(
        description="The input has a mission_num column, so message ids are looked up, not computed from mission_num."
    )
    is_paused: pl.Boolean = column(description="Sending is paused until 'smsrecon resume'.")
    paused_reason: pl.String = column(nullable=True, description="Why it is paused; null unless paused.")
    has_secret_key: pl.Boolean = column(
        description="campaign_key derives from a secret of the data folder, so that nobody can guess its numbers."
    )
    left_out_count: pl.Int64 = column(
        ge=0, description="Files of the input's folder that were not read: they are not Parquet, or hidden."
    )

    config = TableConfig("core.campaigns", kind="loaded")


class Recipients(Contract):
    """One row per recipient row: a row of a campaign's input file, as planned."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    input_row: pl.Int64 = column(ge=0, description="Row of the input file, counted from 0.")
    message_id: pl.Int64 = column(
        nullable=True,
        ge=0,
        description="campaign_key * 2^28 + position in the plan; null if the row is not to be sent.",
    )
    disposition: pl.String = column(
        isin=["planned", "invalid", "duplicate", "suppressed"],
        description="Decision of the plan: planned, invalid, duplicate or suppressed.",
    )
    reason: pl.String = column(nullable=True, description="Why the row is not to be sent; null if it is.")
    duplicate_of_row: pl.Int64 = column(
        nullable=True, ge=0, description="Earlier row with the same phone; null unless a duplicate."
    )
    phone: pl.String = column(nullable=True, description="Phone, 11 digits; unchanged from the input if invalid.")
    mission_num: pl.String = column(nullable=True, description="Id of the message at the gateway.")
    planned_batch: pl.Int32 = column(nullable=True, ge=0, description="Number of its batch in the plan.")
    content: pl.String = column(nullable=True, description="Text with its signature.")
    extra_num: pl.String = column(nullable=True, description="Extension of the access number.")
    template_id: pl.String = column(nullable=True, description="Template of the text.")
    segment_count: pl.Int32 = column(
        nullable=True, ge=1, description="Segments of the text; the gateway charges by segment."
    )
    owner: pl.String = column(nullable=True, duckdb_type=JSON, description="All other columns of the input, as JSON.")
    number_range: pl.Int32 = column(nullable=True, description=NUMBER_RANGE_DESCRIPTION)

    config = TableConfig("core.recipients", kind="loaded")


class Batches(Contract):
    """One row per batch_num: a request that was sent, or was about to be, and its outcome."""

    batch_num: pl.String = column(description="Id of the batch at the gateway; never used twice.")
    campaign_id: pl.String = column(description="Id of the campaign.")
    planned_batch: pl.Int32 = column(
        ge=0, description="Number of the batch in the plan that it sends, whole or in part."
    )
    first_message_id: pl.Int64 = column(ge=0, description="First message of the batch.")
    last_message_id: pl.Int64 = column(
        ge=0, description="Last message of the batch; all ids in between belong to it too."
    )
    message_count: pl.Int64 = column(ge=1, description="Messages in the batch.")
    attempt: pl.Int32 = column(ge=1, description="1 for the first attempt to send its messages.")
    state: pl.String = column(
        isin=["accepted", "refused", "in_doubt", "not_sent", "split", "suppressed"],
        description="accepted, refused, in_doubt (may have been sent), not_sent (certainly not sent), split (sent "
        "as two batches), suppressed (held back: its phones were suppressed after planning).",
    )
    error_code: pl.String = column(
        nullable=True, description="Error code of the gateway's answer; null without a readable answer."
    )
    http_status: pl.Int32 = column(nullable=True, description="HTTP status of the answer; null without an answer.")
    detail: pl.String = column(nullable=True, description="Details beyond the codes.")
    submitted_at: Instant = column(description="When the request was sent.")
    submitted_on: pl.Date = column(description="Day of submitted_at, in Asia/Shanghai.")
    answered_at: Instant = column(nullable=True, description="When its outcome became known.")
    answer_ms: pl.Int32 = column(nullable=True, ge=0, description="Time from request to answer, in milliseconds.")
    decided_by: pl.String = column(
        nullable=True, description="User who decided it with 'smsrecon resolve'; null if not decided by hand."
    )

    config = TableConfig("core.batches", kind="loaded")


class Reports(Contract):
    """One row per distinct delivery report, by mission_num, phone, code, stat_time and batch_num.

    Of reports that differ only in a missing number or a borrowed time, the most complete one is kept.
    """

    message_id: pl.Int64 = column(
        nullable=True, ge=0, description="Message id computed from mission_num; null if mission_num is not one of ours."
    )
    mission_num: pl.String = column(description="Id of the message at the gateway; empty if the gateway sent none.")
    phone: pl.String = column(matches=r"^[0-9]{5,20}$", description="Phone, without the prefix 86.")
    code: pl.String = column(min_length=1, description="Gateway code: delivered, or why not.")
    stat_time: Instant = column(
        ge=EARLIEST_INSTANT,
        lt=LATEST_INSTANT,
        description="When the phone received the message or delivery was given up, as reported by the gateway.",
    )
    batch_num: pl.String = column(description="Id of the batch; empty if the gateway sent none.")
    is_delivered: pl.Boolean = column(description="The code means that the phone received the message.")
    send_status: pl.String = column(description="State of the submission as sent by the gateway; empty if not sent.")
    receive_status: pl.String = column(description="SUCCESS or FAIL as sent by the gateway; empty if not sent.")
    received_at: Instant = column(description="When it was first received.")
    source_file: pl.String = column(description=_SOURCE_FILE)
    extra: pl.String = column(nullable=True, duckdb_type=JSON, description=_EXTRA)
    is_pulled: pl.Boolean = column(description="A pull brought it.")
    is_pushed: pl.Boolean = column(description="A push brought it.")
    is_imported: pl.Boolean = column(description="A file exported from the vendor's console brought it.")

    config = TableConfig(
        "core.reports",
        kind="loaded",
        # Only the vendor's console may leave out both: its exports are matched by phone and time.
        row_checks={
            "mission_num or batch_num must be given": (pl.col("mission_num") != "")
            | (pl.col("batch_num") != "")
            | pl.col("is_imported")
        },
    )


class Replies(Contract):
    """One row per distinct reply, by phone, content, access_num and, if the gateway sends one, time.

    Of replies that differ only in a missing access_num, the complete one is kept.
    """

    phone: pl.String = column(matches=r"^[0-9]{5,20}$", description="Phone that replied, without the prefix 86.")
    content: pl.String = column(description="Text of the reply.")
    access_num: pl.String = column(description="Access number replied to, with its extension; empty if not sent.")
    replied_at: Instant = column(
        ge=EARLIEST_INSTANT,
        lt=LATEST_INSTANT,
        description="When the reply was sent, or first received if the gateway sends no time.",
    )
    has_own_time: pl.Boolean = column(description=HAS_OWN_TIME_DESCRIPTION)
    received_at: Instant = column(description="When it was first received.")
    source_file: pl.String = column(description=_SOURCE_FILE)
    extra: pl.String = column(nullable=True, duckdb_type=JSON, description=_EXTRA)
    is_pulled: pl.Boolean = column(description="A pull brought it.")
    is_pushed: pl.Boolean = column(description="A push brought it.")
    is_imported: pl.Boolean = column(description="A file exported from the vendor's console brought it.")
    plain_content: pl.String = column(
        description="Text in the form in which opt-out words are searched: NFKC, lower case, anything but letters "
        "and digits replaced by one space."
    )

    config = TableConfig("core.replies", kind="loaded")


class ReplyArrivals(Contract):
    """One row per answer that holds a reply without a time of its own: a later one may be a new reply."""

    phone: pl.String = column(matches=r"^[0-9]{5,20}$", description="Phone that replied, without the prefix 86.")
    content: pl.String = column(description="Text of the reply.")
    access_num: pl.String = column(description="Access number replied to, with its extension; empty if not sent.")
    received_at: Instant = column(description="When the query that brought it was sent.")
    source_file: pl.String = column(description=_CALL_FILE)

    config = TableConfig("core.reply_arrivals", kind="loaded")


class Balances(Contract):
    """One row per balance reported by the gateway."""

    queried_at: Instant = column(description="When the balance was queried.")
    balance_count: pl.Int64 = column(description="Remaining balance, in segments.")
    source_file: pl.String = column(description=_CALL_FILE)

    config = TableConfig("core.balances", kind="loaded")


class Pulls(Contract):
    """One row per query for reports, replies or the balance."""

    source_file: pl.String = column(description="Path in the landing of the call.")
    kind: pl.String = column(
        isin=["reports", "replies", "balance"], description="Kind of query: reports, replies or balance."
    )
    pulled_on: pl.Date = column(nullable=True, description="Day that was queried; null if the query has no day.")
    called_at: Instant = column(description="When the query was sent.")
    outcome: pl.String = column(
        isin=["ok", "refused", "unreadable", "no_answer"],
        description="ok, refused (an error code), unreadable (the answer can't be parsed), no_answer.",
    )
    http_status: pl.Int32 = column(nullable=True, description="HTTP status of the answer; null without an answer.")
    error_code: pl.String = column(
        nullable=True, description="Error code of the answer; null without a readable answer."
    )
    answer_ms: pl.Int32 = column(ge=0, description="Time from request to answer, in milliseconds.")
    record_count: pl.Int64 = column(ge=0, description="Records in the answer; an unreadable answer counts as one.")
    rejected_count: pl.Int64 = column(ge=0, description="Records of these that are in core.rejects.")
    new_record_count: pl.Int64 = column(ge=0, description="Reports or replies that no earlier query had brought.")

    config = TableConfig("core.pulls", kind="loaded")


class Suppressions(Contract):
    """One row per entry of a suppression list."""

    phone: pl.String = column(matches=PHONE, description="Phone, 11 digits.")
    reason: pl.String = column(min_length=1, description="Reason, in the list's own words.")
    since_at: Instant = column(ge=EARLIEST_INSTANT, lt=LATEST_INSTANT, description="When the entry takes effect.")
    source_file: pl.String = column(description="Path in the landing of the list.")
    is_removed: pl.Boolean = column(
        description="The entry cancels all entries of the phone up to since_at: messages to it may be sent again."
    )

    config = TableConfig("core.suppressions", kind="loaded")


class Rejects(Contract):
    """One row per record that fails its contract, or per unreadable file: counted, never dropped."""

    source_file: pl.String = column(description="Path in the landing of its file.")
    position: pl.Int64 = column(
        ge=-1, description="Position of the record in the file, counted from 0; -1 for the file as a whole."
    )
    kind: pl.String = column(
        isin=["reports", "replies", "balance", "suppressions"],
        description="Kind of the expected record: reports, replies, balance or suppressions.",
    )
    reason: pl.String = column(description="Columns and the checks that they fail, without values.")
    raw_record: pl.String = column(description="Record as received, as JSON; empty for a file as a whole.")

    config = TableConfig("core.rejects", kind="loaded")


CORE: Final[tuple[type[Contract], ...]] = (
    Migrations,
    Loads,
    Listings,
    Computed,
    ComputedCampaigns,
    Files,
    Campaigns,
    Recipients,
    Batches,
    Reports,
    Replies,
    ReplyArrivals,
    Balances,
    Pulls,
    Suppressions,
    Rejects,
)
