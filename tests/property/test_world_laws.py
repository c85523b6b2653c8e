"""Laws of the books on small random worlds, landed for real: SQL says what plain Python says, however the data came."""

from dataclasses import replace

from hypothesis import given

from pipelines.contracts import table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.sql_files import SQL_FOLDER
from tests.property.agreement import Row, assert_same, without
from tests.property.books import COMPARED, RECONCILED, books_of, twin_of
from tests.property.happenings import World
from tests.property.landed import landed
from tests.property.lanes import on
from tests.property.pulls import pulled_in_other_calls, pulled_on_other_days
from tests.property.worlds import worlds

# What describes the calls themselves, beside core.files; so do the findings of rejected records.
OF_CALLS = ("core.pulls", "core.reply_arrivals", "core.rejects", "marts.pull_coverage")

# What tells by which call a record came, and when.
HOW_IT_CAME = ("source_file", "send_status")
_FIRST_AND_LAST = ("first_seen_at", "last_seen_at", "first_received_at", "last_received_at")
WHEN_IT_CAME = (*HOW_IT_CAME, "received_at", *_FIRST_AND_LAST)


@on(fast=3, deep=36)
@given(world=worlds())
def test_after_every_step_all_tables_are_those_of_the_twin_and_the_books_balance(world: World) -> None:
    with landed([]) as place:
        for number, step in enumerate(world.steps, 1):
            so_far = replace(world, steps=world.steps[:number])
            place.land(step)

            summary = place.close_books(so_far)

            assert_same(books_of(place), twin_of(so_far, place), names=("SQL", "the twin"))
            assert summary.failed_checks == ()


@on(fast=2, deep=12)
@given(world=worlds())
def test_books_closed_step_by_step_are_those_closed_once(world: World) -> None:
    contracts = (*CORE, *RECONCILED, *MARTS)
    with landed([]) as place:
        for step in world.steps:
            place.land(step)
            place.close_books(world)
        step_by_step = place.tables(contracts)

        place.warehouse.delete()
        place.close_books(world)

        assert_same(step_by_step, place.tables(contracts), names=("step by step", "once"))


@on(fast=2, deep=16)
@given(pair=pulled_in_other_calls())
def test_pulls_that_are_shuffled_split_and_repeated_change_only_figures_of_calls(
    pair: tuple[World, World],
) -> None:
    one, other = (_books(world, without_columns=HOW_IT_CAME) for world in pair)
    assert_same(one, other, names=("one way", "the other way"))


@on(fast=2, deep=16)
@given(pair=pulled_on_other_days())
def test_pulls_spread_over_other_days_change_only_figures_of_calls_and_arrivals(
    pair: tuple[World, World],
) -> None:
    one, other = (_books(world, without_columns=WHEN_IT_CAME) for world in pair)
    assert_same(one, other, names=("one way", "the other way"))


def test_every_table_that_sql_makes_has_a_twin() -> None:
    made = {f"{folder}.{path.stem}" for folder in ("core", "marts") for path in SQL_FOLDER.glob(f"{folder}/*.sql")}
    assert made <= {table_of(contract) for contract in COMPARED}


def _books(world: World, *, without_columns: tuple[str, ...]) -> dict[str, list[Row]]:
    """The tables of a world whose books are closed once, but for what is said of calls."""
    with landed(world.steps) as place:
        assert place.close_books(world).failed_checks == ()
        tables = {table: rows for table, rows in books_of(place).items() if table not in OF_CALLS}
    tables["marts.exceptions"] = [row for row in tables["marts.exceptions"] if row["kind"] != "reject"]
    return {table: without(without_columns, rows) for table, rows in tables.items()}
