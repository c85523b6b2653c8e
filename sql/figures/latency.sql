-- figure latency: one row per second or more, on a logarithmic scale, with the messages delivered until then.
-- Input: main.messages. Parameter: $campaign_id.
-- Twelve steps for each tenfold; what was there at once, or before it left by the gateway's clock, counts as 1 s.
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
