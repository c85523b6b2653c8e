"""Output of an import: the proposed mapping, the question to confirm it, and the summary.

Samples say what a column holds and nothing about a person: no whole phone, no text.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from pipelines.console.terminal import Grid, agree, show, show_object
from pipelines.formatting import MOST_LISTED, count, first_of, printable
from pipelines.phones import ends_only
from pipelines.tabular.values import is_verdict

if TYPE_CHECKING:
    from pipelines.operations.import_file import ImportSummary, Proposal, RejectedRow
    from pipelines.tabular.sheet import RowNumber

_NUMBERS = ("phone", "mission_num", "batch_num", "access_num")
_TIMES = ("stat_time", "sent_at", "replied_at")
_CODES = ("code", "send_status", "receive_status")
_LENDERS = {"sent_at": "their sending", "imported_at": "this import"}
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
    facts += [("rejected", _rejected(reason, rows)) for reason, rows in _rows_by_reason(proposal.rejected_rows).items()]
    facts += _borrowed_times(proposal.checked.borrowed_time_counts)
    if proposal.sheet.left_out:
        facts.append(("left out", _left_out(proposal.sheet.left_out)))
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
        ("rejected", count(summary.rejected_count), "kept in core.rejects" if summary.rejected_count else ""),
        (f"new {summary.kind}", count(summary.new_count), "nothing had brought them before"),
    ]
    facts = [("rejected", _rejected(reason, rows)) for reason, rows in _rows_by_reason(summary.rejected_rows).items()]
    facts += _borrowed_times(summary.borrowed_time_counts)
    if summary.left_out:
        facts.append(("left out", _left_out(summary.left_out)))
    next_step = "Next: smsrecon status for the books, or smsrecon daily for all that analysts open"
    repeated = ["This file was imported before; it counts once."] if summary.is_repeated else []
    notes = [Grid(["", ""], facts)] if facts else []
    show(Grid(["", ">", ""], lines), *notes, *repeated, next_step)


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
        "rejected_rows": proposal.rejected_rows,
        "borrowed_time_counts": proposal.checked.borrowed_time_counts,
        "left_out": proposal.sheet.left_out,
    }


def _rows_by_reason(rejected: Sequence["RejectedRow"]) -> dict[str, list["RowNumber"]]:
    """The numbers of rejected rows by their reason, the most frequent reason first."""
    rows: dict[str, list[RowNumber]] = {}
    for each in rejected:
        rows.setdefault(each.reason, []).append(each.row)
    return dict(sorted(rows.items(), key=lambda item: -len(item[1])))


def _rejected(reason: str, rows: Sequence["RowNumber"]) -> str:
    where_all_are = ", all with --json" if len(rows) > MOST_LISTED else ""
    return f"{count(len(rows))}: {reason}: row{'s' * (len(rows) > 1)} {first_of(rows)}{where_all_are}"


def _borrowed_times(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [
        ("without a time", f"{count(rows)} failed, with the time of {_LENDERS.get(lender, lender)} instead")
        for lender, rows in counts.items()
    ]


def _left_out(parts: Sequence[str]) -> str:
    return printable(", ".join(parts))


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
