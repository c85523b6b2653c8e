"""A reconcile computes the touched campaigns and leaves the rows of the others; without news it leaves all."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import sql_files
from pipelines.warehouse import touched
from pipelines.warehouse.computed import Computed, last_computed
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import ReconcileSummary, reconcile
from pipelines.warehouse.statements import Statement
from tests.sql.cases import ARGUMENTS, filled

# Two campaigns, `one` and `two`, with some phones in both.
_CASE = Path(__file__).parent / "phones_to_suppress" / "who_opted_out_or_failed_hard_in_two_campaigns"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """The books of two campaigns, closed once."""
    made = filled(tmp_path / "warehouse.duckdb", _CASE)
    assert closed(made).is_balanced
    return made


def closed(warehouse: Warehouse, **settings: Any) -> ReconcileSummary:
    return reconcile(warehouse, **ARGUMENTS | settings)


def loaded(warehouse: Warehouse, *statements: str) -> None:
    """Change loaded tables as a load does, whose number the statements call LOAD."""
    with warehouse.write() as connection:
        connection.execute("INSERT INTO core.loads SELECT coalesce(max(load_num), 0) + 1, now() FROM core.loads")
        ((number,),) = connection.execute("SELECT max(load_num) FROM core.loads").fetchall()
        for statement in statements:
            connection.execute(statement.replace("LOAD", str(number)))


def ids(warehouse: Warehouse) -> dict[str, str]:
    """The reconcile that computed each campaign last."""
    with warehouse.read() as connection:
        return dict(connection.execute("SELECT campaign_id, computed_id FROM core.computed_campaigns").fetchall())


def computed(warehouse: Warehouse) -> Computed:
    with warehouse.read() as connection:
        found = last_computed(connection)
    assert found is not None
    return found


def changed_campaigns(warehouse: Warehouse, before: dict[str, str]) -> set[str]:
    return {
        campaign_id for campaign_id, computed_id in ids(warehouse).items() if before.get(campaign_id) != computed_id
    }


_REPORT_OF_TWO = (
    "UPDATE core.reports SET code = 'DELIVRD', is_delivered = TRUE, load_num = LOAD WHERE message_id = 268435456"
)


def test_a_report_touches_its_campaign_and_no_other(warehouse: Warehouse) -> None:
    before = ids(warehouse)
    marked(warehouse)
    loaded(warehouse, _REPORT_OF_TWO)

    assert closed(warehouse).is_balanced

    assert changed_campaigns(warehouse, before) == {"two"}
    assert marks(warehouse) == {"one"}  # its rows were not written again
    with warehouse.read() as connection:
        assert delivered(connection) == {"one": 1, "two": 1}


def test_without_news_no_row_is_written_and_the_ids_stay(warehouse: Warehouse) -> None:
    before, of_all = ids(warehouse), computed(warehouse).computed_id
    marked(warehouse)

    summary = closed(warehouse, as_of=ARGUMENTS["as_of"] + timedelta(minutes=5))

    assert summary.is_balanced
    assert ids(warehouse) == before
    assert computed(warehouse).computed_id == of_all
    assert computed(warehouse).as_of == ARGUMENTS["as_of"] + timedelta(minutes=5)
    assert marks(warehouse) == {"one", "two"}


def test_without_news_no_scope_is_made(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def attach(_: duckdb.DuckDBPyConnection) -> None:
        raise AssertionError

    monkeypatch.setattr(touched, "_attach_scopes", attach)

    closed(warehouse, as_of=ARGUMENTS["as_of"] + timedelta(minutes=5))

    loaded(warehouse, _REPORT_OF_TWO)
    with pytest.raises(AssertionError):
        closed(warehouse)


def test_a_new_day_changes_the_coverage_of_pulls_and_no_campaign(warehouse: Warehouse) -> None:
    before, of_all = ids(warehouse), computed(warehouse).computed_id

    closed(warehouse, as_of=ARGUMENTS["as_of"] + timedelta(days=30))
    later = closed(warehouse, as_of=ARGUMENTS["as_of"])

    assert ids(warehouse) == before
    assert computed(warehouse).computed_id == of_all  # no report is due on a day after all windows
    assert later.missing_days == closed(warehouse).missing_days


@pytest.mark.parametrize("setting", [{"report_window_hours": 71}, {"hard_failures": 1}, {"price_per_segment": 0.06}])
def test_another_setting_touches_all(warehouse: Warehouse, setting: dict[str, Any]) -> None:
    before = ids(warehouse)

    closed(warehouse, **setting)

    assert changed_campaigns(warehouse, before) == {"one", "two"}


def test_books_that_do_not_balance_are_computed_whole_until_they_do(warehouse: Warehouse) -> None:
    loaded(warehouse, "UPDATE core.campaigns SET row_count = 9, load_num = LOAD WHERE campaign_id = 'one'")
    assert [check.name for check in closed(warehouse).failed_checks] == ["books_per_campaign", "books_in_total"]

    again = closed(warehouse)  # nothing was loaded since

    assert [check.name for check in again.failed_checks] == ["books_per_campaign", "books_in_total"]
    before = ids(warehouse)
    loaded(warehouse, "UPDATE core.campaigns SET row_count = 5, load_num = LOAD WHERE campaign_id = 'one'")
    assert closed(warehouse).is_balanced
    assert changed_campaigns(warehouse, before) == {"one", "two"}


def test_without_news_no_statement_of_a_table_with_campaigns_is_parsed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: dict[str, Statement] = {}
    monkeypatch.setattr("pipelines.warehouse.statements._PARSED", parsed)

    assert closed(warehouse, as_of=ARGUMENTS["as_of"] + timedelta(hours=1)).is_balanced

    assert sql_files.statement("marts/pull_coverage") in parsed
    assert sql_files.statement("core/message_status") not in parsed
    assert sql_files.statement("marts/campaign_delivery") not in parsed


def test_a_campaign_that_is_gone_leaves_no_row(warehouse: Warehouse) -> None:
    loaded(warehouse, *(f"DELETE FROM core.{table} WHERE campaign_id = 'two'" for table in _OF_A_CAMPAIGN))

    summary = closed(warehouse)

    assert summary.campaign_count == 1
    assert summary.exceptions["orphan"] == 3
    assert set(ids(warehouse)) == {"one"}


_OF_A_CAMPAIGN = ("campaigns", "batches", "recipients")


def test_a_large_share_of_many_rows_is_computed_whole(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touched, "_LEAST_ROWS", 2)
    before = ids(warehouse)
    loaded(warehouse, _REPORT_OF_TWO)

    assert closed(warehouse).is_balanced

    assert changed_campaigns(warehouse, before) == {"one", "two"}


def marked(warehouse: Warehouse) -> None:
    """Mark the computed rows of each campaign where no statement looks."""
    with warehouse.write() as connection:
        connection.execute("UPDATE marts.carrier_delivery SET range_carrier_zh = 'marked'")


def marks(warehouse: Warehouse) -> set[str]:
    """The campaigns whose rows are still marked."""
    with warehouse.read() as connection:
        found = connection.execute("SELECT campaign_id FROM marts.carrier_delivery WHERE range_carrier_zh = 'marked'")
        return {campaign_id for (campaign_id,) in found.fetchall()}


def delivered(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(connection.execute("SELECT campaign_id, delivered_count FROM marts.campaign_delivery").fetchall())
