"""Every check of sql/checks and sql/totals returns no row for correct books, and a finding for wrong ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.sql_files import SQL_FOLDER
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import reconcile, run_checks
from tests.sql.cases import computed, undone

MakeWarehouse = Callable[[Path], Warehouse]

_HEALTHY = Path(__file__).parent / "message_status" / "every_row_has_one_status"

# For each check a fault, and the finding of the check.
_FAULTS = {
    "balances_add_up": (
        "INSERT INTO marts.balance_reconciliation SELECT now(), now(), 9, 4, 5, 0, 0, 0, 0, TRUE",
        "0 intervals of 0 segments between the balances, 1 of 5 in the mart",
    ),
    "batch_ranges_apart": (
        "UPDATE core.batch_outcomes SET last_message_id = 3 WHERE batch_num = 'B2'",
        "batch B3: shares messages with a batch before it, such as B2",
    ),
    "batches_add_up": (
        "UPDATE marts.batch_delivery SET message_count = 3 WHERE batch_num = 'B4'",
        "batch B4 (accepted): 3 messages, 2 in the books",
    ),
    "books_in_total": (
        "DELETE FROM core.message_status WHERE input_row = 11",
        "all campaigns: 12 rows in the files, 11 in the books, 12 in the marts",
    ),
    "books_per_campaign": (
        "UPDATE core.message_status SET status = 'lost' WHERE input_row = 0",
        "campaign spring: 12 rows in the file, 12 in the plan, 11 in the books",
    ),
    "costs_add_up": (
        "UPDATE marts.code_breakdown SET cost = 0.1 WHERE NOT is_delivered",
        "campaign spring: failures of 1 segments cost 0.05, by their codes 1 segments and 0.1",
    ),
    "counts_add_up": (
        "UPDATE core.message_status SET report_count = 0 WHERE input_row = 4",
        "campaign spring: 12 messages with 1 reports and 0 of another phone, 12 with 2 and 0 in the counts",
    ),
    "exceptions_add_up": (
        "DELETE FROM marts.exceptions WHERE kind = 'in_doubt'",
        "in_doubt: 1 are known, 0 are in marts.exceptions",
    ),
    "files_add_up": (
        "INSERT INTO core.files VALUES ('reports/a.call', 'reports', 3, 2, 0, 1)",
        "reports/a.call: 3 records, 2 accepted, 0 rejected, 0 in core.rejects",
    ),
    "latencies_add_up": (
        "UPDATE marts.latency_histogram SET delivered_count = 2 WHERE bucket = 'up to 5 s'",
        "campaign spring: 1 delivered, 2 in 12 buckets, up to 1",
    ),
    "marts_add_up": (
        "UPDATE marts.daily_delivery SET failed_count = 2 WHERE failed_count = 1",
        "daily_delivery, campaign spring: 2 failed, 1 in the books",
    ),
    "plans_as_recorded": (
        "UPDATE core.campaigns SET segment_count = 10",
        "campaign spring: 9 messages of 10 segments recorded, 9 of 9 in the plan",
    ),
    "rates_in_bounds": (
        "UPDATE marts.campaign_delivery SET coverage_rate = 1.5",
        "campaign_delivery, campaign spring: coverage_rate is 1.5",
    ),
    "replies_add_up": (
        "UPDATE marts.campaign_delivery SET reply_count = 1",
        "campaign spring: 1 replies, 0 in marts.replies_by_campaign",
    ),
    "reports_placed": (
        "UPDATE core.message_counts SET report_count = 0",
        "2 reports, but 0 matched, 0 for another phone and 0 orphans",
    ),
}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with computed(tmp_path_factory.mktemp("healthy") / "warehouse.duckdb", _HEALTHY) as connection:
        assert run_checks(connection) == ()
        yield connection


@pytest.fixture
def connection(healthy: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The healthy books; they are left as they were."""
    with undone(healthy):
        yield healthy


@pytest.mark.parametrize("name", _FAULTS)
def test_a_check_finds_its_fault(name: str, connection: duckdb.DuckDBPyConnection) -> None:
    fault, message = _FAULTS[name]

    connection.execute(fault)

    failed = {check.name: check for check in run_checks(connection)}
    assert failed[name].message == message
    assert failed[name].row_count == 1


@pytest.mark.parametrize(
    ("mart", "status"),
    [
        ("campaign_delivery", "planned"),
        ("daily_delivery", "failed"),
        ("carrier_delivery", "invalid"),
        ("batch_delivery", "unreported"),
        ("submit_errors", "refused"),
        ("latency_histogram", "delivered"),
    ],
)
def test_marts_add_up_finds_a_wrong_count_in_every_mart(
    mart: str, status: str, connection: duckdb.DuckDBPyConnection
) -> None:
    connection.execute(f"UPDATE marts.{mart} SET {status}_count = {status}_count + 1")

    failed = {check.name: check for check in run_checks(connection)}
    assert failed["marts_add_up"].message.startswith(f"{mart}, campaign ")
    assert failed["marts_add_up"].message.endswith(" in the books")
    assert status in failed["marts_add_up"].message


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert set(_FAULTS) == {path.stem for folder in ("checks", "totals") for path in SQL_FOLDER.glob(f"{folder}/*.sql")}


def test_a_failed_check_is_reported_and_the_tables_stay(
    warehouse_of: MakeWarehouse, parameters: dict[str, Any]
) -> None:
    warehouse = warehouse_of(_HEALTHY)
    with warehouse.write() as connection:
        connection.execute("UPDATE core.campaigns SET row_count = 13")

    summary = reconcile(warehouse, **parameters)

    assert not summary.is_balanced
    assert [check.name for check in summary.failed_checks] == ["books_per_campaign", "books_in_total"]
    with warehouse.read() as connection:
        assert connection.execute("SELECT row_count FROM marts.campaign_delivery").fetchall() == [(12,)]


def test_reconciling_twice_is_the_same_as_once(warehouse_of: MakeWarehouse, parameters: dict[str, Any]) -> None:
    warehouse = warehouse_of(_HEALTHY)

    first = reconcile(warehouse, **parameters)
    second = reconcile(warehouse, **parameters)

    assert first == second
    assert first.is_balanced
    assert first.row_count == sum(first.statuses.values()) == 12
    assert first.statuses["planned"] == 3
    assert first.exceptions == {"in_doubt": 1, "unreported": 1}
    assert [day.day for day in first.missing_days] == [7, 8, 9]


def test_without_a_price_nothing_has_a_cost(warehouse_of: MakeWarehouse, parameters: dict[str, Any]) -> None:
    warehouse = warehouse_of(_HEALTHY)

    summary = reconcile(warehouse, **parameters | {"price_per_segment": None})

    assert summary.is_balanced
    with warehouse.read() as connection:
        campaigns = connection.execute("SELECT accepted_cost, failed_cost FROM marts.campaign_delivery").fetchall()
        codes = connection.execute("SELECT DISTINCT cost FROM marts.code_breakdown").fetchall()
    assert campaigns == [(None, None)]
    assert codes == [(None,)]


def test_an_empty_warehouse_is_balanced(
    tmp_path: Path, warehouse_of: MakeWarehouse, parameters: dict[str, Any]
) -> None:
    summary = reconcile(warehouse_of(tmp_path), **parameters)

    assert summary.is_balanced
    assert summary.row_count == 0
    assert summary.statuses == {}
