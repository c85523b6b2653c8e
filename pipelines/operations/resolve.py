"""Batches in doubt: what there is to know of each, and the operator's word that settles them.

Reports settle doubt by themselves; what they leave is a person's to decide, after asking the vendor. A decision is an
event of the journal, with who and when, and can't be taken back.
"""

import os
import pwd
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipelines.campaign.journal import Journal
from pipelines.errors import BooksError, UsageError
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.settings import Settings
from pipelines.times import Clock
from pipelines.warehouse.database import warehouse_of

EVERY = "all"


@dataclass(frozen=True)
class Decision:
    """What is to be believed of batches in doubt: `accepted`, or `not_sent`, so that they can be sent again."""

    state: Literal["accepted", "not_sent"]
    batch_nums: list[str]
    message_count: int


def doubts_of(campaign_id: str, *, settings: Settings, clock: Clock) -> pl.DataFrame:
    """The rows of marts.batches_in_doubt of a campaign, the oldest first, after loading and reconciling.

    Raises UsageError if there is no such campaign, or it was purged, and BooksError if the books don't balance.
    """
    landing = landing_of(settings)
    landing.campaigns.refuse_purged(campaign_id)
    with Journal.read_only(landing.journal_path) as journal:
        if journal.campaign(campaign_id) is None:
            raise UsageError(f"there is no campaign {campaign_id} here; 'smsrecon status' lists all")
    daily.load(settings)
    if not daily.reconcile(settings, as_of=clock()).is_balanced:
        raise BooksError(f"the books don't balance; see 'smsrecon status {campaign_id}' before you settle a doubt")
    with warehouse_of(settings).read() as connection:
        query = "FROM marts.batches_in_doubt WHERE campaign_id = $campaign_id ORDER BY submitted_at, batch_num"
        doubts: pl.DataFrame = connection.sql(query, params={"campaign_id": campaign_id}).pl()
    return doubts


def decisions(doubts: pl.DataFrame, *, accept: str | None, resend: str | None) -> list[Decision]:
    """What was asked for: batch numbers with commas, or `all`. Raises UsageError for a batch that is not in doubt."""
    made = []
    if accept is not None:
        made.append(_decision("accepted", doubts, accept))
    if resend is not None:
        made.append(_decision("not_sent", doubts, resend))
    named = [name for decision in made for name in decision.batch_nums]
    if len(set(named)) < len(named):
        raise UsageError("a batch is both to be accepted and to be sent again; name it once")
    return made


def settle(campaign_id: str, made: Iterable[Decision], *, reason: str | None, settings: Settings, clock: Clock) -> None:
    """Write the decisions to the journal. Raises CampaignBusy, and UsageError if a doubt was settled meanwhile."""
    landing = landing_of(settings)
    with landing.campaigns.lock(campaign_id), Journal.open(landing.journal_path) as journal:
        journal.doubt_unanswered(campaign_id, at=clock())
        for decision in made:
            try:
                journal.decide(
                    campaign_id, decision.batch_nums, decision.state, by=_operator(), reason=reason, at=clock()
                )
            except ValueError:
                raise UsageError(
                    f"a batch was settled meanwhile; see 'smsrecon resolve {campaign_id}', then decide again"
                ) from None


def _decision(state: Literal["accepted", "not_sent"], doubts: pl.DataFrame, names: str) -> Decision:
    wanted = doubts["batch_num"].to_list() if names == EVERY else [name.strip() for name in names.split(",")]
    chosen = doubts.filter(pl.col("batch_num").is_in(wanted))
    if unknown := sorted(set(wanted) - set(chosen["batch_num"])):
        raise UsageError(f"not in doubt: {', '.join(unknown)}; name batches that 'smsrecon resolve' lists, or say all")
    return Decision(state, chosen["batch_num"].to_list(), int(chosen["message_count"].sum()))


def _operator() -> str:
    """Who runs this: user and machine."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, perhaps
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
