-- figure answer_times: one row per day, with how long the gateway took to answer batches.
-- Input: marts.batch_delivery. Parameter: $day_count, counted back from the last day.
SELECT
    submitted_on,
    count(*) AS batch_count,
    quantile_cont(answer_ms, 0.5) AS p50_ms,
    quantile_cont(answer_ms, 0.95) AS p95_ms
FROM marts.batch_delivery
WHERE
    answer_ms IS NOT NULL
    AND submitted_on > (SELECT max(last_days.submitted_on) FROM marts.batch_delivery AS last_days) - cast($day_count AS INTEGER)
GROUP BY submitted_on
ORDER BY submitted_on
