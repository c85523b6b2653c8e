-- alert delivery_rate_drop: one row per live campaign whose delivery rate is surely below the usual: even the upper end of its 95 % Wilson
-- interval is below the median of the same rate of comparable campaigns, less the tolerance.
-- Inputs: live_campaigns, comparable_campaigns (with core.recipients), marts.campaign_delivery.
-- Parameters: $as_of, $report_window_hours, $max_drop_below_median, $min_message_count.
WITH usual AS (
    SELECT
        l.campaign_id,
        median(CASE WHEN l.is_mature THEN e.delivered_of_accepted_rate ELSE e.delivered_of_reported_rate END) AS rate
    FROM live_campaigns($as_of, $report_window_hours) AS l
    INNER JOIN comparable_campaigns($min_message_count, 'core.recipients') AS c ON l.campaign_id = c.campaign_id
    INNER JOIN marts.campaign_delivery AS e ON c.earlier_campaign_id = e.campaign_id
    GROUP BY l.campaign_id
)

SELECT
    l.campaign_id,
    l.rated AS subject,
    l.rated_count AS message_count,
    l.rate AS value,
    u.rate - $max_drop_below_median AS bound
FROM live_campaigns($as_of, $report_window_hours) AS l
INNER JOIN usual AS u ON l.campaign_id = u.campaign_id
WHERE l.rated_count >= $min_message_count AND l.rate_high < u.rate - $max_drop_below_median
ORDER BY l.campaign_id
