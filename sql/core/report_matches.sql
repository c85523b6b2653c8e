-- core.report_matches (a view): one row per report, with the message it belongs to; message_id is null for an orphan.
-- Inputs: core.reports, core.campaigns, core.report_lookups.
-- Most reports lead to their message by arithmetic alone: campaign key and position stand in the mission number.
SELECT
    r.message_id,
    r.mission_num,
    r.phone,
    r.code,
    r.stat_time,
    r.batch_num,
    r.is_delivered,
    r.received_at,
    'mission_num' AS match_rule
FROM core.reports AS r
INNER JOIN core.campaigns AS c
    ON (r.message_id >> 28) = c.campaign_key
    AND NOT c.has_own_mission_nums
    AND (r.message_id & 268435455) < c.message_count
UNION ALL
SELECT message_id, mission_num, phone, code, stat_time, batch_num, is_delivered, received_at, match_rule
FROM core.report_lookups
