"""Replies that may be opt-outs, for a person to decide: with their texts, and with an id in place of the phone.

The id is a keyed hash, so that the phone need not be shown to be put on a list.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipelines.campaign.plan import planned_campaign
from pipelines.campaign.suppressions import phones_on_lists
from pipelines.errors import UsageError
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.settings import Settings
from pipelines.times import Clock
from pipelines.warehouse.database import fetched, warehouse_of

_ID_LENGTH: Final = 10  # of hexadecimal digits: a billion replies have few ids in common, and few replies are shown


@dataclass(frozen=True)
class Review:
    """Replies that may be opt-outs, the latest first, without those of people on a list, who are only counted."""

    replies: pl.DataFrame  # reply_id, replied_at, campaign_id, phone, content
    listed_count: int


def replies_to_review(settings: Settings, campaign_id: str | None, *, clock: Clock) -> Review:
    """Load and reconcile, then find the replies, of one campaign or all. Raises UsageError for an unknown campaign."""
    landing = landing_of(settings)
    if campaign_id is not None:
        planned_campaign(campaign_id, landing)
    if not settings.data_dir.exists():  # a question makes no folder
        return Review(_near_opt_outs(settings), 0)
    daily.load(settings)
    daily.reconcile(settings, as_of=clock())
    found = _near_opt_outs(settings)
    if campaign_id is not None:
        found = found.filter(campaign_id=campaign_id)
    undecided = found.join(phones_on_lists(landing), on="phone", how="anti")
    return Review(undecided, found.height - undecided.height)


def phones_of_replies(reply_ids: Iterable[str], settings: Settings) -> list[str]:
    """The phones that sent these replies. Raises UsageError for an id that no reply to be reviewed has."""
    found = dict(_near_opt_outs(settings).select("reply_id", "phone").iter_rows())
    unknown = [reply_id for reply_id in reply_ids if reply_id not in found]
    if unknown:
        raise UsageError(f"{len(unknown)} of the replies are unknown; see the ids in 'smsrecon suppress review'")
    return [found[reply_id] for reply_id in reply_ids]


def _near_opt_outs(settings: Settings) -> pl.DataFrame:
    """The replies of the reconciled warehouse that may be opt-outs, the latest first."""
    schema = {"reply_id": pl.String, "phone": pl.String}
    warehouse = warehouse_of(settings)
    if not warehouse.path.exists():
        return pl.DataFrame(schema=schema)
    with warehouse.read() as connection:
        found = fetched(
            connection,
            "SELECT replied_at, campaign_id, phone, content, access_num FROM core.reply_matches"
            " WHERE is_near_opt_out ORDER BY ALL DESC",
        )
    key = landing_of(settings).phone_hash_key().encode()
    signed = found.select("phone", "content", "access_num", pl.col("replied_at").dt.epoch("us"))
    ids = [hmac.digest(key, repr(row).encode(), "sha256").hex()[:_ID_LENGTH] for row in signed.iter_rows()]
    return found.select(pl.Series("reply_id", ids, dtype=pl.String), pl.exclude("access_num"))
