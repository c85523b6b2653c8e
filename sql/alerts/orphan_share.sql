-- alert orphan_share: one row if too many of the recent reports are orphans; recent means within the report window and a day.
-- Inputs: core.reports, core.report_lookups. Parameters: $as_of, $report_window_hours, $max_orphan_share, $min_message_count.
WITH received AS (
    SELECT
        (
            SELECT count(*) FROM core.reports
            WHERE received_at >= $as_of - to_hours($report_window_hours + 24)
        ) AS report_count,
        (
            SELECT count(*) FROM core.report_lookups
            WHERE message_id IS NULL AND received_at >= $as_of - to_hours($report_window_hours + 24)
        ) AS orphan_count
)

SELECT
    NULL AS campaign_id,
    NULL AS subject,
    report_count AS message_count,
    orphan_count / report_count AS value,
    $max_orphan_share AS bound
FROM received
WHERE report_count >= $min_message_count AND orphan_count / report_count > $max_orphan_share
