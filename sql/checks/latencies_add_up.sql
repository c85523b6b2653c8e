-- marts.latency_histogram has all delivered messages of every campaign, each in one of the 12 buckets.
-- Inputs: core.campaigns, core.message_counts, marts.latency_histogram.
WITH delivered AS (
    SELECT
        campaign_id,
        sum(message_count) FILTER (WHERE status = 'delivered') AS message_count
    FROM core.message_counts
    GROUP BY campaign_id
),

histograms AS (
    SELECT
        campaign_id,
        count(*) AS bucket_count,
        sum(delivered_count) AS delivered_count,
        max(cumulative_count) AS cumulative_count
    FROM marts.latency_histogram
    GROUP BY campaign_id
)

SELECT
    'campaign ' || c.campaign_id || ': ' || coalesce(d.message_count, 0) || ' delivered, ' || coalesce(h.delivered_count, 0)
    || ' in ' || coalesce(h.bucket_count, 0) || ' buckets, up to ' || coalesce(h.cumulative_count, 0) AS finding
FROM core.campaigns AS c
LEFT JOIN delivered AS d ON c.campaign_id = d.campaign_id
LEFT JOIN histograms AS h ON c.campaign_id = h.campaign_id
WHERE
    coalesce(h.bucket_count, 0) <> 12
    OR h.delivered_count <> coalesce(d.message_count, 0)
    OR h.cumulative_count <> h.delivered_count
