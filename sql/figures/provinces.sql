-- figure provinces: one row per province of the number ranges, the largest twelve, with how its accepted messages fared.
-- Inputs: marts.carrier_delivery, the macros of sql/functions/wilson.sql. Parameter: $campaign_id.
WITH groups AS (
    SELECT
        range_province,
        range_province_zh,
        cast(sum(accepted_total_count) AS BIGINT) AS accepted_total_count,
        cast(sum(delivered_count) AS BIGINT) AS delivered_count
    FROM marts.carrier_delivery
    WHERE campaign_id = $campaign_id
    GROUP BY range_province, range_province_zh
    HAVING sum(accepted_total_count) > 0
)

SELECT
    *,
    delivered_count / accepted_total_count AS rate,
    wilson_low(delivered_count, accepted_total_count) AS rate_low,
    wilson_high(delivered_count, accepted_total_count) AS rate_high
FROM groups
ORDER BY accepted_total_count DESC, range_province ASC
LIMIT 12
