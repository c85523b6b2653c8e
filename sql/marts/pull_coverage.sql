-- marts.pull_coverage: one row per day for which reports are due or were pulled (Asia/Shanghai).
-- Inputs: core.pulls (kind reports), core.batches. Parameters: $as_of, $report_window_hours.
-- Reports are due on every day from a submission until the end of its report window, but not after today. The vendor doesn't document
-- whether a day means the day of sending or the day of the report, so all of them are due.
WITH sent AS (
    SELECT
        submitted_on,
        max(submitted_at) AS last_submitted_at
    FROM core.batches
    WHERE state IN ('accepted', 'in_doubt')
    GROUP BY submitted_on
),

due AS (
    SELECT DISTINCT cast(day AS DATE) AS pulled_on
    FROM (
        SELECT
            unnest(generate_series(
                cast(submitted_on AS TIMESTAMP), cast(last_submitted_at + to_hours($report_window_hours) AS TIMESTAMP), to_days(1)
            )) AS day
        FROM sent
    ) AS days
    WHERE cast(day AS DATE) <= cast($as_of AS DATE)
),

pulled AS (
    SELECT
        pulled_on,
        count(*) AS call_count,
        count(*) FILTER (WHERE outcome = 'ok') AS ok_call_count,
        max(called_at) AS last_called_at,
        max(called_at) FILTER (WHERE outcome = 'ok') AS last_ok_at,
        cast(sum(record_count) AS BIGINT) AS record_count,
        cast(sum(rejected_count) AS BIGINT) AS rejected_count,
        cast(sum(new_record_count) AS BIGINT) AS new_record_count
    FROM core.pulls
    WHERE kind = 'reports' AND pulled_on IS NOT NULL
    GROUP BY pulled_on
)

SELECT
    coalesce(d.pulled_on, p.pulled_on) AS pulled_on,
    d.pulled_on IS NOT NULL AS is_due,
    coalesce(p.call_count, 0) AS call_count,
    coalesce(p.ok_call_count, 0) AS ok_call_count,
    p.last_called_at,
    p.last_ok_at,
    coalesce(p.record_count, 0) AS record_count,
    coalesce(p.rejected_count, 0) AS rejected_count,
    coalesce(p.new_record_count, 0) AS new_record_count,
    coalesce(cast(p.last_ok_at AS DATE) > p.pulled_on, FALSE) AS is_complete,
    d.pulled_on IS NOT NULL AND d.pulled_on < cast($as_of AS DATE) AND coalesce(p.ok_call_count, 0) = 0 AS is_missing
FROM due AS d
FULL JOIN pulled AS p ON d.pulled_on = p.pulled_on
ORDER BY pulled_on
