"""What the analysts' copy holds beside the marts: the contracts of its views, and its functions.

No view holds a phone in the clear, or a text.
"""

from typing import Final

import pandera.polars as pa
import polars as pl

from pipelines.contracts import JSON, Contract, Instant, TableConfig
from pipelines.contracts.reconciled import (
    MATCH_RULES,
    STATUSES,
    WHEN_REPLIED,
    WHICH_CODE,
    WHICH_ERROR_CODE,
    WHICH_LATENCY,
    WHICH_RULE,
    WHICH_STATUS,
)


class PublishedMessages(Contract):
    """One row per recipient row of every campaign, with its status; phones masked, no texts."""

    campaign_id: pl.String = pa.Field(description="The campaign.")
    input_row: pl.Int64 = pa.Field(ge=0, description="The row of the input file, counted from 0.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message; null if the row is never to be sent.")
    mission_num: pl.String = pa.Field(
        nullable=True, description="The message's identity at the gateway; null if it holds the phone."
    )
    phone_masked: pl.String = pa.Field(nullable=True, description="138****1234; null if the phone is not valid.")
    phone_hash: pl.String = pa.Field(
        nullable=True,
        description="A keyed hash of the phone, the same everywhere, to join on; null if the phone is not valid.",
    )
    status: pl.String = pa.Field(isin=STATUSES, description=WHICH_STATUS)
    reason: pl.String = pa.Field(nullable=True, description="Why it is not to be sent; null if it is.")
    duplicate_of_row: pl.Int64 = pa.Field(nullable=True, description="The earlier row with the same phone.")
    code: pl.String = pa.Field(nullable=True, description=WHICH_CODE)
    error_code: pl.String = pa.Field(nullable=True, description=WHICH_ERROR_CODE)
    batch_num: pl.String = pa.Field(nullable=True, description="The batch it was sent in; null while it was not.")
    submitted_at: Instant = pa.Field(nullable=True, description="When the request of that batch left.")
    submitted_on: pl.Date = pa.Field(nullable=True, description="The day of that, in Asia/Shanghai.")
    delivered_at: Instant = pa.Field(nullable=True, description="When the phone got it; null unless delivered.")
    latency_seconds: pl.Int32 = pa.Field(nullable=True, description=WHICH_LATENCY)
    match_rule: pl.String = pa.Field(nullable=True, isin=MATCH_RULES, description=WHICH_RULE)
    report_count: pl.Int32 = pa.Field(description="Distinct reports for it with its phone.")
    segment_count: pl.Int32 = pa.Field(nullable=True, description="Segments of its text; null if there is none.")
    template_id: pl.String = pa.Field(nullable=True, description="The template the text was made of.")
    owner: pl.String = pa.Field(
        nullable=True,
        metadata=JSON,
        description="The owner's own columns of the input, as JSON: owner ->> 'city'. What looks like a phone in it is "
        "masked.",
    )

    class Config:
        name = "main.messages"
        metadata = TableConfig(kind="published", grain="campaign", parquet="messages/campaign_id=*/messages.parquet")


class PublishedReplies(Contract):
    """One row per reply, with the message it most likely answers; phones masked, no texts."""

    replied_at: Instant = pa.Field(description=WHEN_REPLIED)
    received_at: Instant = pa.Field(description="When we first got it.")
    phone_masked: pl.String = pa.Field(description="138****1234.")
    phone_hash: pl.String = pa.Field(description="A keyed hash of the phone, the same everywhere, to join on.")
    access_num: pl.String = pa.Field(description="The number it was sent to, with its extension.")
    campaign_id: pl.String = pa.Field(nullable=True, description="The campaign it most likely answers.")
    message_id: pl.Int64 = pa.Field(nullable=True, description="The message it most likely answers.")
    character_count: pl.Int32 = pa.Field(description="Length of the text.")
    is_opt_out: pl.Boolean = pa.Field(description="The text asks for no more messages (T, TD, 退订 …).")

    class Config:
        name = "main.replies"
        metadata = TableConfig(kind="published", grain="whole", parquet="replies/replies.parquet")


PUBLISHED: Final[tuple[type[Contract], ...]] = (PublishedMessages, PublishedReplies)

_THREE_ROWS: Final = (
    "Three rows, one for each rate: both rates with their counts, the difference b - a with its 95 % interval"
    " (Newcombe), the p-value of the two-sided test of two proportions, is_mature, and a verdict that goes by the"
    " interval."
)

# Of each of our functions what it gives, with an example; in the order of making: each calls only those above it.
FUNCTIONS: Final[dict[str, str]] = {
    "wilson_low": "Lower end of the 95 % Wilson interval: SELECT wilson_low(930, 1000).",
    "wilson_high": "Upper end of the 95 % Wilson interval: SELECT wilson_high(930, 1000).",
    "delivery_by": (
        "One row per campaign and value of one of the owner's columns, with every count, the three rates and is_mature:"
        " FROM delivery_by('city') or FROM delivery_by('city', campaign := 'spring'). Rows without a value are unknown."
    ),
    "compare_rates": (
        "One row: two rates, their difference b - a with its 95 % interval (Newcombe), and the p-value of the two-sided"
        " test of two proportions: FROM compare_rates(930, 1000, 951, 1000)."
    ),
    "compare_deliveries": (
        "What compare_campaigns and compare_variants share: the names of a and b; messages delivered, reported and"
        " accepted of a, then of b; whether both are mature."
    ),
    "compare_campaigns": f"{_THREE_ROWS} FROM compare_campaigns('spring', 'autumn').",
    "compare_variants": (
        f"The same of two values of an owner's column within a campaign. {_THREE_ROWS}"
        " FROM compare_variants('spring', 'variant', 'A', 'B')."
    ),
}
