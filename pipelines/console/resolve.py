"""Batches in doubt on a page, the question before they are settled, and what was decided."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.console.terminal import Grid, agree, show, show_object
from pipelines.formatting import count, instant, printable

if TYPE_CHECKING:
    import polars as pl

    from pipelines.operations.resolve import Decision

_WORDS = {"accepted": "taken as accepted", "not_sent": "to be sent again"}


def show_doubts(doubts: "pl.DataFrame", campaign_id: str, *, as_json: bool) -> None:
    """Batches in doubt, the evidence of the balance for each, and the possible next steps."""
    if as_json:
        show_object(_as_json(campaign_id, doubts, ()))
        return
    if doubts.is_empty():
        show(f"Nothing of {campaign_id} is in doubt.")
        return
    lines = [
        (row["batch_num"], count(row["message_count"]), instant(row["submitted_at"]), _why(row))
        for row in doubts.iter_rows(named=True)
    ]
    steps = [
        ("1", "smsrecon daily: a report for any message of a batch settles it"),
        ("2", "ask the vendor's support, by batch number"),
        ("3", f"smsrecon resolve {campaign_id} --accept BATCH, or --resend BATCH"),
    ]
    title = f"{count(int(doubts['message_count'].sum()))} messages of {campaign_id} may have been sent"
    show(
        Grid(["batch", "messages>", "sent", "why"], lines, title=title),
        Grid(["", "segments>", "", ""], [*_evidence(doubts)], title="What the balance says"),
        Grid(["", ""], steps, title="What to do"),
    )


def confirm(made: "Iterable[Decision]", *, is_shown: bool) -> None:
    """Ask at the terminal before the decisions are written. Raises UsageError without a yes."""
    for decision in made:
        messages = f"{count(decision.message_count)} messages in {len(decision.batch_nums)} batches"
        question = (
            f"Take {messages} as accepted? They are never sent again."
            if decision.state == "accepted"
            else f"Have {messages} sent again? Whoever got them the first time gets them twice."
        )
        agree(
            question,
            is_shown=is_shown,
            unasked="not confirmed; confirm with --yes",
            refused="nothing was decided; ask the vendor about the batches first",
        )


def show_decisions(made: "Sequence[Decision]", rest: "pl.DataFrame", campaign_id: str, *, as_json: bool) -> None:
    """Decisions written to the journal, and the next step."""
    decided = [(name, decision.state) for decision in made for name in decision.batch_nums]
    if as_json:
        show_object(_as_json(campaign_id, rest, decided))
        return
    is_again = any(state == "not_sent" for _, state in decided)
    next_step = f"Next: smsrecon {'resume' if is_again else 'status'} {campaign_id}"
    show(Grid(["batch", "decided"], [(name, _WORDS[state]) for name, state in decided]), next_step)


def _as_json(campaign_id: str, doubts: "pl.DataFrame", decided: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "batches": doubts.drop("campaign_id").to_dicts(),
        "decided": [{"batch_num": name, "state": state} for name, state in decided],
    }


def _why(row: dict[str, Any]) -> str:
    reason = row["detail"] or f"the gateway answered {row['error_code']}"
    hints = f"; {count(row['hint_count'])} pushed reports, which a pull must confirm" if row["hint_count"] else ""
    return printable(f"{reason}{hints}")


def _evidence(doubts: "pl.DataFrame") -> Iterator[tuple[str, str, str, str]]:
    """Some lines for all batches that lie between the same two balances."""
    for row in doubts.unique(("opening_balance_at", "closing_balance_at"), maintain_order=True).iter_rows(named=True):
        if row["opening_balance_at"] is None:
            yield "before", "", "", "the balance was not asked for"
            continue
        yield "before", count(row["opening_balance_count"]), instant(row["opening_balance_at"]), "the last balance"
        if row["closing_balance_at"] is None:
            yield "after", "", "", "no balance yet: run 'smsrecon balance'"
            continue
        yield "after", count(row["closing_balance_count"]), instant(row["closing_balance_at"]), "the first balance"
        yield "accepted", count(row["accepted_segment_count"]), "", "charged for other batches meanwhile"
        yield "in doubt", count(row["in_doubt_segment_count"]), "", "not known to be charged"
        yield "the rest", count(row["charged_count"]), "", _reading(row)


def _reading(row: dict[str, Any]) -> str:
    if row["charged_count"] == 0:
        return "nothing more was charged: none was taken, it seems"
    if row["charged_count"] == row["in_doubt_segment_count"]:
        return "charged, as if all in doubt was taken"
    return "charged beyond what was accepted: by which batch?"
