"""Output of a repair of the journal: what comes back by campaign, shown before anything is written."""

from typing import TYPE_CHECKING, Any

from pipelines.console.terminal import Grid, agree, show, show_object
from pipelines.formatting import count

if TYPE_CHECKING:
    from pipelines.operations.journal_repair import Repair

_STATES = ("accepted", "refused", "suppressed", "in_doubt")


def show_repair(repair: "Repair", *, is_done: bool, as_json: bool) -> None:
    """Messages by the state that they get, for each campaign, and the batches in doubt."""
    if as_json:
        show_object(_as_json(repair, is_done=is_done))
        return
    if not repair.is_needed:
        show("The journal is the newest one: there is nothing to repair.")
        return
    lines = [
        (each.record.campaign_id, *(count(each.message_counts()[state]) for state in _STATES))
        for each in repair.campaigns
    ]
    headings = ["campaign", "accepted>", "refused>", "suppressed>", "in doubt>"]
    doubts = [
        (batch.campaign_id, batch.batch_num, count(batch.message_count))
        for each in repair.campaigns
        for batch in each.doubts
    ]
    show(Grid(headings, lines, title="Messages that the journal lost"))
    if doubts:
        show(Grid(["campaign", "batch", "messages>"], doubts, title="Batches that are in doubt then"))


def confirm_repair(repair: "Repair", *, is_shown: bool) -> None:
    """Ask at the terminal before the journal is written. Raises UsageError without a yes."""
    agree(
        f"Write these events of {len(repair.campaigns)} campaigns to the journal? They can't be removed.",
        is_shown=is_shown,
        unasked="not confirmed; look at it with --dry-run, then confirm with --yes",
        refused="nothing was written; restore the newest copy of the journal if there is one",
    )


def _as_json(repair: "Repair", *, is_done: bool) -> dict[str, Any]:
    return {
        "is_needed": repair.is_needed,
        "is_done": is_done,
        "campaigns": [
            {
                "campaign_id": each.record.campaign_id,
                "is_registered": each.is_registered,
                "messages": {state: each.message_counts()[state] for state in _STATES},
                "batches_in_doubt": [
                    {"batch_num": batch.batch_num, "message_count": batch.message_count} for batch in each.doubts
                ],
            }
            for each in repair.campaigns
        ],
    }
