"""Output of an import: the proposed mapping, the question to confirm it, and the summary.

Samples say what a column holds and nothing about a person: no whole phone, no text.
"""

import re
from typing import TYPE_CHECKING, Any

from rich.text import Text

from pipelines.console.terminal import Grid, agree, show, show_object
from pipelines.formatting import count, printable
from pipelines.phones import ends_only
from pipelines.tabular.values import is_verdict

if TYPE_CHECKING:
    from pipelines.operations.import_file import ImportSummary, Proposal

_NUMBERS = ("phone", "mission_num", "batch_num", "access_num")
_TIMES = ("stat_time", "replied_at")
_CODES = ("code", "send_status", "receive_status")
_HOW = {"heading": "its heading", "values": "its values", "you": "you"}


def show_proposal(proposal: "Proposal", *, as_json: bool) -> None:
    """The columns, and what would become of the rows."""
    if as_json:
        show_object(_proposal_as_json(proposal))
        return
    lines = [
        (each.field, printable(each.heading), _sample(proposal, each.field, each.heading), _HOW[each.found_by])
        for each in proposal.columns
    ]
    unused = [heading for heading in proposal.sheet.columns if heading not in proposal.imported.mapping.values()]
    facts: list[tuple[str | Text, ...]] = [("rows", count(proposal.sheet.row_count))]
    facts += [("rejected", f"{count(rows)}: {reason}") for reason, rows in proposal.checked.reason_counts.items()]
    if unused:
        facts.append(("not used", ", ".join(map(printable, unused))))
    title = f"{printable(proposal.imported.file_name)}, read as {proposal.imported.kind}"
    show(Grid(["field", "column", "for example", "said by"], lines, title=title), Grid(["", ""], facts))


def confirm(*, is_shown: bool) -> None:
    """Ask at the terminal whether the mapping is right. Raises UsageError without a yes."""
    agree(
        "Is that right?",
        is_shown=is_shown,
        unasked="the mapping is not confirmed; look at it with --dry-run, then import with --yes",
        refused="nothing was imported; say what the columns mean with --mapping FIELD=HEADING",
    )


def show_import(summary: "ImportSummary", *, as_json: bool) -> None:
    """Summary of an import, and the next step."""
    if as_json:
        show_object(summary)
        return
    lines = [
        ("rows", count(summary.row_count), ""),
        (summary.kind, count(summary.accepted_count), ""),
        ("rejected", count(summary.rejected_count), "see core.rejects" if summary.rejected_count else ""),
        (f"new {summary.kind}", count(summary.new_count), "nothing had brought them before"),
    ]
    next_step = "Next: smsrecon status for the books, or smsrecon daily for all that analysts open"
    repeated = ["This file was imported before; it counts once."] if summary.is_repeated else []
    show(Grid(["", ">", ""], lines), *repeated, next_step)


def _proposal_as_json(proposal: "Proposal") -> dict[str, Any]:
    return {
        "kind": proposal.imported.kind,
        "file_name": proposal.imported.file_name,
        "mapping": [
            {
                "field": each.field,
                "column": each.heading,
                "sample": _sample(proposal, each.field, each.heading),
                "found_by": each.found_by,
            }
            for each in proposal.columns
        ],
        "row_count": proposal.sheet.row_count,
        "accepted_count": proposal.checked.good.height,
        "rejected_count": proposal.checked.bad.height,
        "reasons": proposal.checked.reason_counts,
    }


def _sample(proposal: "Proposal", field: str, heading: str) -> str:
    """Two different values of a column, masked."""
    values = proposal.sheet.frame[heading].drop_nulls().head(1000).unique(maintain_order=True)
    return ", ".join([*dict.fromkeys(_masked(field, value) for value in values.head(20))][:2])


def _masked(field: str, value: str) -> str:
    """A sample value, shown only if it looks like its field: under a wrong mapping it could be anything."""
    if field in _NUMBERS:
        return ends_only(value)
    if field in _TIMES and re.fullmatch(r"[0-9年月日时分秒/:. T-]{10,26}", value):
        return value
    if field in _CODES and (is_verdict(value) or re.fullmatch("[0-9]{1,6}|[A-Za-z]{0,3}:?[0-9]{1,5}|[A-Z]{7}", value)):
        return value
    return f"{len(value)} characters"
