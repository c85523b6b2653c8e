-- The reports that came before an instant, one row for each that can be told from the others without its numbers: an export
-- may lack these. Input: core.reports. Parameter: $before.
SELECT DISTINCT
    phone,
    code,
    stat_time
FROM core.reports
WHERE received_at < $before
