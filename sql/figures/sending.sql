-- figure sending: one row per twentieth of the campaign's accepted messages, in the order in which their batches were sent.
-- Input: marts.batch_delivery. Parameter: $campaign_id.
-- A batch belongs to the twentieth that contains its first message.
WITH batches AS (
    SELECT
        submitted_at,
        accepted_total_count,
        delivered_count,
        sum(accepted_total_count) OVER (ORDER BY submitted_at, batch_num) AS so_far_count,
        sum(accepted_total_count) OVER () AS all_count
    FROM marts.batch_delivery
    WHERE campaign_id = $campaign_id AND accepted_total_count > 0
),

parts AS (
    SELECT
        cast(floor(20 * (so_far_count - accepted_total_count) / all_count) AS INTEGER) AS part,
        min(submitted_at) AS first_submitted_at,
        cast(max(so_far_count) AS BIGINT) AS so_far_count,
        cast(sum(accepted_total_count) AS BIGINT) AS accepted_total_count,
        cast(sum(delivered_count) AS BIGINT) AS delivered_count
    FROM batches
    GROUP BY part
)

SELECT
    *,
    delivered_count / accepted_total_count AS rate,
    wilson_low(delivered_count, accepted_total_count) AS rate_low,
    wilson_high(delivered_count, accepted_total_count) AS rate_high
FROM parts
ORDER BY part
