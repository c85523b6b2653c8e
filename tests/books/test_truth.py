"""Our books against the gateway's own truth, message by message, with every fault on."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
import stamina

from pipelines.operations import daily
from tests.support.books import all_rows, assert_books_agree
from tests.support.depth import cases
from tests.support.worlds import World, running_world

pytestmark = pytest.mark.usefixtures("journal_place")

ROWS = 240
FAULTS = {"fault_rate": 0.25, "delay_seconds": 0.8}


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retries as in earnest, without their waits."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.mark.parametrize(
    ("seed", "report_mode"),
    cases(fast=[(0, "snapshot"), (1, "drain")], deep=[*product(range(10), ("snapshot", "drain"))]),
)
def test_the_books_agree_with_the_truth_message_by_message(tmp_path: Path, seed: int, report_mode: str) -> None:
    with running_world(tmp_path, seed=seed, report_mode=report_mode, query_fault_rate=0.15, **FAULTS) as world:
        world.send("first", ROWS, seed)
        world.move_to(timedelta(days=3, hours=20))
        world.collect()
        world.send("second", ROWS // 2, seed + 100)
        world.move_to(timedelta(0))
        world.collect()
        assert_books_agree(world)


DIALECTS: list[tuple[dict[str, str], bool]] = [
    ({"field_case": "snake", "envelope": "list", "charset": "gb18030"}, False),
    ({"envelope": "reports", "charset": "utf-8-sig"}, True),
    ({"field_case": "snake", "envelope": "data"}, False),
    ({}, True),
]


@pytest.mark.parametrize(("dialect", "xml"), DIALECTS[: cases(fast=2, deep=4)])
def test_another_gateways_envelope_and_names_give_the_same_books(
    tmp_path: Path, dialect: dict[str, str], xml: bool
) -> None:
    with running_world(tmp_path, xml=xml, seed=3, **dialect) as world:
        world.send("first", ROWS, 3)
        world.move_to(timedelta(0))
        world.collect()
        assert_books_agree(world)
        assert status_counts(world)["delivered"] > ROWS / 2


def test_capped_answers_are_pulled_to_their_end(tmp_path: Path) -> None:
    with running_world(tmp_path, seed=5, report_mode="drain", max_records_per_call=17) as world:
        world.send("first", ROWS, 5)
        world.move_to(timedelta(0))
        world.collect()
        assert_books_agree(world)
        assert world.truth("SELECT count(*) FROM reports WHERE handed_out_count = 0") == [(0,)]


def test_a_rebuilt_warehouse_has_the_same_rows_in_every_table(tmp_path: Path) -> None:
    with running_world(tmp_path, seed=4, report_mode="drain", query_fault_rate=0.2, **FAULTS) as world:
        world.send("first", ROWS, 4)
        for hours in cases(fast=(80, 0), deep=(95, 80, 40, 0)):
            world.move_to(timedelta(hours=hours))
            world.collect()
        as_of = world.clock()
        daily.reconcile(world.settings, as_of=as_of)
        before = all_rows(world)
        daily.rebuild(world.settings, as_of=as_of)
        assert all_rows(world) == before
        assert {"core.reports", "core.message_status", "marts.exceptions"} <= before.keys()


def status_counts(world: World) -> Counter[str]:
    return Counter(world.statuses().values())
