-- alert code_share_jump: one row per live campaign and failing code whose share of the reported messages exceeds the median of its
-- shares in comparable campaigns (0 where it is absent) by more than the tolerance. The subject is the code.
-- Inputs: live_campaigns, comparable_campaigns (with core.recipients), marts.campaign_delivery, marts.code_breakdown.
-- Parameters: $as_of, $report_window_hours, $max_code_share_jump, $min_message_count.
WITH shares AS (
    SELECT
        b.campaign_id,
        b.code,
        b.message_count / d.reported_count AS share
    FROM marts.code_breakdown AS b
    INNER JOIN marts.campaign_delivery AS d ON b.campaign_id = d.campaign_id
    WHERE NOT b.is_delivered
),

usual AS (
    SELECT
        s.campaign_id,
        s.code,
        median(coalesce(e.share, 0)) AS share
    FROM shares AS s
    INNER JOIN comparable_campaigns($min_message_count, 'core.recipients') AS c ON s.campaign_id = c.campaign_id
    LEFT JOIN shares AS e ON c.earlier_campaign_id = e.campaign_id AND s.code = e.code
    GROUP BY s.campaign_id, s.code
)

SELECT
    l.campaign_id,
    s.code AS subject,
    l.reported_count AS message_count,
    s.share AS value,
    u.share + $max_code_share_jump AS bound
FROM live_campaigns($as_of, $report_window_hours) AS l
INNER JOIN shares AS s ON l.campaign_id = s.campaign_id
INNER JOIN usual AS u ON s.campaign_id = u.campaign_id AND s.code = u.code
WHERE l.reported_count >= $min_message_count AND s.share > u.share + $max_code_share_jump
ORDER BY l.campaign_id, s.code
