-- figure latency: one row per latency on a logarithmic scale, from 1 s, with the messages delivered up to then.
-- Input: main.messages. Parameter: $campaign_id.
-- Twelve steps per power of ten; a delivery at once, or before submission by the gateway's clock, counts as 1 s.
WITH steps AS (
    SELECT
        cast(ceil(12 * log10(greatest(latency_seconds, 1))) AS INTEGER) AS step,
        count(*) AS message_count
    FROM main.messages
    WHERE campaign_id = $campaign_id AND status = 'delivered'
    GROUP BY step
)

SELECT
    power(10, step / 12.0) AS within_seconds,
    cast(sum(message_count) OVER (ORDER BY step) AS BIGINT) AS delivered_count,
    sum(message_count) OVER (ORDER BY step) / sum(message_count) OVER () AS share
FROM steps
ORDER BY within_seconds
