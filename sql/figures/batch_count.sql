-- figure batch_count: one row, how many batches were sent.
-- Input: marts.batch_delivery. Parameter: $day_count, counted back from the last day.
SELECT count(*) AS batch_count
FROM marts.batch_delivery
WHERE submitted_on > (SELECT max(last_days.submitted_on) FROM marts.batch_delivery AS last_days) - cast($day_count AS INTEGER)
