"""Reconciling as many reports as messages, against a bare scan and hash join of the columns that it needs.

2 % of the reports are a second one of a message, 0.5 % belong to no message; one batch in 200 is in doubt and one
refused. Rows lie in the order of sending, reports in that of arrival.
"""

import shutil
import time
from pathlib import Path

from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import reconcile
from tests.benchmarks.history import AS_OF, fill, warehouse_settings

CAMPAIGNS = 10

# Every column that a status is made of, read once and joined once.
_FLOOR = """
SELECT count(*), count(m.campaign_id), sum(m.input_row), count(m.disposition), sum(m.planned_batch),
    sum(m.segment_count), count(*) FILTER (WHERE m.phone = r.phone), count(r.code), max(r.stat_time),
    max(r.received_at), count(*) FILTER (WHERE r.is_delivered)
FROM core.recipients AS m LEFT JOIN core.reports AS r ON m.message_id = r.message_id
"""


def prepare(folder: Path, rows: int) -> None:
    with _warehouse(folder / "made.duckdb").write() as connection:
        fill(connection, campaigns=CAMPAIGNS, size=rows // CAMPAIGNS)


def real(folder: Path, rows: int) -> float:
    shutil.copy(folder / "made.duckdb", folder / "real.duckdb")
    warehouse = _warehouse(folder / "real.duckdb")
    started = time.perf_counter()
    summary = reconcile(warehouse, as_of=AS_OF, report_window_hours=72)
    seconds = time.perf_counter() - started
    if summary.row_count != rows:
        raise SystemExit("the reconcile lost rows")
    return seconds


def floor(folder: Path, _: int) -> float:
    with _warehouse(folder / "made.duckdb").read() as connection:
        started = time.perf_counter()
        connection.sql(_FLOOR).pl()
        return time.perf_counter() - started


def _warehouse(path: Path) -> Warehouse:
    return Warehouse(path, warehouse_settings())
