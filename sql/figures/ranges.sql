-- figure ranges: one row per carrier of the number ranges, or per province, with the outcome of its accepted messages.
-- Input: marts.carrier_delivery.
-- Parameters: $campaign_id, $range_kind (carrier or province).
WITH named AS (
    SELECT
        CASE WHEN $range_kind = 'carrier' THEN range_carrier ELSE range_province END AS range_name,
        CASE WHEN $range_kind = 'carrier' THEN range_carrier_zh ELSE range_province_zh END AS range_name_zh,
        accepted_total_count,
        delivered_count
    FROM marts.carrier_delivery
    WHERE campaign_id = $campaign_id
),

groups AS (
    SELECT
        range_name,
        range_name_zh,
        cast(sum(accepted_total_count) AS BIGINT) AS accepted_total_count,
        cast(sum(delivered_count) AS BIGINT) AS delivered_count
    FROM named
    GROUP BY range_name, range_name_zh
    HAVING sum(accepted_total_count) > 0
)

SELECT
    *,
    delivered_count / accepted_total_count AS rate,
    wilson_low(delivered_count, accepted_total_count) AS rate_low,
    wilson_high(delivered_count, accepted_total_count) AS rate_high
FROM groups
ORDER BY accepted_total_count DESC, range_name ASC
