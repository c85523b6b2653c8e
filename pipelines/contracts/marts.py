"""Contracts of the tables of `marts`, one for each file of sql/marts. No mart holds a phone or a text.

Columns that several marts have are defined once, in base classes. A mart's columns are in this order: keys, counts by
status, rates, and its own.
"""

from typing import Final

import polars as pl

from pipelines.contracts import Contract, Instant, TableConfig, column
from pipelines.contracts.core import HAS_OWN_TIME_DESCRIPTION
from pipelines.contracts.reconciled import (
    CAUSES,
    FAMILIES,
    HINT_COUNT_DESCRIPTION,
    REPLIED_AT_DESCRIPTION,
    REPLY_RULE_DESCRIPTION,
    REPLY_RULES,
    RESPONSIBLE_PARTIES,
    RESPONSIBLE_PARTY,
    SINCE_AT_DESCRIPTION,
    SUPPRESSION_REASON_DESCRIPTION,
    SUPPRESSION_REASONS,
)

EXCEPTION_KINDS: Final[tuple[str, ...]] = (
    "orphan",
    "conflict",
    "phone_mismatch",
    "status_mismatch",
    "report_of_unsent",
    "sent_twice",
    "report_before_submission",
    "late_report",
    "unreported",
    "in_doubt",
    "unknown_code",
    "reply_time_unread",
    "reject",
)

_CAMPAIGN_IS_MATURE: Final = (
    "The campaign is mature (see marts.campaign_delivery): only late reports can change the figures."
)


class _ByCampaign(Contract):
    campaign_id: pl.String = column(description="Id of the campaign.")


class _PlanCounts(Contract):
    row_count: pl.Int64 = column(ge=0, description="Rows of the input file counted here: the sum over all statuses.")
    invalid_count: pl.Int64 = column(ge=0, description="Rows not to be sent: the phone or the text is invalid.")
    duplicate_count: pl.Int64 = column(ge=0, description="Rows not to be sent: an earlier row has the same phone.")
    suppressed_count: pl.Int64 = column(ge=0, description="Rows not to be sent: the phone is on a suppression list.")
    planned_count: pl.Int64 = column(ge=0, description="Messages to be sent.")


class _SentCounts(Contract):
    refused_count: pl.Int64 = column(ge=0, description="Messages refused by the gateway.")
    in_doubt_count: pl.Int64 = column(ge=0, description="Messages in doubt: they may have been sent.")
    accepted_count: pl.Int64 = column(
        ge=0, description="Messages accepted, without a report, inside the report window."
    )
    unreported_count: pl.Int64 = column(
        ge=0, description="Messages accepted, without a report after the report window."
    )
    delivered_count: pl.Int64 = column(ge=0, description="Messages reported as delivered.")
    failed_count: pl.Int64 = column(ge=0, description="Messages reported as failed.")
    accepted_total_count: pl.Int64 = column(ge=0, description="accepted + unreported + delivered + failed.")
    reported_count: pl.Int64 = column(ge=0, description="delivered + failed.")
    accepted_segment_count: pl.Int64 = column(
        ge=0, description="Segments of the messages in accepted_total_count; the gateway charges by segment."
    )


class _Rates(Contract):
    delivered_of_accepted_rate: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="delivered_count / accepted_total_count; null if nothing was accepted."
    )
    delivered_of_accepted_rate_low: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="Lower end of its 95 % Wilson interval."
    )
    delivered_of_accepted_rate_high: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="Upper end of its 95 % Wilson interval."
    )
    delivered_of_reported_rate: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="delivered_count / reported_count; null if nothing was reported."
    )
    delivered_of_reported_rate_low: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="Lower end of its 95 % Wilson interval."
    )
    delivered_of_reported_rate_high: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="Upper end of its 95 % Wilson interval."
    )
    coverage_rate: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="reported_count / accepted_total_count; null if nothing was accepted."
    )
    coverage_rate_low: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="Lower end of its 95 % Wilson interval."
    )
    coverage_rate_high: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="Upper end of its 95 % Wilson interval."
    )


class _ByDay(_ByCampaign):
    submitted_on: pl.Date = column(
        nullable=True, description="Day of sending, in Asia/Shanghai; null for rows that were never in a batch."
    )


class _ByNumberRange(_ByCampaign):
    range_carrier: pl.String = column(
        description="Carrier that the number range was allocated to, in English, or unknown; the number may have been "
        "ported since."
    )
    range_carrier_zh: pl.String = column(description="The same, in Chinese.")
    range_province: pl.String = column(
        description="Province that the number range was allocated in, in English; unknown for many newer ranges."
    )
    range_province_zh: pl.String = column(description="The same, in Chinese.")


class _ByBatch(Contract):
    batch_num: pl.String = column(unique=True, description="Id of the batch at the gateway.")
    campaign_id: pl.String = column(description="Id of the campaign.")
    planned_batch: pl.Int32 = column(description="Number of the batch in the plan that it sends, whole or in part.")
    attempt: pl.Int32 = column(description="1 for the first attempt to send its messages.")
    state: pl.String = column(
        isin=["accepted", "refused", "in_doubt", "not_sent", "split"],
        description="accepted, refused, in_doubt (may have been sent), not_sent (certainly not sent), or split (sent "
        "as two batches), after reports have settled doubt.",
    )
    is_proven_by_report: pl.Boolean = column(
        description="The batch was in doubt, and a report proves that it was accepted."
    )
    error_code: pl.String = column(
        nullable=True, description="Error code of the gateway's answer; null without a readable answer."
    )
    http_status: pl.Int32 = column(nullable=True, description="HTTP status of the answer; null without an answer.")
    answer_ms: pl.Int32 = column(nullable=True, description="Time from request to answer, in milliseconds.")
    submitted_at: Instant = column(description="When the request was sent.")
    submitted_on: pl.Date = column(description="Day of submitted_at, in Asia/Shanghai.")
    message_count: pl.Int64 = column(
        ge=1, description="Messages in the batch; those of a batch that is not_sent or split are in other batches too."
    )


class CampaignDelivery(_Rates, _SentCounts, _PlanCounts, _ByCampaign):
    """One row per campaign: counts by status, the three rates with their 95 % Wilson intervals, times, replies."""

    latency_p50_seconds: pl.Float64 = column(
        nullable=True, description="Median time of delivered messages from submission to phone, in seconds."
    )
    latency_p90_seconds: pl.Float64 = column(nullable=True, description="90th percentile of this time.")
    latency_p99_seconds: pl.Float64 = column(nullable=True, description="99th percentile of this time.")
    reply_count: pl.Int64 = column(ge=0, description="Replies that most likely answer the campaign.")
    opt_out_count: pl.Int64 = column(ge=0, description="Replies of these that opt out.")
    near_opt_out_count: pl.Int64 = column(
        ge=0, description="Replies of these that hold a word of an opt-out without surely opting out."
    )
    failed_segment_count: pl.Int64 = column(ge=0, description="Segments of the messages in failed_count.")
    accepted_cost: pl.Float64 = column(
        nullable=True, description="accepted_segment_count times the price of a segment; null without a price."
    )
    failed_cost: pl.Float64 = column(
        nullable=True, description="failed_segment_count times the price of a segment; null without a price."
    )
    planned_at: Instant = column(description="When it was planned.")
    first_submitted_at: Instant = column(nullable=True, description="When its first batch was sent.")
    last_submitted_at: Instant = column(nullable=True, description="When its last batch was sent.")
    is_paused: pl.Boolean = column(description="Sending is paused until 'smsrecon resume'.")
    is_mature: pl.Boolean = column(
        description="Nothing is left to send and the last report window has passed: only late reports can change the "
        "figures."
    )

    config = TableConfig("marts.campaign_delivery", kind="computed", grain="whole")


class DailyDelivery(_Rates, _SentCounts, _PlanCounts, _ByDay):
    """One row per campaign and day of sending; rows that were never in a batch form one row without a day."""

    first_submitted_at: Instant = column(nullable=True, description="When the first batch of the day was sent.")
    last_submitted_at: Instant = column(nullable=True, description="When the last batch of the day was sent.")
    is_mature: pl.Boolean = column(
        description="The report window has passed: only late reports can change the figures."
    )

    config = TableConfig("marts.daily_delivery", kind="computed", grain="campaign")


class CarrierDelivery(_Rates, _SentCounts, _PlanCounts, _ByNumberRange):
    """One row per campaign, carrier and province of the number range of the phones."""

    first_submitted_at: Instant = column(
        nullable=True, description="When the first batch with one of these messages was sent."
    )
    last_submitted_at: Instant = column(
        nullable=True, description="When the last batch with one of these messages was sent."
    )
    is_mature: pl.Boolean = column(
        description="No row of it is left to send and the last report window has passed: only late reports can change "
        "the figures."
    )

    config = TableConfig("marts.carrier_delivery", kind="computed", grain="campaign")


class BatchDelivery(_Rates, _SentCounts, _ByBatch):
    """One row per batch: the gateway's answer and counts of its messages by status (0 if not_sent or split)."""

    is_mature: pl.Boolean = column(
        description="The report window has passed: only late reports can change the figures."
    )

    config = TableConfig("marts.batch_delivery", kind="computed", grain="campaign")


class CodeBreakdown(_ByCampaign):
    """One row per campaign and code of the believed reports, with its meaning and the responsible party."""

    code: pl.String = column(description="Gateway code.")
    meaning: pl.String = column(description="Meaning, in English.")
    meaning_zh: pl.String = column(description="Meaning, in Chinese.")
    class_: pl.String = column(
        alias="class",
        isin=(*CAUSES, *FAMILIES),
        description=f"Kind of cause: {', '.join(CAUSES)}; for an undocumented code, its family: {', '.join(FAMILIES)}.",
    )
    confidence: pl.String = column(
        isin=["high", "low"], description="high, or low: only the family of the code is known."
    )
    responsible_party: pl.String = column(isin=RESPONSIBLE_PARTIES, description=RESPONSIBLE_PARTY)
    what_to_do: pl.String = column(description="Action for the responsible party.")
    is_hard: pl.Boolean = column(description="Permanent failure: the number will not be reached next time either.")
    is_known: pl.Boolean = column(description="The vendor documents the code.")
    is_delivered: pl.Boolean = column(description="The code means that the phone received the message.")
    message_count: pl.Int64 = column(ge=1, description="Messages whose believed report has the code.")
    of_failed_rate: pl.Float64 = column(
        nullable=True, ge=0, le=1, description="message_count / failed_count of the campaign; null if delivered."
    )
    of_accepted_rate: pl.Float64 = column(
        ge=0, le=1, description="message_count / accepted_total_count of the campaign."
    )
    segment_count: pl.Int64 = column(ge=0, description="Segments of these messages.")
    cost: pl.Float64 = column(
        nullable=True, description="segment_count times the price of a segment; null without a price."
    )
    is_mature: pl.Boolean = column(description=_CAMPAIGN_IS_MATURE)
    whose_move: pl.String = column(
        description="Deprecated: the former name of responsible_party, here for one release."
    )

    config = TableConfig("marts.code_breakdown", kind="computed", grain="campaign")


class SubmitErrors(_ByCampaign):
    """One row per campaign and error code in the gateway's answers to its batches."""

    error_code: pl.String = column(description="Error code; never 000000, which means accepted.")
    meaning: pl.String = column(description="Meaning, in English.")
    meaning_zh: pl.String = column(description="Meaning, in Chinese.")
    action: pl.String = column(description="Action for the sender.")
    batch_count: pl.Int64 = column(ge=1, description="Batches answered with it, including those split or sent again.")
    refused_batch_count: pl.Int64 = column(ge=0, description="Batches of these that stayed refused.")
    in_doubt_batch_count: pl.Int64 = column(ge=0, description="Batches of these in doubt.")
    refused_count: pl.Int64 = column(ge=0, description="Messages that stayed refused with it.")
    first_submitted_at: Instant = column(description="When the first of these batches was sent.")
    last_submitted_at: Instant = column(description="When the last of these batches was sent.")
    is_mature: pl.Boolean = column(description=_CAMPAIGN_IS_MATURE)

    config = TableConfig("marts.submit_errors", kind="computed", grain="campaign")


class LatencyHistogram(_ByCampaign):
    """One row per campaign and bucket, empty ones included: delivered messages by time from submission to phone."""

    bucket_num: pl.Int32 = column(ge=0, le=11, description="Position of the bucket among the 12, from 0.")
    bucket: pl.String = column(
        description="Name of the bucket, such as up to 10 s; it starts where the one before ends."
    )
    lower_seconds: pl.Int32 = column(
        nullable=True,
        description="Lower bound in whole seconds; null for none. It is -1 for up to 5 s, since clocks differ.",
    )
    upper_seconds: pl.Int32 = column(nullable=True, description="Upper bound in whole seconds; null for none.")
    delivered_count: pl.Int64 = column(ge=0, description="Delivered messages in the bucket.")
    cumulative_count: pl.Int64 = column(ge=0, description="Delivered messages in this bucket and all before it.")
    of_delivered_rate: pl.Float64 = column(
        nullable=True,
        ge=0,
        le=1,
        description="delivered_count / delivered_count of the campaign; null if nothing was delivered.",
    )
    cumulative_rate: pl.Float64 = column(
        nullable=True,
        ge=0,
        le=1,
        description="cumulative_count / delivered_count of the campaign; null if nothing was delivered.",
    )
    is_mature: pl.Boolean = column(description=_CAMPAIGN_IS_MATURE)

    config = TableConfig("marts.latency_histogram", kind="computed", grain="campaign")


class RepliesByCampaign(Contract):
    """One row per reply, with the campaign that it most likely answers."""

    campaign_id: pl.String = column(
        nullable=True, description="Id of the campaign; null if no campaign was sent to the phone."
    )
    input_row: pl.Int64 = column(nullable=True, ge=0, description="Row of the input file, counted from 0.")
    message_id: pl.Int64 = column(nullable=True, description="Id of the message.")
    match_rule: pl.String = column(nullable=True, isin=REPLY_RULES, description=REPLY_RULE_DESCRIPTION)
    is_opt_out: pl.Boolean = column(description="The text opts out of further messages (T, TD, 退订 …).")
    is_near_opt_out: pl.Boolean = column(
        description="The text holds such a word without surely opting out (不要退订), for a person to decide."
    )
    submitted_at: Instant = column(nullable=True, description="When the request of the message's batch was sent.")
    replied_at: Instant = column(description=REPLIED_AT_DESCRIPTION)
    has_own_time: pl.Boolean = column(description=HAS_OWN_TIME_DESCRIPTION)
    received_at: Instant = column(description="When it was first received.")
    reply_seconds: pl.Int32 = column(nullable=True, ge=0, description="Whole seconds from submitted_at to replied_at.")
    access_num: pl.String = column(description="Access number replied to, with its extension.")
    character_count: pl.Int32 = column(ge=0, description="Characters of the text.")

    config = TableConfig("marts.replies_by_campaign", kind="computed", grain="whole")


class SuppressionCandidates(Contract):
    """One row per phone to suppress that is on no suppression list yet, identified by its latest message."""

    campaign_id: pl.String = column(nullable=True, description="Campaign of the latest message to the phone.")
    input_row: pl.Int64 = column(nullable=True, ge=0, description="Row of that message in the input file.")
    message_id: pl.Int64 = column(nullable=True, description="Id of that message; null if none was sent to the phone.")
    reason: pl.String = column(isin=SUPPRESSION_REASONS, description=SUPPRESSION_REASON_DESCRIPTION)
    since_at: Instant = column(description=SINCE_AT_DESCRIPTION)
    opted_out_at: Instant = column(nullable=True, description="First opt-out reply; null without one.")
    hard_campaign_count: pl.Int64 = column(
        ge=0, description="Campaigns that failed with a hard code since the phone last received a message."
    )
    code: pl.String = column(nullable=True, description="Last of these codes.")
    message_count: pl.Int64 = column(ge=0, description="Messages sent to the phone, without refused ones.")
    last_submitted_at: Instant = column(nullable=True, description="When the latest of them was submitted.")

    config = TableConfig("marts.suppression_candidates", kind="computed", grain="whole")


class BalanceReconciliation(Contract):
    """One row per interval between two balance queries: segments charged against segments accepted."""

    began_at: Instant = column(description="When the earlier balance was queried.")
    ended_at: Instant = column(description="When the later balance was queried.")
    opening_balance_count: pl.Int64 = column(description="Balance at the start, in segments.")
    closing_balance_count: pl.Int64 = column(description="Balance at the end, in segments.")
    accepted_segment_count: pl.Int64 = column(
        ge=0, description="Segments of accepted batches that were answered in the interval."
    )
    in_doubt_segment_count: pl.Int64 = column(
        ge=0, description="Segments of batches that became in doubt in the interval."
    )
    opening_in_flight_segment_count: pl.Int64 = column(
        ge=0, description="Segments submitted before the interval and answered later: may have been charged before it."
    )
    closing_in_flight_segment_count: pl.Int64 = column(
        ge=0, description="Segments submitted before its end and answered later: may have been charged in it."
    )
    unexplained_count: pl.Int64 = column(
        description="closing - opening + accepted_segment_count: positive after a top-up or refund, negative if more "
        "was charged than was accepted."
    )
    is_explained: pl.Boolean = column(description="Batches in doubt or in flight can account for unexplained_count.")

    config = TableConfig("marts.balance_reconciliation", kind="computed", grain="whole")


class BatchesInDoubt(_ByCampaign):
    """One row per batch in doubt, with the balances queried before and after it."""

    batch_num: pl.String = column(description="Id of the batch, by which the vendor can look it up.")
    message_count: pl.Int64 = column(ge=1, description="Messages in the batch.")
    segment_count: pl.Int64 = column(ge=1, description="Segments in the batch.")
    submitted_at: Instant = column(description="When the request was sent.")
    doubted_at: Instant = column(
        description="When the sender gave up waiting for its answer, or, if the sender stopped before, sent the batch."
    )
    error_code: pl.String = column(
        nullable=True, description="Error code of the gateway's answer; null without a readable answer."
    )
    http_status: pl.Int32 = column(nullable=True, description="HTTP status of the answer; null without an answer.")
    detail: pl.String = column(nullable=True, description="Details beyond the codes.")
    hint_count: pl.Int64 = column(ge=0, description=HINT_COUNT_DESCRIPTION)
    opening_balance_count: pl.Int64 = column(
        nullable=True, description="Last balance queried before the batch, in segments; null without one."
    )
    opening_balance_at: Instant = column(nullable=True, description="When that balance was queried.")
    closing_balance_count: pl.Int64 = column(
        nullable=True, description="First balance queried after the batch, in segments; null until there is one."
    )
    closing_balance_at: Instant = column(nullable=True, description="When that balance was queried.")
    accepted_segment_count: pl.Int64 = column(
        nullable=True, ge=0, description="Segments of batches accepted between the two balances."
    )
    in_doubt_segment_count: pl.Int64 = column(
        nullable=True,
        ge=0,
        description="Segments of all batches in doubt that were submitted between the two balances.",
    )
    charged_count: pl.Int64 = column(
        nullable=True,
        description="Segments charged between the two balances beyond accepted_segment_count: about 0 if no batch in "
        "doubt was accepted, about in_doubt_segment_count if all were. Top-ups and other users of the account "
        "distort it.",
    )

    config = TableConfig("marts.batches_in_doubt", kind="computed", grain="whole")


class Exceptions(Contract):
    """One row per exception to look into; frequent kinds are grouped into one row with a count."""

    kind: pl.String = column(
        isin=EXCEPTION_KINDS,
        description="orphan, conflict, phone_mismatch, status_mismatch (receive_status contradicts the code, which is "
        "believed), report_of_unsent (of a message that is planned, refused or held "
        "back: not believed), sent_twice (decided to be not_sent, sent again, and its first batch reported too), "
        "report_before_submission, late_report, unreported, in_doubt, unknown_code, reply_time_unread (the time of a "
        "reply can't be read, so that of its receipt counts), reject.",
    )
    campaign_id: pl.String = column(nullable=True, description="Id of the campaign; null if unknown.")
    batch_num: pl.String = column(
        nullable=True, description="Id of the batch; null if the exception is not about a batch."
    )
    message_id: pl.Int64 = column(
        nullable=True, description="Id of the message; null if the exception is not about one message."
    )
    mission_num: pl.String = column(
        nullable=True,
        description="mission_num as reported; null if it holds the phone or the exception is not about one message.",
    )
    detail: pl.String = column(description="Description of the exception.")
    occurrence_count: pl.Int64 = column(
        ge=1, description="Number of reports, of messages (unreported, in_doubt), of replies or of records (reject)."
    )
    first_seen_at: Instant = column(
        nullable=True,
        description="When the first of these reports was received, batches submitted or queries sent; null if unknown.",
    )
    last_seen_at: Instant = column(
        nullable=True,
        description="When the last of these reports was received, batches submitted or queries sent; null if unknown.",
    )

    config = TableConfig("marts.exceptions", kind="computed", grain="whole")


class PullCoverage(Contract):
    """One row per day whose reports are due or were pulled."""

    pulled_on: pl.Date = column(unique=True, description="Day that was queried, in Asia/Shanghai.")
    is_due: pl.Boolean = column(description="Messages were sent on that day or were in their report window.")
    call_count: pl.Int64 = column(ge=0, description="Queries for that day.")
    ok_call_count: pl.Int64 = column(ge=0, description="Queries of these that succeeded.")
    last_called_at: Instant = column(nullable=True, description="When the last query was sent.")
    last_ok_at: Instant = column(nullable=True, description="When the last successful query was sent.")
    record_count: pl.Int64 = column(ge=0, description="Records in all answers, duplicates included.")
    rejected_count: pl.Int64 = column(ge=0, description="Records of these that are in core.rejects.")
    new_record_count: pl.Int64 = column(ge=0, description="Reports that no earlier query had brought.")
    is_complete: pl.Boolean = column(description="The day was pulled successfully after it had ended.")
    is_missing: pl.Boolean = column(description="The day is due and over, and was never pulled successfully.")

    config = TableConfig("marts.pull_coverage", kind="computed", grain="whole")


# In the order of the pages; reconcile takes the order of computing from the SQL.
MARTS: Final[tuple[type[Contract], ...]] = (
    CampaignDelivery,
    DailyDelivery,
    CarrierDelivery,
    BatchDelivery,
    CodeBreakdown,
    SubmitErrors,
    LatencyHistogram,
    RepliesByCampaign,
    SuppressionCandidates,
    BalanceReconciliation,
    BatchesInDoubt,
    Exceptions,
    PullCoverage,
)
