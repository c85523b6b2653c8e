"""Holding campaigns: on this machine, and on all machines where several share a journal."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from pipelines.campaign.journal import database
from pipelines.campaign.journal.journal import Journal
from pipelines.landing.landing import Landing


@contextmanager
def campaign_lock(landing: Landing, campaign_id: str) -> Iterator[None]:
    """Hold a campaign for this process; the lock dies with it. Raises CampaignBusy at once if it is held elsewhere."""
    with _locks(landing, [campaign_id]):
        yield


@contextmanager
def exclusive_lock(landing: Landing) -> Iterator[None]:
    """Hold every campaign, and wait until no process calls the gateway. Raises CampaignBusy."""
    with Journal.read_only(landing.journal) as journal:
        known = {*journal.campaign_keys(), *landing.campaigns.planned_ids()}
    with _locks(landing, sorted(known)), landing.pending_calls.lock(fcntl.LOCK_EX):
        if landing.database:
            with Journal.open(landing.journal) as journal:
                journal.take_over_all()
        yield


@contextmanager
def publishing_lock(landing: Landing) -> Iterator[int | None]:
    """Wait until no other machine publishes; yields the epoch of this one, see `database.publishing`.

    On one machine there is nobody to wait for, and no epoch.
    """
    if landing.database is None:
        yield None
        return
    with database.publishing(landing.database) as epoch:
        yield epoch


@contextmanager
def _locks(landing: Landing, campaign_ids: Sequence[str]) -> Iterator[None]:
    with ExitStack() as held:
        for campaign_id in campaign_ids:
            held.enter_context(landing.campaigns.lock(campaign_id))
        if landing.database:
            held.enter_context(database.lock(landing.database, campaign_ids))
        yield
