"""Laws of the load, on small random landings: the loaded rows depend on the landed files only."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.contracts import kind_of, table_of
from pipelines.contracts.core import CORE
from pipelines.landing.calls import Call, CallKind
from pipelines.landing.landing import Landing
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.support import compared
from tests.support.depth import cases

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)

SMALL = settings(max_examples=cases(fast=4, deep=20), deadline=None, suppress_health_check=[HealthCheck.too_slow])

Record = dict[str, Any]


@dataclass(frozen=True)
class LandedCall:
    """A call to be landed; without `records` its answer can't be read."""

    kind: CallKind
    records: list[Record] | None
    minute: int


def field(*values: str | None) -> st.SearchStrategy[Any]:
    """One of a few values, or any text at all."""
    return st.sampled_from(values) | st.text(st.characters(codec="utf-8"), max_size=5)


ODD_REPORT = st.fixed_dictionaries(
    {
        "missionNum": field("0A1B2C3000000001", "own_1", "", None),
        "destId": field("13800138000", "8613800138000", "x", None),
        "receiveRealStatus": field("DELIVRD", "MK:0001", "", None),
        "batchNum": field("B1", "", None),
        "statTime": field("2026-11-20 12:00:00", "2026-11-20T12:00:00", "noon", None),
    },
    optional={"more": field("1")},
)
ODD_REPLY = st.fixed_dictionaries(
    {"srcId": field("8613800138000", "x", None), "content": field("T", "退订", None)},
    optional={"moTime": field("2026-11-20 12:00:00", "", "noon"), "more": field("1")},
)

# Copies of one report that differ a little: the first call of each must be found.
SAME_REPORT = st.sampled_from(["SUCCESS", "FAIL", None]).map(
    lambda send_status: {
        "missionNum": "0A1B2C3000000001",
        "destId": "13800138000",
        "receiveRealStatus": "DELIVRD",
        "batchNum": "B1",
        "statTime": "2026-11-20 12:00:00",
        "sendStatus": send_status,
    }
)
SAME_REPLY = st.sampled_from(["1", "2"]).map(lambda more: {"srcId": "13800138000", "content": "T", "more": more})

REPORT = SAME_REPORT | ODD_REPORT
REPLY = SAME_REPLY | ODD_REPLY
RECORDS: dict[CallKind, st.SearchStrategy[Record]] = {"reports": REPORT, "replies": REPLY}


@st.composite
def calls(draw: st.DrawFn) -> list[LandedCall]:
    def answer(minute: int) -> LandedCall:
        kind = draw(st.sampled_from(list(RECORDS)))
        records = st.lists(RECORDS[kind], min_size=1, max_size=6)
        return LandedCall(kind, draw(st.one_of(*[records] * 6, st.none())), minute)

    return [answer(minute) for minute in range(draw(st.integers(2, 4)))]


def land(landing: Landing, call: LandedCall) -> None:
    body = b"<html>" if call.records is None else json.dumps({"errorCode": "000000", "records": call.records}).encode()
    landing.calls.land(
        Call(
            kind=call.kind,
            called_at=AT + timedelta(minutes=call.minute),
            answer_ms=1,
            format="json",
            day=date(2026, 11, 20) if call.kind == "reports" else None,
            http_status=200,
            body=body,
        )
    )


def loaded(folder: Path, steps: Iterable[Iterable[LandedCall]]) -> Warehouse:
    """A warehouse that was loaded after each step of landing."""
    landing = Landing(folder / "landing")
    warehouse = Warehouse(folder / "warehouse.duckdb", WarehouseSettings(threads=1))
    for step in steps:
        for call in step:
            land(landing, call)
        load(landing, warehouse)
    return warehouse


def contents(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.read() as connection:
        names = filter(compared.is_compared, map(table_of, CORE))
        return {name: sorted(connection.sql(compared.query(name)).pl().rows(), key=repr) for name in names}


@SMALL
@given(world=calls(), data=st.data())
def test_the_order_and_the_number_of_loads_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, world: list[LandedCall], data: st.DataObject
) -> None:
    at_once = contents(loaded(tmp_path_factory.mktemp("at_once"), [world]))
    one_by_one = [[call] for call in data.draw(st.permutations(world))]
    in_steps = loaded(tmp_path_factory.mktemp("in_steps"), [*one_by_one, []])
    assert contents(in_steps) == at_once


@SMALL
@given(world=calls())
def test_accepted_and_rejected_are_what_was_received(
    tmp_path_factory: pytest.TempPathFactory, world: list[LandedCall]
) -> None:
    tables = contents(loaded(tmp_path_factory.mktemp("counted"), [world]))
    received = sum(1 if call.records is None else len(call.records) for call in world)
    assert sum(accepted + rejected for *_, accepted, rejected in tables["core.files"]) == received
    assert sum(record_count for _, _, record_count, _, _ in tables["core.files"]) == received
    assert sum(rejected for *_, rejected in tables["core.files"]) == len(tables["core.rejects"])
    assert sum(row[-1] for row in tables["core.pulls"]) == len(tables["core.reports"]) + len(tables["core.replies"])


@SMALL
@given(records=st.lists(REPORT, min_size=1, max_size=8), data=st.data())
def test_how_the_records_are_shared_out_among_calls_makes_no_difference_to_the_reports(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], data: st.DataObject
) -> None:
    together = [LandedCall("reports", records, minute=0)]
    shuffled = data.draw(st.permutations(records))
    cut = data.draw(st.integers(0, len(records)))
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=3))
    apart = [LandedCall("reports", some, n) for n, some in enumerate([shuffled[:cut], shuffled[cut:], repeated])]

    def keys(world: list[LandedCall]) -> list[tuple[Any, ...]]:
        with loaded(tmp_path_factory.mktemp("shared"), [world]).read() as connection:
            query = "SELECT message_id, mission_num, phone, code, stat_time, batch_num FROM core.reports ORDER BY ALL"
            return connection.sql(query).pl().rows()

    assert keys(together) == keys(apart)


@settings(SMALL, max_examples=cases(fast=8, deep=60))
@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs", "Co", "Cn")), max_size=6), max_size=20))
@example(texts=["T\r\nD", "T\rD", "\x0bTD", "T\x01D\x1f", "T D \x85\x00", "\x00", ""])
def test_a_reply_has_the_same_text_in_json_and_in_xml(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    landing = Landing(tmp_path_factory.mktemp("texts") / "landing")
    as_json = json.dumps({"errorCode": "000000", "records": [{"srcId": "13800138000", "content": t} for t in texts]})
    replies = "".join(
        f"<records><srcId>13800138000</srcId><content>{escape(text)}</content></records>" for text in texts
    )
    as_xml = f"<xml><errorCode>000000</errorCode>{replies}</xml>"
    for form, text in (("json", as_json), ("xml", as_xml)):
        landing.calls.land(Call("replies", AT, 1, form, http_status=200, body=text.encode()))
    warehouse = Warehouse(landing.root.parent / "warehouse.duckdb", WarehouseSettings(threads=1))

    summary = load(landing, warehouse)

    with warehouse.read() as connection:
        rows = connection.execute("SELECT DISTINCT source_file, content FROM core.reply_arrivals").fetchall()
    in_json, in_xml = ({text for name, text in rows if name.endswith(f"{number:03}.call")} for number in (0, 1))
    assert (summary.accepted_count, in_json) == (2 * len(texts), in_xml)


def told_by_hand(world: list[LandedCall]) -> dict[tuple[str, ...], int]:
    """The slow, obvious twin: the minute of the first call of each distinct report."""
    first: dict[tuple[str, ...], int] = {}
    for call in world:
        for record in call.records or []:
            mission_num, batch_num = ((record[name] or "").strip() for name in ("missionNum", "batchNum"))
            phone = (record["destId"] or "").strip().removeprefix("86")
            code = (record["receiveRealStatus"] or "").strip()
            at = (record["statTime"] or "").strip().replace("T", " ")
            is_good = phone == "13800138000" and code and at == "2026-11-20 12:00:00" and (mission_num or batch_num)
            if is_good:
                first.setdefault((mission_num, phone, code, batch_num), call.minute)
    return {key: minute for key, minute in first.items() if not any(says_more(other, key) for other in first)}


def says_more(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """True if both are the same report, except for a number that the second lacks."""
    return one != other and all(there in (here, "") for here, there in zip(one, other, strict=True))


@SMALL
@given(records=st.lists(st.lists(REPORT, max_size=6), min_size=1, max_size=4))
def test_the_reports_are_those_a_person_would_find_by_hand(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[Record]]
) -> None:
    world = [LandedCall("reports", some, minute) for minute, some in enumerate(records)]
    with loaded(tmp_path_factory.mktemp("twin"), [world]).read() as connection:
        query = "SELECT mission_num, phone, code, batch_num, received_at FROM core.reports WHERE phone = '13800138000'"
        rows = connection.sql(query).pl().rows()
    assert {row[:-1]: (row[-1] - AT) // timedelta(minutes=1) for row in rows} == told_by_hand(world)


def numbered(warehouse: Warehouse) -> dict[tuple[str, tuple[Any, ...]], set[int]]:
    """The load_num of each row of each loaded table, by its other columns."""
    found: dict[tuple[str, tuple[Any, ...]], set[int]] = {}
    with warehouse.read() as connection:
        for table in (table_of(contract) for contract in CORE if kind_of(contract) == "loaded"):
            for *row, load_num in connection.sql(f"FROM {table}").pl().rows():
                found.setdefault((table, tuple(row)), set()).add(load_num)
    return found


@SMALL
@given(world=calls(), data=st.data())
def test_a_row_bears_the_number_of_a_load_exactly_if_that_load_brought_or_changed_it(
    tmp_path_factory: pytest.TempPathFactory, world: list[LandedCall], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("numbered")
    warehouse = loaded(folder, [[]])
    before = numbered(warehouse)
    last = 0
    for call in data.draw(st.permutations(world)):
        loaded(folder, [[call]])
        after = numbered(warehouse)
        assert {row: nums for row, nums in after.items() if row in before} == {
            row: nums for row, nums in before.items() if row in after
        }
        assert all(num > last for row, nums in after.items() if row not in before for num in nums)
        before, last = after, max((num for nums in after.values() for num in nums), default=last)
