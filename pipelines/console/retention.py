"""Output of a purge: campaigns to delete and campaigns to keep, shown before anything is deleted."""

from typing import TYPE_CHECKING

from pipelines.console.terminal import Grid, agree, show, show_object
from pipelines.formatting import count, instant

if TYPE_CHECKING:
    from pipelines.operations.retention import Purge

MOST_CAMPAIGNS = 20  # that are shown of those that go, and of those that stay; --json has all


def show_purge(purge: "Purge", *, is_done: bool, as_json: bool) -> None:
    """Campaigns to delete, and old campaigns that are kept, with the next step for each."""
    if as_json:
        show_object(_as_json(purge, is_done=is_done))
        return
    nothing: list[Grid | str] = [
        f"No campaign that may be deleted is older than {_number(purge.older_than_days, 'day')}."
    ]
    parts = nothing if purge.is_empty else _what_goes(purge)
    if purge.staying:
        lines = [
            (each.campaign_id, instant(each.last_active_at)[:10], each.reason, each.next_step)
            for each in purge.staying[:MOST_CAMPAIGNS]
        ]
        parts.append(Grid(["campaign", "last sent", "why", "what to do"], lines, title="Old enough, but stays"))
        parts += _rest(len(purge.staying))
    show(*parts)


def confirm_purge(purge: "Purge", *, is_shown: bool) -> None:
    """Ask at the terminal before a purge. Raises UsageError without a yes."""
    campaigns, files = _number(len(purge.going), "campaign"), _number(len(purge.files), "file")
    agree(
        f"Remove {campaigns} and {files} for good? It can't be undone.",
        is_shown=is_shown,
        unasked="not confirmed; look at it with --dry-run, then confirm with --yes",
        refused="nothing was purged",
    )


def _what_goes(purge: "Purge") -> list[Grid | str]:
    facts = [
        ("campaigns", count(len(purge.going))),
        ("rows", count(sum(campaign.row_count for campaign in purge.going))),
        ("calls, imports", count(len(purge.files))),
        ("on the disk", f"{purge.byte_count / 1e6:,.1f} MB"),
    ]
    if purge.told_again_count:
        facts.append(("told again", f"{count(purge.told_again_count)} replies of before, which the gateway repeats"))
    if purge.to_list_count:
        facts.append(("listed first", f"{count(purge.to_list_count)} phones that are not to be written to any more"))
    if purge.unlisted_count:
        facts.append(
            ("known no more", f"{count(purge.unlisted_count)} dead numbers; policy.suppress with hard_code lists them")
        )
    if purge.is_unfinished:
        facts.append(("and", "what an interrupted purge has left"))
    parts: list[Grid | str] = [Grid(["", ""], facts, title=f"All that came before {instant(purge.before)[:10]} goes")]
    if purge.going:
        lines = [
            (campaign.campaign_id, instant(campaign.last_active_at)[:10], count(campaign.row_count))
            for campaign in purge.going[:MOST_CAMPAIGNS]
        ]
        parts += [Grid(["campaign", "last sent", "rows>"], lines), *_rest(len(purge.going))]
    return parts


def _number(number: int, what: str) -> str:
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def _rest(number: int) -> list[str]:
    return [f"{count(number - MOST_CAMPAIGNS)} more: all of them with --json"] if number > MOST_CAMPAIGNS else []


def _as_json(purge: "Purge", *, is_done: bool) -> dict[str, object]:
    return {
        "before": purge.before,
        "is_done": is_done,
        "campaigns": [
            {
                "campaign_id": campaign.campaign_id,
                "last_active_at": campaign.last_active_at,
                "row_count": campaign.row_count,
            }
            for campaign in purge.going
        ],
        "file_count": len(purge.files),
        "byte_count": purge.byte_count,
        "told_again_count": purge.told_again_count,
        "to_list_count": purge.to_list_count,
        "unlisted_count": purge.unlisted_count,
        "is_unfinished": purge.is_unfinished,
        "staying": purge.staying,
    }
