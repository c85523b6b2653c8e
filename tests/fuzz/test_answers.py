"""Thousands of spoilt answers: none crashes the decoder, none is lost on its way into the warehouse."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from pipelines.contracts import table_of
from pipelines.contracts.core import Balances, Files, Pulls, Rejects, Replies, Reports
from pipelines.landing.landing import Landing
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.fuzz.entity_target import serving_target
from tests.fuzz.hostile import CANARY, CHANGES, EntityTarget, case
from tests.fuzz.laws import call_of, read_by_the_laws, rows_by_the_laws
from tests.support.depth import cases

PART = 1000
PARTS = cases(fast=1, deep=10)
LANDED = cases(fast=80, deep=800)


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EntityTarget, Callable[[], int]]]:
    with serving_target(tmp_path_factory.mktemp("target")) as trap:
        yield trap


@pytest.mark.cases(PART)
@pytest.mark.parametrize("part", range(PARTS))
def test_reading_any_answer_keeps_the_laws_and_its_records_add_up(
    part: int, trap: tuple[EntityTarget, Callable[[], int]]
) -> None:
    target, calls = trap
    cases = [case(number, target) for number in range(part * PART, (part + 1) * PART)]

    readable = sum(read_by_the_laws(each) is not None for each in cases)
    rows_by_the_laws(cases)

    assert PART / 4 < readable < PART * 3 / 4  # the changes neither leave everything readable nor spoil everything
    assert {name for each in cases for name in each.changes} == set(CHANGES)
    assert calls() == 0


@pytest.mark.cases(LANDED)
def test_hostile_answers_are_loaded_counted_and_kept_byte_for_byte(
    tmp_path: Path, trap: tuple[EntityTarget, Callable[[], int]]
) -> None:
    target, calls = trap
    landing = Landing(tmp_path / "landing")
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings())
    cases = [case(number, target) for number in range(LANDED)]
    landed = {landing.calls.land(call_of(each)): each for each in cases}

    summary = load(landing, warehouse)

    assert summary.file_count == LANDED
    assert summary.accepted_count + summary.rejected_count == summary.record_count
    for name, each in landed.items():
        assert landing.calls.read(name) == call_of(each)
    with warehouse.read() as connection:
        rows = {
            contract: connection.sql(f"FROM {table_of(contract)}").fetchall()
            for contract in (Files, Pulls, Rejects, Reports, Replies, Balances)
        }
    assert sorted(row[0] for row in rows[Files]) == sorted(row[0] for row in rows[Pulls]) == sorted(landed)
    assert len(rows[Rejects]) == summary.rejected_count > LANDED / 4
    assert (len(rows[Reports]), len(rows[Replies])) == (summary.new_report_count, summary.new_reply_count)
    assert min(len(rows[contract]) for contract in (Reports, Replies, Balances)) > 0
    assert CANARY not in str(rows)
    assert calls() == 0
    assert load(landing, warehouse).file_count == 0


def test_a_parser_that_expands_entities_would_reach_the_target(trap: tuple[EntityTarget, Callable[[], int]]) -> None:
    """Proves that the tests above can fail."""
    target, _ = trap
    greedy = etree.XMLParser(load_dtd=True, no_network=False, resolve_entities=True, huge_tree=True)
    read: set[str] = set()
    for number in range(2000):
        each = case(number, target)
        if "xml_doctype" in each.changes:
            try:
                read.update(etree.fromstring(each.body, greedy).itertext())
            except etree.XMLSyntaxError:
                continue
    assert any(CANARY in text for text in read)  # from the file; the libxml2 of lxml 6.1 has no HTTP any more
