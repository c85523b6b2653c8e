"""The result of an audit: the tables that differ, how many rows of each side, and the first of them by their keys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pipelines.console.terminal import Grid, cell, show, show_object
from pipelines.formatting import count

if TYPE_CHECKING:
    from pipelines.operations.audit import AuditSummary
    from pipelines.warehouse.comparison import Difference, DifferentRow

_TITLE: Final = "Rows that are only here, and rows that are only in the table computed again"
_SIDES: Final = {"kept": "only here", "fresh": "only again", "both": "changed"}


def show_audit(summary: "AuditSummary", *, as_json: bool) -> None:
    """Result of an audit."""
    if as_json:
        show_object(summary.to_json())
        return
    facts = [
        ("as of", cell(summary.as_of)),
        ("tables compared", count(summary.table_count)),
        ("tables that differ", count(len(summary.differences))),
        *(("note", note) for note in summary.notes),
    ]
    lines = [line for each in summary.differences for line in _lines(each)]
    differences = Grid(["table", "here>", "again>", "the first rows"], lines, title=_TITLE)
    show(Grid(["", ""], facts), *([differences] if lines else []))


def differences_as_rows(summary: "AuditSummary") -> list[dict[str, Any]]:
    """The same as rows of a table; one row says so if there is no difference."""
    rows = [
        {
            "table": each.table,
            "only here": each.only_kept_count,
            "only computed again": each.only_fresh_count,
            "the first rows": "; ".join(_first(each)),
        }
        for each in summary.differences
    ]
    nothing = {"table": "no difference", "only here": 0, "only computed again": 0, "the first rows": ""}
    return rows or [nothing]


def _lines(difference: "Difference") -> Iterator[tuple[str, str, str, str]]:
    counts = (count(difference.only_kept_count), count(difference.only_fresh_count))
    first, *others = _first(difference) or [""]
    yield difference.table, *counts, first
    yield from (("", "", "", line) for line in others)


def _first(difference: "Difference") -> list[str]:
    return [difference.problem] if difference.problem else [_row(row) for row in difference.first_rows]


def _row(row: "DifferentRow") -> str:
    key = " ".join(f"{name}={cell(value)}" for name, value in row.key.items())
    columns = f" ({', '.join(row.changed_columns)})" if row.changed_columns else ""
    return f"{_SIDES[row.side]}: {key}{columns}"
