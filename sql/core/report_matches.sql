-- core.report_matches (a view): one row per report with the id of a message, decoded from its mission_num or looked up.
-- Inputs: core.reports, core.report_lookups.
-- The id may belong to no message: readers join it to the messages anyway, which drops it at no cost; such a report is an orphan in
-- core.report_lookups. A join here would keep the readers' own joins from skipping the parts of core.reports that they don't need.
-- is_pushed_only is written out, since sessions that lack our functions read the view too.
SELECT
    message_id,
    mission_num,
    phone,
    code,
    stat_time,
    batch_num,
    is_delivered,
    received_at,
    is_pushed AND NOT is_pulled AND NOT is_imported AS is_pushed_only,
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
    is_pushed_only,
    match_rule
FROM core.report_lookups
WHERE message_id IS NOT NULL
