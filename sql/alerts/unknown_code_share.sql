-- alert unknown_code_share: one row per live campaign with too many believed reports whose code is unknown.
-- Inputs: live_campaigns, marts.code_breakdown.
-- Parameters: $as_of, $report_window_hours, $max_unknown_code_share, $min_message_count.
WITH shares AS (
    SELECT
        l.campaign_id,
        l.reported_count,
        sum(b.message_count) / l.reported_count AS unknown_share
    FROM live_campaigns($as_of, $report_window_hours) AS l
    INNER JOIN marts.code_breakdown AS b ON l.campaign_id = b.campaign_id
    WHERE NOT b.is_known AND l.reported_count >= $min_message_count
    GROUP BY l.campaign_id, l.reported_count
)

SELECT
    campaign_id,
    NULL AS subject,
    reported_count AS message_count,
    unknown_share AS value,
    $max_unknown_code_share AS bound
FROM shares
WHERE unknown_share > $max_unknown_code_share
ORDER BY campaign_id
