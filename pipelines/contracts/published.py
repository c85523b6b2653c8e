"""Contracts of the views of the analysts' copy, and descriptions of its functions.

Besides these the copy holds the marts. No view holds an unmasked phone or a text.
"""

from typing import Final

import polars as pl

from pipelines.contracts import JSON, Contract, Instant, TableConfig, column
from pipelines.contracts.reconciled import (
    CODE_DESCRIPTION,
    ERROR_CODE_DESCRIPTION,
    LATENCY_DESCRIPTION,
    MATCH_RULE_DESCRIPTION,
    MATCH_RULES,
    REPLIED_AT_DESCRIPTION,
    STATUS_DESCRIPTION,
    STATUSES,
)


class PublishedMessages(Contract):
    """One row per recipient row of every campaign, with its status; phones masked, no texts."""

    campaign_id: pl.String = column(description="Id of the campaign.")
    input_row: pl.Int64 = column(ge=0, description="Row of the input file, counted from 0.")
    message_id: pl.Int64 = column(nullable=True, description="Id of the message; null if the row is not to be sent.")
    mission_num: pl.String = column(
        nullable=True,
        description="Id of the message at the gateway; null if it holds the phone, other phones in it are masked.",
    )
    phone_masked: pl.String = column(
        nullable=True, description="Masked phone, 138****1234; null if the phone is invalid."
    )
    phone_hash: pl.String = column(
        nullable=True,
        description="Keyed hash of the phone, to join on, as far as policy.phone_hash allows: by default the same in"
        " all tables and campaigns. Null if no message can have been sent to the phone.",
    )
    status: pl.String = column(isin=STATUSES, description=STATUS_DESCRIPTION)
    reason: pl.String = column(
        nullable=True, description="Why the row is not to be sent, phones masked; null if it is."
    )
    duplicate_of_row: pl.Int64 = column(
        nullable=True, description="Earlier row with the same phone; null unless a duplicate."
    )
    code: pl.String = column(nullable=True, description=CODE_DESCRIPTION)
    error_code: pl.String = column(nullable=True, description=ERROR_CODE_DESCRIPTION)
    batch_num: pl.String = column(nullable=True, description="Id of the batch that it was sent in; null until sent.")
    submitted_at: Instant = column(nullable=True, description="When the request of its batch was sent.")
    submitted_on: pl.Date = column(nullable=True, description="Day of submitted_at, in Asia/Shanghai.")
    delivered_at: Instant = column(nullable=True, description="When the phone received it; null unless delivered.")
    latency_seconds: pl.Int32 = column(nullable=True, description=LATENCY_DESCRIPTION)
    match_rule: pl.String = column(nullable=True, isin=MATCH_RULES, description=MATCH_RULE_DESCRIPTION)
    report_count: pl.Int32 = column(description="Distinct reports of the message with its phone.")
    segment_count: pl.Int32 = column(nullable=True, description="Segments of its text; null without a text.")
    template_id: pl.String = column(nullable=True, description="Template of the text.")
    owner: pl.String = column(
        nullable=True,
        duckdb_type=JSON,
        description="All other columns of the input, as JSON: owner ->> 'city'. Anything that looks like a phone is "
        "masked, in names of columns too.",
    )

    config = TableConfig("main.messages", kind="published", grain="campaign", parquet="messages/*.parquet")


class PublishedReplies(Contract):
    """One row per reply, with the message that it most likely answers; phones masked, no texts."""

    replied_at: Instant = column(description=REPLIED_AT_DESCRIPTION)
    received_at: Instant = column(description="When it was first received.")
    phone_masked: pl.String = column(description="Masked phone, 138****1234.")
    phone_hash: pl.String = column(
        nullable=True,
        description="Keyed hash of the phone, to join on, as far as policy.phone_hash allows: by default the same in"
        " all tables and campaigns.",
    )
    access_num: pl.String = column(description="Access number replied to, with its extension.")
    campaign_id: pl.String = column(
        nullable=True,
        description="Id of the campaign that it most likely answers; null if no campaign was sent to the phone.",
    )
    message_id: pl.Int64 = column(nullable=True, description="Id of the message that it most likely answers.")
    character_count: pl.Int32 = column(description="Characters of the text.")
    is_opt_out: pl.Boolean = column(description="The text opts out of further messages (T, TD, 退订 …).")

    config = TableConfig("main.replies", kind="published", grain="whole", parquet="replies/replies.parquet")


PUBLISHED: Final[tuple[type[Contract], ...]] = (PublishedMessages, PublishedReplies)

_THREE_ROWS: Final = (
    "Three rows, one for each rate: both rates with their counts, the difference b - a with its 95 % interval"
    " (Newcombe), the p-value of the two-sided test of two proportions, is_mature, and a verdict that goes by the"
    " interval."
)

# Each function of the copy, with its result and an example.
FUNCTIONS: Final[dict[str, str]] = {
    "wilson_low": "Lower end of the 95 % Wilson interval: SELECT wilson_low(930, 1000).",
    "wilson_high": "Upper end of the 95 % Wilson interval: SELECT wilson_high(930, 1000).",
    "is_accepted": "True for a status that counts as accepted: FROM messages WHERE is_accepted(status).",
    "status_counts": (
        "Aggregate: the counts by status of a group of rows, as a STRUCT; its arguments are the status, the messages"
        " and the segments of a row: SELECT unnest(status_counts(status, 1, segment_count)) FROM messages."
    ),
    "delivery_rates": (
        "The three rates with their 95 % Wilson intervals, as a STRUCT; its arguments are the messages delivered,"
        " reported and accepted: SELECT unnest(delivery_rates(930, 950, 1000))."
    ),
    "delivery_by": (
        "One row per campaign and value of one of the owner's columns, with every count, the three rates and is_mature:"
        " FROM delivery_by('city') or FROM delivery_by('city', campaign := 'spring'). Rows without a value are unknown."
    ),
    "compare_rates": (
        "One row: two rates, their difference b - a with its 95 % interval (Newcombe), and the p-value of the two-sided"
        " test of two proportions: FROM compare_rates(930, 1000, 951, 1000)."
    ),
    "compare_deliveries": (
        "Shared by compare_campaigns and compare_variants. Arguments: names of a and b; messages delivered, reported"
        " and accepted of a, then of b; whether both are mature."
    ),
    "compare_campaigns": f"{_THREE_ROWS} FROM compare_campaigns('spring', 'autumn').",
    "compare_variants": (
        f"Compares two values of one of the owner's columns within a campaign. {_THREE_ROWS}"
        " FROM compare_variants('spring', 'variant', 'A', 'B')."
    ),
}
