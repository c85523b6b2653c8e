"""The contracts of the tables of `core` that reconcile makes: the reference tables, then one for each file of sql/core.

They are private, like all of `core`: some hold phones.
"""

from typing import Final

import pandera.polars as pa
import polars as pl

from pipelines.contracts import Contract, Instant

STATUSES: Final[tuple[str, ...]] = (
    "invalid",
    "duplicate",
    "suppressed",
    "planned",
    "refused",
    "in_doubt",
    "accepted",
    "unreported",
    "delivered",
    "failed",
)

MATCH_RULES: Final[tuple[str, ...]] = ("mission_num", "own_mission_num", "batch_phone")

# What several tables say of the same column.
WHICH_STATUS: Final = "The one status of the row (invalid … failed)."
WHICH_RULE: Final = (
    "How its reports were matched: mission_num (read back), own_mission_num (looked up), batch_phone; "
    "null without reports."
)


class GatewayCodes(Contract):
    """One row per gateway code that the vendor documents, from sql/reference/gateway_codes.csv."""

    code: pl.String = pa.Field(unique=True, description="The gateway code, as in a report.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")
    class_: pl.String = pa.Field(alias="class", description="The kind of cause: delivered, dead_number, unpaid, …")
    whose_move: pl.String = pa.Field(description="Who can do something about it.")
    what_to_do: pl.String = pa.Field(description="What that is.")
    is_hard: pl.Boolean = pa.Field(description="The number will not be reached next time either.")
    source: pl.String = pa.Field(description="Who says so.")

    class Config:
        name = "core.gateway_codes"


class ErrorCodes(Contract):
    """One row per error code that the vendor documents, from sql/reference/error_codes.csv."""

    error_code: pl.String = pa.Field(unique=True, description="The code in an answer to a request.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")
    is_whole_request_refused: pl.Boolean = pa.Field(
        nullable=True, description="No message of the request was taken; null: not known."
    )
    action: pl.String = pa.Field(description="What a sender can do.")

    class Config:
        name = "core.error_codes"


class ReportLookups(Contract):
    """One row per report whose mission_num can't be read back to a message of ours: looked up, or an orphan."""

    message_id: pl.Int64 = pa.Field(nullable=True, description="The message that was found; null for an orphan.")
    mission_num: pl.String = pa.Field(description="As in core.reports.")
    phone: pl.String = pa.Field(description="As in core.reports.")
    code: pl.String = pa.Field(description="As in core.reports.")
    stat_time: Instant = pa.Field(description="As in core.reports.")
    batch_num: pl.String = pa.Field(description="As in core.reports.")
    is_delivered: pl.Boolean = pa.Field(description="As in core.reports.")
    received_at: Instant = pa.Field(description="As in core.reports.")
    match_rule: pl.String = pa.Field(
        nullable=True, isin=MATCH_RULES[1:], description="own_mission_num or batch_phone; null for an orphan."
    )

    class Config:
        name = "core.report_lookups"


class ReportMatches(Contract):
    """One row per report that names a message: a view, since most of them are rows of core.reports as they are."""

    message_id: pl.Int64 = pa.Field(description="The message; an id that is no message of ours is an orphan's.")
    mission_num: pl.String = pa.Field(description="As in core.reports.")
    phone: pl.String = pa.Field(description="As in core.reports; believed only where it is the message's.")
    code: pl.String = pa.Field(description="As in core.reports.")
    stat_time: Instant = pa.Field(description="As in core.reports.")
    batch_num: pl.String = pa.Field(description="As in core.reports.")
    is_delivered: pl.Boolean = pa.Field(description="As in core.reports.")
    received_at: Instant = pa.Field(description="As in core.reports.")
    match_rule: pl.String = pa.Field(isin=MATCH_RULES, description="How the message was found.")

    class Config:
        name = "core.report_matches"


class RepeatedMessages(Contract):
    """One row per message that more than one report names; among these reports one is chosen to be believed."""

    message_id: pl.Int64 = pa.Field(description="The message.")

    class Config:
        name = "core.repeated_messages"


class BatchOutcomes(Contract):
    """One row per batch that was accepted, refused or may have been accepted; the ranges of these never overlap."""

    batch_num: pl.String = pa.Field(description="The batch.")
    campaign_id: pl.String = pa.Field(description="The campaign.")
    planned_batch: pl.Int32 = pa.Field(description="The batch of the plan that it sends, or sends a part of.")
    first_message_id: pl.Int64 = pa.Field(description="Its first message.")
    last_message_id: pl.Int64 = pa.Field(description="Its last message.")
    state: pl.String = pa.Field(
        isin=["accepted", "refused", "in_doubt"], description="What is believed of it, once reports settled doubt."
    )
    is_proven_by_report: pl.Boolean = pa.Field(
        description="It was in_doubt, and a believed report for one of its messages proves that it was accepted."
    )
    error_code: pl.String = pa.Field(nullable=True, description="The gateway's answer; null if none could be read.")
    submitted_at: Instant = pa.Field(description="When the request left.")
    submitted_on: pl.Date = pa.Field(description="The day of that, in Asia/Shanghai.")

    class Config:
        name = "core.batch_outcomes"


class MessageStatus(Contract):
    """One row per recipient row, with the one status it has: the books."""

    campaign_id: pl.String = pa.Field(description="The campaign.")
    input_row: pl.Int64 = pa.Field(ge=0, description="The row of the input file, counted from 0.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message; null if the row is never to be sent.")
    status: pl.String = pa.Field(isin=STATUSES, description=WHICH_STATUS)
    code: pl.String = pa.Field(nullable=True, description="The code of the report that is believed.")
    error_code: pl.String = pa.Field(nullable=True, description="The error code it was refused with.")
    batch_num: pl.String = pa.Field(nullable=True, description="The batch it was sent in; null while it was not.")
    submitted_at: Instant = pa.Field(nullable=True, description="When the request of that batch left.")
    submitted_on: pl.Date = pa.Field(nullable=True, description="The day of that, in Asia/Shanghai.")
    delivered_at: Instant = pa.Field(nullable=True, description="When the phone got it; null unless delivered.")
    latency_seconds: pl.Int32 = pa.Field(
        nullable=True, description="Whole seconds from submission to the stat_time of the report that is believed."
    )
    match_rule: pl.String = pa.Field(nullable=True, isin=MATCH_RULES, description=WHICH_RULE)
    report_count: pl.Int32 = pa.Field(ge=0, description="Distinct reports for it with its phone.")
    phone_mismatch_count: pl.Int32 = pa.Field(ge=0, description="Distinct reports for it with another phone.")
    segment_count: pl.Int32 = pa.Field(nullable=True, description="Segments of its text; null if there is none.")

    class Config:
        name = "core.message_status"


class MessageCounts(Contract):
    """One row per campaign, batch, status, code and error code: core.message_status, counted once for all marts."""

    campaign_id: pl.String = pa.Field(description="The campaign.")
    batch_num: pl.String = pa.Field(nullable=True, description="The batch; null for rows that never were in one.")
    submitted_at: Instant = pa.Field(nullable=True, description="When its request left.")
    submitted_on: pl.Date = pa.Field(nullable=True, description="The day of that, in Asia/Shanghai.")
    status: pl.String = pa.Field(isin=STATUSES, description=WHICH_STATUS)
    code: pl.String = pa.Field(nullable=True, description="The code of the report that is believed.")
    error_code: pl.String = pa.Field(nullable=True, description="The error code it was refused with.")
    message_count: pl.Int64 = pa.Field(ge=1, description="Recipient rows.")
    segment_count: pl.Int64 = pa.Field(nullable=True, description="Their segments.")

    class Config:
        name = "core.message_counts"


class ReplyMatches(Contract):
    """One row per reply, with the message it most likely answers: the latest one sent to that phone before it."""

    phone: pl.String = pa.Field(description="Who replied.")
    access_num: pl.String = pa.Field(description="The number it was sent to, with its extension.")
    replied_at: Instant = pa.Field(description="When it was sent.")
    received_at: Instant = pa.Field(description="When we first got it.")
    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign; null if none was sent to that phone.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message.")
    character_count: pl.Int32 = pa.Field(ge=0, description="Length of the text.")
    is_opt_out: pl.Boolean = pa.Field(description="The text asks for no more messages (T, TD, 退订 …).")

    class Config:
        name = "core.reply_matches"


# In the order in which they are made: each reads only tables loaded from the landing, or above it here.
RECONCILED: Final[tuple[type[Contract], ...]] = (
    GatewayCodes,
    ErrorCodes,
    ReportLookups,
    ReportMatches,
    RepeatedMessages,
    BatchOutcomes,
    MessageStatus,
    MessageCounts,
    ReplyMatches,
)
