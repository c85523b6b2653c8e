-- One row per report received before an instant that can be distinguished from the others without its numbers, which an export may lack.
-- Input: core.reports. Parameter: $before.
SELECT DISTINCT
    phone,
    code,
    stat_time
FROM core.reports
WHERE received_at < $before
