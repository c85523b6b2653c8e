"""Contracts of the tables of `core` that reconcile fills: the reference tables, and one for each file of sql/core.

Like all of `core` they are private: some hold phones.
"""

from typing import Final

import polars as pl

from pipelines.contracts import Contract, Instant, TableConfig, column
from pipelines.contracts.core import HAS_OWN_TIME_DESCRIPTION, NUMBER_RANGE_DESCRIPTION
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

HINT_COUNT_DESCRIPTION: Final = (
    "Reports of its messages that only were pushed and so prove nothing until a pull or an import brings them too."
)

MATCH_RULES: Final[tuple[str, ...]] = ("mission_num", "own_mission_num", "batch_phone", "phone_time")

REPLY_RULES: Final[tuple[str, ...]] = ("extension", "latest")

SUPPRESSION_REASONS: Final[tuple[str, ...]] = ("opted_out", "hard_code")

# Causes of the documented gateway codes, and families of the undocumented ones.
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

# The verdicts of error codes. A test holds that `pipelines.gateway.codes.Verdict` has the same.
VERDICTS: Final[tuple[str, ...]] = (
    "accepted",
    "too_fast",
    "some_messages",
    "campaign",
    "refused",
    "outcome_unknown",
)

RESPONSIBLE_PARTIES: Final[tuple[str, ...]] = ("campaign_owner", "operator", "recipient", "carrier", "vendor", "nobody")

# Descriptions of columns that several tables have.
STATUS_DESCRIPTION: Final = f"Status of the row: {', '.join(STATUSES)}."
CODE_DESCRIPTION: Final = "Code of the believed report; null without a report."
ERROR_CODE_DESCRIPTION: Final = "Error code of the refusal; null unless refused."
LATENCY_DESCRIPTION: Final = (
    "Whole seconds from submission to the stat_time of the believed report, delivered or failed."
)
RESPONSIBLE_PARTY: Final = f"Party that can act on the code: {', '.join(RESPONSIBLE_PARTIES)}."
MATCH_RULE_DESCRIPTION: Final = (
    "How its reports were matched: mission_num (contains the message id), own_mission_num (looked up), "
    "batch_phone, phone_time; null without reports."
)
LOOKUP_RULE_DESCRIPTION: Final = (
    "How its believed report was looked up: own_mission_num, batch_phone, phone_time; null without reports, or if it "
    "contains the message id."
)
REPLY_RULE_DESCRIPTION: Final = (
    "How its message was found: extension (the latest one sent to the phone with the extension replied to), "
    "latest (the latest one sent to the phone); null if no message was sent to it."
)
REPLIED_AT_DESCRIPTION: Final = "When the reply was sent, or first received if the gateway sends no time."
SUPPRESSION_REASON_DESCRIPTION: Final = "opted_out (a reply opts out), or hard_code (see hard_campaign_count)."
SINCE_AT_DESCRIPTION: Final = "First opt-out reply; without one, submission of the last failure with a hard code."


class GatewayCodes(Contract):
    """One row per gateway code documented by the vendor, from sql/reference/gateway_codes.csv."""

    code: pl.String = column(unique=True, description="Gateway code, as in a report.")
    meaning: pl.String = column(description="Meaning, in English.")
    meaning_zh: pl.String = column(description="Meaning, in Chinese.")
    class_: pl.String = column(alias="class", isin=CAUSES, description=f"Kind of cause: {', '.join(CAUSES)}.")
    responsible_party: pl.String = column(isin=RESPONSIBLE_PARTIES, description=RESPONSIBLE_PARTY)
    what_to_do: pl.String = column(description="Action for the responsible party.")
    is_hard: pl.Boolean = column(description="Permanent failure: the number will not be reached next time either.")
    source: pl.String = column(description="Source of the row.")

    config = TableConfig("core.gateway_codes", kind="reference")


class CodeFamilies(Contract):
    """One row per prefix of gateway codes, from sql/reference/code_families.csv: how undocumented codes are classed."""

    code_prefix: pl.String = column(unique=True, description="Prefix of the codes of the family.")
    family: pl.String = column(isin=FAMILIES[:-1], description=f"Family: {', '.join(FAMILIES[:-1])}.")
    responsible_party: pl.String = column(isin=RESPONSIBLE_PARTIES, description=RESPONSIBLE_PARTY)

    config = TableConfig("core.code_families", kind="reference")


class Statuses(Contract):
    """One row per status of a recipient row, from sql/reference/statuses.csv: what each counts as."""

    status: pl.String = column(unique=True, isin=STATUSES, description=f"Status: {', '.join(STATUSES)}.")
    status_num: pl.Int32 = column(unique=True, ge=1, description="Position in the life of a message, counted from 1.")
    is_sent: pl.Boolean = column(description="The message was sent, or may have been.")
    is_accepted: pl.Boolean = column(description="The gateway accepted the message: it counts in accepted_total_count.")
    is_reported: pl.Boolean = column(
        description="A report says whether the message was delivered: it counts in reported_count."
    )
    meaning: pl.String = column(description="Meaning, in English.")
    meaning_zh: pl.String = column(description="Meaning, in Chinese.")

    config = TableConfig("core.statuses", kind="reference")


class ErrorCodes(Contract):
    """One row per error code documented by the vendor, from sql/reference/error_codes.csv."""

    error_code: pl.String = column(unique=True, description="Error code in an answer to a request.")
    meaning: pl.String = column(description="Meaning, in English.")
    meaning_zh: pl.String = column(description="Meaning, in Chinese.")
    verdict: pl.String = column(
        isin=VERDICTS,
        description=f"Outcome of a submission, which decides what the sender does: {', '.join(VERDICTS)}.",
    )
    is_whole_request_refused: pl.Boolean = column(description="No message of the request was accepted.")
    action: pl.String = column(description="Action for the sender.")
    query_next_step: pl.String = column(description="Next step of the operator when a query is refused with it.")

    config = TableConfig("core.error_codes", kind="reference")


class NumberRanges(Contract):
    """One row per run of number ranges of one carrier and province, from sql/reference/number_ranges.csv."""

    first_range: pl.Int32 = column(
        unique=True, ge=1300000, lt=2000000, description="First 7 digits of the numbers at the start of the run."
    )
    last_range: pl.Int32 = column(
        ge=1300000,
        lt=2000000,
        description="First 7 digits of the numbers at its end; all ranges of a run share their first 4 digits.",
    )
    carrier: pl.String = column(
        description="Carrier that the range was allocated to, in English; numbers may have been ported since."
    )
    carrier_zh: pl.String = column(description="The same, in Chinese.")
    province: pl.String = column(
        description="Province that the range was allocated in, in English; unknown for many new ranges."
    )
    province_zh: pl.String = column(description="The same, in Chinese.")

    config = TableConfig("core.number_ranges", kind="reference")


class ReportLookups(Contract):
    """One row per report whose mission_num contains no message id of ours: looked up, or an orphan."""

    message_id: pl.Int64 = column(nullable=True, description="Message that was found; null for an orphan.")
    mission_num: pl.String = column(description="As in core.reports.")
    phone: pl.String = column(description="As in core.reports.")
    code: pl.String = column(description="As in core.reports.")
    stat_time: Instant = column(description="As in core.reports.")
    batch_num: pl.String = column(description="As in core.reports.")
    is_delivered: pl.Boolean = column(description="As in core.reports.")
    received_at: Instant = column(description="As in core.reports.")
    is_pushed_only: pl.Boolean = column(description="Only pushes brought it: no pull and no import.")
    is_contradicted: pl.Boolean = column(description="Its receive_status says the opposite of its code.")
    foreign_message_id: pl.Int64 = column(
        nullable=True, description="Message id in its mission_num, which no loaded campaign has; null without one."
    )
    match_rule: pl.String = column(
        nullable=True, isin=MATCH_RULES[1:], description="own_mission_num, batch_phone, phone_time; null for an orphan."
    )

    config = TableConfig("core.report_lookups", kind="computed", grain="whole")


class ReportMatches(Contract):
    """One row per report of a message: a view, since most are unchanged rows of core.reports."""

    message_id: pl.Int64 = column(
        description="Id of the message; without a message of this id, the report is an orphan."
    )
    mission_num: pl.String = column(description="As in core.reports.")
    phone: pl.String = column(
        description="As in core.reports; the report is believed only if it is the phone of the message."
    )
    code: pl.String = column(description="As in core.reports.")
    stat_time: Instant = column(description="As in core.reports.")
    batch_num: pl.String = column(description="As in core.reports.")
    is_delivered: pl.Boolean = column(description="As in core.reports.")
    received_at: Instant = column(description="As in core.reports.")
    is_pushed_only: pl.Boolean = column(description="Only pushes brought it: no pull and no import.")
    match_rule: pl.String = column(
        isin=MATCH_RULES,
        description="How the message was found: mission_num (contains the message id), own_mission_num (looked up), "
        "batch_phone, phone_time.",
    )

    config = TableConfig("core.report_matches", kind="view", grain="campaign")


class RepeatedMessages(Contract):
    """One row per message with more than one report; one of these reports is chosen as the believed one."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    message_id: pl.Int64 = column(description="Id of the message.")

    config = TableConfig("core.repeated_messages", kind="computed", grain="campaign")


class BatchOutcomes(Contract):
    """One row per batch that was accepted, refused, held back or is in doubt; their ranges never overlap."""

    batch_num: pl.String = column(description="Id of the batch.")
    campaign_id: pl.String = column(description="Id of the campaign.")
    planned_batch: pl.Int32 = column(description="Number of the batch in the plan that it sends, whole or in part.")
    first_message_id: pl.Int64 = column(description="First message of the batch.")
    last_message_id: pl.Int64 = column(description="Last message of the batch.")
    state: pl.String = column(
        isin=["accepted", "refused", "in_doubt", "suppressed"],
        description="accepted, refused, in_doubt or suppressed, after reports have settled doubt.",
    )
    is_proven_by_report: pl.Boolean = column(
        description="The batch was in doubt, and a believed report of one of its messages proves that it was accepted."
    )
    hint_count: pl.Int64 = column(ge=0, description=HINT_COUNT_DESCRIPTION)
    error_code: pl.String = column(
        nullable=True, description="Error code of the gateway's answer; null without a readable answer."
    )
    submitted_at: Instant = column(nullable=True, description="When the request was sent; null if held back.")
    submitted_on: pl.Date = column(nullable=True, description="Day of submitted_at, in Asia/Shanghai.")

    config = TableConfig("core.batch_outcomes", kind="computed", grain="campaign")


class MessageStatus(Contract):
    """One row per recipient row, with its one status: the books."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    input_row: pl.Int64 = column(ge=0, description="Row of the input file, counted from 0.")
    message_id: pl.Int64 = column(nullable=True, description="Id of the message; null if the row is not to be sent.")
    status: pl.String = column(isin=STATUSES, description=STATUS_DESCRIPTION)
    code: pl.String = column(nullable=True, description=CODE_DESCRIPTION)
    first_message_id: pl.Int64 = column(
        nullable=True, description="First message of the batch that it was sent in, or held back with; null before."
    )
    submitted_at: Instant = column(nullable=True, description="When the request of its batch was sent.")
    delivered_at: Instant = column(nullable=True, description="When the phone received it; null unless delivered.")
    latency_seconds: pl.Int32 = column(nullable=True, description=LATENCY_DESCRIPTION)
    lookup_rule: pl.String = column(nullable=True, isin=MATCH_RULES[1:], description=LOOKUP_RULE_DESCRIPTION)
    report_count: pl.Int32 = column(ge=0, description="Distinct reports of the message with its phone.")
    phone_mismatch_count: pl.Int32 = column(ge=0, description="Distinct reports of the message with another phone.")
    number_range: pl.Int32 = column(nullable=True, description=NUMBER_RANGE_DESCRIPTION)
    segment_count: pl.Int32 = column(nullable=True, description="Segments of its text; null without a text.")

    config = TableConfig("core.message_status", kind="computed", grain="campaign")


class MessageCounts(Contract):
    """One row per campaign, batch, status, code and error code: counts of core.message_status, for all marts."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    batch_num: pl.String = column(
        nullable=True, description="Id of the batch; null for rows that were never in a batch."
    )
    submitted_at: Instant = column(nullable=True, description="When the request of its batch was sent.")
    submitted_on: pl.Date = column(nullable=True, description="Day of submitted_at, in Asia/Shanghai.")
    status: pl.String = column(isin=STATUSES, description=STATUS_DESCRIPTION)
    code: pl.String = column(nullable=True, description=CODE_DESCRIPTION)
    error_code: pl.String = column(nullable=True, description=ERROR_CODE_DESCRIPTION)
    message_count: pl.Int64 = column(ge=1, description="Number of recipient rows.")
    segment_count: pl.Int64 = column(nullable=True, description="Segments of these rows; null without a text.")
    report_count: pl.Int64 = column(ge=0, description="Distinct reports of these messages with their phones.")
    phone_mismatch_count: pl.Int64 = column(ge=0, description="Distinct reports of them with other phones.")

    config = TableConfig("core.message_counts", kind="computed", grain="campaign")


class LatencyPercentiles(Contract):
    """One row per campaign with a delivered message: percentiles of the seconds from submission to delivery."""

    campaign_id: pl.String = column(unique=True, description="Id of the campaign.")
    latency_p50_seconds: pl.Float64 = column(description="Median.")
    latency_p90_seconds: pl.Float64 = column(description="90th percentile.")
    latency_p99_seconds: pl.Float64 = column(description="99th percentile.")

    config = TableConfig("core.latency_percentiles", kind="computed", grain="campaign")


class MessageFindings(Contract):
    """One row per finding about one message: the part of marts.exceptions that belongs to a campaign."""

    kind: pl.String = column(description="As in marts.exceptions.")
    campaign_id: pl.String = column(description="Id of the campaign.")
    batch_num: pl.String = column(nullable=True, description="Id of the batch.")
    message_id: pl.Int64 = column(description="Id of the message.")
    mission_num: pl.String = column(nullable=True, description="As reported; null if it holds the phone.")
    detail: pl.String = column(description="As in marts.exceptions.")
    occurrence_count: pl.Int64 = column(ge=1, description="As in marts.exceptions.")
    first_seen_at: Instant = column(description="As in marts.exceptions.")
    last_seen_at: Instant = column(description="As in marts.exceptions.")

    config = TableConfig("core.message_findings", kind="computed", grain="campaign")


class ReportCounts(Contract):
    """One row per campaign, code and receive_status: counts of the reports that name its messages by mission_num."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    code: pl.String = column(description="Gateway code.")
    is_delivered: pl.Boolean = column(description="The code says that the message was delivered.")
    is_contradicted: pl.Boolean = column(description="The receive_status of these reports says the opposite.")
    report_count: pl.Int64 = column(ge=1, description="Number of distinct reports.")
    first_received_at: Instant = column(description="When the first of them was received.")
    last_received_at: Instant = column(description="When the last of them was received.")

    config = TableConfig("core.report_counts", kind="computed", grain="campaign")


class HardFailures(Contract):
    """One row per campaign and phone that failed there with a hard code."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    phone: pl.String = column(description="Phone, as planned.")

    config = TableConfig("core.hard_failures", kind="computed", grain="campaign")


class FollowedPhones(Contract):
    """One row per phone whose messages are looked at across campaigns: it replied, or failed in several of them."""

    phone: pl.String = column(unique=True, description="Phone.")

    config = TableConfig("core.followed_phones", kind="computed", grain="whole")


class FollowedMessages(Contract):
    """One row per message that was sent, or may have been, to a phone of core.followed_phones."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    input_row: pl.Int64 = column(ge=0, description="Row of the input file, counted from 0.")
    message_id: pl.Int64 = column(description="Id of the message.")
    phone: pl.String = column(description="Phone.")
    extra_num: pl.String = column(nullable=True, description="As in core.recipients.")
    status: pl.String = column(isin=STATUSES, description=STATUS_DESCRIPTION)
    code: pl.String = column(nullable=True, description=CODE_DESCRIPTION)
    submitted_at: Instant = column(description="When the request of its batch was sent.")

    config = TableConfig("core.followed_messages", kind="computed", grain="campaign")


class RepeatedReplies(Contract):
    """One row per reply of core.replies that a better row there repeats; the better row is counted."""

    phone: pl.String = column(description="Phone that replied.")
    content: pl.String = column(description="Text of the reply.")
    access_num: pl.String = column(description="Access number replied to, with its extension.")
    replied_at: Instant = column(description=REPLIED_AT_DESCRIPTION)
    has_own_time: pl.Boolean = column(description=HAS_OWN_TIME_DESCRIPTION)

    config = TableConfig("core.repeated_replies", kind="computed", grain="whole")


class ReplyMatches(Contract):
    """One row per reply, with the message that it most likely answers: the latest one sent to the phone before."""

    phone: pl.String = column(description="Phone that replied.")
    content: pl.String = column(description="Text of the reply.")
    access_num: pl.String = column(description="Access number replied to, with its extension.")
    replied_at: Instant = column(description=REPLIED_AT_DESCRIPTION)
    has_own_time: pl.Boolean = column(description=HAS_OWN_TIME_DESCRIPTION)
    received_at: Instant = column(description="When it was first received.")
    campaign_id: pl.String = column(
        nullable=True, description="Id of the campaign; null if no campaign was sent to the phone."
    )
    input_row: pl.Int64 = column(nullable=True, ge=0, description="Row of the message in the input file.")
    message_id: pl.Int64 = column(nullable=True, description="Id of the message.")
    submitted_at: Instant = column(nullable=True, description="When the request of its batch was sent.")
    reply_seconds: pl.Int32 = column(nullable=True, ge=0, description="Whole seconds from submitted_at to replied_at.")
    match_rule: pl.String = column(nullable=True, isin=REPLY_RULES, description=REPLY_RULE_DESCRIPTION)
    character_count: pl.Int32 = column(ge=0, description="Characters of the text.")
    is_opt_out: pl.Boolean = column(description="The text opts out of further messages (T, TD, 退订 …).")
    is_near_opt_out: pl.Boolean = column(
        description="The text holds such a word without surely opting out (不要退订), for a person to decide."
    )

    config = TableConfig("core.reply_matches", kind="computed", grain="whole")


class PhonesToSuppress(Contract):
    """One row per phone to suppress that is on no suppression list yet, with the columns that a list needs."""

    phone: pl.String = column(unique=True, matches=PHONE, description="Phone, 11 digits.")
    reason: pl.String = column(isin=SUPPRESSION_REASONS, description=SUPPRESSION_REASON_DESCRIPTION)
    since_at: Instant = column(description=SINCE_AT_DESCRIPTION)
    opted_out_at: Instant = column(nullable=True, description="First opt-out reply; null without one.")
    hard_campaign_count: pl.Int64 = column(
        ge=0, description="Campaigns that failed with a hard code since the phone last received a message."
    )
    code: pl.String = column(nullable=True, description="Last of these codes.")
    campaign_id: pl.String = column(nullable=True, description="Campaign of the latest message to the phone.")
    input_row: pl.Int64 = column(nullable=True, description="Row of that message in the input file.")
    message_id: pl.Int64 = column(nullable=True, description="Id of that message; null if none was sent to the phone.")
    message_count: pl.Int64 = column(ge=0, description="Messages sent to the phone, without refused ones.")
    last_submitted_at: Instant = column(nullable=True, description="When the latest of them was submitted.")

    config = TableConfig("core.phones_to_suppress", kind="computed", grain="whole")


# Reconcile takes the order of computing from the SQL.
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
    LatencyPercentiles,
    MessageFindings,
    ReportCounts,
    HardFailures,
    FollowedPhones,
    FollowedMessages,
    RepeatedReplies,
    ReplyMatches,
    PhonesToSuppress,
)
