"""The books of a world, held against the truth of its sandbox and against themselves."""

from pipelines.operations import daily
from pipelines.warehouse.database import warehouse_of
from tests.support import compared
from tests.support.worlds import REFUSED_PHONES, World, expected_statuses


def assert_books_agree(world: World) -> None:
    expected = expected_statuses(world)
    found = world.statuses()
    wrong = {
        (status, *sorted(expected[message])) for message, status in found.items()
        if message in expected and status not in expected[message]
    }  # fmt: skip
    assert not wrong
    assert expected.keys() <= found.keys()
    never_accepted = {message: status for message, status in found.items() if message not in expected}
    assert set(never_accepted.values()) <= {"refused", "in_doubt"}
    assert {phone for (_, phone), status in found.items() if status == "refused"} <= set(REFUSED_PHONES)
    summary = daily.reconcile(world.settings, as_of=world.clock())
    assert summary.is_balanced, summary.failed_checks


def all_rows(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Every table of core and marts but bookkeeping, its rows in an order of their own."""
    with warehouse_of(world.settings).read() as connection:
        tables = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_schema IN ('core', 'marts') ORDER BY 1"
        ).fetchall()
        return {
            table: connection.sql(f"{compared.query(table)} ORDER BY ALL").pl().rows()
            for (table,) in tables
            if compared.is_compared(table)
        }
