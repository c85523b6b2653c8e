-- marts.daily_delivery: one row per campaign and day of sending (Asia/Shanghai); rows that never were in a batch are one row with
-- submitted_on null, so that the days of a campaign add up to its file.
-- Input: core.message_counts. Parameters: $as_of, $report_window_hours.
WITH days AS (
    SELECT
        campaign_id,
        submitted_on,
        status_counts(status, message_count, segment_count) AS counts,
        min(submitted_at) AS first_submitted_at,
        max(submitted_at) AS last_submitted_at
    FROM core.message_counts
    GROUP BY campaign_id, submitted_on
),

rated AS (
    SELECT
        r.*,
        delivery_rates(r.counts.delivered_count, r.counts.reported_count, r.counts.accepted_total_count) AS rates
    FROM days AS r
)

SELECT
    d.campaign_id,
    d.submitted_on,
    unnest(d.counts),
    unnest(d.rates),
    d.first_submitted_at,
    d.last_submitted_at,
    coalesce(d.last_submitted_at < $as_of - to_hours($report_window_hours), FALSE) AS is_mature
FROM rated AS d
ORDER BY d.campaign_id, d.submitted_on NULLS LAST
