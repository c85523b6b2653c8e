"""Retention: a purge removes old campaigns whose books can't change any more, and everything that landed in their time.

One instant, the cutoff, separates what is removed from what stays: campaigns, calls and imports before it are removed
together, and no campaign that stays has anything from before it. So the books that stay never lose a report. A campaign
is removed if nothing of it is to be sent or in doubt, its report window is over, and its last report or reply came
before the cutoff; any other campaign moves the cutoff back to the day on which it began.

A mark in the landing makes a campaign purged; its files are removed afterwards, or by the next purge if this one is
killed. The mark keeps the campaign's final figures, and the journal its id and key: it is never sent again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from typing import Literal

import polars as pl

from pipelines.campaign.holding import exclusive_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.errors import BooksError, UsageError
from pipelines.failpoints import reach
from pipelines.gateway.push import edited
from pipelines.landing.calls import CALL_KINDS
from pipelines.landing.campaigns import Purged
from pipelines.landing.landing import Landing, landed_at, landing_of
from pipelines.landing.scratch import remove_left_over
from pipelines.landing.segments.folder import begun_at
from pipelines.operations import daily
from pipelines.progress import Progress, no_progress
from pipelines.settings import Settings
from pipelines.sql_files import statement
from pipelines.tabular.sheet import read_sheet
from pipelines.times import CHINA, Clock
from pipelines.warehouse.database import fetched, warehouse_of
from pipelines.warehouse.loading import calls, imports, pushes


@dataclass(frozen=True)
class Campaign:
    """A campaign's first and last activity, and whether its books can still change."""

    campaign_id: str
    row_count: int
    planned_count: int
    in_doubt_count: int
    last_active_at: datetime  # its last submission, or its planning without one
    began_at: datetime
    ended_at: datetime

    @property
    def is_open(self) -> bool:
        """True if some messages are to be sent or in doubt; one with all messages suppressed isn't open."""
        return self.planned_count > 0 or self.in_doubt_count > 0


@dataclass(frozen=True)
class Staying:
    """A campaign that is old enough to be purged but stays, the reason, and the next step."""

    campaign_id: str
    last_active_at: datetime
    reason: str
    next_step: str


@dataclass(frozen=True)
class Purge:
    """A purge as planned: what is removed and what stays; `before` is the cutoff, the beginning of a day in China."""

    as_of: datetime
    older_than_days: int
    before: datetime
    going: tuple[Campaign, ...]
    staying: tuple[Staying, ...]
    files: tuple[str, ...]  # calls, imports and segments of pushes
    byte_count: int  # of these and of the plans
    told_again_count: int  # replies from before the cutoff that came again after it
    to_list_count: int  # phones that are put on a suppression list first
    unlisted_count: int  # phones that failed for good, are on no list, and got messages before the cutoff
    is_unfinished: bool  # an earlier purge was interrupted; this one removes what is left

    @property
    def is_empty(self) -> bool:
        return not (self.going or self.files or self.told_again_count or self.is_unfinished)


def plan_purge(older_than_days: int, *, settings: Settings, as_of: datetime) -> Purge:
    """Plan a purge, after loading and reconciling; nothing in the landing is changed.

    Raises UsageError if `older_than_days` is less than 1, and BooksError if the books don't balance.
    """
    if older_than_days < 1:
        raise UsageError("--older-than must be 1 or more days")
    landing = landing_of(settings)
    oldest = as_of - timedelta(days=older_than_days)
    if not settings.landing_folder.exists():  # planning makes no folder
        return Purge(as_of, older_than_days, _day_of(oldest), (), (), (), 0, 0, 0, 0, is_unfinished=False)
    daily.load(settings)
    if not daily.reconcile(settings, as_of=as_of).is_balanced:
        raise BooksError("the books don't balance; see 'smsrecon reconcile' before anything is purged")
    unfinished = landing.purging_before()
    with warehouse_of(settings).read() as connection:
        hours = {"report_window_hours": settings.policy.report_window_hours}
        rows = fetched(connection, statement("purging/campaigns"), hours)
        campaigns = [Campaign(**row) for row in rows.iter_rows(named=True)]
        before, going = cutoff(campaigns, oldest)
        if unfinished:  # its rest is removed too, except what a campaign that stays needs
            stay_from = (_day_of(campaign.began_at) for campaign in campaigns if campaign not in going)
            before = max(before, min([unfinished, *stay_from]))
        known = {"before": before, "reasons": _reasons(settings)}
        counts = fetched(connection, statement("purging/counts"), known).row(0, named=True)
    files = [name for name in _landed(landing) if (at := landed_at(name)) is not None and at < before]
    segments = [name for name in _segments(landing) if begun_at(name) < before]
    files += [name for name in segments if _last_at(landing, name) < before]
    gone = [landing.path(name) for name in files] + [
        landing.campaigns.plan_path(campaign.campaign_id) for campaign in going
    ]
    return Purge(
        as_of=as_of,
        older_than_days=older_than_days,
        before=before,
        going=tuple(going),
        staying=tuple(_staying(campaigns, going, as_of, older_than_days)),
        files=tuple(files),
        byte_count=sum(path.stat().st_size for path in gone if path.exists()),  # without segments in packs
        is_unfinished=unfinished is not None,
        **counts,
    )


def cutoff(campaigns: Sequence[Campaign], oldest: datetime) -> tuple[datetime, list[Campaign]]:
    """The latest cutoff, at most `oldest`, before which no campaign that stays began; and the campaigns to purge.

    It is the beginning of a day in China, so that no day is kept in part.
    """
    before = _day_of(oldest)
    while True:
        staying = [campaign for campaign in campaigns if campaign.is_open or campaign.ended_at >= before]
        earlier = min([before, *(_day_of(campaign.began_at) for campaign in staying)])
        if earlier == before:
            return before, [campaign for campaign in campaigns if campaign not in staying]
        before = earlier


def apply_purge(agreed: Purge, *, settings: Settings, clock: Clock, progress: Progress = no_progress) -> None:
    """Carry out a purge as planned.

    Raises UsageError if the plan would be another one by now, CampaignBusy, WarehouseBusy while an audit has a copy,
    and BooksError if the books don't balance afterwards, or an older published version can't be removed.
    """
    landing = landing_of(settings)
    remove_left_over(settings.scratch_folder, *settings.inputs_folder.glob("*"))
    with exclusive_lock(landing):
        landing.catch_up()
        landing.refuse_versions()
        if plan_purge(agreed.older_than_days, settings=settings, as_of=agreed.as_of) != agreed:
            raise UsageError(
                "what can be purged has changed meanwhile; run the same command again and look at its list"
            )
        daily.suppress(settings, clock=clock, reasons=_reasons(settings))
        landing.note_purging(agreed.before)
        reach("purge.before_marks")
        for purged in _marks(agreed, settings, purged_at=clock().astimezone(CHINA)):
            landing.campaigns.mark_purged(purged)
            reach("purge.between_marks")
        _remove(landing, agreed, settings, progress)
        landing.put_changes()
    reach("purge.before_rebuild")
    _, books = daily.rebuild(settings, as_of=clock(), progress=progress)
    left_over = daily.publish(settings, keep_old=False).left_over
    if left_over:
        raise BooksError(
            f"{left_over[0]} still holds purged data and can't be removed; remove it by hand, then purge again"
        )
    reach("purge.before_end")
    landing.purging_path.unlink()
    if not books.is_balanced:
        raise BooksError("the books don't balance after the purge; see 'smsrecon reconcile'")


def _day_of(at: datetime) -> datetime:
    """The beginning of the day in China."""
    return at.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)


def _reasons(settings: Settings) -> list[str]:
    """Reasons for which phones are put on a list before their reports and replies are removed; opt-outs always."""
    return sorted({"opted_out", *settings.policy.suppress})


def _landed(landing: Landing) -> list[str]:
    return [*(name for kind in CALL_KINDS for name in landing.calls.names(kind)), *landing.imports.names()]


def _segments(landing: Landing) -> list[str]:
    return [*landing.pushes.names(), *landing.refused.names()]


def _last_at(landing: Landing, name: str) -> datetime:
    """The time of the last push in a segment."""
    folder = landing.pushes if name.startswith("pushes/") else landing.refused
    known = [datetime.fromisoformat(frame.head["received_at"]) for frame in folder.read(name) if frame.is_whole]
    return max([begun_at(name), *known])


def _staying(
    campaigns: Sequence[Campaign], going: Sequence[Campaign], as_of: datetime, older_than_days: int
) -> list[Staying]:
    """The campaigns whose last submission is old enough, but that stay."""
    oldest = as_of - timedelta(days=older_than_days)
    staying = [campaign for campaign in campaigns if campaign not in going]
    by_themselves = [campaign for campaign in staying if campaign.is_open or campaign.ended_at >= _day_of(oldest)]
    named = []
    for campaign in staying:
        if campaign.last_active_at >= oldest:
            continue
        if campaign.planned_count:
            why = (f"{campaign.planned_count:,} to send", f"smsrecon resume {campaign.campaign_id}")
        elif campaign.in_doubt_count:
            why = (f"{campaign.in_doubt_count:,} in doubt", f"smsrecon resolve {campaign.campaign_id}")
        elif campaign in by_themselves:
            last_on = _day_of(campaign.ended_at)
            goes_on = last_on + timedelta(days=older_than_days + 1)
            why = (f"last report or reply on {last_on:%Y-%m-%d}", f"can be purged from {goes_on:%Y-%m-%d}")
        else:
            holder = min(by_themselves, key=lambda other: other.began_at)
            why = (f"overlaps {holder.campaign_id}, which stays", f"smsrecon status {holder.campaign_id}")
        named.append(Staying(campaign.campaign_id, campaign.last_active_at, *why))
    return named


def _marks(agreed: Purge, settings: Settings, *, purged_at: datetime) -> list[Purged]:
    going = [campaign.campaign_id for campaign in agreed.going]
    with warehouse_of(settings).read() as connection:
        query = "FROM marts.campaign_delivery WHERE list_contains($campaign_ids, campaign_id)"
        rows = fetched(connection, query, {"campaign_ids": going})
    return [Purged(row["campaign_id"], purged_at, row) for row in rows.iter_rows(named=True)]


def _remove(landing: Landing, agreed: Purge, settings: Settings, progress: Progress) -> None:
    """Remove the files of purged campaigns, and what landed before the cutoff.

    Records that came again after the cutoff are removed first, while their first copies are still known.
    """
    _remove_repeats(landing, agreed, settings, progress)
    purged = landing.campaigns.purged_ids()
    for campaign_id in purged:
        landing.campaigns.clear_purged(campaign_id)
    for done, name in enumerate(agreed.files):
        progress("removing", done / len(agreed.files))
        reach("purge.between_files")
        if name.startswith("pushes/"):
            landing.pushes.rewrite(name, [])
        elif name.startswith("refused/"):
            landing.refused.rewrite(name, [])
        else:
            landing.remove(name)
    if purged:
        with Journal.open(landing.journal) as journal:
            journal.remove(purged)


def _remove_repeats(landing: Landing, agreed: Purge, settings: Settings, progress: Progress) -> None:
    """Rewrite the calls, pushes and imports that stay without the records that are removed."""
    with warehouse_of(settings).read() as connection:
        gone = {
            kind: fetched(connection, statement(f"purging/{kind}"), {"before": agreed.before})
            for kind in ("reports", "replies")
        }
    kept = sorted({*_landed(landing), *landing.pushes.names()} - {*agreed.files})
    for done, name in enumerate(kept):
        progress("looking for repeated records", done / len(kept))
        if name.startswith("imports/"):
            _rewrite_import(landing, name, gone, agreed.before)
        elif name.startswith("pushes/"):
            _rewrite_segment(landing, name, gone, agreed.before)
        elif not name.startswith("balance/"):
            kind: Literal["reports", "replies"] = "reports" if name.startswith("reports/") else "replies"
            _rewrite_call(landing, kind, name, gone, agreed.before)


def _rewrite_call(
    landing: Landing, kind: Literal["reports", "replies"], name: str, gone: dict[str, pl.DataFrame], before: datetime
) -> None:
    read = calls.read_call(landing, kind, name)
    if read.call is None or read.received is None:
        return
    records = read.received.records
    stays = _stays(calls.cleaned(kind, [read.received]), gone[kind], before)
    if not stays.all():
        raw = (records.raw(place) for place in stays.arg_true())
        landing.rewrite(name, replace(read.call, body=records.holding(raw)))


def _rewrite_segment(landing: Landing, name: str, gone: dict[str, pl.DataFrame], before: datetime) -> None:
    frames, pushed = pushes.read_segment(landing, name)
    going: dict[int, set[int]] = {}  # push → places of its records
    for records in (pushed.reports, pushed.replies):
        stays = _stays(pushes.cleaned(records, frames, [name] * len(frames)), gone[records.kind], before)
        for row in (~stays).arg_true():
            going.setdefault(records.push[row], set()).add(records.place[row])
    counts = Counter([*pushed.reports.push, *pushed.replies.push])
    if going:
        kept = (
            replace(frame, body=_without(frame.body, going.get(push, set())))
            for push, frame in enumerate(frames)
            if push not in going or len(going[push]) < counts[push]
        )
        landing.pushes.rewrite(name, kept)


def _without(body: bytes, places: set[int]) -> bytes:
    return edited(body, lambda _, place: place not in places) if places else body


def _rewrite_import(landing: Landing, name: str, gone: dict[str, pl.DataFrame], before: datetime) -> None:
    try:
        imported = landing.imports.read(name)
        sheet = read_sheet(imported.body)
        stays = _stays(imports.cleaned(imported, sheet, name), gone[imported.kind], before)
    except imports.UNREADABLE:
        return
    if not stays.all():
        file = BytesIO()
        sheet.frame.filter(stays).write_parquet(file)
        landing.rewrite(name, replace(imported, body=file.getvalue()))


def _stays(records: pl.DataFrame, gone: pl.DataFrame, before: datetime) -> pl.Series:
    """True for each record that isn't among the removed ones.

    Few files that stay have records this old, and only those are compared; with a day more, since clocks differ.
    """
    *others, time = gone.columns
    if time == "replied_at":
        records = records.with_columns(replied_at=pl.when("has_own_time").then("replied_at"))
    old = records.with_row_index("place").filter((pl.col(time) < before + timedelta(days=1)).fill_null(value=True))
    found = old.join(gone, on=[*others, time], how="semi", nulls_equal=True)["place"] if old.height else old["place"]
    return ~pl.Series(range(records.height)).is_in(found.implode())
