-- marts.daily_delivery: one row per campaign and day of sending (Asia/Shanghai); rows that were never in a batch have no day
-- and stand in one row with submitted_on null, so that the days of a campaign add up to its file.
-- Input: core.message_counts. Parameters: $as_of, $report_window_hours.
WITH counts AS (
    SELECT
        campaign_id,
        submitted_on,
        cast(sum(message_count) AS BIGINT) AS row_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'invalid'), 0) AS BIGINT) AS invalid_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'duplicate'), 0) AS BIGINT) AS duplicate_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'suppressed'), 0) AS BIGINT) AS suppressed_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'planned'), 0) AS BIGINT) AS planned_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'refused'), 0) AS BIGINT) AS refused_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'in_doubt'), 0) AS BIGINT) AS in_doubt_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'accepted'), 0) AS BIGINT) AS accepted_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'unreported'), 0) AS BIGINT) AS unreported_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'delivered'), 0) AS BIGINT) AS delivered_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'failed'), 0) AS BIGINT) AS failed_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0) AS BIGINT)
            AS accepted_total_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status IN ('delivered', 'failed')), 0) AS BIGINT) AS reported_count,
        cast(coalesce(sum(segment_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0) AS BIGINT)
            AS accepted_segment_count,
        min(submitted_at) AS first_submitted_at,
        max(submitted_at) AS last_submitted_at
    FROM core.message_counts
    GROUP BY campaign_id, submitted_on
)

SELECT
    campaign_id,
    submitted_on,
    row_count,
    invalid_count,
    duplicate_count,
    suppressed_count,
    planned_count,
    refused_count,
    in_doubt_count,
    accepted_count,
    unreported_count,
    delivered_count,
    failed_count,
    accepted_total_count,
    reported_count,
    accepted_segment_count,
    delivered_count / nullif(accepted_total_count, 0) AS delivered_of_accepted_rate,
    wilson_low(delivered_count, accepted_total_count) AS delivered_of_accepted_rate_low,
    wilson_high(delivered_count, accepted_total_count) AS delivered_of_accepted_rate_high,
    delivered_count / nullif(reported_count, 0) AS delivered_of_reported_rate,
    wilson_low(delivered_count, reported_count) AS delivered_of_reported_rate_low,
    wilson_high(delivered_count, reported_count) AS delivered_of_reported_rate_high,
    reported_count / nullif(accepted_total_count, 0) AS coverage_rate,
    wilson_low(reported_count, accepted_total_count) AS coverage_rate_low,
    wilson_high(reported_count, accepted_total_count) AS coverage_rate_high,
    first_submitted_at,
    last_submitted_at,
    coalesce(last_submitted_at < $as_of - to_hours($report_window_hours), FALSE) AS is_mature
FROM counts
ORDER BY campaign_id, submitted_on NULLS LAST
