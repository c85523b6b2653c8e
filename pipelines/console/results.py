"""Results of single steps in a terminal: a dry run, a submission, a pull."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.text import Text

from pipelines.console.terminal import MOST_ROWS, Grid, agree, cell, show, show_object, show_table
from pipelines.formatting import count, printable, words
from pipelines.phones import mask_numbers_in_text, masked
from pipelines.review.translations import Texts

if TYPE_CHECKING:
    from pipelines.campaign.plan import Plan
    from pipelines.campaign.submit import Submission
    from pipelines.operations.opt_out_review import Review
    from pipelines.operations.pulling import PullSummary

_text = Texts("en")


def show_plan(plan: "Plan", *, balance: int | None, price: float | None, as_json: bool) -> None:
    """Result of a dry run."""
    if as_json:
        show_object(_plan_as_json(plan, balance, price))
        return
    texts = [("first texts" if number == 0 else "", printable(text)) for number, text in enumerate(plan.first_texts)]
    show(*_plan_grids(plan, balance, price, texts))


def plan_as_markdown(plan: "Plan", *, balance: int | None, price: float | None) -> str:
    """The same as Markdown, without the texts, which may be personal."""
    return "\n".join(grid.to_markdown() for grid in _plan_grids(plan, balance, price))


def _plan_grids(
    plan: "Plan", balance: int | None, price: float | None, texts: Iterable[tuple[str, str]] = ()
) -> Iterator[Grid]:
    record = plan.record
    lines: list[tuple[str | Text, ...]] = []
    for disposition, number in plan.disposition_counts.items():
        lines.append((disposition, count(number), _text(f"status_{disposition}_meaning") if number else ""))
        lines += [
            (Text(f"  {printable(words(reason))}", "dim"), Text(count(rows), "dim"), "")
            for of, reason, rows in plan.reason_counts
            if of == disposition != "duplicate"  # it has one reason only
        ]
    lines.append((Text("rows of the file", "bold"), Text(count(record.row_count), "bold"), ""))
    cost = "" if price is None else f", at a cost of {record.segment_count * price:,.2f}"
    facts = [
        ("files", count(len(plan.input.files)) if plan.input else ""),
        *_left_out(plan),
        ("messages", f"{count(record.message_count)} in {count(record.planned_batch_count)} batches"),
        ("segments", f"{count(record.segment_count)}{cost}"),
        ("balance", "the gateway could not be asked; see 'smsrecon doctor'" if balance is None else count(balance)),
        *texts,
    ]
    yield Grid(["", "rows>", ""], lines, title=f"Dry run of {record.campaign_id}: nothing was sent")
    yield Grid(["", ""], facts, title="It would send")


def _left_out(plan: "Plan") -> list[tuple[str, str]]:
    """The files that were left out of the input, if there are any, as a line of a grid."""
    return [("left out", plan.input.left_out_in_words())] if plan.input and plan.input.left_out else []


def _left_out_as_json(plan: "Plan") -> dict[str, Any]:
    if plan.input is None:
        return {"count": 0, "first_names": []}
    return {"count": len(plan.input.left_out), "first_names": plan.input.first_left_out}


def _plan_as_json(plan: "Plan", balance: int | None, price: float | None) -> dict[str, Any]:
    record = plan.record
    return {
        "campaign_id": record.campaign_id,
        "file_count": len(plan.input.files) if plan.input else None,
        "left_out": _left_out_as_json(plan),
        "rows": record.row_count,
        "dispositions": plan.disposition_counts,
        "reasons": [
            {"disposition": disposition, "reason": reason, "row_count": rows}
            for disposition, reason, rows in plan.reason_counts
        ],
        "message_count": record.message_count,
        "batch_count": record.planned_batch_count,
        "segment_count": record.segment_count,
        "balance": balance,
        "cost": None if price is None else round(record.segment_count * price, 2),
        "first_texts": plan.first_texts,
    }


def show_submission(submission: "Submission", *, as_json: bool) -> None:
    """Result of a submission."""
    record, progress = submission.plan.record, submission.progress
    if as_json:
        show_object(
            {
                "campaign_id": record.campaign_id,
                "left_out": _left_out_as_json(submission.plan),
                "message_count": record.message_count,
                "submitted_now": progress.counts,
                "still_to_send": progress.total - progress.done,
                "in_doubt_batch_count": submission.in_doubt_batch_count,
                "refused_batch_count": submission.refused_batch_count,
                "paused_reason": submission.pause.reason if submission.pause else None,
            }
        )
        return
    show(f"{record.campaign_id}: {submission_in_words(submission)}")


def submission_in_words(submission: "Submission") -> str:
    """Counts of messages by outcome, and the files that were left out of the input, in one line."""
    progress = submission.progress
    told = {state: number for state, number in progress.counts.items() if number or state != "suppressed"}
    done = ", ".join(f"{count(number)} {words(state)}" for state, number in told.items())
    left_out = "".join(f"; {what} of the input: {names}" for what, names in _left_out(submission.plan))
    return f"{done}; {count(progress.total - progress.done)} still to send{left_out}"


def complaints(submission: "Submission") -> Iterator[str]:
    """A line for all that keeps a submission from being done, with the next step."""
    campaign_id = submission.plan.record.campaign_id
    if submission.in_doubt_batch_count:
        yield (
            f"batches in doubt, of all runs: {submission.in_doubt_batch_count}; they may have been sent, so they are"
            " never sent again by themselves; reports settle them: run 'smsrecon daily', then 'smsrecon resolve"
            f" {campaign_id}' for what is left"
        )
    if submission.pause is not None:
        yield f"paused: {submission.pause.reason}; go on with 'smsrecon resume {campaign_id}'"
    if submission.refused_batch_count:
        yield f"batches refused: {submission.refused_batch_count}; see 'smsrecon status {campaign_id}' for the reasons"


def confirm_forgetting(*, is_shown: bool) -> None:
    """Ask at the terminal before a person is erased. Raises UsageError without a yes."""
    agree(
        "Forget this person? It can't be undone.",
        is_shown=is_shown,
        unasked="not confirmed; confirm with --yes",
        refused="nothing was erased",
    )


def show_suppressed(phones: "pl.DataFrame", *, as_json: bool) -> None:
    """Suppressed phones: the count of each reason, and the latest phones, masked."""
    latest = phones.sort("since_at", descending=True).select(
        phone_masked=masked(pl.col("phone")),
        reason="reason",
        since_at="since_at",
    )
    reasons = phones.group_by("reason").len().sort("len", "reason", descending=[True, False])
    if as_json:
        show_object({"phone_count": phones.height, "reasons": dict(reasons.iter_rows()), "phones": latest.to_dicts()})
        return
    if phones.is_empty():
        show("No phone is on a list.")
        return
    counted = [(printable(words(reason)), count(number)) for reason, number in reasons.iter_rows()]
    show(Grid(["reason", "phones>"], [*counted, ("all", count(phones.height))]))
    show("")
    show_table(latest.to_dicts(), as_json=False, name="phones")


def show_review(review: "Review", *, as_json: bool) -> None:
    """Replies that may be opt-outs, with masked phones, and how to put their senders on a list."""
    rows = [
        {
            "reply": row["reply_id"],
            "replied_at": row["replied_at"],
            "campaign_id": row["campaign_id"],
            "phone_masked": row["phone_masked"],
            "content": mask_numbers_in_text(row["content"]),
        }
        for row in review.replies.with_columns(phone_masked=masked(pl.col("phone"))).iter_rows(named=True)
    ]
    if as_json:
        show_object({"replies": rows, "listed_count": review.listed_count})
        return
    for row in rows[:MOST_ROWS]:
        *facts, text = map(cell, row.values())
        show(f"{'  '.join(filter(None, facts))}\n    {text}\n")
    if len(rows) > MOST_ROWS:
        show(f"{count(len(rows) - MOST_ROWS)} more: all of them with --json")
    if rows:
        show(f"Put who meant it on a list: smsrecon suppress add --reply {rows[0]['reply']} --reason opted_out")
    else:
        show("No reply is to be reviewed.")
    if review.listed_count:
        show(f"Left out, of people who are on a list: {count(review.listed_count)}.")


def show_pull(summary: "PullSummary", *, as_json: bool) -> None:
    """Result of a pull."""
    if as_json:
        show_object(summary.to_json())
        return
    lines: list[tuple[str | Text, ...]] = [
        (
            part.kind,
            cell(part.day),
            count(part.call_count),
            count(part.record_count),
            "complete" if part.is_complete else Text("not complete", "red"),
        )
        for part in summary.pulled
    ]
    if summary.balance is not None:
        lines.append(("balance", "", "1", "", f"{count(summary.balance)} segments left"))
    show(Grid(["pulled", "day", "calls>", "records>", ""], lines))


def show_serving(ui_url: str, login: str | None, schedules: dict[str, str]) -> None:
    """Deployments with their schedules, the address of the Prefect UI, and where the log-in of our server is found."""
    lines = [(name, cron or "on demand") for name, cron in schedules.items()]
    log_in = [f"Log-in: {login}"] if login else []
    where = [f"Prefect UI: {ui_url}  (Ctrl-C stops)", *log_in, f"Books and pages: {ui_url}/artifacts"]
    show(Grid(["deployment", "cron, in Asia/Shanghai"], lines), "\n".join(where))
