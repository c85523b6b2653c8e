-- marts.latency_histogram: one row per campaign and bucket, empty buckets included: delivered messages by whole seconds from submission to
-- delivery. Inputs: marts.campaign_delivery, core.message_status.
-- The gateway's times are whole seconds, and clocks differ: one second before submission still counts as "up to 5 s".
WITH buckets AS (
    SELECT
        edges.bucket_num,
        edges.bucket,
        edges.lower_seconds,
        edges.upper_seconds
    FROM (
        VALUES
        (0, 'before submission', NULL, -2),
        (1, 'up to 5 s', -1, 5),
        (2, 'up to 10 s', 6, 10),
        (3, 'up to 30 s', 11, 30),
        (4, 'up to 1 min', 31, 60),
        (5, 'up to 5 min', 61, 300),
        (6, 'up to 15 min', 301, 900),
        (7, 'up to 1 h', 901, 3600),
        (8, 'up to 6 h', 3601, 21600),
        (9, 'up to 24 h', 21601, 86400),
        (10, 'up to 72 h', 86401, 259200),
        (11, 'later', 259201, NULL)
    ) AS edges (bucket_num, bucket, lower_seconds, upper_seconds)
),

seconds AS (
    SELECT
        campaign_id,
        latency_seconds,
        count(*) AS message_count
    FROM core.message_status
    WHERE status = 'delivered'
    GROUP BY campaign_id, latency_seconds
),

counts AS (
    SELECT
        s.campaign_id,
        b.bucket_num,
        cast(sum(s.message_count) AS BIGINT) AS delivered_count
    FROM seconds AS s
    INNER JOIN buckets AS b
        ON
            coalesce(s.latency_seconds >= b.lower_seconds, TRUE)
            AND coalesce(s.latency_seconds <= b.upper_seconds, TRUE)
    GROUP BY s.campaign_id, b.bucket_num
),

filled AS (
    SELECT
        d.campaign_id,
        b.bucket_num,
        b.bucket,
        b.lower_seconds,
        b.upper_seconds,
        coalesce(n.delivered_count, 0) AS delivered_count,
        cast(
            sum(coalesce(n.delivered_count, 0)) OVER (PARTITION BY d.campaign_id ORDER BY b.bucket_num) AS BIGINT
        ) AS cumulative_count,
        d.delivered_count AS campaign_delivered_count,
        d.is_mature
    FROM marts.campaign_delivery AS d
    CROSS JOIN buckets AS b
    LEFT JOIN counts AS n ON d.campaign_id = n.campaign_id AND b.bucket_num = n.bucket_num
)

SELECT
    campaign_id,
    bucket_num,
    bucket,
    lower_seconds,
    upper_seconds,
    delivered_count,
    cumulative_count,
    delivered_count / nullif(campaign_delivered_count, 0) AS of_delivered_rate,
    cumulative_count / nullif(campaign_delivered_count, 0) AS cumulative_rate,
    is_mature
FROM filled
ORDER BY campaign_id, bucket_num
