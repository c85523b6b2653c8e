-- Every report is in one place: it counts for a message, is listed as a report of another phone, or is an orphan.
-- Inputs: core.message_counts, core.report_lookups, core.reports.
WITH totals AS (
    SELECT
        (SELECT count(*) FROM core.reports) AS reports,
        (SELECT coalesce(sum(report_count), 0) FROM core.message_counts) AS matched,
        (SELECT coalesce(sum(phone_mismatch_count), 0) FROM core.message_counts) AS mismatched,
        (
            SELECT count(*) FROM core.report_lookups
            WHERE message_id IS NULL
        ) AS orphans
)

SELECT
    reports || ' reports, but ' || matched || ' matched, ' || mismatched || ' for another phone and ' || orphans || ' orphans'
        AS finding
FROM totals
WHERE reports <> matched + mismatched + orphans
