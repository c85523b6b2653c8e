-- marts.campaign_delivery: one row per campaign: every status, the three rates with their 95 % Wilson intervals, times, replies.
-- Inputs: core.campaigns, core.message_counts, core.latency_percentiles, core.reply_matches.
-- Parameters: $as_of, $report_window_hours, $price_per_segment (null: no money is shown).
WITH campaigns AS (
    SELECT
        c.campaign_id,
        status_counts(n.status, n.message_count, n.segment_count) AS counts,
        cast(coalesce(sum(n.segment_count) FILTER (WHERE n.status = 'failed'), 0) AS BIGINT) AS failed_segment_count,
        min(n.submitted_at) AS first_submitted_at,
        max(n.submitted_at) AS last_submitted_at
    FROM core.campaigns AS c
    LEFT JOIN core.message_counts AS n ON c.campaign_id = n.campaign_id
    GROUP BY c.campaign_id
),

rated AS (
    SELECT
        r.*,
        delivery_rates(r.counts.delivered_count, r.counts.reported_count, r.counts.accepted_total_count) AS rates
    FROM campaigns AS r
),

replies AS (
    SELECT
        campaign_id,
        count(*) AS reply_count,
        count(*) FILTER (WHERE is_opt_out) AS opt_out_count,
        count(*) FILTER (WHERE is_near_opt_out) AS near_opt_out_count
    FROM core.reply_matches
    WHERE campaign_id IS NOT NULL
    GROUP BY campaign_id
)

SELECT
    c.campaign_id,
    unnest(n.counts),
    unnest(n.rates),
    l.latency_p50_seconds,
    l.latency_p90_seconds,
    l.latency_p99_seconds,
    coalesce(r.reply_count, 0) AS reply_count,
    coalesce(r.opt_out_count, 0) AS opt_out_count,
    coalesce(r.near_opt_out_count, 0) AS near_opt_out_count,
    n.failed_segment_count,
    n.counts.accepted_segment_count * cast($price_per_segment AS DOUBLE) AS accepted_cost,
    n.failed_segment_count * cast($price_per_segment AS DOUBLE) AS failed_cost,
    c.planned_at,
    n.first_submitted_at,
    n.last_submitted_at,
    c.is_paused,
    coalesce(n.counts.planned_count = 0 AND n.last_submitted_at < $as_of - to_hours($report_window_hours), FALSE) AS is_mature
FROM core.campaigns AS c
INNER JOIN rated AS n ON c.campaign_id = n.campaign_id
LEFT JOIN core.latency_percentiles AS l ON c.campaign_id = l.campaign_id
LEFT JOIN replies AS r ON c.campaign_id = r.campaign_id
ORDER BY c.planned_at, c.campaign_id
