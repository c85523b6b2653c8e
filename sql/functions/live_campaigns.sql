-- live_campaigns: one row per campaign whose last report window is open, or closed less than a day ago, with the rate to judge it by:
-- delivered of the messages reported so far; once the campaign is mature, delivered of the messages accepted.
-- Input: marts.campaign_delivery. Arguments: as_of, report_window_hours.
CREATE OR REPLACE MACRO live_campaigns(as_of, report_window_hours) AS TABLE
    SELECT
        campaign_id,
        is_mature,
        reported_count,
        CASE WHEN is_mature THEN 'accepted' ELSE 'reported' END AS rated,
        CASE WHEN is_mature THEN accepted_total_count ELSE reported_count END AS rated_count,
        CASE WHEN is_mature THEN delivered_of_accepted_rate ELSE delivered_of_reported_rate END AS rate,
        CASE WHEN is_mature THEN delivered_of_accepted_rate_high ELSE delivered_of_reported_rate_high END AS rate_high
    FROM marts.campaign_delivery
    WHERE last_submitted_at >= as_of - to_hours(report_window_hours + 24);
