-- core.report_matches (a view): one row per report that names a message, read back from its mission_num or looked up.
-- Inputs: core.reports, core.report_lookups.
-- The id may be nobody's: the reader joins it to the messages, which finds out at no cost; such a report is an orphan in
-- core.report_lookups. A join here would keep the readers' own joins from skipping what they don't need of core.reports.
SELECT
    message_id,
    mission_num,
    phone,
    code,
    stat_time,
    batch_num,
    is_delivered,
    received_at,
    'mission_num' AS match_rule
FROM core.reports
WHERE message_id IS NOT NULL
UNION ALL
SELECT
    message_id,
    mission_num,
    phone,
    code,
    stat_time,
    batch_num,
    is_delivered,
    received_at,
    match_rule
FROM core.report_lookups
WHERE message_id IS NOT NULL
