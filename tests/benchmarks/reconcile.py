"""Reconciling as many reports as messages, against a bare scan and hash join of the columns that it needs.

2 % of the reports are a second one of a message, 0.5 % belong to no message; one batch in 200 is in doubt and one
refused. Rows lie in the order of sending, reports in that of arrival.
"""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import reconcile

CAMPAIGNS = 10
AS_OF = datetime(2026, 11, 11, tzinfo=UTC)

_CAMPAIGNS = """
INSERT INTO core.campaigns
SELECT 'campaign-' || k, 123456789 + k * 7777777, TIMESTAMPTZ '2026-11-01 07:00:00+08' + to_days(k),
    $size, $size, $size, $size // 1000, FALSE, FALSE, NULL, TRUE, 0
FROM range($campaigns) AS t (k)
"""
_RECIPIENTS = """
INSERT INTO core.recipients
SELECT 'campaign-' || k, i, (123456789 + k * 7777777) * 268435456 + i, 'planned', NULL, NULL,
    (13000000000 + (i * 7919 + k) % 6000000000)::VARCHAR, printf('K%06d%09d', k, i), (i // 1000)::INTEGER,
    '【云鋒網絡】秋季会员日开始了', NULL, NULL, 1, '{"city":"上海"}'
FROM range($campaigns) AS c (k), range($size) AS t (i)
ORDER BY k, i
"""
_BATCHES = """
INSERT INTO core.batches
SELECT printf('K%06dB%08d', k, b), 'campaign-' || k, b, (123456789 + k * 7777777) * 268435456 + b * 1000,
    (123456789 + k * 7777777) * 268435456 + b * 1000 + 999, 1000, 1,
    CASE b % 200 WHEN 7 THEN 'in_doubt' WHEN 9 THEN 'refused' ELSE 'accepted' END,
    CASE b % 200 WHEN 9 THEN '100001' WHEN 7 THEN NULL ELSE '000000' END, 200, NULL,
    TIMESTAMPTZ '2026-11-01 08:00:00+08' + to_days(k) + to_milliseconds(b * 200),
    (TIMESTAMPTZ '2026-11-01 08:00:00+08' + to_days(k))::DATE,
    TIMESTAMPTZ '2026-11-01 08:00:00+08' + to_days(k) + to_milliseconds(b * 200 + 50), 50, NULL
FROM range($campaigns) AS c (k), range($size // 1000) AS t (b)
"""
_REPORTS = """
INSERT INTO core.reports
WITH sent AS (
    SELECT r.message_id, r.mission_num, r.phone, b.batch_num, b.submitted_at, hash(r.message_id) AS h
    FROM core.recipients AS r INNER JOIN core.batches AS b USING (campaign_id, planned_batch)
    WHERE b.state <> 'refused'
), reported AS (
    SELECT *, CASE WHEN h % 100 < 85 THEN 'DELIVRD' WHEN h % 100 < 93 THEN '0'
            ELSE ['MK:0001', 'MK:0010', 'MI:0012', '2:1', '2:10', 'YF:03', 'YF:13', 'XX:99'][1 + (h // 100 % 8)::INT]
        END AS code,
        date_trunc('second', submitted_at + to_seconds((3 + h // 1000 % 400)::BIGINT)) AS stat_time
    FROM sent WHERE h // 7 % 1000 >= 15
), issued AS (
    SELECT message_id, mission_num, phone, code, stat_time, batch_num FROM reported
    UNION ALL
    SELECT message_id, mission_num, phone, 'MK:0010', stat_time + to_seconds(60), batch_num
    FROM reported WHERE h // 13 % 50 = 0
    UNION ALL
    SELECT NULL, 'Z' || mission_num, phone, code, stat_time, batch_num FROM reported WHERE h // 17 % 200 = 0
)
SELECT message_id, mission_num, phone, code, stat_time, batch_num, code IN ('0', 'DELIVRD'), 'SUCCESS',
    CASE WHEN code IN ('0', 'DELIVRD') THEN 'SUCCESS' ELSE 'FAIL' END, date_trunc('hour', stat_time) + to_hours(1),
    'reports/' || strftime(stat_time, '%Y-%m-%d/%H') || '0000.000000Z.call', NULL, TRUE, FALSE, FALSE
FROM issued ORDER BY stat_time
"""

# Every column that a status is made of, read once and joined once.
_FLOOR = """
SELECT count(*), count(m.campaign_id), sum(m.input_row), count(m.disposition), sum(m.planned_batch),
    sum(m.segment_count), count(*) FILTER (WHERE m.phone = r.phone), count(r.code), max(r.stat_time),
    max(r.received_at), count(*) FILTER (WHERE r.is_delivered)
FROM core.recipients AS m LEFT JOIN core.reports AS r ON m.message_id = r.message_id
"""


def prepare(folder: Path, rows: int) -> None:
    parameters = {"campaigns": CAMPAIGNS, "size": rows // CAMPAIGNS}
    with _warehouse(folder / "made.duckdb").write() as connection:
        for statement in (_CAMPAIGNS, _RECIPIENTS, _BATCHES):
            connection.execute(
                statement, {name: value for name, value in parameters.items() if f"${name}" in statement}
            )
        connection.execute(_REPORTS)


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
    return Warehouse(path, WarehouseSettings())
