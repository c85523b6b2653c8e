-- figure pull_days: one row per day for which reports are due or were pulled.
-- Input: marts.pull_coverage. Parameter: $day_count, counted back from the last day.
SELECT
    pulled_on,
    call_count,
    ok_call_count,
    new_record_count,
    CASE
        WHEN is_missing THEN 'missing'
        WHEN is_complete THEN 'complete'
        WHEN ok_call_count > 0 THEN 'so_far'
        ELSE 'not_yet'
    END AS state
FROM marts.pull_coverage
WHERE pulled_on > (SELECT max(last_days.pulled_on) FROM marts.pull_coverage AS last_days) - cast($day_count AS INTEGER)
ORDER BY pulled_on
