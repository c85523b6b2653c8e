"""Batches in doubt: what is known about each, and the operator's decisions about them.

A report for any message of a batch settles it without an operator. The others are decided by a person, after asking the
vendor. A decision is an event of the journal, with its author and time, and can't be undone.
"""

import os
import pwd
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipelines.campaign.high_water import refuse_older_journal
from pipelines.campaign.holding import campaign_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.plan import planned_campaign
from pipelines.errors import BooksError, UsageError
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.settings import Settings
from pipelines.times import Clock
from pipelines.warehouse.database import fetched, warehouse_of

ALL = "all"


@dataclass(frozen=True)
class Decision:
    """A decision that batches were `accepted`, or that they were `not_sent` and so can be sent again."""

    state: Literal["accepted", "not_sent"]
    batch_nums: list[str]
    message_count: int


def doubtful_batches(campaign_id: str, *, settings: Settings, clock: Clock) -> pl.DataFrame:
    """The campaign's rows of marts.batches_in_doubt, oldest first, after loading and reconciling.

    Raises UsageError if the campaign is unknown or was purged, and BooksError if the books don't balance, or if the
    journal isn't the newest one.
    """
    landing = landing_of(settings)
    landing.campaigns.refuse_purged(campaign_id)
    refuse_older_journal(landing)
    planned_campaign(campaign_id, landing)
    daily.load(settings)
    if not daily.reconcile(settings, as_of=clock()).is_balanced:
        raise BooksError(
            f"the books don't balance; see 'smsrecon status {campaign_id}' before you decide about a batch"
        )
    with warehouse_of(settings).read() as connection:
        query = "FROM marts.batches_in_doubt WHERE campaign_id = $campaign_id ORDER BY submitted_at, batch_num"
        return fetched(connection, query, {"campaign_id": campaign_id})


def parse_decisions(doubts: pl.DataFrame, *, accept: str | None, resend: str | None) -> list[Decision]:
    """Decisions from comma-separated batch numbers, or `all`, to accept and to resend.

    Raises UsageError if a batch is named for both, or is not in doubt.
    """
    decisions = []
    if accept is not None:
        decisions.append(_decision("accepted", doubts, accept))
    if resend is not None:
        decisions.append(_decision("not_sent", doubts, resend))
    named = [name for decision in decisions for name in decision.batch_nums]
    if len(set(named)) < len(named):
        raise UsageError("a batch is given to both --accept and --resend; give it to one")
    return decisions


def apply_decisions(
    campaign_id: str, decisions: Iterable[Decision], *, reason: str | None, settings: Settings, clock: Clock
) -> None:
    """Write the decisions to the journal.

    Raises CampaignBusy, and UsageError if a batch was settled since the decisions were made.
    """
    landing = landing_of(settings)
    with campaign_lock(landing, campaign_id), Journal.open(landing.journal) as journal:
        journal.take_over(campaign_id)
        journal.doubt_unanswered(campaign_id, at=clock())
        for decision in decisions:
            try:
                journal.decide(
                    campaign_id, decision.batch_nums, decision.state, by=_operator(), reason=reason, at=clock()
                )
            except ValueError:
                raise UsageError(
                    f"a batch was settled meanwhile; see 'smsrecon resolve {campaign_id}', then decide again"
                ) from None


def _decision(state: Literal["accepted", "not_sent"], doubts: pl.DataFrame, names: str) -> Decision:
    wanted = doubts["batch_num"].to_list() if names == ALL else [name.strip() for name in names.split(",")]
    chosen = doubts.filter(pl.col("batch_num").is_in(wanted))
    if unknown := sorted(set(wanted) - set(chosen["batch_num"])):
        raise UsageError(f"not in doubt: {', '.join(unknown)}; name batches that 'smsrecon resolve' lists, or all")
    return Decision(state, chosen["batch_num"].to_list(), int(chosen["message_count"].sum()))


def _operator() -> str:
    """The user and the machine of this process, as user@machine."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, perhaps
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
