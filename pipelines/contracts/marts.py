"""The contracts of the tables of `marts`: one for each file of sql/marts. None holds a phone or a text.

Columns that several tables share stand once, in the bases above them: keys first, then counts, then rates, then a
table's own.
"""

from typing import Final

import pandera.polars as pa
import polars as pl

from pipelines.contracts import Contract, Instant, TableConfig
from pipelines.contracts.reconciled import (
    CAUSES,
    FAMILIES,
    MOVERS,
    REPLY_RULES,
    SINCE_WHEN,
    SUPPRESSION_REASONS,
    WHEN_REPLIED,
    WHICH_REASON,
    WHICH_REPLY_RULE,
    WHOSE_MOVE,
)

EXCEPTION_KINDS: Final[tuple[str, ...]] = (
    "orphan",
    "conflict",
    "phone_mismatch",
    "report_of_unsent",
    "sent_twice",
    "report_before_submission",
    "late_report",
    "unreported",
    "in_doubt",
    "unknown_code",
    "reject",
)

_CAMPAIGN_IS_MATURE: Final = (
    "The campaign is mature, see marts.campaign_delivery: only late reports still move the figures."
)


class _ByCampaign(Contract):
    campaign_id: pl.String = pa.Field(description="The campaign.")


class _PlanCounts(Contract):
    row_count: pl.Int64 = pa.Field(ge=0, description="Rows of the input file counted here: the sum over all statuses.")
    invalid_count: pl.Int64 = pa.Field(ge=0, description="Rows never to be sent: the phone or the text is not valid.")
    duplicate_count: pl.Int64 = pa.Field(ge=0, description="Rows never to be sent: an earlier row has the phone.")
    suppressed_count: pl.Int64 = pa.Field(ge=0, description="Rows never to be sent: the phone is on a list.")
    planned_count: pl.Int64 = pa.Field(ge=0, description="Messages still to be sent.")


class _SentCounts(Contract):
    refused_count: pl.Int64 = pa.Field(ge=0, description="Messages that the gateway refused.")
    in_doubt_count: pl.Int64 = pa.Field(ge=0, description="Messages that may have been sent.")
    accepted_count: pl.Int64 = pa.Field(ge=0, description="Messages accepted, no report yet, inside the report window.")
    unreported_count: pl.Int64 = pa.Field(ge=0, description="Messages accepted, no report, the report window passed.")
    delivered_count: pl.Int64 = pa.Field(ge=0, description="Messages that a report says were delivered.")
    failed_count: pl.Int64 = pa.Field(ge=0, description="Messages that a report says failed.")
    accepted_total_count: pl.Int64 = pa.Field(ge=0, description="accepted + unreported + delivered + failed.")
    reported_count: pl.Int64 = pa.Field(ge=0, description="delivered + failed.")
    accepted_segment_count: pl.Int64 = pa.Field(
        ge=0, description="Segments of the messages in accepted_total_count: what is paid for."
    )


class _Rates(Contract):
    delivered_of_accepted_rate: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="delivered_count / accepted_total_count; null if nothing was accepted."
    )
    delivered_of_accepted_rate_low: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="Lower end of its 95 % Wilson interval."
    )
    delivered_of_accepted_rate_high: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="Upper end of its 95 % Wilson interval."
    )
    delivered_of_reported_rate: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="delivered_count / reported_count; null if nothing was reported."
    )
    delivered_of_reported_rate_low: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="Lower end of its 95 % Wilson interval."
    )
    delivered_of_reported_rate_high: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="Upper end of its 95 % Wilson interval."
    )
    coverage_rate: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="reported_count / accepted_total_count; null if nothing was accepted."
    )
    coverage_rate_low: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="Lower end of its 95 % Wilson interval."
    )
    coverage_rate_high: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="Upper end of its 95 % Wilson interval."
    )


class _ByDay(_ByCampaign):
    submitted_on: pl.Date = pa.Field(
        nullable=True, description="The day of sending, in Asia/Shanghai; null for rows that never were in a batch."
    )


class _ByNumberRange(_ByCampaign):
    range_carrier: pl.String = pa.Field(
        description="Who was given the number range, in English, or unknown; the person may have taken the number "
        "elsewhere."
    )
    range_carrier_zh: pl.String = pa.Field(description="The same in Chinese.")
    range_province: pl.String = pa.Field(
        description="Where the number range was given out, in English; unknown of many newer ranges."
    )
    range_province_zh: pl.String = pa.Field(description="The same in Chinese.")


class _ByBatch(Contract):
    batch_num: pl.String = pa.Field(unique=True, description="The batch's identity at the gateway.")
    campaign_id: pl.String = pa.Field(description="The campaign.")
    planned_batch: pl.Int32 = pa.Field(description="The batch of the plan that it sends, or sends a part of.")
    attempt: pl.Int32 = pa.Field(description="1 for the first time that its range was sent.")
    state: pl.String = pa.Field(
        isin=["accepted", "refused", "in_doubt", "not_sent", "split"],
        description="accepted, refused, in_doubt (may have been sent), not_sent (surely not), or split (sent as two): "
        "what is believed of it, once reports settled doubt.",
    )
    is_proven_by_report: pl.Boolean = pa.Field(description="It was in_doubt, and a report proves it accepted.")
    error_code: pl.String = pa.Field(nullable=True, description="The gateway's answer; null if none could be read.")
    http_status: pl.Int32 = pa.Field(nullable=True, description="The answer's HTTP status; null without an answer.")
    answer_ms: pl.Int32 = pa.Field(nullable=True, description="Milliseconds from request to answer.")
    submitted_at: Instant = pa.Field(description="When the request left.")
    submitted_on: pl.Date = pa.Field(description="The day of that, in Asia/Shanghai.")
    message_count: pl.Int64 = pa.Field(
        ge=1, description="Messages in it; those of a batch that was not_sent or split are in other batches too."
    )


class CampaignDelivery(_Rates, _SentCounts, _PlanCounts, _ByCampaign):
    """One row per campaign: every status, the three rates with their 95 % Wilson intervals, times, replies."""

    latency_p50_seconds: pl.Float64 = pa.Field(
        nullable=True, description="Half of the delivered messages took this long from submission to phone, or less."
    )
    latency_p90_seconds: pl.Float64 = pa.Field(nullable=True, description="The same for nine of ten.")
    latency_p99_seconds: pl.Float64 = pa.Field(nullable=True, description="The same for 99 of 100.")
    reply_count: pl.Int64 = pa.Field(ge=0, description="Replies that most likely answer it.")
    opt_out_count: pl.Int64 = pa.Field(ge=0, description="Of these, how many ask for no more messages.")
    failed_segment_count: pl.Int64 = pa.Field(ge=0, description="Segments of the messages in failed_count.")
    accepted_cost: pl.Float64 = pa.Field(
        nullable=True, description="accepted_segment_count times the price of a segment; null if no price is set."
    )
    failed_cost: pl.Float64 = pa.Field(
        nullable=True, description="failed_segment_count times the price of a segment; null if no price is set."
    )
    planned_at: Instant = pa.Field(description="When it was planned.")
    first_submitted_at: Instant = pa.Field(nullable=True, description="When its first batch left.")
    last_submitted_at: Instant = pa.Field(nullable=True, description="When its last batch left.")
    is_paused: pl.Boolean = pa.Field(description="Sending rests until 'smsrecon resume'.")
    is_mature: pl.Boolean = pa.Field(
        description="Nothing is left to send and the last report window has passed: only late reports still move the "
        "figures."
    )

    class Config:
        name = "marts.campaign_delivery"
        metadata = TableConfig(kind="computed", grain="campaign")


class DailyDelivery(_Rates, _SentCounts, _PlanCounts, _ByDay):
    """One row per campaign and day of sending; rows that never were in a batch stand in one without a day."""

    first_submitted_at: Instant = pa.Field(nullable=True, description="When the first batch of the day left.")
    last_submitted_at: Instant = pa.Field(nullable=True, description="When the last batch of the day left.")
    is_mature: pl.Boolean = pa.Field(
        description="The report window has passed: only late reports still move the figures."
    )

    class Config:
        name = "marts.daily_delivery"
        metadata = TableConfig(kind="computed", grain="campaign")


class CarrierDelivery(_Rates, _SentCounts, _PlanCounts, _ByNumberRange):
    """One row per campaign, carrier and province of a phone's number range, which numbers may have left since."""

    first_submitted_at: Instant = pa.Field(nullable=True, description="When the first batch with one of them left.")
    last_submitted_at: Instant = pa.Field(nullable=True, description="When the last batch with one of them left.")
    is_mature: pl.Boolean = pa.Field(
        description="Nothing of it is left to send and the last report window has passed: only late reports still move "
        "the figures."
    )

    class Config:
        name = "marts.carrier_delivery"
        metadata = TableConfig(kind="computed", grain="campaign")


class BatchDelivery(_Rates, _SentCounts, _ByBatch):
    """One row per batch: the gateway's answer and what became of its messages (none if not_sent or split)."""

    is_mature: pl.Boolean = pa.Field(
        description="The report window has passed: only late reports still move the figures."
    )

    class Config:
        name = "marts.batch_delivery"
        metadata = TableConfig(kind="computed", grain="campaign")


class CodeBreakdown(_ByCampaign):
    """One row per campaign and code of the believed reports, with what it means and whose move it is."""

    code: pl.String = pa.Field(description="The gateway code.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")
    class_: pl.String = pa.Field(
        alias="class",
        isin=(*CAUSES, *FAMILIES),
        description=f"The kind of cause: {', '.join(CAUSES)}; of a code that is in no table its family: "
        f"{', '.join(FAMILIES)}.",
    )
    confidence: pl.String = pa.Field(
        isin=["high", "low"], description="high, or low: only the family of the code is known."
    )
    whose_move: pl.String = pa.Field(isin=MOVERS, description=WHOSE_MOVE)
    what_to_do: pl.String = pa.Field(description="What that is.")
    is_hard: pl.Boolean = pa.Field(description="The number will not be reached next time either.")
    is_known: pl.Boolean = pa.Field(description="The vendor documents the code.")
    is_delivered: pl.Boolean = pa.Field(description="The code means that the phone got the message.")
    message_count: pl.Int64 = pa.Field(ge=1, description="Messages whose believed report has it.")
    of_failed_rate: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="message_count / failed_count of the campaign; null if delivered."
    )
    of_accepted_rate: pl.Float64 = pa.Field(
        ge=0, le=1, description="message_count / accepted_total_count of the campaign."
    )
    segment_count: pl.Int64 = pa.Field(ge=0, description="Segments of these messages.")
    cost: pl.Float64 = pa.Field(
        nullable=True, description="segment_count times the price of a segment; null if no price is set."
    )
    is_mature: pl.Boolean = pa.Field(description=_CAMPAIGN_IS_MATURE)

    class Config:
        name = "marts.code_breakdown"
        metadata = TableConfig(kind="computed", grain="campaign")


class SubmitErrors(_ByCampaign):
    """One row per campaign and error code that the gateway answered a batch with."""

    error_code: pl.String = pa.Field(description="The error code; never 000000, which accepts.")
    meaning: pl.String = pa.Field(description="What it means, in English.")
    meaning_zh: pl.String = pa.Field(description="What it means, in Chinese.")
    action: pl.String = pa.Field(description="What a sender can do.")
    batch_count: pl.Int64 = pa.Field(ge=1, description="Batches answered with it, those split or sent again included.")
    refused_batch_count: pl.Int64 = pa.Field(ge=0, description="Of these, refused for good.")
    in_doubt_batch_count: pl.Int64 = pa.Field(ge=0, description="Of these, in doubt.")
    refused_count: pl.Int64 = pa.Field(ge=0, description="Messages refused with it in the end.")
    first_submitted_at: Instant = pa.Field(description="When the first of these batches left.")
    last_submitted_at: Instant = pa.Field(description="When the last of these batches left.")
    is_mature: pl.Boolean = pa.Field(description=_CAMPAIGN_IS_MATURE)

    class Config:
        name = "marts.submit_errors"
        metadata = TableConfig(kind="computed", grain="campaign")


class LatencyHistogram(_ByCampaign):
    """One row per campaign and bucket, also the empty ones: delivered messages by time from submission to phone."""

    bucket_num: pl.Int32 = pa.Field(ge=0, le=11, description="The place of the bucket among the 12, from 0.")
    bucket: pl.String = pa.Field(description="The bucket in words, such as up to 10 s; it begins after the one before.")
    lower_seconds: pl.Int32 = pa.Field(
        nullable=True,
        description="The least whole seconds in it; null: no bound. Clocks differ, so up to 5 s begins at -1.",
    )
    upper_seconds: pl.Int32 = pa.Field(nullable=True, description="The most whole seconds in it; null: no bound.")
    delivered_count: pl.Int64 = pa.Field(ge=0, description="Delivered messages in it.")
    cumulative_count: pl.Int64 = pa.Field(ge=0, description="Delivered messages in it and in the buckets before.")
    of_delivered_rate: pl.Float64 = pa.Field(
        nullable=True, ge=0, le=1, description="delivered_count / that of the campaign; null if nothing was delivered."
    )
    cumulative_rate: pl.Float64 = pa.Field(nullable=True, ge=0, le=1, description="The same of cumulative_count.")
    is_mature: pl.Boolean = pa.Field(description=_CAMPAIGN_IS_MATURE)

    class Config:
        name = "marts.latency_histogram"
        metadata = TableConfig(kind="computed", grain="campaign")


class RepliesByCampaign(Contract):
    """One row per reply, with the campaign it most likely answers."""

    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign; null if none was sent to that phone.")
    input_row: pl.Int64 = pa.Field(nullable=True, ge=0, description="The row of the input file, counted from 0.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message.")
    match_rule: pl.String = pa.Field(nullable=True, isin=REPLY_RULES, description=WHICH_REPLY_RULE)
    is_opt_out: pl.Boolean = pa.Field(description="The text asks for no more messages (T, TD, 退订 …).")
    submitted_at: Instant = pa.Field(nullable=True, description="When the request of the message's batch left.")
    replied_at: Instant = pa.Field(description=WHEN_REPLIED)
    has_own_time: pl.Boolean = pa.Field(description="replied_at is the gateway's.")
    received_at: Instant = pa.Field(description="When we first got it.")
    reply_seconds: pl.Int32 = pa.Field(
        nullable=True, ge=0, description="Whole seconds from submitted_at to replied_at."
    )
    access_num: pl.String = pa.Field(description="The number it was sent to, with its extension.")
    character_count: pl.Int32 = pa.Field(ge=0, description="Length of the text.")

    class Config:
        name = "marts.replies_by_campaign"
        metadata = TableConfig(kind="computed", grain="whole")


class SuppressionCandidates(Contract):
    """One row per phone that should get no more messages and is on no list yet; its latest message stands for it."""

    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign of the latest message to the phone.")
    input_row: pl.Int64 = pa.Field(nullable=True, ge=0, description="That message's row of the input file.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="That message; null if the phone was sent none.")
    reason: pl.String = pa.Field(isin=SUPPRESSION_REASONS, description=WHICH_REASON)
    since_at: Instant = pa.Field(description=SINCE_WHEN)
    opted_out_at: Instant = pa.Field(nullable=True, description="The first reply that asks for no more; null if none.")
    hard_campaign_count: pl.Int64 = pa.Field(
        ge=0, description="Campaigns that failed with a hard code since the phone last got a message."
    )
    code: pl.String = pa.Field(nullable=True, description="The last of these codes.")
    message_count: pl.Int64 = pa.Field(ge=0, description="Messages sent to the phone; those refused don't count.")
    last_submitted_at: Instant = pa.Field(nullable=True, description="When the latest of them was submitted.")

    class Config:
        name = "marts.suppression_candidates"
        metadata = TableConfig(kind="computed", grain="whole")


class BalanceReconciliation(Contract):
    """One row per interval between two balances told: what the account lost against what was accepted from us."""

    began_at: Instant = pa.Field(description="When the earlier balance was asked for.")
    ended_at: Instant = pa.Field(description="When the later one was.")
    opening_balance_count: pl.Int64 = pa.Field(description="Segments left at the beginning.")
    closing_balance_count: pl.Int64 = pa.Field(description="Segments left at the end.")
    accepted_segment_count: pl.Int64 = pa.Field(ge=0, description="Segments of batches answered in it and accepted.")
    in_doubt_segment_count: pl.Int64 = pa.Field(ge=0, description="Segments of batches that went into doubt in it.")
    opening_in_flight_segment_count: pl.Int64 = pa.Field(
        ge=0, description="Segments submitted before it and answered later: may have been charged before it."
    )
    closing_in_flight_segment_count: pl.Int64 = pa.Field(
        ge=0, description="Segments submitted before its end and answered later: may have been charged in it."
    )
    unexplained_count: pl.Int64 = pa.Field(
        description="closing - opening + accepted_segment_count: positive after a top-up or a refund, negative if more "
        "was charged than we know of."
    )
    is_explained: pl.Boolean = pa.Field(description="No more is left over than what was in doubt or in flight.")

    class Config:
        name = "marts.balance_reconciliation"
        metadata = TableConfig(kind="computed", grain="whole")


class BatchesInDoubt(_ByCampaign):
    """One row per batch that may have been sent and that nothing has settled, with what the balance says of it."""

    batch_num: pl.String = pa.Field(description="The batch: the vendor can look it up.")
    message_count: pl.Int64 = pa.Field(ge=1, description="Messages in it.")
    segment_count: pl.Int64 = pa.Field(ge=1, description="Segments of them.")
    submitted_at: Instant = pa.Field(description="When the request left.")
    doubted_at: Instant = pa.Field(description="When it was given up; when it left, where the sender stopped before.")
    error_code: pl.String = pa.Field(nullable=True, description="The gateway's answer; null if none could be read.")
    http_status: pl.Int32 = pa.Field(nullable=True, description="The answer's HTTP status; null without an answer.")
    detail: pl.String = pa.Field(nullable=True, description="What is known beyond the codes.")
    opening_balance_count: pl.Int64 = pa.Field(
        nullable=True, description="Segments left when the balance was last told before it; null if it never was."
    )
    opening_balance_at: Instant = pa.Field(nullable=True, description="When that was.")
    closing_balance_count: pl.Int64 = pa.Field(
        nullable=True, description="Segments left when the balance was first told after it; null if not yet."
    )
    closing_balance_at: Instant = pa.Field(nullable=True, description="When that was.")
    accepted_segment_count: pl.Int64 = pa.Field(
        nullable=True, ge=0, description="Segments of batches accepted between the two balances."
    )
    in_doubt_segment_count: pl.Int64 = pa.Field(
        nullable=True, ge=0, description="Segments of all batches that were submitted between them and are in doubt."
    )
    charged_count: pl.Int64 = pa.Field(
        nullable=True,
        description="Segments charged between them that no accepted batch explains: about 0 if nothing in doubt was "
        "taken, in_doubt_segment_count if all was. Top-ups and others who use the account blur it.",
    )

    class Config:
        name = "marts.batches_in_doubt"
        metadata = TableConfig(kind="computed", grain="whole")


class Exceptions(Contract):
    """One row per finding that somebody should look at; what comes by the thousand is one row with a count."""

    kind: pl.String = pa.Field(
        isin=EXCEPTION_KINDS,
        description="orphan, conflict, phone_mismatch, report_of_unsent (of a message planned, refused or kept back "
        "with us: not believed), sent_twice (decided to be not_sent and sent again, and reported the first time too), "
        "report_before_submission, late_report, unreported, in_doubt, unknown_code, reject.",
    )
    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign, where one is known.")
    batch_num: pl.String = pa.Field(nullable=True, description="The batch, where one is meant.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message, where one is meant.")
    mission_num: pl.String = pa.Field(
        nullable=True, description="As reported, where one message is meant; null if it holds the phone."
    )
    detail: pl.String = pa.Field(description="What was found.")
    occurrence_count: pl.Int64 = pa.Field(
        ge=1, description="Reports, messages (unreported, in_doubt) or records (reject) behind it."
    )
    first_seen_at: Instant = pa.Field(
        nullable=True, description="First report received, batch submitted or call made; null if unknown."
    )
    last_seen_at: Instant = pa.Field(
        nullable=True, description="Last report received, batch submitted or call made; null if unknown."
    )

    class Config:
        name = "marts.exceptions"
        metadata = TableConfig(kind="computed", grain="whole")


class PullCoverage(Contract):
    """One row per day for which reports are due or were pulled."""

    pulled_on: pl.Date = pa.Field(unique=True, description="The day asked for, in Asia/Shanghai.")
    is_due: pl.Boolean = pa.Field(description="On that day messages were sent or in their report window.")
    call_count: pl.Int64 = pa.Field(ge=0, description="Calls for that day.")
    ok_call_count: pl.Int64 = pa.Field(ge=0, description="Of these, answered well.")
    last_called_at: Instant = pa.Field(nullable=True, description="The last call.")
    last_ok_at: Instant = pa.Field(nullable=True, description="The last call that was answered well.")
    record_count: pl.Int64 = pa.Field(ge=0, description="Records in all answers, repeated ones included.")
    rejected_count: pl.Int64 = pa.Field(ge=0, description="Of these, how many are in core.rejects.")
    new_record_count: pl.Int64 = pa.Field(ge=0, description="Reports that no earlier call had brought.")
    is_complete: pl.Boolean = pa.Field(description="It was pulled with success after it had ended.")
    is_missing: pl.Boolean = pa.Field(description="It is due, it is over, and was never pulled with success.")

    class Config:
        name = "marts.pull_coverage"
        metadata = TableConfig(kind="computed", grain="whole")


# In the order in which they are made: each reads only `core`, or tables above it here.
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
