"""The contracts of the tables of `core` that reconcile makes: the reference tables, then one for each file of sql/core.

They are private, like all of `core`: some hold phones.
"""

from typing import Final

import pandera.polars as pa
import polars as pl

from pipelines.contracts import Contract, Instant, TableConfig
from pipelines.phones import PHONE

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

MATCH_RULES: Final[tuple[str, ...]] = ("mission_num", "own_mission_num", "batch_phone", "phone_time")

REPLY_RULES: Final[tuple[str, ...]] = ("extension", "latest")

SUPPRESSION_REASONS: Final[tuple[str, ...]] = ("opted_out", "hard_code")

# The kinds of causes of the codes that the vendor documents, and the families of the others.
CAUSES: Final[tuple[str, ...]] = (
    "delivered",
    "dead_number",
    "blacklist",
    "unpaid",
    "unreachable",
    "handset",
    "content",
    "routing",
)
FAMILIES: Final[tuple[str, ...]] = ("china_mobile", "china_unicom", "platform", "unknown")

# The verdicts of error codes: `pipelines.gateway.codes.Verdict`, which is above this module, has the same by test.
VERDICTS: Final[tuple[str, ...]] = (
    "accepted",
    "too_fast",
    "some_messages",
    "campaign",
    "refused",
    "outcome_unknown",
)

MOVERS: Final[tuple[str, ...]] = ("campaign_owner", "operator", "recipient", "carrier", "vendor", "nobody")

# What several tables say of the same column.
WHICH_STATUS: Final = f"The one status of the row: {', '.join(STATUSES)}."
WHICH_CODE: Final = "The code of the report that is believed; null without one."
WHICH_ERROR_CODE: Final = "The error code it was refused with; null unless refused."
WHICH_LATENCY: Final = (
    "Whole seconds from submission to the stat_time of the report that is believed, whether delivered or failed."
)
WHOSE_MOVE: Final = f"Who can do something about it: {', '.join(MOVERS)}."
WHICH_RULE: Final = (
    "How its reports were matched: mission_num (read back), own_mission_num (looked up), batch_phone, "
    "phone_time; null without reports."
)
WHICH_REPLY_RULE: Final = (
    "How its message was found: extension (the latest sent with the extension that was replied to), "
    "latest (the latest sent to the phone); null if none was."
)
WHEN_REPLIED: Final = "When it was sent; when we first got it, if the gateway gives no time."
WHICH_REASON: Final = "opted_out (a reply asks for no more), or hard_code (see hard_campaign_count)."
SINCE_WHEN: Final = "The first such reply; else the submission of the last message that failed with a hard code."


class GatewayCodes(Contract):
    """One row per gateway code that the vendor documents, from sql/reference/gateway_codes.csv."""

    code: pl.String = pa.Field(unique=True, description="The gateway code, as in a report.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")
    class_: pl.String = pa.Field(alias="class", isin=CAUSES, description=f"The kind of cause: {', '.join(CAUSES)}.")
    whose_move: pl.String = pa.Field(isin=MOVERS, description=WHOSE_MOVE)
    what_to_do: pl.String = pa.Field(description="What that is.")
    is_hard: pl.Boolean = pa.Field(description="The number will not be reached next time either.")
    source: pl.String = pa.Field(description="Who says so.")

    class Config:
        name = "core.gateway_codes"
        metadata = TableConfig(kind="reference")


class CodeFamilies(Contract):
    """One row per prefix of gateway codes, from sql/reference/code_families.csv: how undocumented codes are classed."""

    code_prefix: pl.String = pa.Field(unique=True, description="How the codes of the family start.")
    family: pl.String = pa.Field(isin=FAMILIES[:-1], description=f"The family: {', '.join(FAMILIES[:-1])}.")
    responsible_party: pl.String = pa.Field(
        isin=MOVERS, description=f"Who can act on a code of the family: {', '.join(MOVERS)}."
    )

    class Config:
        name = "core.code_families"
        metadata = TableConfig(kind="reference")


class Statuses(Contract):
    """One row per status of a recipient row, from sql/reference/statuses.csv: what each counts as."""

    status: pl.String = pa.Field(unique=True, isin=STATUSES, description=f"The status: {', '.join(STATUSES)}.")
    status_num: pl.Int32 = pa.Field(unique=True, ge=1, description="Its place in the life of a message, from 1.")
    is_sent: pl.Boolean = pa.Field(description="The message was sent, or may have been.")
    is_accepted: pl.Boolean = pa.Field(
        description="The gateway accepted the message: it counts in accepted_total_count."
    )
    is_reported: pl.Boolean = pa.Field(description="A report says what became of it: it counts in reported_count.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")

    class Config:
        name = "core.statuses"
        metadata = TableConfig(kind="reference")


class ErrorCodes(Contract):
    """One row per error code that the vendor documents, from sql/reference/error_codes.csv."""

    error_code: pl.String = pa.Field(unique=True, description="The code in an answer to a request.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")
    verdict: pl.String = pa.Field(
        isin=VERDICTS, description=f"What it says of a submission, and so what the sender does: {', '.join(VERDICTS)}."
    )
    is_whole_request_refused: pl.Boolean = pa.Field(description="No message of the request was accepted.")
    action: pl.String = pa.Field(description="What a sender can do.")
    query_next_step: pl.String = pa.Field(description="What the operator does when it refuses a query.")

    class Config:
        name = "core.error_codes"
        metadata = TableConfig(kind="reference")


class NumberRanges(Contract):
    """One row per run of number ranges of one carrier and province, from sql/reference/number_ranges.csv."""

    first_range: pl.Int32 = pa.Field(
        unique=True, ge=1300000, lt=2000000, description="The first 7 digits of the first numbers of the run."
    )
    last_range: pl.Int32 = pa.Field(
        ge=1300000, lt=2000000, description="The same of the last ones; the first 4 of the 7 digits are those of all."
    )
    carrier: pl.String = pa.Field(description="Who was given the range, in English; numbers may have moved since.")
    carrier_zh: pl.String = pa.Field(description="The same in Chinese.")
    province: pl.String = pa.Field(description="Where the range was given out, in English; unknown of many new ones.")
    province_zh: pl.String = pa.Field(description="The same in Chinese.")

    class Config:
        name = "core.number_ranges"
        metadata = TableConfig(kind="reference")


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
        nullable=True, isin=MATCH_RULES[1:], description="own_mission_num, batch_phone, phone_time; null for an orphan."
    )

    class Config:
        name = "core.report_lookups"
        metadata = TableConfig(kind="computed", grain="whole")


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
    match_rule: pl.String = pa.Field(
        isin=MATCH_RULES,
        description="How the message was found: mission_num (read back), own_mission_num (looked up), batch_phone, "
        "phone_time.",
    )

    class Config:
        name = "core.report_matches"
        metadata = TableConfig(kind="view", grain="campaign")


class RepeatedMessages(Contract):
    """One row per message that more than one report names; among these reports one is chosen to be believed."""

    message_id: pl.Int64 = pa.Field(description="The message.")

    class Config:
        name = "core.repeated_messages"
        metadata = TableConfig(kind="computed", grain="campaign")


class BatchOutcomes(Contract):
    """One row per batch that was accepted, refused, kept back or may have been accepted; their ranges never overlap."""

    batch_num: pl.String = pa.Field(description="The batch.")
    campaign_id: pl.String = pa.Field(description="The campaign.")
    planned_batch: pl.Int32 = pa.Field(description="The batch of the plan that it sends, or sends a part of.")
    first_message_id: pl.Int64 = pa.Field(description="Its first message.")
    last_message_id: pl.Int64 = pa.Field(description="Its last message.")
    state: pl.String = pa.Field(
        isin=["accepted", "refused", "in_doubt", "suppressed"],
        description="accepted, refused, in_doubt or suppressed: what is believed of it, once reports settled doubt.",
    )
    is_proven_by_report: pl.Boolean = pa.Field(
        description="It was in_doubt, and a believed report for one of its messages proves that it was accepted."
    )
    error_code: pl.String = pa.Field(nullable=True, description="The gateway's answer; null if none could be read.")
    submitted_at: Instant = pa.Field(nullable=True, description="When the request left; null if it was kept back.")
    submitted_on: pl.Date = pa.Field(nullable=True, description="The day of that, in Asia/Shanghai.")

    class Config:
        name = "core.batch_outcomes"
        metadata = TableConfig(kind="computed", grain="campaign")


class MessageStatus(Contract):
    """One row per recipient row, with the one status it has: the books."""

    campaign_id: pl.String = pa.Field(description="The campaign.")
    input_row: pl.Int64 = pa.Field(ge=0, description="The row of the input file, counted from 0.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message; null if the row is never to be sent.")
    status: pl.String = pa.Field(isin=STATUSES, description=WHICH_STATUS)
    code: pl.String = pa.Field(nullable=True, description=WHICH_CODE)
    error_code: pl.String = pa.Field(nullable=True, description=WHICH_ERROR_CODE)
    batch_num: pl.String = pa.Field(
        nullable=True, description="The batch it was sent in, or kept back under; null before."
    )
    submitted_at: Instant = pa.Field(nullable=True, description="When the request of that batch left.")
    submitted_on: pl.Date = pa.Field(nullable=True, description="The day of that, in Asia/Shanghai.")
    delivered_at: Instant = pa.Field(nullable=True, description="When the phone got it; null unless delivered.")
    latency_seconds: pl.Int32 = pa.Field(nullable=True, description=WHICH_LATENCY)
    match_rule: pl.String = pa.Field(nullable=True, isin=MATCH_RULES, description=WHICH_RULE)
    report_count: pl.Int32 = pa.Field(ge=0, description="Distinct reports for it with its phone.")
    phone_mismatch_count: pl.Int32 = pa.Field(ge=0, description="Distinct reports for it with another phone.")
    number_range: pl.Int32 = pa.Field(
        nullable=True, description="The first 7 digits of the phone; null if it has not 11."
    )
    segment_count: pl.Int32 = pa.Field(nullable=True, description="Segments of its text; null if there is none.")

    class Config:
        name = "core.message_status"
        metadata = TableConfig(kind="computed", grain="campaign")


class MessageCounts(Contract):
    """One row per campaign, batch, status, code and error code: core.message_status, counted once for all marts."""

    campaign_id: pl.String = pa.Field(description="The campaign.")
    batch_num: pl.String = pa.Field(nullable=True, description="The batch; null for rows that never were in one.")
    submitted_at: Instant = pa.Field(nullable=True, description="When its request left.")
    submitted_on: pl.Date = pa.Field(nullable=True, description="The day of that, in Asia/Shanghai.")
    status: pl.String = pa.Field(isin=STATUSES, description=WHICH_STATUS)
    code: pl.String = pa.Field(nullable=True, description=WHICH_CODE)
    error_code: pl.String = pa.Field(nullable=True, description=WHICH_ERROR_CODE)
    message_count: pl.Int64 = pa.Field(ge=1, description="Recipient rows.")
    segment_count: pl.Int64 = pa.Field(nullable=True, description="Their segments.")

    class Config:
        name = "core.message_counts"
        metadata = TableConfig(kind="computed", grain="campaign")


class RepeatedReplies(Contract):
    """One row per reply of core.replies that another row there tells too, and better; it counts there."""

    phone: pl.String = pa.Field(description="Who replied.")
    content: pl.String = pa.Field(description="The text.")
    access_num: pl.String = pa.Field(description="The number it was sent to, with its extension.")
    replied_at: Instant = pa.Field(description=WHEN_REPLIED)
    has_own_time: pl.Boolean = pa.Field(description="replied_at is the gateway's.")

    class Config:
        name = "core.repeated_replies"
        metadata = TableConfig(kind="computed", grain="whole")


class ReplyMatches(Contract):
    """One row per reply, with the message it most likely answers: the latest one sent to that phone before it."""

    phone: pl.String = pa.Field(description="Who replied.")
    access_num: pl.String = pa.Field(description="The number it was sent to, with its extension.")
    replied_at: Instant = pa.Field(description=WHEN_REPLIED)
    has_own_time: pl.Boolean = pa.Field(description="replied_at is the gateway's.")
    received_at: Instant = pa.Field(description="When we first got it.")
    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign; null if none was sent to that phone.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message.")
    submitted_at: Instant = pa.Field(nullable=True, description="When the request of its batch left.")
    reply_seconds: pl.Int32 = pa.Field(nullable=True, ge=0, description="Whole seconds from that to the reply.")
    match_rule: pl.String = pa.Field(nullable=True, isin=REPLY_RULES, description=WHICH_REPLY_RULE)
    character_count: pl.Int32 = pa.Field(ge=0, description="Length of the text.")
    is_opt_out: pl.Boolean = pa.Field(description="The text asks for no more messages (T, TD, 退订 …).")

    class Config:
        name = "core.reply_matches"
        metadata = TableConfig(kind="computed", grain="whole")


class PhonesToSuppress(Contract):
    """One row per phone that should get no more messages and is on no list yet, with what a list needs."""

    phone: pl.String = pa.Field(unique=True, str_matches=PHONE, description="The phone, 11 digits.")
    reason: pl.String = pa.Field(isin=SUPPRESSION_REASONS, description=WHICH_REASON)
    since_at: Instant = pa.Field(description=SINCE_WHEN)
    opted_out_at: Instant = pa.Field(nullable=True, description="The first reply that asks for no more; null if none.")
    hard_campaign_count: pl.Int64 = pa.Field(
        ge=0, description="Campaigns that failed with a hard code since the phone last got a message."
    )
    code: pl.String = pa.Field(nullable=True, description="The last of these codes.")
    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign of the latest message to it.")
    input_row: pl.Int64 = pa.Field(nullable=True, description="That message's row of the input file.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="That message; null if it was sent none.")
    message_count: pl.Int64 = pa.Field(ge=0, description="Messages sent to it; those refused don't count.")
    last_submitted_at: Instant = pa.Field(nullable=True, description="When the latest of them was submitted.")

    class Config:
        name = "core.phones_to_suppress"
        metadata = TableConfig(kind="computed", grain="whole")


# In the order in which they are made: each reads only tables loaded from the landing, or above it here.
RECONCILED: Final[tuple[type[Contract], ...]] = (
    GatewayCodes,
    CodeFamilies,
    Statuses,
    ErrorCodes,
    NumberRanges,
    ReportLookups,
    ReportMatches,
    RepeatedMessages,
    BatchOutcomes,
    MessageStatus,
    MessageCounts,
    RepeatedReplies,
    ReplyMatches,
    PhonesToSuppress,
)
