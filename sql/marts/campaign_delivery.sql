-- marts.campaign_delivery: one row per campaign: every status, the three rates with their 95 % Wilson intervals, times, replies.
-- Inputs: core.campaigns, core.message_counts, core.message_status (latencies), core.reply_matches.
-- Parameters: $as_of, $report_window_hours, $price_per_segment (null: no money is shown).
WITH counts AS (
    SELECT
        campaign_id,
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
        cast(coalesce(sum(segment_count) FILTER (WHERE status = 'failed'), 0) AS BIGINT) AS failed_segment_count,
        min(submitted_at) AS first_submitted_at,
        max(submitted_at) AS last_submitted_at
    FROM core.message_counts
    GROUP BY campaign_id
),

latencies AS (
    SELECT
        campaign_id,
        percentile_cont(0.50) WITHIN GROUP (ORDER BY latency_seconds) AS latency_p50_seconds,
        percentile_cont(0.90) WITHIN GROUP (ORDER BY latency_seconds) AS latency_p90_seconds,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_seconds) AS latency_p99_seconds
    FROM core.message_status
    WHERE delivered_at IS NOT NULL
    GROUP BY campaign_id
),

replies AS (
    SELECT
        campaign_id,
        count(*) AS reply_count,
        count(*) FILTER (WHERE is_opt_out) AS opt_out_count
    FROM core.reply_matches
    WHERE campaign_id IS NOT NULL
    GROUP BY campaign_id
)

SELECT
    c.campaign_id,
    coalesce(n.row_count, 0) AS row_count,
    coalesce(n.invalid_count, 0) AS invalid_count,
    coalesce(n.duplicate_count, 0) AS duplicate_count,
    coalesce(n.suppressed_count, 0) AS suppressed_count,
    coalesce(n.planned_count, 0) AS planned_count,
    coalesce(n.refused_count, 0) AS refused_count,
    coalesce(n.in_doubt_count, 0) AS in_doubt_count,
    coalesce(n.accepted_count, 0) AS accepted_count,
    coalesce(n.unreported_count, 0) AS unreported_count,
    coalesce(n.delivered_count, 0) AS delivered_count,
    coalesce(n.failed_count, 0) AS failed_count,
    coalesce(n.accepted_total_count, 0) AS accepted_total_count,
    coalesce(n.reported_count, 0) AS reported_count,
    coalesce(n.accepted_segment_count, 0) AS accepted_segment_count,
    n.delivered_count / nullif(n.accepted_total_count, 0) AS delivered_of_accepted_rate,
    wilson_low(n.delivered_count, n.accepted_total_count) AS delivered_of_accepted_rate_low,
    wilson_high(n.delivered_count, n.accepted_total_count) AS delivered_of_accepted_rate_high,
    n.delivered_count / nullif(n.reported_count, 0) AS delivered_of_reported_rate,
    wilson_low(n.delivered_count, n.reported_count) AS delivered_of_reported_rate_low,
    wilson_high(n.delivered_count, n.reported_count) AS delivered_of_reported_rate_high,
    n.reported_count / nullif(n.accepted_total_count, 0) AS coverage_rate,
    wilson_low(n.reported_count, n.accepted_total_count) AS coverage_rate_low,
    wilson_high(n.reported_count, n.accepted_total_count) AS coverage_rate_high,
    l.latency_p50_seconds,
    l.latency_p90_seconds,
    l.latency_p99_seconds,
    coalesce(r.reply_count, 0) AS reply_count,
    coalesce(r.opt_out_count, 0) AS opt_out_count,
    coalesce(n.failed_segment_count, 0) AS failed_segment_count,
    coalesce(n.accepted_segment_count, 0) * cast($price_per_segment AS DOUBLE) AS accepted_cost,
    coalesce(n.failed_segment_count, 0) * cast($price_per_segment AS DOUBLE) AS failed_cost,
    c.planned_at,
    n.first_submitted_at,
    n.last_submitted_at,
    c.is_paused,
    coalesce(n.planned_count = 0 AND n.last_submitted_at < $as_of - to_hours($report_window_hours), FALSE) AS is_mature
FROM core.campaigns AS c
LEFT JOIN counts AS n ON c.campaign_id = n.campaign_id
LEFT JOIN latencies AS l ON c.campaign_id = l.campaign_id
LEFT JOIN replies AS r ON c.campaign_id = r.campaign_id
ORDER BY c.planned_at, c.campaign_id
