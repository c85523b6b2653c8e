"""Laws for any bytes that come as an answer; a broken law raises an AssertionError that quotes no bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl

from pipelines.contracts.core import Files, Pulls, Rejects, Replies, Reports
from pipelines.gateway.wire import Answer, Records, UnreadableAnswer, read_answer, read_replies, read_reports
from pipelines.landing.calls import Call, CallKind
from pipelines.warehouse.loading.calls import read_call, tables_of_calls
from tests.fuzz.hostile import CANARY, Case

_READERS = {"reports": read_reports, "replies": read_replies, "balance": read_answer}
AT = datetime(2026, 11, 22, 1, tzinfo=UTC)


def read_by_the_laws(case: Case) -> Answer | Records | None:
    """Reading a case gives an answer or UnreadableAnswer, always the same, with nothing from outside the body."""
    found = _read(case)
    if case.number % 8 == 0:
        assert found == _read(case), f"case {case.number} is read in two ways"
    if isinstance(found, Records):
        _rows_fit(case, found)
    if "xml_doctype" in case.changes or "xml_element" in case.changes:
        raws = [found.raw(n) for n in range(found.record_count)] if isinstance(found, Records) else []
        shown = (found.columns, found.extra, raws) if isinstance(found, Records) else found
        assert CANARY not in str(shown), f"case {case.number} brought in what lies outside"
    return found


def _read(case: Case) -> Answer | Records | None:
    try:
        return _READERS[case.kind](case.body, case.format)
    except UnreadableAnswer:
        return None


def _rows_fit(case: Case, records: Records) -> None:
    """Every record has a value in every column, and its own JSON text."""
    assert {len(values) for values in records.columns.values()} == {records.record_count}, case
    for position in range(records.record_count):
        json.loads(records.raw(position))
    for extra in records.extra:
        assert extra is None or isinstance(json.loads(extra), dict), case


@dataclass(frozen=True)
class UnlandedCalls:
    """The calls of a landing that holds the cases in memory, so that a million need no disk."""

    by_name: dict[str, Call] = field(repr=False)

    def read(self, name: str) -> Call:
        return self.by_name[name]


def call_of(case: Case) -> Call:
    day = date(2026, 11, 20) if case.kind == "reports" else None
    return Call(case.kind, AT, 7, case.format, day=day, http_status=200, body=case.body)


def rows_by_the_laws(cases: Sequence[Case]) -> None:
    """Loading all cases gives accepted + rejected = received for each file, and every reject has a reason."""
    for kind in ("reports", "replies", "balance"):
        some = {f"{case.number:012}": call_of(case) for case in cases if case.kind == kind}
        if some:
            _count(kind, some)


def _count(kind: CallKind, calls: dict[str, Call]) -> None:
    landing: Any = SimpleNamespace(calls=UnlandedCalls(calls))
    reads = [read_call(landing, kind, name) for name in calls]
    tables = tables_of_calls(kind, reads)
    files, rejects = tables[Files], tables[Rejects]
    assert files["source_file"].to_list() == list(calls)
    assert tables[Pulls]["source_file"].to_list() == list(calls)
    assert (files["record_count"] == files["accepted_count"] + files["rejected_count"]).all()
    assert files["record_count"].to_list() == [read.record_count for read in reads]
    counted = rejects.group_by("source_file").len("rejects")
    checked = files.join(counted, on="source_file", how="left").with_columns(pl.col("rejects").fill_null(0))
    assert (checked["rejects"] == checked["rejected_count"]).all()
    assert rejects.filter(pl.col("reason") == "").is_empty()
    accepted = sum(tables[contract].height for contract in (Reports, Replies) if contract in tables)
    if kind != "balance":
        assert accepted == files["accepted_count"].sum()
