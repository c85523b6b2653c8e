-- figure error_codes: one row per day and answer other than 000000, with the number of batches.
-- Inputs: marts.batch_delivery, marts.submit_errors. Parameter: $day_count, counted back from the last day.
-- The error code is 'none' if there was no readable answer.
WITH error_codes AS (
    SELECT
        error_code,
        any_value(meaning) AS meaning,
        any_value(meaning_zh) AS meaning_zh
    FROM marts.submit_errors
    GROUP BY error_code
)

SELECT
    b.submitted_on,
    coalesce(b.error_code, 'none') AS error_code,
    coalesce(any_value(k.meaning), 'no answer') AS meaning,
    coalesce(any_value(k.meaning_zh), '没有应答') AS meaning_zh,
    count(*) AS batch_count
FROM marts.batch_delivery AS b
LEFT JOIN error_codes AS k ON b.error_code = k.error_code
WHERE
    b.error_code IS DISTINCT FROM '000000'
    AND b.submitted_on > (SELECT max(last_days.submitted_on) FROM marts.batch_delivery AS last_days) - cast($day_count AS INTEGER)
GROUP BY b.submitted_on, b.error_code
ORDER BY b.submitted_on, b.error_code
