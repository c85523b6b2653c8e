-- core.latency_percentiles: one row per campaign with a delivered message: seconds from submission to delivery.
-- Input: core.message_status.
SELECT
    campaign_id,
    percentile_cont(0.50) WITHIN GROUP (ORDER BY latency_seconds) AS latency_p50_seconds,
    percentile_cont(0.90) WITHIN GROUP (ORDER BY latency_seconds) AS latency_p90_seconds,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_seconds) AS latency_p99_seconds
FROM core.message_status
WHERE delivered_at IS NOT NULL
GROUP BY campaign_id
